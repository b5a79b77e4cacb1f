-- What the settings say about alarms, written at each start, so that whoever clears an alarm finds it.
CREATE TABLE alarm_settings (
    only           INTEGER PRIMARY KEY CHECK (only = 1),
    -- How long an alarm that cleared and that somebody acknowledged stays open; NULL: until somebody closes it.
    close_after_ms INTEGER,
    -- An agent's alarm that is raised so often (0: never) within the time is held until it was quiet for so long.
    flap_raises    INTEGER NOT NULL,
    flap_within_ms INTEGER NOT NULL,
    flap_quiet_ms  INTEGER NOT NULL
);
INSERT INTO alarm_settings (only, close_after_ms, flap_raises, flap_within_ms, flap_quiet_ms)
    VALUES (1, 0, 5, 600000, 600000);

-- When it closes by itself.
ALTER TABLE alarms ADD COLUMN close_ms INTEGER;
-- Whether the agent's own word comes and goes, so that the alarm is held.
ALTER TABLE alarms ADD COLUMN edge_held INTEGER NOT NULL DEFAULT 0;
-- While it is held: since when the agent says that it is over; NULL while the agent says that it holds.
ALTER TABLE alarms ADD COLUMN edge_over_ms INTEGER;
CREATE INDEX alarms_close ON alarms (close_ms) WHERE close_ms IS NOT NULL;
CREATE INDEX alarms_edge_over ON alarms (edge_over_ms) WHERE edge_over_ms IS NOT NULL;
