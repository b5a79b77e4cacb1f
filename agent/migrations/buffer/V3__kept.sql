-- Until when everything is known to be kept, and whether the last run ended in order. Serves the readings.
ALTER TABLE lane ADD COLUMN kept_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lane ADD COLUMN in_order INTEGER NOT NULL DEFAULT 0;
UPDATE lane SET kept_ms = COALESCE((SELECT MAX(made_ms) FROM batch_3), 0) WHERE lane = 3;
-- Events that were counted from values of an earlier run, before the collector agreed to the numbers in this file.
ALTER TABLE batch_2 ADD COLUMN doubtful INTEGER NOT NULL DEFAULT 0;
CREATE INDEX doubtful_2 ON batch_2 (first_seq) WHERE doubtful = 1;
