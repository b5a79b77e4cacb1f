-- Who is told of alarms, by what means, and what they were told.
CREATE TABLE notification_channels (
    id            TEXT PRIMARY KEY NOT NULL,
    name          TEXT NOT NULL UNIQUE,
    kind          TEXT NOT NULL,
    enabled       INTEGER NOT NULL,
    language      TEXT NOT NULL,
    -- A JSON object by kind. Secrets stand in it by name only.
    settings      TEXT NOT NULL,
    -- Own words instead of the shipped ones: a JSON object by kind of message.
    templates     TEXT NOT NULL,
    rate_per_hour INTEGER NOT NULL,
    revision      INTEGER NOT NULL,
    created_ms    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE notification_routes (
    id             TEXT PRIMARY KEY NOT NULL,
    name           TEXT NOT NULL UNIQUE,
    enabled        INTEGER NOT NULL,
    -- JSON: which alarms, and who is told after how many minutes.
    match          TEXT NOT NULL,
    steps          TEXT NOT NULL,
    quiet          TEXT,
    repeat_minutes INTEGER,
    -- Alarms that were raised before it was made or switched on are not its business.
    since_ms       INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    created_ms     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE contacts (
    user_id    TEXT PRIMARY KEY NOT NULL REFERENCES users (id),
    email      TEXT,
    phone      TEXT,
    language   TEXT NOT NULL,
    changed_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- How far alarms and routes were taken into account.
CREATE TABLE notify_progress (
    name  TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- What the planner knows of an open alarm by a route, and what gathers for a destination; JSON each.
CREATE TABLE notify_watches (
    route TEXT NOT NULL,
    alarm TEXT NOT NULL,
    watch TEXT NOT NULL,
    PRIMARY KEY (route, alarm)
) WITHOUT ROWID;
CREATE TABLE notify_bundles (
    channel TEXT NOT NULL,
    -- Empty for the channel's own recipients.
    user_id TEXT NOT NULL,
    bundle  TEXT NOT NULL,
    PRIMARY KEY (channel, user_id)
) WITHOUT ROWID;

-- Outages whose digest was told, or needs no telling.
CREATE TABLE notify_outages (
    outage INTEGER PRIMARY KEY NOT NULL
);
INSERT INTO notify_outages (outage) SELECT id FROM outages WHERE complete_ms IS NOT NULL;

-- Every notification: written before it is sent, and kept.
CREATE TABLE notifications (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Goes with the message, the same at each attempt.
    id         TEXT NOT NULL UNIQUE,
    time_ms    INTEGER NOT NULL,
    channel    TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    route      TEXT NOT NULL,
    step       INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    language   TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    subject    TEXT NOT NULL,
    text       TEXT NOT NULL,
    -- The alarms as they were, for receivers that are programs; JSON.
    alarms     TEXT NOT NULL,
    -- JSON list.
    sites      TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'suppressed')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_ms    INTEGER,
    settled_ms INTEGER,
    problem    TEXT
);
CREATE INDEX notifications_waiting ON notifications (channel, number) WHERE state = 'waiting';
CREATE INDEX notifications_by_channel ON notifications (channel, time_ms);
CREATE INDEX notifications_by_time ON notifications (time_ms, number);

CREATE TABLE notification_alarms (
    alarm        TEXT NOT NULL,
    notification INTEGER NOT NULL REFERENCES notifications (number),
    PRIMARY KEY (alarm, notification)
) WITHOUT ROWID;
