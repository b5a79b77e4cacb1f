//! The partitions that there are, and read connections to them that are used again.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, RwLock};

use rusqlite::Connection;

use super::{partition_days, partition_path};
use crate::store::{During as _, StoreError, open_read_only};

/// Idle read connections that are kept, of all days together.
const IDLE: usize = 96;
/// Idle read connections of one day that are kept.
const IDLE_PER_DAY: usize = 4;

/// Shared by the reader that writes partitions and those who read them.
#[derive(Debug)]
pub(super) struct Partitions {
    folder: PathBuf,
    days: RwLock<BTreeSet<i64>>,
    idle: Mutex<HashMap<i64, Vec<Connection>>>,
}

impl Partitions {
    /// The partitions in `folder`.
    pub(super) fn open(folder: &std::path::Path) -> Result<Self, StoreError> {
        let days = partition_days(folder)?.into_iter().collect();
        Ok(Self { folder: folder.to_owned(), days: RwLock::new(days), idle: Mutex::default() })
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
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(&day);
    }

    /// Reads one instant of a day's file; `None` if there is no such file.
    pub(super) fn read<T>(
        &self,
        day: i64,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if !self.has(day) {
            return Ok(None);
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&day).and_then(Vec::pop);
        let conn = match idle {
            Some(conn) => conn,
            None => open_read_only(&self.path(day))?,
        };
        let transaction = conn.unchecked_transaction().during("read a partition at one instant")?;
        let result = read(&transaction);
        drop(transaction);
        if self.has(day) {
            self.put_back(day, conn);
        }
        result.map(Some)
    }

    fn put_back(&self, day: i64, conn: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
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
