//! What the collector promised to have on its disk.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kouan_protocol::Epoch;
use kouan_protocol::session::Receipt;

/// Lane and epoch.
pub type LaneEpoch = (u32, Epoch);

/// The highest number that the collector ever confirmed, by lane and epoch.
#[derive(Debug, Default)]
pub struct Promises {
    confirmed: Mutex<BTreeMap<LaneEpoch, u64>>,
    latest_session: Mutex<Option<Instant>>,
}

impl Promises {
    /// Notes an answer to an upload, whether or not the agent gets it.
    pub(super) fn note(&self, answer: &[u8]) {
        let Ok(receipt) = Receipt::decode(answer) else { return };
        let mut promises = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        for stored in receipt.stored {
            let highest = promises.entry((stored.lane, stored.epoch)).or_default();
            *highest = stored.stored_seq.max(*highest);
        }
    }

    /// Notes that a session began.
    pub(super) fn note_session(&self) {
        *self.latest_session.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// When the latest session began.
    #[must_use]
    pub fn latest_session(&self) -> Option<Instant> {
        *self.latest_session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> BTreeMap<LaneEpoch, u64> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
