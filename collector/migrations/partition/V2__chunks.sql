-- Rows of read groups in sealed chunks, instead of one block for each group of each batch.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) WITHOUT ROWID;
-- Rows of log entries up to this one are in this file. It moves in the commit that writes them.
INSERT INTO meta (name, value) VALUES ('through', 0);

CREATE TABLE groups (
    id    INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    key   TEXT NOT NULL,
    name  TEXT NOT NULL,
    site  TEXT NOT NULL,
    class TEXT NOT NULL,
    -- What the group has in this file: its chunks, their rows, and the bytes of their bodies.
    chunks INTEGER NOT NULL DEFAULT 0,
    rows   INTEGER NOT NULL DEFAULT 0,
    bytes  INTEGER NOT NULL DEFAULT 0,
    UNIQUE (agent, key, name, site, class)
);

-- The columns of a chunk, as JSON.
CREATE TABLE layouts (
    id      INTEGER PRIMARY KEY,
    columns TEXT NOT NULL UNIQUE
);

CREATE TABLE chunks (
    id          INTEGER PRIMARY KEY,
    group_id    INTEGER NOT NULL,
    layout_id   INTEGER NOT NULL,
    -- The first log entry that it holds rows of; rows of one time are told in this order.
    first_entry INTEGER NOT NULL,
    t_min       INTEGER NOT NULL,
    t_max       INTEGER NOT NULL,
    rows        INTEGER NOT NULL,
    -- CRC-32 of the body.
    checksum    INTEGER NOT NULL,
    -- Before the body, so that it is known without reading it.
    bytes       INTEGER GENERATED ALWAYS AS (length(body)) STORED,
    body        BLOB NOT NULL
);
CREATE INDEX chunks_group ON chunks (group_id, t_max);
CREATE TRIGGER chunk_added AFTER INSERT ON chunks BEGIN
    UPDATE groups SET chunks = chunks + 1, rows = rows + new.rows, bytes = bytes + new.bytes
    WHERE id = new.group_id;
END;
CREATE TRIGGER chunk_removed AFTER DELETE ON chunks BEGIN
    UPDATE groups SET chunks = chunks - 1, rows = rows - old.rows, bytes = bytes - old.bytes
    WHERE id = old.group_id;
END;

-- Numbers that this file accounts for, by epoch: its rows, those left out because they repeat another, and those
-- that did not open.
CREATE TABLE counts (
    agent    TEXT NOT NULL,
    epoch    TEXT NOT NULL,
    rows     INTEGER NOT NULL,
    PRIMARY KEY (agent, epoch)
) WITHOUT ROWID;

-- Rows that did not open; they are kept in quarantine.
CREATE TABLE unopened (
    agent    TEXT NOT NULL,
    epoch    TEXT NOT NULL,
    from_seq INTEGER NOT NULL,
    rows     INTEGER NOT NULL,
    problem  TEXT NOT NULL,
    PRIMARY KEY (agent, epoch, from_seq)
) WITHOUT ROWID;

-- Events that were deleted before the rest of the day.
CREATE TABLE removed_events (
    agent TEXT NOT NULL,
    epoch TEXT NOT NULL,
    rows  INTEGER NOT NULL,
    PRIMARY KEY (agent, epoch)
) WITHOUT ROWID;

DROP TABLE blocks;
