-- Sums over hours or minutes, a row for each group, layout and UTC day.
CREATE TABLE groups (
    id    INTEGER PRIMARY KEY,
    agent TEXT NOT NULL,
    key   TEXT NOT NULL,
    name  TEXT NOT NULL,
    site  TEXT NOT NULL,
    class TEXT NOT NULL,
    -- The bytes of its sums in this file.
    bytes INTEGER NOT NULL DEFAULT 0,
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
    -- Before the body, so that it is known without reading it.
    bytes     INTEGER GENERATED ALWAYS AS (length(body)) STORED,
    body      BLOB NOT NULL,
    PRIMARY KEY (group_id, day, layout_id)
) WITHOUT ROWID;
CREATE TRIGGER window_added AFTER INSERT ON windows BEGIN
    UPDATE groups SET bytes = bytes + new.bytes WHERE id = new.group_id;
END;
CREATE TRIGGER window_made_again AFTER UPDATE ON windows BEGIN
    UPDATE groups SET bytes = bytes + new.bytes - old.bytes WHERE id = new.group_id;
END;
CREATE TRIGGER window_removed AFTER DELETE ON windows BEGIN
    UPDATE groups SET bytes = bytes - old.bytes WHERE id = old.group_id;
END;
