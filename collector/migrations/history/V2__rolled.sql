-- Days whose hours and minutes are summed up.
CREATE TABLE rolled (
    day INTEGER PRIMARY KEY NOT NULL
);
-- Devices that got readings of such a day afterwards; their sums are made again.
CREATE TABLE dirty (
    day   INTEGER NOT NULL,
    agent TEXT NOT NULL,
    key   TEXT NOT NULL,
    PRIMARY KEY (day, agent, key)
) WITHOUT ROWID;

-- Readings of earlier versions stood in files that are read no longer: what the log still has is read again.
DELETE FROM cursors;
