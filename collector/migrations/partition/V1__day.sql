-- One UTC day of corrected time.

-- Rows of one read group of one batch, in the encoding in which they came. Rows of other days and rows below
-- from_seq stand in the same bytes; they are left out when the block is read.
CREATE TABLE blocks (
    agent       TEXT NOT NULL,
    epoch       TEXT NOT NULL,
    first_seq   INTEGER NOT NULL,
    from_seq    INTEGER NOT NULL,
    part        INTEGER NOT NULL,
    site        TEXT NOT NULL,
    key         TEXT NOT NULL,
    group_name  TEXT NOT NULL,
    catalogue   TEXT NOT NULL,
    t_min       INTEGER NOT NULL,
    t_max       INTEGER NOT NULL,
    rows        INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    boot        TEXT NOT NULL,
    boot_ms     INTEGER NOT NULL,
    wall_ms     INTEGER NOT NULL,
    trusted     INTEGER NOT NULL,
    shift_ms    INTEGER NOT NULL,
    time_status TEXT NOT NULL,
    problem     TEXT NOT NULL,
    body        BLOB NOT NULL,
    UNIQUE (agent, epoch, from_seq, part)
);
CREATE INDEX blocks_series ON blocks (agent, key, t_max);

CREATE TABLE events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ms     INTEGER NOT NULL,
    site        TEXT NOT NULL,
    agent       TEXT NOT NULL,
    key         TEXT NOT NULL,
    kind        TEXT NOT NULL,
    details     TEXT NOT NULL,
    late        INTEGER NOT NULL,
    time_status TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    epoch       TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    -- A record that could not be read: counted here, kept in quarantine, never shown as an event.
    opaque      INTEGER NOT NULL,
    UNIQUE (agent, epoch, seq)
);
CREATE INDEX events_time ON events (time_ms, id) WHERE opaque = 0;
CREATE INDEX events_device ON events (agent, key, time_ms, id) WHERE opaque = 0;
