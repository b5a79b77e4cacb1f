-- Sums over hours or minutes, a row for each group, layout and UTC day.
CREATE TABLE groups (
    id    INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    key   TEXT NOT NULL,
    name  TEXT NOT NULL,
    site  TEXT NOT NULL,
    class TEXT NOT NULL,
    UNIQUE (agent, key, name, site, class)
);
CREATE TABLE layouts (
    id      INTEGER PRIMARY KEY,
    columns TEXT NOT NULL UNIQUE
);
CREATE TABLE windows (
    group_id  INTEGER NOT NULL,
    layout_id INTEGER NOT NULL,
    day       INTEGER NOT NULL,
    -- CRC-32 of the body.
    checksum  INTEGER NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (group_id, day, layout_id)
) WITHOUT ROWID;
