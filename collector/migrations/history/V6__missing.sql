-- Entries of the log up to this one are read again for the day.
ALTER TABLE damaged ADD COLUMN through INTEGER;
-- What arrived before this time was in the log no longer.
ALTER TABLE damaged ADD COLUMN lost_to_ms INTEGER;

-- Times of which something is missing, because it was damaged. Every device's where agent and key are empty.
CREATE TABLE missing (
    day      INTEGER NOT NULL,
    agent    TEXT NOT NULL,
    key      TEXT NOT NULL,
    from_ms  INTEGER NOT NULL,
    to_ms    INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    -- Whether readings may be missing, and whether sums may lack some.
    readings INTEGER NOT NULL,
    sums     INTEGER NOT NULL,
    PRIMARY KEY (day, agent, key, from_ms, to_ms, reason)
) WITHOUT ROWID;
INSERT INTO missing (day, agent, key, from_ms, to_ms, reason, readings, sums)
    SELECT day, '', '', day * 86400000, (day + 1) * 86400000, 'damaged', 1, max(1 - summed)
    FROM damaged WHERE day IS NOT NULL GROUP BY day;
