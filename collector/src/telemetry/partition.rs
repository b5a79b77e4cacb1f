//! The files of the history.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use kouan_protocol::Timestamp;
use rusqlite::Connection;

use crate::store::{File, StoreError, open_writable};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// The UTC day of a time, counted from 1970-01-01.
#[must_use]
pub fn day_of(time: Timestamp) -> i64 {
    time.0.div_euclid(DAY_MS)
}

/// When a day begins, in milliseconds since 1970.
pub(super) fn day_ms(day: i64) -> i64 {
    day.saturating_mul(DAY_MS)
}

/// The file of a day.
#[must_use]
pub fn partition_path(folder: &Path, day: i64) -> PathBuf {
    // Corrected times lie between 2020 and tomorrow, so a day always has a name.
    let name = jiff::Timestamp::from_millisecond(day_ms(day))
        .map_or_else(|_| format!("day{day}"), |time| time.strftime("%Y-%m-%d").to_string());
    folder.join(format!("{name}.db"))
}

/// The days that have a file, in order.
///
/// # Errors
/// When the folder cannot be read.
pub fn partition_days(folder: &Path) -> Result<Vec<i64>, StoreError> {
    let mut days = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let path = entry.map_err(StoreError::io("list", folder))?.path();
        let is_database = path.extension().is_some_and(|extension| extension == "db");
        let date = path.file_stem().and_then(|stem| stem.to_str()?.parse::<Date>().ok());
        if let Some(date) = date.filter(|_| is_database)
            && let Ok(zoned) = date.to_zoned(jiff::tz::TimeZone::UTC)
        {
            days.push(day_of(Timestamp(zoned.timestamp().as_millisecond())));
        }
    }
    days.sort_unstable();
    Ok(days)
}

/// Opens a file of the history. A new one gets its name only when it has its tables, because whoever reads the history takes
/// every file that is there. What a program left that was killed meanwhile holds nothing.
pub(super) fn open_file(path: &Path, file: File) -> Result<Connection, StoreError> {
    if !path.exists() {
        let unfinished = path.with_extension("new");
        delete_file(&unfinished)?;
        drop(open_writable(&unfinished, file)?);
        std::fs::rename(&unfinished, path).map_err(StoreError::io("name", path))?;
        sync_folder(path)?;
    }
    open_writable(path, file)
}

/// Deletes a file, if it is there. Its log goes first: left alone beside a later file of the same name it could be mistaken
/// for that one's.
pub(super) fn delete_file(path: &Path) -> Result<(), StoreError> {
    for ending in ["-wal", "-shm", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        let file = PathBuf::from(name);
        match std::fs::remove_file(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("delete", &file)(error)),
        }
    }
    sync_folder(path)
}

/// Makes sure that a new name survives a power cut.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::io("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_a_killed_program_left_unfinished_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2026-11-21.db");
        for left in ["CREATE TABLE meta (half INTEGER)", "CREATE TABLE refinery_schema_history (version INTEGER)"] {
            let unfinished = Connection::open(path.with_extension("new")).unwrap();
            unfinished.execute_batch(&format!("PRAGMA journal_mode = wal; {left};")).unwrap();
            // As a killed program leaves it, with the log beside it.
            std::mem::forget(unfinished);
            let opened = open_file(&path, File::Partition).unwrap();
            opened.query_row("SELECT value FROM meta", [], |_| Ok(())).unwrap();
            drop(opened);
            assert_eq!(partition_days(folder.path()).unwrap().len(), 1);
            delete_file(&path).unwrap();
            assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
        }
    }

    #[test]
    fn a_day_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let day = day_of(Timestamp(1_795_305_599_999));
        let path = partition_path(folder.path(), day);
        assert!(path.ends_with("2026-11-21.db"), "{}", path.display());
        std::fs::write(&path, "").unwrap();
        std::fs::write(folder.path().join("index.db"), "").unwrap();
        std::fs::write(folder.path().join("2026-11-21.db-wal"), "").unwrap();
        assert_eq!(partition_days(folder.path()).unwrap(), [day]);
    }
}
