//! The files, and what they do not cover.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use rusqlite::Connection;

use crate::store::{During as _, StoreError, open_read_only};
use crate::telemetry::day_ms;

/// Idle read connections that are kept for each file, and of all files together.
const IDLE_PER_FILE: usize = 4;
const IDLE: usize = 160;
/// Pages that a read connection keeps, in KiB: there may be a file for every month of many years.
const CACHE_KIB: i64 = 512;
/// Days in a part of a month, and how many parts there are.
const PART_DAYS: i64 = 4;
pub(super) const PARTS: i64 = 8;

/// How much is done at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Events that are taken into a file in one commit.
    pub(super) commit: i64,
    /// New events of all days that wait before they are taken even while there is other work.
    pub(super) pending: usize,
    /// Most events that a file may lack before its days are read instead.
    pub(super) tail: i64,
    /// Places of one key that are counted to find the rarest.
    pub(super) counted: i64,
    /// Places of one key that are read at a time at first, and at most.
    pub(super) first: i64,
    pub(super) most: i64,
    /// How long one call compares or fills files while other work waits.
    pub(super) slice: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            commit: 8_192,
            pending: 2_048,
            tail: 50_000,
            counted: 4_096,
            first: 128,
            most: 4_096,
            slice: Duration::from_millis(20),
        }
    }
}

/// A part of a month. What is written today lies together; a month that is over is put into one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit {
    /// The month, counted from year 0.
    pub(super) month: i64,
    /// The part of it.
    pub(super) part: i64,
}

impl Unit {
    pub(super) fn of(day: i64) -> Self {
        // Corrected times lie between 2020 and tomorrow, so a day always has a date.
        let date = jiff::Timestamp::from_millisecond(day_ms(day))
            .map(|time| time.to_zoned(jiff::tz::TimeZone::UTC).date())
            .unwrap_or_default();
        Self {
            month: i64::from(date.year()) * 12 + i64::from(date.month()) - 1,
            part: (i64::from(date.day()) - 1) / PART_DAYS,
        }
    }
}

/// Whether events of the two days are found together.
pub(in crate::telemetry) fn same_month(a: i64, b: i64) -> bool {
    Unit::of(a).month == Unit::of(b).month
}

/// What a file lacks of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Events after this id.
    After(i64),
    /// Nobody has compared the file with the day's partition since the start. Whoever searches does so.
    Unknown,
}

/// What the files lack of some days.
#[derive(Debug)]
pub(super) struct Tails {
    pub(super) of_days: BTreeMap<i64, Tail>,
    /// How many files had been deleted.
    deleted: u64,
}

impl Tails {
    /// Whether some day's file has not been compared with its partition.
    pub(super) fn has_unknown(&self) -> bool {
        self.of_days.values().any(|tail| *tail == Tail::Unknown)
    }
}

/// Shared by the keeper of the files and those who search them.
#[derive(Debug)]
pub(in crate::telemetry) struct Lookup {
    folder: PathBuf,
    pub(super) limits: Limits,
    /// Days that are not in the file as a whole. A day stands here before it gets new events, so that a search that
    /// looks here first misses none.
    tails: RwLock<BTreeMap<i64, Tail>>,
    /// Files that were deleted since the start. Grows after the days of such a file stand among the tails and before the
    /// file goes.
    deleted: AtomicU64,
    idle: Mutex<HashMap<i64, Vec<Connection>>>,
    /// Months whose file somebody found damaged: its keeper makes it again.
    doubts: Mutex<BTreeSet<i64>>,
}

impl Lookup {
    /// Nothing is believed of the files that has not been compared with the partitions of `days`.
    pub(in crate::telemetry) fn new(folder: &Path, days: impl IntoIterator<Item = i64>) -> Self {
        let tails = days.into_iter().map(|day| (day, Tail::Unknown)).collect();
        Self {
            folder: folder.to_owned(),
            limits: Limits::default(),
            tails: RwLock::new(tails),
            deleted: AtomicU64::new(0),
            idle: Mutex::default(),
            doubts: Mutex::default(),
        }
    }

    /// The file of a month.
    pub(super) fn path(&self, month: i64) -> PathBuf {
        self.folder.join(format!("events-{:04}-{:02}.db", month.div_euclid(12), month.rem_euclid(12) + 1))
    }

    /// Days of the range that are not in the file as a whole.
    pub(super) fn tails(&self, first: i64, last: i64) -> Tails {
        // Before the days: a file that is deleted in between shows in the number.
        let deleted = self.deleted.load(Ordering::Acquire);
        let tails = self.tails.read().unwrap_or_else(PoisonError::into_inner);
        let range = (first <= last).then(|| tails.range(first..=last));
        Tails { of_days: range.into_iter().flatten().map(|(day, tail)| (*day, *tail)).collect(), deleted }
    }

