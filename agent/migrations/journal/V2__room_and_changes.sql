-- Counts what was changed, so that an older copy can be told from the journal it was taken of.
ALTER TABLE journal ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
-- Space that is given back, row by row, when the disk is full.
CREATE TABLE reserve (id INTEGER PRIMARY KEY, filler BLOB NOT NULL);
