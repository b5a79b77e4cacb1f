-- Events are found by their site as well. Every file is filled again from the days, which have them all.
DROP TABLE lookup;
CREATE TABLE lookup (
    part    INTEGER NOT NULL,
    hash    INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    id      INTEGER NOT NULL,
    PRIMARY KEY (part, hash, time_ms, id)
) WITHOUT ROWID;
DELETE FROM days;
UPDATE settled SET slices = 0;
