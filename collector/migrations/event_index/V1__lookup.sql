-- Where events are found by what they say: made from the partitions of a month, and made again from them if it is lost.

-- The part comes first: what is written today lies together, and the days of a part share one descent.
CREATE TABLE lookup (
    part    INTEGER NOT NULL,
    hash    INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    id      INTEGER NOT NULL,
    PRIMARY KEY (part, hash, time_ms, id)
) WITHOUT ROWID;

-- Events of the day up to this id are here.
CREATE TABLE days (
    day     INTEGER PRIMARY KEY NOT NULL,
    through INTEGER NOT NULL
);
