-- Pictures that show what happened at a device. The pictures themselves are files, named by their SHA-256.
CREATE TABLE evidence (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    site        TEXT NOT NULL,
    device      TEXT NOT NULL,
    -- What it belongs to besides the device; NULL for nothing more.
    alarm       TEXT,
    event       TEXT,
    command     TEXT,
    sha256      TEXT NOT NULL,
    media_type  TEXT NOT NULL,
    width       INTEGER NOT NULL,
    height      INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    taken_ms    INTEGER NOT NULL,
    kept_ms     INTEGER NOT NULL,
    by_kind     TEXT NOT NULL,
    by_id       TEXT NOT NULL,
    by_name     TEXT NOT NULL,
    note        TEXT NOT NULL,
    -- The row of a picture that was removed stays and says so.
    removed_ms  INTEGER,
    removed_by  TEXT,
    removed_why TEXT
);
CREATE INDEX evidence_by_time ON evidence (taken_ms, number);
CREATE INDEX evidence_by_device ON evidence (device, taken_ms, number);
CREATE INDEX evidence_by_arrival ON evidence (device, kept_ms);
CREATE INDEX evidence_by_alarm ON evidence (alarm, taken_ms) WHERE alarm IS NOT NULL;
CREATE INDEX evidence_by_sum ON evidence (sha256);

-- Notifications that are old enough leave with what says of which alarms they were.
CREATE INDEX notification_alarms_by_notification ON notification_alarms (notification);

-- The files that are needed. A file that is not here is swept; one that is here and not there is lost.
CREATE TABLE evidence_files (
    sha256 TEXT PRIMARY KEY NOT NULL,
    bytes  INTEGER NOT NULL
) WITHOUT ROWID;
