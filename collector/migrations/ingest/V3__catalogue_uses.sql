-- The log entry that last referred to a catalogue, about: it is written again only when it has moved far.
CREATE TABLE catalogue_uses (
    agent   TEXT NOT NULL,
    hash    TEXT NOT NULL,
    used_id INTEGER NOT NULL,
    PRIMARY KEY (agent, hash)
) WITHOUT ROWID;
INSERT INTO catalogue_uses SELECT agent, hash, (SELECT coalesce(max(id), 0) FROM log) FROM catalogues;
