-- Tells the last of those events from another one with the same id: a day's partition may have been made anew. 0: a version
-- that knew no marks wrote it.
ALTER TABLE days ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
