-- Who may do what, what exists, how it is, and what was asked of it. Every row carries its site.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sites (
    id         TEXT PRIMARY KEY NOT NULL,
    created_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE agents (
    id              TEXT PRIMARY KEY NOT NULL,
    site            TEXT NOT NULL,
    token_hash      BLOB NOT NULL UNIQUE,
    created_ms      INTEGER NOT NULL,
    software        TEXT NOT NULL DEFAULT '',
    incarnation     TEXT NOT NULL DEFAULT '',
    journal         TEXT NOT NULL DEFAULT '',
    boot            TEXT NOT NULL DEFAULT '',
    session         TEXT NOT NULL DEFAULT '',
    config_hash     TEXT NOT NULL DEFAULT '',
    catalogue       TEXT NOT NULL DEFAULT '',
    hello_ms        INTEGER,
    clock_offset_ms INTEGER,
    clock_trusted   INTEGER
);

CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY NOT NULL,
    name       TEXT NOT NULL UNIQUE,
    token_hash BLOB NOT NULL UNIQUE,
    scopes     TEXT NOT NULL,
    -- JSON list of sites; NULL for all.
    sites      TEXT,
    created_ms INTEGER NOT NULL
);

CREATE TABLE devices (
    id         TEXT PRIMARY KEY NOT NULL,
    site       TEXT NOT NULL,
    agent      TEXT NOT NULL,
    key        TEXT NOT NULL,
    spec       TEXT NOT NULL,
    configured INTEGER NOT NULL,
    -- Given by people here; they win over what the agent says.
    label      TEXT,
    area       TEXT,
    created_ms INTEGER NOT NULL
);

-- Which agent speaks to a device under which name, and when. The open one has no end.
CREATE TABLE bindings (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    device  TEXT NOT NULL REFERENCES devices (id),
    site    TEXT NOT NULL,
    agent   TEXT NOT NULL,
    key     TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms   INTEGER
);
CREATE UNIQUE INDEX bindings_open ON bindings (agent, key) WHERE to_ms IS NULL;
CREATE UNIQUE INDEX bindings_open_device ON bindings (device) WHERE to_ms IS NULL;
CREATE INDEX bindings_device ON bindings (device);

CREATE TABLE device_health (
    device  TEXT PRIMARY KEY NOT NULL,
    site    TEXT NOT NULL,
    level   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    text    TEXT NOT NULL,
    time_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- The last thing known of each alarm, raised or cleared.
CREATE TABLE alarms (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    site       TEXT NOT NULL,
    agent      TEXT NOT NULL,
    device     TEXT NOT NULL,
    condition  TEXT NOT NULL,
    state      TEXT NOT NULL,
    severity   TEXT NOT NULL,
    text       TEXT NOT NULL,
    point      TEXT NOT NULL,
    raised_ms  INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    UNIQUE (agent, device, condition)
);
CREATE INDEX alarms_active ON alarms (site, id) WHERE state = 'raised';

CREATE TABLE alarm_log (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    site      TEXT NOT NULL,
    agent     TEXT NOT NULL,
    device    TEXT NOT NULL,
    condition TEXT NOT NULL,
    state     TEXT NOT NULL,
    severity  TEXT NOT NULL,
    text      TEXT NOT NULL,
    point     TEXT NOT NULL,
    time_ms   INTEGER NOT NULL,
    late      INTEGER NOT NULL
);

CREATE TABLE commands (
    number            INTEGER PRIMARY KEY AUTOINCREMENT,
    id                TEXT NOT NULL,
    site              TEXT NOT NULL,
    device            TEXT NOT NULL,
    binding           INTEGER,
    agent             TEXT NOT NULL,
    key               TEXT NOT NULL,
    action            TEXT NOT NULL,
    arguments         TEXT NOT NULL,
    moves             INTEGER NOT NULL,
    origin            TEXT NOT NULL CHECK (origin IN ('api', 'agent')),
    requested_by      TEXT NOT NULL,
    why               TEXT NOT NULL,
    state             TEXT NOT NULL,
    reason            TEXT NOT NULL DEFAULT '',
    results           TEXT NOT NULL DEFAULT '[]',
    life_ms           INTEGER NOT NULL,
    created_ms        INTEGER NOT NULL,
    created_boot      TEXT NOT NULL,
    created_boot_ms   INTEGER NOT NULL,
    changed_ms        INTEGER NOT NULL,
    idempotency_owner TEXT,
    idempotency_key   TEXT,
    offered_journal   TEXT,
    offered_session   TEXT,
    offered_boot_ms   INTEGER,
    -- The last word came from the agent, not from this side giving up.
    evidence          INTEGER NOT NULL DEFAULT 0,
    UNIQUE (agent, id)
);
CREATE UNIQUE INDEX commands_id ON commands (id) WHERE origin = 'api';
CREATE UNIQUE INDEX commands_idempotency ON commands (idempotency_owner, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX commands_open ON commands (agent, number) WHERE state IN ('queued', 'delivered', 'started');

CREATE TABLE command_history (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    command INTEGER NOT NULL REFERENCES commands (number),
    site    TEXT NOT NULL,
    state   TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    reason  TEXT NOT NULL
);
CREATE INDEX command_history_command ON command_history (command);

CREATE TABLE gaps (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    site        TEXT NOT NULL,
    agent       TEXT NOT NULL,
    lane        INTEGER NOT NULL,
    epoch       TEXT NOT NULL,
    first_seq   INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    lost        INTEGER NOT NULL,
    from_ms     INTEGER,
    to_ms       INTEGER,
    devices     TEXT NOT NULL,
    received_ms INTEGER NOT NULL
);

CREATE TABLE quarantine (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    site        TEXT NOT NULL,
    agent       TEXT NOT NULL,
    lane        INTEGER NOT NULL,
    epoch       TEXT NOT NULL,
    first_seq   INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    size        INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    body        BLOB NOT NULL
);

-- Latest values as they were at the log id in cursors('latest'); what came after is read again from the log.
CREATE TABLE latest (
    device TEXT PRIMARY KEY NOT NULL,
    site   TEXT NOT NULL,
    points TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE cursors (
    reader TEXT PRIMARY KEY NOT NULL,
    log_id INTEGER NOT NULL
) WITHOUT ROWID;

-- How many numbers this reader took from each lane, counted in the transaction that moved its cursor.
CREATE TABLE lane_counts (
    agent   TEXT NOT NULL,
    lane    INTEGER NOT NULL,
    epoch   TEXT NOT NULL,
    numbers INTEGER NOT NULL,
    PRIMARY KEY (agent, lane, epoch)
) WITHOUT ROWID;
