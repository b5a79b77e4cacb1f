//! Old words about devices go out of the state, once in a while and a few at a time.

use kouan_protocol::BootTime;
use tracing::{info, warn};

use crate::http::Shared;
use crate::state;
use crate::store::{DataFolder, StoreError};
use crate::telemetry;

/// How often old words are looked for.
const EVERY_MS: u64 = 3_600_000;
const DAY_MS: i64 = 24 * 3_600_000;
/// Changes that one transaction removes: readings wait meanwhile.
const AT_ONCE: usize = 1_000;

/// Removes what is kept no longer.
#[derive(Debug, Default)]
pub(crate) struct Forgetting {
    looked_at: Option<BootTime>,
}

impl Forgetting {
    /// Removes old changes of health, if it is time. The caller holds the leave to delete.
    pub(crate) async fn step(&mut self, shared: &Shared) {
        let Some(days) = shared.config.history_retention.health else { return };
        let now = shared.clock.boot_time();
        if self.looked_at.is_some_and(|at| now.since_ms(at) < EVERY_MS) {
            return;
        }
        match remove(shared, days).await {
            Ok(removed) => {
                self.looked_at = Some(now);
                if removed > 0 {
                    info!(removed, "Changes of health were old enough and were removed.");
                }
            }
            Err(StoreError::Closed) => {}
            Err(error) => warn!(%error, "Old changes of health stay for now."),
        }
    }
}

async fn remove(shared: &Shared, days: i64) -> Result<usize, StoreError> {
    let folder = DataFolder::new(&shared.data).history();
    let believed = tokio::task::spawn_blocking(move || telemetry::believed_time(&folder));
    // Until a time is believed, nothing is old.
    let Some(believed) = believed.await.map_err(|_| StoreError::Closed)?? else { return Ok(0) };
    let before_ms = believed.min(shared.clock.wall()).0.saturating_sub(days.saturating_mul(DAY_MS));
    let mut removed = 0;
    loop {
        let old = shared.state_readers.read(move |conn| state::old_health(conn, before_ms, AT_ONCE)).await?;
        let count = old.len();
        shared.state.transact(move |transaction| state::forget_health(transaction, &old, before_ms)).await?;
        removed += count;
        if count < AT_ONCE || shared.shutdown.is_cancelled() {
            return Ok(removed);
        }
    }
}
