//! The reader of the log that keeps the history.

mod filling;
mod mending;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::{BootTime, Clock, Lane};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use tracing::error;

use self::filling::Filling;
use super::event_rows::{self, EventItem};
use super::head::Head;
use super::lookup::{Keeper, Lookup};
use super::mend::{self, Mender};
use super::partition::open_file;
use super::partitions::{Partitions, WriteMark};
use super::retention::{self, Files, Pass, Retention};
use super::rollup::{Levels, Maker};
use super::seal::{seal_day, sealed_through};
use super::take::Taker;
use super::{History, HistoryFiles};
use crate::reader::Reader;
use crate::store::log::{Catalogues, Entry, EntryKind, FollowLog, Page, Recent, SqliteFollower, Wanted};
use crate::store::{DataFolder, During as _, File, StoreError, open_writable};

/// Bytes of batches that one step takes: events first, so that they do not wait behind a backlog of readings.
const EVENT_BYTES: usize = 1 << 20;
const READING_BYTES: usize = 256 << 10;
/// Partitions that stay open for writing: today, and a few more while a backlog arrives.
const OPEN_PARTITIONS: usize = 8;
/// The name under which the cursor is kept.
pub const HISTORY_CURSOR: &str = "history";

/// The name under which it is kept how far a seal was to go that has begun: partitions may be that far.
const SEALING_CURSOR: &str = "history-sealing";

/// How the history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistorySettings {
    /// Sites that keep personal values of events.
    pub keep_personal_values_at: Vec<String>,
    /// The newest readings are sealed when they take so much memory ...
    pub memory_bytes: usize,
    /// ... or when the oldest of them was taken so long ago.
    pub seal_every_ms: u64,
    /// How long the files are kept.
    pub retention: Retention,
}

/// Follows the log: readings into memory and, from time to time, into sealed chunks; events into rows at once.
///
/// The cursor is that of what is sealed. A crash forgets the memory, and the log is read again from there. A partition
/// moves a position of its own in the commit that writes its chunks, so that a crash between that commit and the
/// cursor's doubles nothing; the keys of events do the same for them.
pub struct HistoryReader(Option<Box<Inner>>);

struct Inner {
    log: SqliteFollower,
    taker: Taker,
    head: Arc<Head>,
    files: Arc<Partitions>,
    levels: Arc<Levels>,
    lookup: Arc<Lookup>,
    maker: Maker,
    keeper: Keeper,
    index: Connection,
    /// For leave to delete.
    folder: DataFolder,
    writing: Writing,
    settings: HistorySettings,
    clock: Arc<dyn Clock>,
    /// Everything up to here is in partitions.
    cursor: i64,
    /// Readings up to here can be seen.
    taken: i64,
    /// Events up to here are written. Never behind the readings; after a crash they are written again, under the same
    /// keys.
    events_taken: i64,
    pass: Pass,
    mender: Mender,
    /// Days whose file was ahead of the cursor, and how far: entries up to there were not taken into memory.
    ahead: BTreeMap<i64, i64>,
    /// Days whose file was set aside and whose new one is to be made, and up to where it will be filled.
    to_prepare: Vec<(i64, i64)>,
    filling: Option<Filling>,
    /// Since when filling waits after a failure.
    filling_paused: Option<BootTime>,
    /// Days whose sums were made again because some did not read.
    sums_made_again: BTreeSet<i64>,
    /// When the head began to fill.
    filling_since: Option<BootTime>,
}

