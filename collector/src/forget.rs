//! Old words about devices and old notifications go out of the state, once in a while and a few at a time.

use kouan_protocol::{BootTime, Timestamp};
use tracing::{info, warn};

use crate::http::Shared;
use crate::store::{DataFolder, StoreError};
use crate::telemetry;
use crate::{notify, state};

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
    /// Removes old changes of health and old notifications, if it is time. The caller holds the leave to delete and says
    /// which time age is told by; until one is believed, nothing is old.
    pub(crate) async fn step(&mut self, shared: &Shared, believed: Option<Timestamp>) {
        let Some(believed) = believed else { return };
        let now = shared.clock.boot_time();
        if self.looked_at.is_some_and(|at| now.since_ms(at) < EVERY_MS) {
            return;
        }
        let before = |days: i64| believed.min(shared.clock.wall()).0.saturating_sub(days.saturating_mul(DAY_MS));
        let health = match shared.config.history_retention.health {
            Some(days) => remove_health(shared, before(days)).await,
            None => Ok(0),
        };
        let notifications = remove_notifications(shared, before(shared.config.notify.keep_days)).await;
        let mut all = true;
        for (removed, what) in [(health, "changes of health"), (notifications, "notifications")] {
            match removed {
                Ok(0) => {}
                Ok(removed) => info!(removed, what, "Old rows of the state were removed."),
                Err(StoreError::Closed) => return,
                Err(error) => {
                    warn!(%error, what, "Old rows of the state stay for now.");
                    all = false;
                }
            }
        }
        if all {
            self.looked_at = Some(now);
        }
    }
}

/// The time by which age is told, if any is believed.
pub(crate) async fn believed(shared: &Shared) -> Result<Option<Timestamp>, StoreError> {
    let folder = DataFolder::new(&shared.data).history();
    let believed = tokio::task::spawn_blocking(move || telemetry::believed_time(&folder));
    believed.await.map_err(|_| StoreError::Closed)?
}

async fn remove_health(shared: &Shared, before_ms: i64) -> Result<usize, StoreError> {
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

async fn remove_notifications(shared: &Shared, before_ms: i64) -> Result<usize, StoreError> {
    let mut removed = 0;
    loop {
        let old = shared.state_readers.read(move |conn| notify::settled_before(conn, before_ms, AT_ONCE)).await?;
        let count = old.len();
        if count > 0 {
            shared.state.transact(move |transaction| notify::forget(transaction, &old)).await?;
        }
        removed += count;
        if count < AT_ONCE || shared.shutdown.is_cancelled() {
            return Ok(removed);
        }
    }
}
