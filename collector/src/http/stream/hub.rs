//! From the task that finds changes to all screens.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

use super::frame::Frame;

/// Events that a slow screen may be behind; then it fetches everything anew.
const BEHIND: usize = 512;
/// Screens at the same time.
const SCREENS: usize = 2_000;

/// Where changes go out to the screens.
#[derive(Debug)]
pub struct Hub {
    frames: broadcast::Sender<Arc<Frame>>,
    places: Arc<Semaphore>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { frames: broadcast::Sender::new(BEHIND), places: Arc::new(Semaphore::new(SCREENS)) }
    }
}

impl Hub {
    /// How many screens are open.
    #[must_use]
    pub fn screens(&self) -> usize {
        SCREENS - self.places.available_permits()
    }

    /// A place for a screen; `None` if there are too many.
    pub(super) fn join(&self) -> Option<(OwnedSemaphorePermit, broadcast::Receiver<Arc<Frame>>)> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some((place, self.frames.subscribe()))
    }

    /// Whether anybody would receive a frame.
    pub(super) fn is_watched(&self) -> bool {
        self.frames.receiver_count() > 0
    }

    pub(super) fn send(&self, frame: Frame) {
        // Without a screen there is nobody to tell.
        let _ = self.frames.send(Arc::new(frame));
    }
}
