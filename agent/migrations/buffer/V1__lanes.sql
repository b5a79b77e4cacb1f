-- One row per lane of this file. `bytes` is kept up to date so that opening never has to count.
CREATE TABLE lane (
    lane      INTEGER PRIMARY KEY,
    epoch     INTEGER NOT NULL,
    next_seq  INTEGER NOT NULL,
    acked_seq INTEGER NOT NULL,
    bytes     INTEGER NOT NULL
);
-- Encoded batches that the collector has not confirmed, one table per lane so that appends stay sequential.
CREATE TABLE batch_1 (first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, digest INTEGER NOT NULL,
                      catalogue INTEGER NOT NULL, made_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE batch_2 (first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, digest INTEGER NOT NULL,
                      catalogue INTEGER NOT NULL, made_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE batch_3 (first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, digest INTEGER NOT NULL,
                      catalogue INTEGER NOT NULL, made_ms INTEGER NOT NULL, body BLOB NOT NULL);
-- Digests of the latest confirmed batches, for the hello.
CREATE TABLE confirmed (
    lane      INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    digest    INTEGER NOT NULL,
    PRIMARY KEY (lane, first_seq)
) WITHOUT ROWID;
-- The open gap of a lane: what a limit dropped from its front. It becomes a batch when its turn comes.
CREATE TABLE gap (
    lane         INTEGER PRIMARY KEY,
    first_seq    INTEGER NOT NULL,
    last_seq     INTEGER NOT NULL,
    reason       INTEGER NOT NULL,
    from_ms      INTEGER NOT NULL,
    to_ms        INTEGER NOT NULL,
    devices      TEXT NOT NULL,
    more_devices INTEGER NOT NULL
);
-- Catalogues that batches refer to. `until_seq` is the last number written under a replaced catalogue.
CREATE TABLE catalogue (hash INTEGER PRIMARY KEY, until_seq INTEGER, body BLOB NOT NULL);
-- The last value of counters whose steps are events; it moves in the transaction that stores the events.
CREATE TABLE baseline (
    device TEXT NOT NULL,
    point  TEXT NOT NULL,
    value  INTEGER NOT NULL,
    PRIMARY KEY (device, point)
) WITHOUT ROWID;
