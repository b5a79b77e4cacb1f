//! The partitions that there are, and read connections to them that are used again.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rusqlite::Connection;
use tracing::error;

use super::day_locks::DayLocks;
use super::mend::is_empty;
use super::missing::{IncompleteReason, Missing, Stretch};
use super::{partition_days, partition_path};
use crate::store::{During as _, StoreError, open_read_only, open_resting};

/// Idle read connections that are kept, of all days together.
const IDLE: usize = 96;
/// Idle read connections of one day that are kept.
const IDLE_PER_DAY: usize = 4;

/// Idle connections to files at rest that are kept: each takes one descriptor and little memory.
const RESTING: usize = 256;
/// Pages that such a connection keeps, in KiB; the system keeps them as well.
const RESTING_CACHE_KIB: i64 = 64;

/// Shared by the reader that writes partitions and those who read them.
///
/// A file that nobody writes and that has no WAL is at rest: it is opened without SQLite's locks and without the two
/// files that lie beside a WAL, which takes a tenth of the time. Old days are asked for in any order.
#[derive(Debug)]
pub(super) struct Partitions {
    folder: PathBuf,
    days: RwLock<BTreeSet<i64>>,
    idle: Mutex<HashMap<i64, Vec<Connection>>>,
    locks: DayLocks,
    resting: Mutex<HashMap<i64, Vec<Connection>>>,
    /// Days whose file somebody found damaged: their writer looks at them.
    doubts: Mutex<BTreeSet<i64>>,
    /// How often a day's file was taken away: who read it meanwhile must not give its connection back.
    removed: AtomicU64,
    /// Files of the history that were set aside since the start.
    set_aside: AtomicU64,
    /// What is missing because it was damaged.
    missing: Missing,
}

/// The day may be written as long as this lives.
#[derive(Debug)]
pub(super) struct WriteMark {
    partitions: Arc<Partitions>,
    day: i64,
}

impl WriteMark {
    /// Waits until nobody takes the day's file for one at rest.
    pub(super) fn new(partitions: &Arc<Partitions>, day: i64) -> Self {
        partitions.begin_writing(day);
        Self { partitions: Arc::clone(partitions), day }
    }
}

impl Drop for WriteMark {
    fn drop(&mut self) {
        self.partitions.end_writing(self.day);
    }
}

impl Partitions {
    /// The partitions in `folder`.
    pub(super) fn open(folder: &std::path::Path) -> Result<Self, StoreError> {
        let days = partition_days(folder)?.into_iter().collect();
        Ok(Self {
            folder: folder.to_owned(),
            days: RwLock::new(days),
            idle: Mutex::default(),
            locks: DayLocks::default(),
            resting: Mutex::default(),
            doubts: Mutex::default(),
            removed: AtomicU64::new(0),
            set_aside: AtomicU64::new(0),
            missing: Missing::default(),
        })
    }

    /// The file of a day, whether it exists or not.
    pub(super) fn path(&self, day: i64) -> PathBuf {
        partition_path(&self.folder, day)
    }

    /// The days from `first` to `last` that have a file.
    pub(super) fn within(&self, first: i64, last: i64) -> Vec<i64> {
        if first > last {
            return Vec::new();
        }
        self.days.read().unwrap_or_else(PoisonError::into_inner).range(first..=last).copied().collect()
    }

    /// Whether the day has a file.
    pub(super) fn has(&self, day: i64) -> bool {
        self.days.read().unwrap_or_else(PoisonError::into_inner).contains(&day)
    }

    /// The day has a file now.
    pub(super) fn add(&self, day: i64) {
        self.days.write().unwrap_or_else(PoisonError::into_inner).insert(day);
    }

