//! Which devices changed since when, so that nobody walks the whole fleet to find it out.

use std::collections::BTreeSet;

use tokio::sync::watch;

/// The numbers of changes: each step that changes devices has one, and each device that of its last change.
#[derive(Debug)]
pub(super) struct Changes {
    /// (number of the last change, place of the device): one entry for each device that ever changed.
    latest: BTreeSet<(u64, usize)>,
    told: watch::Sender<u64>,
}

impl Default for Changes {
    fn default() -> Self {
        Self { latest: BTreeSet::new(), told: watch::Sender::new(0) }
    }
}

impl Changes {
    /// The number of the step that is under way; the last one that was told is below it.
    pub(super) fn current(&self) -> u64 {
        *self.told.borrow() + 1
    }

    /// The device at `place`, whose last change was `before`, changes in the step that is under way. Returns the number.
    pub(super) fn touch(&mut self, place: usize, before: u64) -> u64 {
        let current = self.current();
        if before != current {
            self.latest.remove(&(before, place));
            self.latest.insert((current, place));
        }
        current
    }

    /// The step is over: wakes whoever follows, if it changed anything.
    pub(super) fn tell(&mut self) {
        let current = self.current();
        if self.latest.last().is_some_and(|(number, _)| *number == current) {
            self.told.send_replace(current);
        }
    }

    /// The places of devices that changed after the step `after`, in the order of their last change.
    pub(super) fn after(&self, after: u64) -> impl Iterator<Item = usize> {
        self.latest.range((after.saturating_add(1), 0)..).map(|(_, place)| *place)
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_is_found_once_behind_the_number_that_is_known() {
        let mut changes = Changes::default();
        let mut told = changes.subscribe();
        let mut last = [0; 3];
        for step in [vec![0, 1, 0], vec![2], vec![], vec![0]] {
            for place in step {
                last[place] = changes.touch(place, last[place]);
            }
            changes.tell();
        }
        assert_eq!((last, *told.borrow_and_update()), ([3, 1, 2], 3), "a step without changes has no number");
        assert_eq!(changes.after(0).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(changes.after(2).collect::<Vec<_>>(), [0]);
        assert_eq!(changes.after(3).count(), 0);
        changes.tell();
        assert!(!told.has_changed().unwrap());
    }
}
