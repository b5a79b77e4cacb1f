//! The files of the sums and how old they are.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use kouan_protocol::Timestamp;

use crate::store::StoreError;
use crate::telemetry::day_of;

/// The sums' files of a level with the last day that each may hold.
pub(super) fn files(folder: &Path, prefix: &str) -> Result<Vec<(PathBuf, i64)>, StoreError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let path = entry.map_err(StoreError::io("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(period) = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(".db")) else { continue };
        let last = match period.split_once('-') {
            Some((year, month)) => year
                .parse()
                .ok()
                .zip(month.parse().ok())
                .and_then(|(year, month)| Date::new(year, month, 1).ok().map(Date::last_of_month)),
            None => period.parse().ok().and_then(|year| Date::new(year, 12, 31).ok()),
        };
        let last = last.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
        if let Some(last) = last {
            files.push((path, day_of(Timestamp(last.timestamp().as_millisecond()))));
        }
    }
    files.sort_unstable();
    Ok(files)
}
