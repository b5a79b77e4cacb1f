//! Devices that fail and recover at known instants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kouan_protocol::{Clock as _, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::fleet::play::Playing;

/// A change that screens must show.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// Counts changes.
    pub(super) number: usize,
    /// The level that the device has from then on.
    pub(super) level: &'static str,
    /// When the agent knew of it.
    pub(super) at: Instant,
    /// The same by the wall clock.
    pub(super) wall_ms: i64,
}

/// The last change of each device by its id, and how many there were.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<(HashMap<String, Change>, usize)>);

impl Changes {
    fn lock(&self) -> MutexGuard<'_, (HashMap<String, Change>, usize)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last change of a device.
    pub(super) fn of(&self, device: &str) -> Option<Change> {
        self.lock().0.get(device).cloned()
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.lock().1
    }

    fn note(&self, device: &str, level: &'static str, wall_ms: i64) {
        let mut inner = self.lock();
        let number = inner.1;
        inner.1 += 1;
        inner.0.insert(device.to_owned(), Change { number, level, at: Instant::now(), wall_ms });
    }
}

/// Lets one device after the other fail, and recover in the next round, until it is stopped.
pub(super) async fn flip(
    mut playing: Playing,
    ids: Vec<String>,
    every: Duration,
    changes: Arc<Changes>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let clock = SystemClock::new()?;
    let mut ticks = tokio::time::interval(every);
    for turn in 0_usize.. {
        if stop.run_until_cancelled(ticks.tick()).await.is_none() {
            break;
        }
        let (device, silent) = (turn % ids.len(), (turn / ids.len()).is_multiple_of(2));
        changes.note(&ids[device], if silent { "unreachable" } else { "working" }, clock.wall().0);
        playing.flip(device, silent).await?;
    }
    Ok(())
}
