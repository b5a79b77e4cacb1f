//! Who uses the file of a day. A writer begins only when nobody takes the file for one at rest any more; days do not wait
//! for each other, and nobody who reads waits at all.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many use a day's file in each way.
#[derive(Debug, Default)]
struct Uses {
    writers: usize,
    resting: usize,
}

/// Of all days that somebody uses.
#[derive(Debug, Default)]
pub(super) struct DayLocks {
    days: Mutex<HashMap<i64, Uses>>,
    left: Condvar,
}

/// The day's file may be taken for one at rest as long as this lives.
#[derive(Debug)]
pub(super) struct Resting<'l> {
    locks: &'l DayLocks,
    day: i64,
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.locks.leave(self.day, |uses| uses.resting -= 1);
    }
}

impl DayLocks {
    fn days(&self) -> MutexGuard<'_, HashMap<i64, Uses>> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, day: i64, leave: impl FnOnce(&mut Uses)) {
        let mut days = self.days();
        if let Some(uses) = days.get_mut(&day) {
            leave(uses);
            if uses.writers == 0 && uses.resting == 0 {
                days.remove(&day);
            }
        }
        drop(days);
        self.left.notify_all();
    }

    /// Leave to take the day's file for one at rest; `None` while it is written, or while somebody is about to.
    pub(super) fn rest(&self, day: i64) -> Option<Resting<'_>> {
        let mut days = self.days();
        let uses = days.entry(day).or_default();
        if uses.writers > 0 {
            return None;
        }
        uses.resting += 1;
        Some(Resting { locks: self, day })
    }

    /// Waits until nobody takes the day's file for one at rest. From the first moment on nobody begins to.
    pub(super) fn begin_writing(&self, day: i64) {
        let mut days = self.days();
        days.entry(day).or_default().writers += 1;
        let is_read = |days: &mut HashMap<i64, Uses>| days.get(&day).is_some_and(|uses| uses.resting > 0);
        drop(self.left.wait_while(days, is_read).unwrap_or_else(PoisonError::into_inner));
    }

    /// A writer has closed the day's file.
    pub(super) fn end_writing(&self, day: i64) {
        self.leave(day, |uses| uses.writers = uses.writers.saturating_sub(1));
    }

    /// Whether somebody writes the day's file, or is about to.
    #[cfg(test)]
    pub(super) fn is_written(&self, day: i64) -> bool {
        self.days().get(&day).is_some_and(|uses| uses.writers > 0)
    }
}
