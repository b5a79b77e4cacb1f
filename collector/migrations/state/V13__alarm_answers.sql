-- Since when an alarm asks somebody to look at it; NULL: it never did, as another explained it or somebody worked there.
ALTER TABLE alarms ADD COLUMN asked_ms INTEGER;
-- For how long it stood, all its times together.
ALTER TABLE alarms ADD COLUMN stood_ms INTEGER NOT NULL DEFAULT 0;
UPDATE alarms SET asked_ms = last_raised_ms WHERE hidden_by IS NULL AND NOT maintenance;
UPDATE alarms SET stood_ms = repair_ms WHERE repair_ms IS NOT NULL;
