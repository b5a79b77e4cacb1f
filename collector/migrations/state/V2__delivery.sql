-- Commands that wait for the agent or for a person; the terms of the queries stand here word for word.
DROP INDEX commands_open;
CREATE INDEX commands_waiting ON commands (agent, number) WHERE state IN ('queued', 'held');
CREATE INDEX commands_open ON commands (agent, number) WHERE state IN ('queued', 'held', 'delivered', 'started');

-- When a change was made, on the clock of the agent's boot: wall clocks decide nothing.
ALTER TABLE alarms ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE alarms ADD COLUMN boot_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_health ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE device_health ADD COLUMN boot_ms INTEGER NOT NULL DEFAULT 0;

-- The time by the agent's own clock; alarms of this side have none.
ALTER TABLE alarm_log ADD COLUMN agent_time_ms INTEGER;
ALTER TABLE alarm_log ADD COLUMN time_status TEXT NOT NULL DEFAULT 'trusted';

-- How much of each agent went into quarantine, also of what was dropped from it since, and the bytes that are kept.
CREATE TABLE quarantine_counts (
    agent   TEXT PRIMARY KEY NOT NULL,
    site    TEXT NOT NULL,
    taken   INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    bytes   INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO quarantine_counts (agent, site, taken, dropped, bytes)
    SELECT agent, max(site), count(*), 0, sum(length(body)) FROM quarantine GROUP BY agent;
CREATE INDEX quarantine_agent ON quarantine (agent, id);

-- A token that is known no more; its hash was replaced.
ALTER TABLE agents ADD COLUMN revoked_ms INTEGER;
ALTER TABLE api_keys ADD COLUMN revoked_ms INTEGER;

-- What came and went while an agent could not be heard: one row for each outage.
CREATE TABLE outages (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    site           TEXT NOT NULL,
    agent          TEXT NOT NULL,
    -- The first late record, and when the first of them arrived.
    from_ms        INTEGER NOT NULL,
    to_ms          INTEGER NOT NULL,
    -- When the backlog had drained; NULL while it drains.
    complete_ms    INTEGER,
    last_log_id    INTEGER NOT NULL,
    -- The lanes whose backlog has not drained, as JSON.
    lanes          TEXT NOT NULL,
    digest         TEXT NOT NULL
);
CREATE UNIQUE INDEX outages_open ON outages (agent) WHERE complete_ms IS NULL;
