-- What days that are gone had accounted for, so that every number still is.
CREATE TABLE removed (
    agent TEXT NOT NULL,
    epoch TEXT NOT NULL,
    lane  INTEGER NOT NULL,
    rows  INTEGER NOT NULL,
    PRIMARY KEY (agent, epoch, lane)
) WITHOUT ROWID;
-- Days whose files are being deleted: they count in the table above, and no longer by themselves.
CREATE TABLE removing (
    day INTEGER PRIMARY KEY NOT NULL
);
