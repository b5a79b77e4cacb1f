-- An epoch that lives in the agent's memory only; another epoch behind it goes on later.
ALTER TABLE lanes ADD COLUMN volatile INTEGER NOT NULL DEFAULT 0;
-- Another epoch took its place, and what the agent had not sent of it was said to be unknown.
ALTER TABLE lanes ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
UPDATE lanes SET ended = 1 WHERE NOT current;