impl HistoryReader {
    /// Opens the log and the history's index.
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub fn open(
        ingest: &Path,
        folder: &Path,
        settings: HistorySettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let mut index = open_writable(&folder.join("index.db"), File::HistoryIndex)?;
        let cursor: Option<i64> = index
            .query_row("SELECT log_id FROM cursors WHERE reader = ?1", [HISTORY_CURSOR], |row| row.get(0))
            .optional()
            .during("read the history's cursor")?;
        retention::finish(&mut index, folder)?;
        let pass = Pass::open(&index, clock.boot_time())?;
        let mender = Mender::open(&index, folder, cursor.unwrap_or(0))?;
        let frozen = mend::frozen(&index)?;
        let files = Arc::new(Partitions::open(folder)?);
        let days = files.within(i64::MIN, i64::MAX).into_iter().collect();
        let levels = Arc::new(Levels::open(folder, &index, &days, frozen)?);
        files.missing().load(&index)?;
        mender.days().for_each(|(day, _)| files.missing().begin_filling(day));
        let lookup = Arc::new(Lookup::new(folder, files.within(i64::MIN, i64::MAX)));
        Ok(Self(Some(Box::new(Inner {
            log: SqliteFollower::open(ingest)?,
            taker: Taker::default(),
            head: Arc::default(),
            writing: Writing { files: Arc::clone(&files), folder: folder.to_owned(), open: HashMap::new() },
            maker: Maker::new(Arc::clone(&levels), Arc::clone(&files), settings.retention.clone(), clock.wall().0),
            keeper: Keeper::new(Arc::clone(&lookup), Arc::clone(&files)),
            lookup,
            files,
            levels,
            index,
            folder: DataFolder::new(folder.parent().unwrap_or(folder)),
            settings,
            clock,
            cursor: cursor.unwrap_or(0),
            taken: cursor.unwrap_or(0),
            events_taken: cursor.unwrap_or(0),
            pass,
            to_prepare: mender.days().collect(),
            mender,
            ahead: BTreeMap::new(),
            filling: None,
            filling_paused: None,
            sums_made_again: BTreeSet::new(),
            filling_since: None,
        }))))
    }

    /// Shares opened catalogues and batches with other readers of the log.
    ///
    /// # Errors
    /// When the reader has failed.
    pub fn sharing(self, catalogues: &Catalogues, recent: &Recent) -> Result<Self, StoreError> {
        let mut inner = self.0.ok_or(StoreError::Closed)?;
        inner.taker = Taker::new(catalogues.clone());
        inner.log = inner.log.sharing(recent);
        Ok(Self(Some(inner)))
    }

    /// The newest entry that any file of the history may hold something of.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn last_seen(&self) -> Result<i64, StoreError> {
        last_seen(&self.0.as_ref().ok_or(StoreError::Closed)?.index)
    }

    /// The history for those who read it.
    ///
    /// # Errors
    /// When the reader has failed.
    pub fn history(&self) -> Result<Arc<dyn History>, StoreError> {
        let inner = self.0.as_ref().ok_or(StoreError::Closed)?;
        Ok(Arc::new(HistoryFiles {
            head: Arc::clone(&inner.head),
            partitions: Arc::clone(&inner.files),
            levels: Arc::clone(&inner.levels),
            lookup: Arc::clone(&inner.lookup),
        }))
    }

    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut inner = self.0.take().ok_or(StoreError::Closed)?;
        let worked = tokio::task::spawn_blocking(move || {
            let result = work(&mut inner);
            (inner, result)
        });
        let (inner, result) = worked.await.map_err(|_| StoreError::Closed)?;
        self.0 = Some(inner);
        result
    }
}

/// The newest entry that any file of the history in `folder` may hold something of.
///
/// # Errors
/// When it cannot be read.
pub fn history_last_seen(folder: &Path) -> Result<i64, StoreError> {
    last_seen(&open_writable(&folder.join("index.db"), File::HistoryIndex)?)
}

fn last_seen(index: &Connection) -> Result<i64, StoreError> {
    let seen: Option<i64> = index
        .query_row("SELECT max(log_id) FROM cursors", [], |row| row.get(0))
        .during("read how far the history is")?;
    Ok(seen.unwrap_or(0))
}

impl Reader for HistoryReader {
    const NAME: &'static str = "history";
    const PACE: Duration = Duration::from_millis(50);

    async fn step(&mut self) -> Result<bool, StoreError> {
        self.work(Inner::step).await
    }

    fn cursor(&self) -> i64 {
        self.0.as_ref().map_or(0, |inner| inner.cursor)
    }

    fn caught_up_to(&self) -> i64 {
        self.0.as_ref().map_or(0, |inner| inner.taken)
    }

    async fn stop(&mut self) -> Result<(), StoreError> {
        self.work(|inner| {
            inner.seal()?;
            inner.writing.close();
            Ok(())
        })
        .await
    }
}

