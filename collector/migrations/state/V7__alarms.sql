-- The last word about each condition that an agent spoke of, or this side of an agent; the boot clock tells the later one.
ALTER TABLE alarms RENAME TO alarm_words;
DROP INDEX alarms_active;
DROP INDEX alarms_raised;
CREATE INDEX alarm_words_raised ON alarm_words (agent) WHERE state = 'raised';

-- One row for each life of a condition: from its first raise until nobody has to care any more.
CREATE TABLE alarms (
    number           INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    -- Grows with every change of any alarm.
    change           INTEGER NOT NULL UNIQUE,
    -- What it is the alarm of: the device, agent or site, and the condition. Open ones are told apart by it.
    subject          TEXT NOT NULL,
    -- Who says that it holds: 1 an agent, 2 a rule, 4 the collector itself. It is cleared once nobody does.
    sources          INTEGER NOT NULL,
    site             TEXT NOT NULL,
    area             TEXT NOT NULL,
    agent            TEXT NOT NULL,
    device           TEXT NOT NULL,
    device_label     TEXT NOT NULL,
    class            TEXT NOT NULL,
    origin           TEXT NOT NULL CHECK (origin IN ('edge', 'rule', 'collector')),
    rule             TEXT,
    condition        TEXT NOT NULL,
    point            TEXT NOT NULL,
    severity         TEXT NOT NULL,
    -- 1 info to 4 critical.
    rank             INTEGER NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('raised', 'cleared', 'closed')),
    text_zh          TEXT NOT NULL,
    text_en          TEXT NOT NULL,
    -- The value that raised it, as JSON.
    value            TEXT,
    unit             TEXT NOT NULL DEFAULT '',
    raised_ms        INTEGER NOT NULL,
    last_raised_ms   INTEGER NOT NULL,
    cleared_ms       INTEGER,
    count            INTEGER NOT NULL DEFAULT 1,
    flapping         INTEGER NOT NULL DEFAULT 0,
    acknowledged_by  TEXT,
    acknowledged_ms  INTEGER,
    assigned_to      TEXT,
    assigned_name    TEXT,
    shelved_until_ms INTEGER,
    shelved_by       TEXT,
    shelve_reason    TEXT,
    -- The alarm that explains it.
    hidden_by        TEXT,
    hides            INTEGER NOT NULL DEFAULT 0,
    maintenance      INTEGER NOT NULL DEFAULT 0,
    comments         INTEGER NOT NULL DEFAULT 0,
    closed_by        TEXT,
    closed_ms        INTEGER,
    -- From the raise to the first acknowledgement, and to the last clear.
    response_ms      INTEGER,
    repair_ms        INTEGER
);
CREATE UNIQUE INDEX alarms_subject ON alarms (subject) WHERE state <> 'closed';
CREATE INDEX alarms_open ON alarms (raised_ms, number) WHERE state <> 'closed';
CREATE INDEX alarms_open_device ON alarms (device) WHERE state <> 'closed';
CREATE INDEX alarms_time ON alarms (raised_ms, number);
CREATE INDEX alarms_device ON alarms (device, raised_ms, number);
CREATE INDEX alarms_hidden ON alarms (hidden_by) WHERE hidden_by IS NOT NULL;
CREATE INDEX alarms_shelved ON alarms (shelved_until_ms) WHERE shelved_until_ms IS NOT NULL;

INSERT INTO alarms (id, change, subject, sources, site, area, agent, device, device_label, class, origin, condition,
    point, severity, rank, state, text_zh, text_en, raised_ms, last_raised_ms)
SELECT 'a-' || lower(hex(randomblob(8))), row_number() OVER (ORDER BY w.raised_ms, w.id),
    CASE WHEN w.device = '' THEN 'agent:' || w.agent ELSE w.device END || '|' || w.condition,
    CASE WHEN w.device = '' THEN 4 ELSE 1 END, w.site, coalesce(d.area, json_extract(d.spec, '$.area'), ''), w.agent,
    w.device, coalesce(d.label, json_extract(d.spec, '$.label'), ''), coalesce(json_extract(d.spec, '$.class'), ''),
    CASE WHEN w.device = '' THEN 'collector' ELSE 'edge' END, w.condition, w.point, w.severity,
    CASE w.severity WHEN 'info' THEN 1 WHEN 'warning' THEN 2 WHEN 'major' THEN 3 ELSE 4 END, 'raised', '', w.text,
    w.raised_ms, w.raised_ms
FROM alarm_words w LEFT JOIN devices d ON d.id = w.device WHERE w.state = 'raised';

-- Everything that happened to an alarm, in order.
CREATE TABLE alarm_steps (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    alarm   TEXT NOT NULL,
    site    TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    what    TEXT NOT NULL,
    by      TEXT NOT NULL,
    text    TEXT NOT NULL
);
CREATE INDEX alarm_steps_alarm ON alarm_steps (alarm, id);
INSERT INTO alarm_steps (alarm, site, time_ms, what, by, text)
    SELECT id, site, raised_ms, 'raised', '', text_en FROM alarms ORDER BY number;

-- Rules of this place, and what was decided about shipped ones: then without text.
CREATE TABLE alarm_rules (
    id         TEXT PRIMARY KEY NOT NULL,
    revision   INTEGER NOT NULL,
    -- NULL: as the text says.
    enabled    INTEGER,
    toml       TEXT,
    changed_by TEXT NOT NULL,
    changed_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Windows of maintenance of an area, and windows that come again: then the rule as JSON, and from_ms to to_ms is the
-- time in which they do.
ALTER TABLE maintenance ADD COLUMN area TEXT;
ALTER TABLE maintenance ADD COLUMN repeat TEXT;