    /// Whether a file was deleted since somebody looked for the tails: then they say too little of what is there now.
    pub(super) fn deleted_since(&self, tails: &Tails) -> bool {
        self.deleted.load(Ordering::Acquire) != tails.deleted
    }

    /// The day is not in the file as a whole.
    pub(super) fn set_tail(&self, day: i64, tail: Tail) {
        self.tails.write().unwrap_or_else(PoisonError::into_inner).insert(day, tail);
    }

    /// All events of the day are in the file.
    pub(super) fn end_tail(&self, day: i64) {
        self.tails.write().unwrap_or_else(PoisonError::into_inner).remove(&day);
    }

    /// Closes what was opened of a month's file for reading: it is about to be deleted. Its days stand among the tails.
    pub(super) fn close(&self, month: i64) {
        self.deleted.fetch_add(1, Ordering::AcqRel);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(&month);
    }

    /// Notes that the month's file must be made again, if that error is one of damage.
    pub(super) fn doubt(&self, month: i64, error: &StoreError) {
        if error.is_damage() {
            self.doubts.lock().unwrap_or_else(PoisonError::into_inner).insert(month);
        }
    }

    /// The months whose files must be made again.
    pub(super) fn take_doubts(&self) -> BTreeSet<i64> {
        std::mem::take(&mut *self.doubts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads one instant of a month's file; `None` if there is none.
    pub(super) fn read<T>(
        &self,
        month: i64,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let deleted = self.deleted.load(Ordering::Acquire);
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&month).and_then(Vec::pop);
        let conn = match idle {
            Some(conn) => conn,
            None => {
                let path = self.path(month);
                if !path.exists() {
                    return Ok(None);
                }
                let conn = open_read_only(&path)?;
                conn.pragma_update(None, "cache_size", -CACHE_KIB).during("limit the cache of an index of events")?;
                conn
            }
        };
        let transaction = conn.unchecked_transaction().during("read an index of events at one instant")?;
        let result = read(&transaction);
        drop(transaction);
        // A connection that failed may be to a file that is being made again.
        if result.is_ok() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            // One to a file that was deleted meanwhile would go on telling what stood in it.
            let is_of_now = self.deleted.load(Ordering::Acquire) == deleted;
            if is_of_now && idle.values().map(Vec::len).sum::<usize>() < IDLE {
                let of_month = idle.entry(month).or_default();
                if of_month.len() < IDLE_PER_FILE {
                    of_month.push(conn);
                }
            }
        }
        result.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use kouan_protocol::Timestamp;

    use super::*;
    use crate::store::{File, open_writable};
    use crate::telemetry::day_of;

    #[test]
    fn a_file_without_sites_is_filled_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events-2026-11.db");
        let open = || open_writable(&path, File::EventIndex).unwrap();
        let rows = |file: &Connection| {
            let sql = "SELECT (SELECT count(*) FROM lookup), (SELECT count(*) FROM days), (SELECT slices FROM settled)";
            file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
        };
        let file = open();
        file.execute_batch(
            "INSERT INTO lookup VALUES (1, 2, 3, 4); INSERT INTO days VALUES (20000, 4, 5); UPDATE settled SET slices = 7;",
        )
        .unwrap();
        drop(file);
        let file = open();
        assert_eq!(rows(&file), (1, 1, 7), "it stays as it is");
        // As a version left it that knew no sites.
        file.execute_batch(
            "ALTER TABLE days DROP COLUMN mark; DELETE FROM refinery_schema_history WHERE version >= 3;",
        )
        .unwrap();
        drop(file);
        assert_eq!(rows(&open()), (0, 0, 0));
    }

    #[test]
    fn days_of_a_part_lie_in_one_month() {
        let of = |text: &str| {
            let time: jiff::Timestamp = text.parse().unwrap();
            Unit::of(day_of(Timestamp(time.as_millisecond())))
        };
        let lookup = Lookup::new(Path::new("/x"), []);
        let (first, fifth) = (of("2026-11-01T00:00:00Z"), of("2026-11-05T12:00:00Z"));
        assert_eq!((first.part, fifth.part, first.month), (0, 1, fifth.month));
        assert_eq!(of("2026-11-04T23:59:59Z"), first);
        assert!(of("2026-10-31T00:00:00Z") < first && first < fifth && fifth < of("2026-12-01T00:00:00Z"));
        assert_eq!(lookup.path(first.month), Path::new("/x/events-2026-11.db"));
        assert_eq!(lookup.path(of("2026-12-31T00:00:00Z").month), Path::new("/x/events-2026-12.db"));
    }
}
