-- How far the history reader is. The history itself is in one file for each UTC day.
CREATE TABLE cursors (
    reader TEXT PRIMARY KEY NOT NULL,
    log_id INTEGER NOT NULL
) WITHOUT ROWID;
