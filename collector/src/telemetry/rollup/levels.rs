//! The files of the sums, and which days they can be asked about.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use rusqlite::Connection;
use tracing::error;

use crate::store::{During as _, StoreError, open_read_only};
use crate::telemetry::day_ms;
use crate::telemetry::mend::is_empty;

/// How sums are made. Days that were summed up in another way are summed up again while their readings are there.
pub(super) const VERSION: i64 = 2;
/// Idle read connections that are kept for each file.
const IDLE: usize = 4;

/// How finely sums are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::telemetry) enum LevelFile {
    /// Of a minute; a file holds a month.
    Minutes,
    /// Of an hour; a file holds a year.
    Hours,
}

impl LevelFile {
    /// The length of a window.
    pub(in crate::telemetry) fn step_ms(self) -> i64 {
        match self {
            Self::Minutes => 60_000,
            Self::Hours => 3_600_000,
        }
    }

    /// Its name in answers.
    pub(in crate::telemetry) fn name(self) -> &'static str {
        match self {
            Self::Minutes => "1m",
            Self::Hours => "1h",
        }
    }

    /// The file that holds the day.
    pub(in crate::telemetry) fn path(self, folder: &Path, day: i64) -> PathBuf {
        let pattern = match self {
            Self::Minutes => "minutes-%Y-%m.db",
            Self::Hours => "hours-%Y.db",
        };
        let time = jiff::Timestamp::from_millisecond(day_ms(day));
        // Corrected times lie between 2020 and tomorrow, so a day always has a name.
        folder.join(time.map_or_else(|_| format!("{pattern}{day}"), |time| time.strftime(pattern).to_string()))
    }
}

/// Days that are summed up, but for some devices.
#[derive(Debug, Default)]
struct Made {
    days: BTreeSet<i64>,
    dirty: HashSet<(i64, String, String)>,
}

/// Shared by the maker of the sums and those who read them.
#[derive(Debug)]
pub(in crate::telemetry) struct Levels {
    folder: PathBuf,
    made: RwLock<Made>,
    idle: Mutex<HashMap<PathBuf, Vec<Connection>>>,
    /// How often a file was taken away: who read it meanwhile must not give its connection back.
    removed: AtomicU64,
    /// Days whose sums stand, made in whatever way.
    rolled: RwLock<BTreeSet<i64>>,
    /// Files that somebody found damaged: their writer looks at them.
    doubts: Mutex<BTreeSet<PathBuf>>,
    /// Days some of whose sums do not read.
    doubted_days: Mutex<BTreeSet<i64>>,
    /// Days whose sums are from before their readings were damaged: they know more than what is left.
    frozen: RwLock<BTreeSet<i64>>,
}

impl Levels {
    /// What `index` says is made; `partitions` are the days whose readings are there, `frozen` those whose sums stay.
    pub(in crate::telemetry) fn open(
        folder: &Path,
        index: &Connection,
        partitions: &BTreeSet<i64>,
        frozen: BTreeSet<i64>,
    ) -> Result<Self, StoreError> {
        let rolled: Vec<(i64, i64)> = index
            .prepare("SELECT day, version FROM rolled")
            .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .during("read which days are summed up")?;
        let is_made =
            |(day, version): &(i64, i64)| *version == VERSION || !partitions.contains(day) || frozen.contains(day);
        let all = rolled.iter().map(|(day, _)| *day).collect();
        let days = rolled.into_iter().filter(is_made).map(|(day, _)| day).collect();
        let dirty = index
            .prepare("SELECT day, agent, key FROM dirty")
            .and_then(|mut statement| {
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
            })
            .during("read what must be summed up again")?;
        Ok(Self {
            folder: folder.to_owned(),
            made: RwLock::new(Made { days, dirty }),
            idle: Mutex::default(),
            removed: AtomicU64::new(0),
            rolled: RwLock::new(all),
            doubts: Mutex::default(),
            doubted_days: Mutex::default(),
            frozen: RwLock::new(frozen),
        })
    }

    /// Whether the day's sums are from before its readings were damaged.
    pub(in crate::telemetry) fn is_frozen(&self, day: i64) -> bool {
        self.frozen.read().unwrap_or_else(PoisonError::into_inner).contains(&day)
    }

    /// The day's readings are damaged: its sums stay as they are, in whatever way they were made.
    pub(in crate::telemetry) fn freeze(&self, day: i64) {
        self.frozen.write().unwrap_or_else(PoisonError::into_inner).insert(day);
        self.remove_dirty_day(day);
        self.add_day(day);
    }

    /// All readings of the day are there again: its sums are made anew.
    pub(in crate::telemetry) fn thaw(&self, day: i64) {
        self.frozen.write().unwrap_or_else(PoisonError::into_inner).remove(&day);
        self.rolled.write().unwrap_or_else(PoisonError::into_inner).remove(&day);
        self.remove_day(day);
        self.remove_dirty_day(day);
    }

    /// Notes that some sums of the day do not read.
    pub(super) fn doubt_day(&self, day: i64) {
        self.doubted_days.lock().unwrap_or_else(PoisonError::into_inner).insert(day);
    }

