-- How the day was summed up: what was made in an earlier way is made again while its readings are there.
ALTER TABLE rolled ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
-- Files of days, or of sums, that were damaged and were set aside under another name.
CREATE TABLE damaged (
    id       INTEGER PRIMARY KEY,
    -- The name it had, and the name it has now.
    file     TEXT NOT NULL,
    aside    TEXT NOT NULL UNIQUE,
    found_ms INTEGER NOT NULL,
    -- The day, if it was a day's.
    day      INTEGER,
    -- Whether the day was summed up: its sums stay as they are then, because they know more than what is left.
    summed   INTEGER NOT NULL,
    -- Whether what the log still has of it has been read again.
    done     INTEGER NOT NULL DEFAULT 0
);
