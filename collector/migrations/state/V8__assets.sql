-- What people call a site, and where it is. A site may exist before any agent does.
ALTER TABLE sites ADD COLUMN name_zh TEXT NOT NULL DEFAULT '';
ALTER TABLE sites ADD COLUMN name_en TEXT NOT NULL DEFAULT '';
-- A name of the time zone database.
ALTER TABLE sites ADD COLUMN zone TEXT NOT NULL DEFAULT 'Asia/Shanghai';
ALTER TABLE sites ADD COLUMN lon REAL;
ALTER TABLE sites ADD COLUMN lat REAL;
-- Where it is drawn on a map that is no geographic one, as shares of its width and height.
ALTER TABLE sites ADD COLUMN map_x REAL;
ALTER TABLE sites ADD COLUMN map_y REAL;

-- Buildings, halls, rooms: a tree within a site.
CREATE TABLE areas (
    id       TEXT PRIMARY KEY NOT NULL,
    site     TEXT NOT NULL,
    parent   TEXT REFERENCES areas (id) DEFERRABLE INITIALLY DEFERRED,
    name     TEXT NOT NULL,
    position INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE UNIQUE INDEX areas_by_name ON areas (site, coalesce(parent, ''), name);

-- Floor plans. They are here and not beside the file, so that a backup has them.
CREATE TABLE area_plans (
    area       TEXT PRIMARY KEY NOT NULL REFERENCES areas (id) ON DELETE CASCADE,
    media_type TEXT NOT NULL,
    digest     TEXT NOT NULL,
    changed_ms INTEGER NOT NULL,
    picture    BLOB NOT NULL
);

CREATE TABLE assets (
    id           TEXT PRIMARY KEY NOT NULL,
    site         TEXT NOT NULL,
    area         TEXT REFERENCES areas (id),
    class        TEXT NOT NULL,
    name         TEXT NOT NULL,
    parent       TEXT REFERENCES assets (id) DEFERRABLE INITIALLY DEFERRED,
    -- An asset has at most one device, a device at most one asset.
    device       TEXT UNIQUE,
    -- What an imported row is known by when the file is imported again.
    import_key   TEXT,
    -- The first of its dates at which something ends: the warranty or a licence.
    first_expiry TEXT,
    -- Everything that is searched for, in lower case.
    search       TEXT NOT NULL,
    revision     INTEGER NOT NULL DEFAULT 1,
    created_ms   INTEGER NOT NULL,
    changed_ms   INTEGER NOT NULL,
    -- JSON: everything that has no column of its own.
    details      TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX assets_by_import_key ON assets (site, import_key) WHERE import_key IS NOT NULL;
CREATE INDEX assets_by_name ON assets (name, id);
CREATE INDEX assets_by_area ON assets (area);
CREATE INDEX assets_by_parent ON assets (parent);
CREATE INDEX assets_by_expiry ON assets (first_expiry, id) WHERE first_expiry IS NOT NULL;

-- Where assets stand on the plan of an area, as shares of its width and height.
CREATE TABLE plan_positions (
    area  TEXT NOT NULL REFERENCES areas (id) ON DELETE CASCADE,
    asset TEXT NOT NULL REFERENCES assets (id) ON DELETE CASCADE,
    x     REAL NOT NULL,
    y     REAL NOT NULL,
    PRIMARY KEY (area, asset)
) WITHOUT ROWID;
CREATE INDEX plan_positions_by_asset ON plan_positions (asset);