impl Inner {
    fn step(&mut self) -> Result<bool, StoreError> {
        self.mend()?;
        let now = self.clock.boot_time();
        let found = self.follow(now)?;
        Ok(self.fill(now) || found)
    }

    /// Takes what is new, or does what is due.
    fn follow(&mut self, now: BootTime) -> Result<bool, StoreError> {
        let is_old = self.filling_since.is_some_and(|since| now.since_ms(since) >= self.settings.seal_every_ms);
        if is_old || self.head.bytes() >= self.settings.memory_bytes {
            self.seal()?;
        }
        let found_events = self.take_events()?;
        let more_to_find = self.keeper.step(false);
        let Page { mut entries, through } = self.log.after(self.taken, READING_BYTES, Wanted::Readings)?;
        // What came after the events were looked for waits for the next step.
        let last = through.min(self.events_taken);
        entries.retain(|entry| entry.id <= last);
        if entries.is_empty() {
            if last > self.taken {
                self.taker.account(&self.head, last);
                self.taken = last;
                self.filling_since.get_or_insert(now);
            }
            if found_events {
                return Ok(true);
            }
            // Only while nothing else is to be done: new readings come before sums of old ones.
            if more_to_find || self.keeper.step(true) {
                return Ok(true);
            }
            // What cannot be summed up must not keep what is too old.
            let summed = self.maker.step(&self.index, self.clock.wall().0).unwrap_or_else(|error| {
                error!(%error, "A day of the history could not be summed up; it is tried later.");
                false
            });
            return Ok(summed || self.retain(now)?);
        }
        let mut ahead = BTreeMap::new();
        let took = entries.iter().try_for_each(|entry| {
            let wanted = |day| {
                let through = self.writing.through(day)?;
                let lacks = entry.id > through;
                if !lacks {
                    ahead.insert(day, through);
                }
                Ok(lacks)
            };
            self.taker.take(&mut self.log, &self.head, entry, wanted)
        });
        // A partition that is ahead of the cursor, after a crash or out of a backup, may be ahead of its sums as well.
        let doubted = ahead.keys().try_for_each(|day| self.maker.doubt(&self.index, *day));
        self.ahead.extend(ahead);
        let took = took.and(doubted);
        if let Err(error) = took {
            self.forget();
            return Err(error);
        }
        self.taker.account(&self.head, last);
        self.taken = last;
        self.filling_since.get_or_insert(now);
        Ok(true)
    }

    /// Writes the next events into their partitions. Returns whether anything but readings was found.
    fn take_events(&mut self) -> Result<bool, StoreError> {
        let Page { entries, through } = self.log.after(self.events_taken, EVENT_BYTES, Wanted::AllButReadings)?;
        let mut events = BTreeMap::new();
        let is_event = |entry: &&Entry| entry.kind == EntryKind::Batch && entry.lane == Lane::Events.number();
        for entry in entries.iter().filter(is_event) {
            event_rows::open(entry, &self.settings.keep_personal_values_at, &mut events);
        }
        for (day, items) in &events {
            self.write_events(*day, items)?;
        }
        self.events_taken = through;
        Ok(!entries.is_empty())
    }

    fn write_events(&mut self, day: i64, items: &[EventItem]) -> Result<(), StoreError> {
        self.keeper.grows(day, items.len());
        self.pass.touched(&self.files.path(day));
        self.writing.events(day, items).inspect_err(|error| self.files.doubt(day, error))
    }

    /// Deletes what is kept no longer, once in a while. Returns whether there is more to do at once.
    fn retain(&mut self, now: BootTime) -> Result<bool, StoreError> {
        if !self.pass.is_due(&self.settings.retention, now) {
            return Ok(false);
        }
        let Some(_leave) = self.folder.may_delete()? else { return Ok(false) };
        // A deleted day must hold nothing that a crash would bring back from the log.
        self.seal()?;
        let (open, keeper) = (&mut self.writing.open, &mut self.keeper);
        let closing = |day| {
            drop(open.remove(&day));
            keeper.forget(day);
        };
        let files = Files {
            index: &mut self.index,
            partitions: &self.files,
            levels: &self.levels,
            folder: &self.writing.folder,
        };
        let more = self.pass.step(files, &self.settings.retention, &self.clock.anchor(), closing)?;
        let (readings, sums) = self.pass.kept_since(&self.settings.retention);
        self.files.missing().forget(&self.index, readings, sums)?;
        Ok(more)
    }

