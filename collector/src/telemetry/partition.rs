//! The files of the history.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use kouan_protocol::Timestamp;

use crate::store::StoreError;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// The UTC day of a time, counted from 1970-01-01.
#[must_use]
pub fn day_of(time: Timestamp) -> i64 {
    time.0.div_euclid(DAY_MS)
}

/// The file of a day.
#[must_use]
pub fn partition_path(folder: &Path, day: i64) -> PathBuf {
    // Corrected times lie between 2020 and tomorrow, so a day always has a name.
    let name = jiff::Timestamp::from_millisecond(day.saturating_mul(DAY_MS))
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

#[cfg(test)]
mod tests {
    use super::*;

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