    /// The days whose sums must be made again, if they can be.
    pub(in crate::telemetry) fn take_doubted_days(&self) -> BTreeSet<i64> {
        std::mem::take(&mut *self.doubted_days.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether somebody found the file damaged and nobody has looked at it yet.
    pub(super) fn is_doubted(&self, path: &Path) -> bool {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn change(&self, change: impl FnOnce(&mut Made)) {
        change(&mut self.made.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn ask<T>(&self, ask: impl FnOnce(&Made) -> T) -> T {
        ask(&self.made.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the day is summed up.
    pub(super) fn is_made(&self, day: i64) -> bool {
        self.ask(|made| made.days.contains(&day))
    }

    /// The days from `first` to `last` that are summed up.
    pub(super) fn made_within(&self, first: i64, last: i64) -> Vec<i64> {
        if first > last {
            return Vec::new();
        }
        self.ask(|made| made.days.range(first..=last).copied().collect())
    }

    /// Whether the day is summed up for that device, with everything that is sealed.
    pub(super) fn is_made_for(&self, day: i64, agent: &str, key: &str) -> bool {
        self.ask(|made| {
            made.days.contains(&day)
                && (made.dirty.is_empty() || !made.dirty.contains(&(day, agent.to_owned(), key.to_owned())))
        })
    }

    /// The day is summed up.
    pub(super) fn add_day(&self, day: i64) {
        self.change(|made| {
            made.days.insert(day);
        });
    }

    /// The day must be summed up again.
    pub(super) fn remove_day(&self, day: i64) {
        self.change(|made| {
            made.days.remove(&day);
        });
    }

    /// Devices got readings of that day that are not in the sums.
    pub(super) fn add_dirty(&self, day: i64, devices: impl IntoIterator<Item = (String, String)>) {
        self.change(|made| made.dirty.extend(devices.into_iter().map(|(agent, key)| (day, agent, key))));
    }

    /// The sums hold them now.
    pub(super) fn remove_dirty(&self, day: i64, devices: &[(String, String)]) {
        self.change(|made| {
            for (agent, key) in devices {
                made.dirty.remove(&(day, agent.clone(), key.clone()));
            }
        });
    }

    /// The first day with devices that must be summed up again, and those devices.
    pub(super) fn first_dirty(&self, wanted: impl Fn(i64) -> bool) -> Option<(i64, Vec<(String, String)>)> {
        self.ask(|made| {
            let first = made.dirty.iter().map(|(day, ..)| *day).filter(|day| wanted(*day)).min()?;
            let devices = made.dirty.iter().filter(|(day, ..)| *day == first);
            Some((first, devices.map(|(_, agent, key)| (agent.clone(), key.clone())).collect()))
        })
    }

    /// Whether the day was ever summed up.
    pub(in crate::telemetry) fn was_made(&self, day: i64) -> bool {
        self.rolled.read().unwrap_or_else(PoisonError::into_inner).contains(&day) || self.is_made(day)
    }

    /// The days of a file that are summed up.
    pub(in crate::telemetry) fn days_of(&self, path: &Path) -> Vec<i64> {
        let is_there = |day: &i64| {
            [LevelFile::Minutes, LevelFile::Hours].iter().any(|level| level.path(&self.folder, *day) == path)
        };
        self.made_within(i64::MIN, i64::MAX).into_iter().filter(is_there).collect()
    }

    /// Nothing of the day is to be summed up again.
    pub(super) fn remove_dirty_day(&self, day: i64) {
        self.change(|made| made.dirty.retain(|(dirty, ..)| *dirty != day));
    }

    /// Notes that a file must be looked at, if that error is one of damage.
    pub(in crate::telemetry) fn doubt(&self, path: &Path, error: &StoreError) {
        if error.is_damage() || is_empty(path) {
            self.doubt_anyway(path);
        }
    }

    /// Notes that a file must be looked at.
    pub(in crate::telemetry) fn doubt_anyway(&self, path: &Path) {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }

    /// The files that must be looked at.
    pub(in crate::telemetry) fn take_doubts(&self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut *self.doubts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads one instant of a file; `None` if there is no such file, or if it is damaged: the readings may be there.
    pub(in crate::telemetry) fn read<T>(
        &self,
        path: &Path,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self.read_sound(path, read) {
            Err(error) if error.is_damage() || is_empty(path) => {
                self.doubt_anyway(path);
                error!(%error, file = %path.display(), "Sums of the history are damaged and are left out.");
                Ok(None)
            }
            result => result,
        }
    }

    fn read_sound<T>(
        &self,
        path: &Path,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let removed = self.removed.load(Ordering::SeqCst);
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(path).and_then(Vec::pop);
        let conn = match idle {
            Some(conn) => conn,
            None if !path.exists() => return Ok(None),
            None => open_read_only(path)?,
        };
        let transaction = conn.unchecked_transaction().during("read sums at one instant")?;
        let result = read(&transaction);
        drop(transaction);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let of_file = idle.entry(path.to_owned()).or_default();
        if of_file.len() < IDLE && result.is_ok() && self.removed.load(Ordering::SeqCst) == removed {
            of_file.push(conn);
        }
        result.map(Some)
    }

    /// The file is about to be deleted.
    pub(in crate::telemetry) fn forget(&self, path: &Path) {
        self.removed.fetch_add(1, Ordering::SeqCst);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }
}
