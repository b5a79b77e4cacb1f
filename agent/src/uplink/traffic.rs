//! What the parts of a session know of each other: who has something urgent to send, whether the state has arrived,
//! and whether the readings lag.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Readings wait at most this long for the other lanes to fall silent.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Readings wait at most this long for the first snapshot; a collector that does not take it does not stall them.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(10);
/// Readings that were behind for longer lag, and the snapshot speaks for them.
const LAG: Duration = Duration::from_secs(2);

/// Shared by the parts of one session.
#[derive(Debug, Clone)]
pub(super) struct Traffic {
    shared: Arc<watch::Sender<State>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    /// Uploads of urgent records and events that are on their way.
    urgent: usize,
    /// The first snapshot was answered.
    state_arrived: bool,
    /// Since when readings wait without the collector's word for what was there when the last upload was made.
    behind_since: Option<Instant>,
}

/// An urgent upload that is on its way; dropping it ends that.
#[derive(Debug)]
pub(super) struct Urgent {
    shared: Arc<watch::Sender<State>>,
}

impl Drop for Urgent {
    fn drop(&mut self) {
        self.shared.send_modify(|state| state.urgent -= 1);
    }
}

impl Traffic {
    /// A new session: nothing was sent yet.
    pub(super) fn new() -> Self {
        Self { shared: Arc::new(watch::Sender::new(State::default())) }
    }

    /// Says that an urgent upload begins.
    pub(super) fn urgent(&self) -> Urgent {
        self.shared.send_modify(|state| state.urgent += 1);
        Urgent { shared: Arc::clone(&self.shared) }
    }

    /// Waits until the other lanes are silent, for a bounded time.
    pub(super) async fn silence(&self) {
        let mut state = self.shared.subscribe();
        let _ = tokio::time::timeout(LONGEST_WAIT, state.wait_for(|state| state.urgent == 0)).await;
    }

    /// The first snapshot was answered.
    pub(super) fn state_arrived(&self) {
        self.shared.send_if_modified(|state| !std::mem::replace(&mut state.state_arrived, true));
    }

    /// Waits for the first snapshot, for a bounded time: state comes before the backlog.
    pub(super) async fn after_state(&self) {
        let mut state = self.shared.subscribe();
        let _ = tokio::time::timeout(SNAPSHOT_WAIT, state.wait_for(|state| state.state_arrived)).await;
    }

    /// Says whether readings wait that were there when the last upload was made.
    pub(super) fn readings_behind(&self, behind: bool) {
        self.shared.send_modify(|state| {
            state.behind_since = behind.then(|| state.behind_since.unwrap_or_else(Instant::now));
        });
    }

    /// Whether readings have been behind for so long that the state at the collector is old.
    pub(super) fn readings_lag(&self) -> bool {
        self.shared.borrow().behind_since.is_some_and(|since| since.elapsed() >= LAG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readings_wait_for_urgent_uploads_but_not_for_ever() {
        let traffic = Traffic::new();
        traffic.silence().await;
        let urgent = traffic.urgent();
        let began = Instant::now();
        traffic.silence().await;
        assert_eq!(began.elapsed(), LONGEST_WAIT);
        let waiting = tokio::spawn({
            let traffic = traffic.clone();
            async move { traffic.silence().await }
        });
        tokio::time::advance(Duration::from_millis(10)).await;
        drop(urgent);
        waiting.await.unwrap();
        assert!(began.elapsed() < LONGEST_WAIT * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn readings_lag_after_a_while_and_no_longer_once_they_caught_up() {
        let traffic = Traffic::new();
        traffic.readings_behind(true);
        assert!(!traffic.readings_lag());
        tokio::time::advance(LAG).await;
        traffic.readings_behind(true);
        assert!(traffic.readings_lag());
        traffic.readings_behind(false);
        assert!(!traffic.readings_lag());
    }
}
