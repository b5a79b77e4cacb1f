-- A journal that was lost or restored is another incarnation (ARCHITECTURE.md, invariant 6).
CREATE TABLE journal (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), incarnation INTEGER NOT NULL);
CREATE TABLE command (
    id          TEXT PRIMARY KEY,
    device      TEXT NOT NULL,
    action      TEXT NOT NULL,
    arguments   TEXT NOT NULL,
    by          TEXT,
    boot        INTEGER NOT NULL,
    deadline_ms INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    reason      TEXT NOT NULL DEFAULT '',
    results     TEXT NOT NULL DEFAULT '[]',
    reported    INTEGER NOT NULL DEFAULT 0,
    changed_ms  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX command_by_state ON command (state, reported);
CREATE INDEX command_by_change ON command (changed_ms);
