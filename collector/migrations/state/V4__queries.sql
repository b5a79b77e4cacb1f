-- Every change of health that was told, also late; the boot and its clock name a change, however often it is told.
CREATE TABLE health_log (
    device  TEXT NOT NULL,
    boot    TEXT NOT NULL,
    boot_ms INTEGER NOT NULL,
    site    TEXT NOT NULL,
    level   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    -- When it was last said to be so still: by the change itself, or by a snapshot later.
    said_ms INTEGER NOT NULL,
    PRIMARY KEY (device, boot, boot_ms)
) WITHOUT ROWID;
CREATE INDEX health_log_time ON health_log (device, time_ms);
INSERT INTO health_log SELECT device, boot, boot_ms, site, level, reason, time_ms, time_ms FROM device_health;

-- From when to when an agent recorded something, without a pause that says that it did not run.
CREATE TABLE recorded (
    agent   TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms   INTEGER NOT NULL,
    PRIMARY KEY (agent, from_ms)
) WITHOUT ROWID;

-- Time that does not count: somebody works on a device, or on all of a class at a site, or on a whole site.
CREATE TABLE maintenance (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    site         TEXT NOT NULL,
    device       TEXT,
    class        TEXT,
    from_ms      INTEGER NOT NULL,
    to_ms        INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    created_ms   INTEGER NOT NULL,
    ended_by     TEXT,
    ended_ms     INTEGER,
    cancelled    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX maintenance_site ON maintenance (site, to_ms);

CREATE INDEX alarm_log_time ON alarm_log (time_ms, id);
CREATE INDEX alarm_log_device ON alarm_log (device, time_ms, id);
CREATE INDEX alarms_raised ON alarms (raised_ms, id) WHERE state = 'raised';
CREATE INDEX gaps_times ON gaps (agent, lane, to_ms);
