//! Which devices changed since when, so that nobody walks the whole fleet to find it out.

use tokio::sync::watch;

/// No device.
const NONE: u32 = u32::MAX;

/// The numbers of changes: each step that changes devices has one, and each device that of its last change.
#[derive(Debug)]
pub(super) struct Changes {
    /// By the place of the device. Those that ever changed hang together in the order of their last change: to move one
    /// to the end touches its neighbours and nothing else, however many there are.
    links: Vec<Link>,
    newest: u32,
    told: watch::Sender<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    /// The number of the device's last change; 0 before the first.
    change: u64,
    older: u32,
    newer: u32,
}

impl Default for Changes {
    fn default() -> Self {
        Self { links: Vec::new(), newest: NONE, told: watch::Sender::new(0) }
    }
}

impl Changes {
    /// The number of the step that is under way; the last one that was told is below it.
    pub(super) fn current(&self) -> u64 {
        *self.told.borrow() + 1
    }

    /// The device at `place` changes in the step `current`, which is under way. Returns the number.
    pub(super) fn touch(&mut self, place: usize, current: u64) -> u64 {
        let at = u32::try_from(place).unwrap_or(NONE);
        if place >= self.links.len() {
            self.links.resize(place + 1, Link { change: 0, older: NONE, newer: NONE });
        }
        let Link { change, older, newer } = self.links[place];
        if change == current {
            return current;
        }
        if change > 0 {
            self.link_mut(older, |link| link.newer = newer);
            self.link_mut(newer, |link| link.older = older);
            if self.newest == at {
                self.newest = older;
            }
        }
        self.links[place] = Link { change: current, older: self.newest, newer: NONE };
        self.link_mut(self.newest, |link| link.newer = at);
        self.newest = at;
        current
    }

    fn link_mut(&mut self, at: u32, change: impl FnOnce(&mut Link)) {
        if let Some(link) = self.links.get_mut(at as usize) {
            change(link);
        }
    }

    /// The step is over: wakes whoever follows, if it changed anything.
    pub(super) fn tell(&mut self) {
        let current = self.current();
        if self.links.get(self.newest as usize).is_some_and(|newest| newest.change == current) {
            self.told.send_replace(current);
        }
    }

    /// The places of devices that changed after the step `after`, in the order of their last change.
    pub(super) fn after(&self, after: u64) -> impl Iterator<Item = usize> + use<> {
        let mut places = Vec::new();
        let mut at = self.newest as usize;
        while let Some(link) = self.links.get(at).filter(|link| link.change > after) {
            places.push(at);
            at = link.older as usize;
        }
        places.into_iter().rev()
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
            let current = changes.current();
            for place in step {
                last[place] = changes.touch(place, current);
            }
            changes.tell();
        }
        assert_eq!((last, *told.borrow_and_update()), ([3, 1, 2], 3), "a step without changes has no number");
        assert_eq!(changes.after(0).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(changes.after(2).collect::<Vec<_>>(), [0]);
        assert_eq!(changes.after(3).count(), 0);
        for place in [1, 2, 1, 0] {
            let current = changes.current();
            last[place] = changes.touch(place, current);
            changes.tell();
            assert_eq!(changes.after(0).count(), 3);
            assert_eq!(changes.after(current - 1).collect::<Vec<_>>(), [place]);
        }
        assert_eq!(changes.after(0).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!(*told.borrow_and_update(), 7);
        changes.tell();
        assert!(!told.has_changed().unwrap());
    }
}
