-- People who sign in, what they may do where, and who is signed in.
CREATE TABLE users (
    id            TEXT PRIMARY KEY NOT NULL,
    -- What is typed at the sign-in; upper and lower case are one.
    name          TEXT NOT NULL UNIQUE COLLATE NOCASE,
    display_name  TEXT NOT NULL,
    -- Argon2id in PHC form; NULL for somebody who signs in elsewhere.
    password_hash TEXT,
    -- Issuer and subject of somebody who signs in elsewhere.
    subject       TEXT UNIQUE,
    -- The password was made by somebody else and must be replaced first.
    must_change   INTEGER NOT NULL DEFAULT 0,
    created_ms    INTEGER NOT NULL,
    disabled_ms   INTEGER
);

CREATE TABLE grants (
    user_id TEXT NOT NULL REFERENCES users (id),
    role    TEXT NOT NULL,
    -- JSON list of sites; NULL for all.
    sites   TEXT,
    PRIMARY KEY (user_id, role)
) WITHOUT ROWID;

CREATE TABLE sign_ins (
    token_hash BLOB PRIMARY KEY NOT NULL,
    user_id    TEXT NOT NULL REFERENCES users (id),
    created_ms INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL,
    address    TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sign_ins_by_user ON sign_ins (user_id);

-- What people and systems did. Each row carries the hash of the one before, so that a changed or missing row shows.
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms      INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id   TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    address    TEXT NOT NULL,
    action     TEXT NOT NULL,
    -- Empty for what concerns no single site.
    site       TEXT NOT NULL,
    target     TEXT NOT NULL,
    -- A JSON object.
    detail     TEXT NOT NULL,
    hash       BLOB NOT NULL
);
CREATE INDEX audit_by_target ON audit (target, id);
CREATE INDEX audit_by_actor ON audit (actor_id, id);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit log is not changed'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit log is not deleted'); END;
