//! What nobody needs any more goes: files without a row, and pictures that are old enough.

use kouan_protocol::{BootTime, Clock, Timestamp};
use tracing::{info, warn};

use super::Evidence;
use crate::store::StoreError;

/// How often old pictures are looked for.
const LOOK_MS: u64 = 3_600_000;
/// How often every file is looked at; also once after each start.
const SWEEP_MS: u64 = 24 * 3_600_000;
const DAY_MS: i64 = 24 * 3_600_000;
/// Pictures that one transaction forgets: readings wait meanwhile.
const AT_ONCE: usize = 500;

/// When it was done last.
#[derive(Debug, Default)]
pub(crate) struct Care {
    looked: Option<BootTime>,
    swept: Option<BootTime>,
}

impl Care {
    /// Does what is due. The caller holds the leave to delete and says which time age is told by, if any is believed.
    pub(crate) async fn step(&mut self, evidence: &Evidence, clock: &dyn Clock, believed: Option<Timestamp>) {
        let now = clock.boot_time();
        let is_due = |at: Option<BootTime>, every: u64| at.is_none_or(|at| now.since_ms(at) >= every);
        if is_due(self.swept, SWEEP_MS) {
            match evidence.sweep().await {
                Ok(removed) => {
                    self.swept = Some(now);
                    if removed > 0 {
                        info!(removed, "Files of pictures that nobody needs were removed.");
                    }
                }
                Err(StoreError::Closed) => return,
                Err(error) => warn!(%error, "Files of pictures could not be swept."),
            }
        }
        let (Some(days), Some(believed)) = (evidence.days(), believed) else { return };
        if !is_due(self.looked, LOOK_MS) {
            return;
        }
        let before_ms = believed.min(clock.wall()).0.saturating_sub(days.saturating_mul(DAY_MS));
        let mut removed = 0;
        loop {
            match evidence.forget(before_ms, AT_ONCE).await {
                Ok(count) => {
                    removed += count;
                    if count < AT_ONCE {
                        break;
                    }
                }
                Err(StoreError::Closed) => return,
                Err(error) => {
                    warn!(%error, "Old pictures stay for now.");
                    return;
                }
            }
        }
        self.looked = Some(now);
        if removed > 0 {
            info!(removed, days, "Pictures were old enough and were removed.");
        }
    }
}
