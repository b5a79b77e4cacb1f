-- Whether a batch is a gap, which a hello tells.
ALTER TABLE batch_1 ADD COLUMN gap INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batch_2 ADD COLUMN gap INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batch_3 ADD COLUMN gap INTEGER NOT NULL DEFAULT 0;
ALTER TABLE confirmed ADD COLUMN gap INTEGER NOT NULL DEFAULT 0;
-- Space that is given back, row by row, when the disk is full.
CREATE TABLE reserve (id INTEGER PRIMARY KEY, filler BLOB NOT NULL);
-- In urgent.db: readings are not being kept. Updated in place, so that it survives a power cut on a full disk.
CREATE TABLE pause (
    only_row     INTEGER PRIMARY KEY CHECK (only_row = 1),
    id           INTEGER NOT NULL,
    reason       INTEGER NOT NULL,
    since_ms     INTEGER NOT NULL,
    until_ms     INTEGER NOT NULL,
    lost         INTEGER NOT NULL,
    devices      TEXT NOT NULL,
    more_devices INTEGER NOT NULL
);
-- In readings.db: the last pause that a gap has told of.
CREATE TABLE told (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), pause INTEGER NOT NULL);
-- Where the lanes of the other file stand, in case that file is lost.
CREATE TABLE mark (
    lane      INTEGER PRIMARY KEY,
    epoch     INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    acked_seq INTEGER NOT NULL,
    from_ms   INTEGER NOT NULL,
    to_ms     INTEGER NOT NULL
);
-- In urgent.db: how far the command journal is known to have come. One that is behind is an older copy.
CREATE TABLE journal_mark (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    incarnation INTEGER NOT NULL,
    changes     INTEGER NOT NULL
);
