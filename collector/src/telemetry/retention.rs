//! Deleting what is kept no longer: whole files, so that the space comes back at once.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use kouan_protocol::{Lane, Timestamp};
use rusqlite::{Connection, TransactionBehavior, params};
use tracing::info;

use super::partitions::Partitions;
use super::rollup::Levels;
use super::{day_of, partition_path};
use crate::store::{During as _, StoreError};

/// How long each level is kept, in days; `None` is for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Files of a day: its readings and events.
    pub days: Option<i64>,
    /// Sums over minutes; they go when the whole month is old enough.
    pub minutes: Option<i64>,
    /// Sums over hours; they go when the whole year is old enough.
    pub hours: Option<i64>,
}

/// Deletes what is older than `retention` says at `now`. Every entry of the log that the days hold rows of must be
/// behind the history's cursor. `closing` is told each day before its file goes. Returns how many files went.
pub(super) fn apply(
    index: &mut Connection,
    partitions: &Partitions,
    levels: &Levels,
    folder: &Path,
    retention: Retention,
    now: Timestamp,
    mut closing: impl FnMut(i64),
) -> Result<usize, StoreError> {
    let today = day_of(now);
    let mut gone = 0;
    if let Some(days) = retention.days {
        for day in partitions.within(i64::MIN, today - days - 1) {
            let counts = partitions.read(day, counts)?.unwrap_or_default();
            note(index, day, &counts)?;
            closing(day);
            partitions.remove(day);
            finish_one(index, folder, day)?;
            info!(day, "A day of the history was old enough and was deleted.");
            gone += 1;
        }
    }
    for (prefix, kept) in [("minutes-", retention.minutes), ("hours-", retention.hours)] {
        let Some(kept) = kept else { continue };
        for (path, last_day) in level_files(folder, prefix)? {
            if last_day + kept < today {
                levels.forget(&path);
                delete(&path)?;
                info!(file = %path.display(), "Sums of the history were old enough and were deleted.");
                gone += 1;
            }
        }
    }
    Ok(gone)
}

/// Deletes files whose deletion had begun when the program ended.
pub(super) fn finish(index: &mut Connection, folder: &Path) -> Result<(), StoreError> {
    let days: Vec<i64> = index
        .prepare("SELECT day FROM removing")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .during("look for days that are being deleted")?;
    days.into_iter().try_for_each(|day| finish_one(index, folder, day))
}

fn finish_one(index: &Connection, folder: &Path, day: i64) -> Result<(), StoreError> {
    delete(&partition_path(folder, day))?;
    index.execute("DELETE FROM removing WHERE day = ?1", [day]).during("note that a day is deleted")?;
    Ok(())
}

type Counts = Vec<(String, String, u32, i64)>;

fn counts(conn: &Connection) -> Result<Counts, StoreError> {
    let mut found = Vec::new();
    let readings = "SELECT agent, epoch, rows FROM counts";
    let events = "SELECT agent, epoch, count(*) FROM events GROUP BY agent, epoch";
    for (sql, lane) in [(readings, Lane::Readings), (events, Lane::Events)] {
        let mut statement = conn.prepare(sql).during("count a day's rows")?;
        let rows: Vec<(String, String, i64)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .and_then(Iterator::collect)
            .during("count a day's rows")?;
        found.extend(rows.into_iter().map(|(agent, epoch, rows)| (agent, epoch, lane.number(), rows)));
    }
    Ok(found)
}

fn note(index: &mut Connection, day: i64, counts: &Counts) -> Result<(), StoreError> {
    let transaction =
        index.transaction_with_behavior(TransactionBehavior::Immediate).during("begin noting a deletion")?;
    for (agent, epoch, lane, rows) in counts {
        transaction
            .prepare_cached(
                "INSERT INTO removed (agent, epoch, lane, rows) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET rows = rows + excluded.rows",
            )
            .and_then(|mut statement| statement.execute(params![agent, epoch, lane, rows]))
            .during("note what a deleted day accounts for")?;
    }
    transaction.execute("INSERT OR IGNORE INTO removing (day) VALUES (?1)", [day]).during("note a deletion")?;
    transaction.commit().during("commit a deletion")
}

/// The sums' files of a level with the last day that each may hold.
fn level_files(folder: &Path, prefix: &str) -> Result<Vec<(PathBuf, i64)>, StoreError> {
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
    Ok(files)
}

/// The log of a file goes first: left alone beside a later file of the same name it could be mistaken for that one's.
fn delete(path: &Path) -> Result<(), StoreError> {
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
    super::partition::sync_folder(path)
}