    /// An entry may have been taken by half: what is not sealed is forgotten and read again.
    fn forget(&mut self) {
        self.taker = self.taker.anew();
        self.taken = self.head.forget_open().unwrap_or(self.cursor);
        self.filling_since = None;
    }

    /// Moves the newest rows into partitions. If that fails they stay in memory, and the next seal goes on.
    fn seal(&mut self) -> Result<(), StoreError> {
        while self.taken > self.cursor {
            let generation = self.head.begin_seal();
            self.taker.begin_anew();
            self.set_cursor(SEALING_CURSOR, generation.through)?;
            self.maker.before_seal(&mut self.index, &generation)?;
            for (day, rows) in &generation.days {
                self.pass.touched(&self.files.path(*day));
                let sealed = seal_day(self.writing.partition(*day)?, rows, generation.through);
                sealed.inspect_err(|error| self.files.doubt(*day, error))?;
            }
            self.set_cursor(HISTORY_CURSOR, generation.through)?;
            self.cursor = generation.through;
            self.ahead.retain(|_, through| *through > generation.through);
            self.head.end_seal();
        }
        self.filling_since = None;
        Ok(())
    }

    fn set_cursor(&self, name: &str, log_id: i64) -> Result<(), StoreError> {
        self.index
            .prepare_cached("INSERT OR REPLACE INTO cursors (reader, log_id) VALUES (?1, ?2)")
            .and_then(|mut statement| statement.execute(params![name, log_id]))
            .during("move the history's cursor")?;
        Ok(())
    }
}

/// A partition that may be written. The connection is closed before the mark goes.
struct OpenDay {
    conn: Connection,
    through: i64,
    _mark: WriteMark,
}

/// Partitions as their writer has them.
struct Writing {
    files: Arc<Partitions>,
    folder: PathBuf,
    open: HashMap<i64, OpenDay>,
}

impl Writing {
    fn open(&mut self, day: i64) -> Result<&mut OpenDay, StoreError> {
        if !self.open.contains_key(&day) {
            if self.open.len() >= OPEN_PARTITIONS {
                self.close();
            }
            let opened = self.open_now(day).inspect_err(|error| self.files.doubt(day, error))?;
            self.open.insert(day, opened);
        }
        self.open.get_mut(&day).ok_or(StoreError::Closed)
    }

    fn open_now(&self, day: i64) -> Result<OpenDay, StoreError> {
        let path = super::partition_path(&self.folder, day);
        if mend::is_empty(&path) {
            return Err(StoreError::Damaged { what: "a day of the history", problem: "its file is empty".to_owned() });
        }
        let mark = WriteMark::new(&self.files, day);
        let conn = open_file(&path, File::Partition)?;
        self.files.add(day);
        let through = sealed_through(&conn)?;
        Ok(OpenDay { conn, through, _mark: mark })
    }

    fn partition(&mut self, day: i64) -> Result<&mut Connection, StoreError> {
        Ok(&mut self.open(day)?.conn)
    }

    /// Closes all, the WAL of each with it unless somebody reads it just now.
    fn close(&mut self) {
        for (day, open) in self.open.drain() {
            self.files.close_idle(day);
            drop(open);
        }
    }

    /// Up to which entry the day's partition holds rows. What is sealed later than its file was opened comes after
    /// every entry that is asked about.
    fn through(&mut self, day: i64) -> Result<i64, StoreError> {
        if !self.files.has(day) {
            return Ok(0);
        }
        Ok(self.open(day)?.through)
    }

    fn events(&mut self, day: i64, items: &[EventItem]) -> Result<(), StoreError> {
        let transaction = self
            .partition(day)?
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .during("begin writing a partition")?;
        for event in items {
            event_rows::insert(&transaction, event)?;
        }
        transaction.commit().during("commit a partition")
    }
}
