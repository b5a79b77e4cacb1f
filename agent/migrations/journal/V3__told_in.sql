-- The urgent lane that was told of what is marked as reported. What was told in another one may have been lost with it.
ALTER TABLE journal ADD COLUMN told_in INTEGER NOT NULL DEFAULT 0;
