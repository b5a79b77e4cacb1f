-- The time by which old files are deleted: it follows the clock, and no faster than time passes twice.
CREATE TABLE clock (
    believed_ms INTEGER NOT NULL
);