    /// The day's file is about to be deleted.
    pub(super) fn remove(&self, day: i64) {
        self.days.write().unwrap_or_else(PoisonError::into_inner).remove(&day);
        self.removed.fetch_add(1, Ordering::SeqCst);
        self.close_idle(day);
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).remove(&day);
    }

    /// Closes idle connections that would keep the day's WAL when its writer closes it.
    pub(super) fn close_idle(&self, day: i64) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(&day);
    }

    /// Waits until nobody takes the day's file for one at rest.
    pub(super) fn begin_writing(&self, day: i64) {
        self.locks.begin_writing(day);
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).remove(&day);
    }

    /// A writer has closed the day's file.
    pub(super) fn end_writing(&self, day: i64) {
        self.locks.end_writing(day);
    }

    /// A connection to a file at rest, if it is.
    fn resting(&self, day: i64) -> Result<Option<Connection>, StoreError> {
        let idle = self.resting.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&day).and_then(Vec::pop);
        if idle.is_some() {
            return Ok(idle);
        }
        let Some(conn) = open_resting(&self.path(day))? else { return Ok(None) };
        conn.pragma_update(None, "cache_size", -RESTING_CACHE_KIB).during("limit the cache of a partition")?;
        Ok(Some(conn))
    }

    fn rest_again(&self, day: i64, conn: Connection, removed: u64) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.removed.load(Ordering::SeqCst) != removed {
            return;
        }
        if resting.values().map(Vec::len).sum::<usize>() >= RESTING {
            let oldest = resting.keys().min().copied();
            oldest.map(|oldest| resting.remove(&oldest));
        }
        let of_day = resting.entry(day).or_default();
        if of_day.len() < IDLE_PER_DAY {
            of_day.push(conn);
        }
    }

    fn is_damage(&self, day: i64, error: &StoreError) -> bool {
        error.is_damage() || is_empty(&self.path(day))
    }

    /// Notes that the day's file must be looked at, if that error is one of damage.
    pub(super) fn doubt(&self, day: i64, error: &StoreError) {
        if self.is_damage(day, error) {
            self.doubt_anyway(day);
        }
    }

    /// Notes that the day's file must be looked at. Questions that are under way say that it was left out.
    pub(super) fn doubt_anyway(&self, day: i64) {
        self.missing.find(Stretch::of_day(day, IncompleteReason::Damaged));
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner).insert(day);
    }

    /// The days that must be looked at.
    pub(super) fn take_doubts(&self) -> BTreeSet<i64> {
        std::mem::take(&mut *self.doubts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is missing.
    pub(super) fn missing(&self) -> &Missing {
        &self.missing
    }

    /// A file of the history was set aside.
    pub(super) fn count_set_aside(&self) {
        self.set_aside.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were.
    pub(super) fn set_aside(&self) -> u64 {
        self.set_aside.load(Ordering::Relaxed)
    }

    /// Reads one instant of a day's file; `None` if there is no such file, or if it is damaged: what other days hold is
    /// worth more than an error.
    pub(super) fn read<T>(
        &self,
        day: i64,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self.read_sound(day, read) {
            Err(error) if self.has(day) && self.is_damage(day, &error) => {
                self.doubt_anyway(day);
                error!(%error, day, "A day of the history is damaged and is left out.");
                Ok(None)
            }
            // It was deleted, or set aside, while it was read; what is set aside is known to be missing.
            Err(_) if !self.has(day) || self.missing.is_filling(day) => Ok(None),
            result => result,
        }
    }

    fn read_sound<T>(
        &self,
        day: i64,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if !self.has(day) {
            return Ok(None);
        }
        let removed = self.removed.load(Ordering::SeqCst);
        let resting = self.locks.rest(day);
        if resting.is_some()
            && let Some(conn) = self.resting(day)?
        {
            let result = read(&conn);
            if result.is_ok() {
                self.rest_again(day, conn, removed);
            }
            return result.map(Some);
        }
        drop(resting);
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&day).and_then(Vec::pop);
        let conn = match idle {
            Some(conn) => conn,
            None => open_read_only(&self.path(day))?,
        };
        let transaction = conn.unchecked_transaction().during("read a partition at one instant")?;
        let result = read(&transaction);
        drop(transaction);
        if result.is_ok() {
            self.put_back(day, conn, removed);
        }
        result.map(Some)
    }

    /// `removed`: how often a file had been taken away before the connection was used.
    fn put_back(&self, day: i64, conn: Connection, removed: u64) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if self.removed.load(Ordering::SeqCst) != removed {
            return;
        }
        if idle.values().map(Vec::len).sum::<usize>() >= IDLE {
            // Whoever asks for old days now asks for many; the oldest are the least likely to be asked for again.
            let oldest = idle.iter().filter(|(_, conns)| !conns.is_empty()).map(|(day, _)| *day).min();
            oldest.map(|oldest| idle.remove(&oldest));
        }
        let of_day = idle.entry(day).or_default();
        if of_day.len() < IDLE_PER_DAY {
            of_day.push(conn);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::store::File;
    use crate::telemetry::partition::open_file;

    type Work = Box<dyn FnOnce(&Arc<Partitions>) + Send>;

    #[test]
    fn a_file_at_rest_is_read_without_a_wal_and_a_writer_is_seen_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (day, through) = (20_000, |conn: &Connection| {
            conn.query_row("SELECT value FROM meta", [], |row| row.get::<_, i64>(0)).during("read")
        });
        let path = partition_path(folder.path(), day);
        drop(open_file(&path, File::Partition).unwrap());
        let partitions = Arc::new(Partitions::open(folder.path()).unwrap());
        assert_eq!(partitions.read(day, through).unwrap(), Some(0));
        let beside = || std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(beside(), 1, "nothing lies beside the file");
        for value in 1..4 {
            let mark = WriteMark::new(&partitions, day);
            let conn = open_file(&path, File::Partition).unwrap();
            conn.execute("UPDATE meta SET value = ?1", [value]).unwrap();
            assert_eq!(partitions.read(day, through).unwrap(), Some(value), "while it is being written");
            partitions.close_idle(day);
            drop(conn);
            drop(mark);
            assert_eq!(partitions.read(day, through).unwrap(), Some(value), "at rest again");
            assert_eq!(beside(), 1);
        }
        // What a killed writer left in the WAL counts.
        let conn = open_file(&path, File::Partition).unwrap();
        conn.execute("UPDATE meta SET value = 9", []).unwrap();
        std::mem::forget(conn);
        let partitions = Partitions::open(folder.path()).unwrap();
        assert_eq!(partitions.read(day, through).unwrap(), Some(9));
    }
    #[test]
    fn whoever_reads_a_day_for_long_holds_up_nobody_but_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let (slow, other, third) = (20_000, 20_001, 20_002);
        for day in [slow, other, third] {
            drop(open_file(&partition_path(folder.path(), day), File::Partition).unwrap());
        }
        let partitions = Arc::new(Partitions::open(folder.path()).unwrap());
        let (entered, has_entered) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let reads = Arc::clone(&partitions);
        let reader = thread::spawn(move || {
            reads
                .read(slow, |_| {
                    entered.send(()).unwrap();
                    may_go.recv().unwrap();
                    Ok(())
                })
                .unwrap()
        });
        has_entered.recv().unwrap();
        // On a thread of its own: what waits for the reader must fail and not hang.
        let in_time = |what: &str, work: Work| {
            let (done, is_done) = mpsc::channel();
            let partitions = Arc::clone(&partitions);
            thread::spawn(move || {
                work(&partitions);
                let _ = done.send(());
            });
            is_done.recv_timeout(Duration::from_secs(10)).expect(what);
        };
        in_time("another day is written", Box::new(move |partitions| drop(WriteMark::new(partitions, other))));
        let (written, is_written) = mpsc::channel();
        let writes = Arc::clone(&partitions);
        let writer = thread::spawn(move || {
            let mark = WriteMark::new(&writes, slow);
            written.send(()).unwrap();
            drop(mark);
        });
        let waits = Arc::clone(&partitions);
        in_time(
            "the writer waits",
            Box::new(move |_| {
                while !waits.locks.is_written(slow) {
                    thread::yield_now();
                }
            }),
        );
        for day in [slow, other, third] {
            in_time(
                "others read",
                Box::new(move |partitions| assert!(partitions.read(day, |_| Ok(())).unwrap().is_some())),
            );
        }
        assert!(is_written.try_recv().is_err(), "its own writer waits");
        go.send(()).unwrap();
        reader.join().unwrap();
        writer.join().unwrap();
        is_written.recv().unwrap();
    }
}
