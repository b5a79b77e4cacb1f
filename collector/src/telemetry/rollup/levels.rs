//! The files of the sums, and which days they can be asked about.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use rusqlite::Connection;

use crate::store::{During as _, StoreError, open_read_only};
use crate::telemetry::day_ms;

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
}

impl Levels {
    /// What `index` says is made.
    pub(in crate::telemetry) fn open(folder: &Path, index: &Connection) -> Result<Self, StoreError> {
        let days = index
            .prepare("SELECT day FROM rolled")
            .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
            .during("read which days are summed up")?;
        let dirty = index
            .prepare("SELECT day, agent, key FROM dirty")
            .and_then(|mut statement| {
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
            })
            .during("read what must be summed up again")?;
        Ok(Self { folder: folder.to_owned(), made: RwLock::new(Made { days, dirty }), idle: Mutex::default() })
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
    pub(super) fn first_dirty(&self) -> Option<(i64, Vec<(String, String)>)> {
        self.ask(|made| {
            let first = made.dirty.iter().map(|(day, ..)| *day).min()?;
            let devices = made.dirty.iter().filter(|(day, ..)| *day == first);
            Some((first, devices.map(|(_, agent, key)| (agent.clone(), key.clone())).collect()))
        })
    }

    /// Reads one instant of a file; `None` if there is no such file.
    pub(in crate::telemetry) fn read<T>(
        &self,
        path: &Path,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
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
        if of_file.len() < IDLE {
            of_file.push(conn);
        }
        result.map(Some)
    }

    /// The file is about to be deleted.
    pub(in crate::telemetry) fn forget(&self, path: &Path) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }
}
