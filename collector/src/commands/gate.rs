//! Until when nothing is handed out.

use std::sync::atomic::{AtomicI64, Ordering};

/// Commands are handed out only when the state knows everything that the log says about them: an entry may say that
/// this side has forgotten something, and then they are held.
#[derive(Debug)]
pub struct Offers(AtomicI64);

impl Offers {
    /// Nothing is handed out before the state has come to the entry `head`.
    #[must_use]
    pub fn new(head: i64) -> Self {
        Self(AtomicI64::new(head))
    }

    /// From now on nothing is handed out before the state has come to the entry `head`.
    pub fn wait_for(&self, head: i64) {
        self.0.fetch_max(head, Ordering::AcqRel);
    }

    /// Whether commands may be handed out when the state has come to the entry `cursor`.
    #[must_use]
    pub fn may_begin(&self, cursor: i64) -> bool {
        cursor >= self.0.load(Ordering::Acquire)
    }
}
