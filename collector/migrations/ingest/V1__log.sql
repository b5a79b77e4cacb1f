-- The ingest log: what agents uploaded, in the order in which it was stored. Everything else is derived from it.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- How far each lane is on disk here. An agent's lane has one current epoch.
CREATE TABLE lanes (
    agent               TEXT NOT NULL,
    lane                INTEGER NOT NULL,
    epoch               TEXT NOT NULL,
    site                TEXT NOT NULL,
    stored_seq          INTEGER NOT NULL,
    current             INTEGER NOT NULL,
    gaps                INTEGER NOT NULL DEFAULT 0,
    gap_numbers         INTEGER NOT NULL DEFAULT 0,
    quarantined_batches INTEGER NOT NULL DEFAULT 0,
    registered_ms       INTEGER NOT NULL,
    PRIMARY KEY (agent, lane, epoch)
) WITHOUT ROWID;

-- Runs of numbers without a hole, kept beside the positions so that each can be checked against the other.
CREATE TABLE extents (
    agent     TEXT NOT NULL,
    lane      INTEGER NOT NULL,
    epoch     TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    kind      TEXT NOT NULL CHECK (kind IN ('stored', 'quarantined', 'lost')),
    PRIMARY KEY (agent, lane, epoch, first_seq)
) WITHOUT ROWID;

-- What the latest batches of each lane were, to tell a restored agent from an honest one.
CREATE TABLE digests (
    agent     TEXT NOT NULL,
    lane      INTEGER NOT NULL,
    epoch     TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    digest    TEXT NOT NULL,
    PRIMARY KEY (agent, lane, epoch, first_seq, last_seq)
) WITHOUT ROWID;

CREATE TABLE catalogues (
    agent       TEXT NOT NULL,
    hash        TEXT NOT NULL,
    site        TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    body        BLOB NOT NULL,
    PRIMARY KEY (agent, hash)
);

CREATE TABLE log (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT NOT NULL CHECK (kind IN ('batch', 'quarantined', 'lost', 'catalogue')),
    agent        TEXT NOT NULL,
    site         TEXT NOT NULL,
    lane         INTEGER NOT NULL,
    epoch        TEXT NOT NULL,
    first_seq    INTEGER NOT NULL,
    last_seq     INTEGER NOT NULL,
    -- Numbers below this one were stored by an earlier, overlapping batch.
    from_seq     INTEGER NOT NULL,
    digest       TEXT NOT NULL,
    received_ms  INTEGER NOT NULL,
    sent_boot    TEXT NOT NULL,
    sent_boot_ms INTEGER NOT NULL,
    sent_wall_ms INTEGER NOT NULL,
    sent_trusted INTEGER NOT NULL,
    shift_ms     INTEGER NOT NULL,
    time_status  TEXT NOT NULL,
    reason       TEXT NOT NULL,
    body         BLOB NOT NULL
);
