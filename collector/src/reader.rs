//! What all readers of the log have in common: they are woken by a signal that carries no data, and may be stopped at
//! any instant, because each commits its cursor together with its output.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::counters::Counters;
use crate::ingest::Head;
use crate::store::StoreError;

/// How long a reader waits after a failure before it tries again.
const RETRY: Duration = Duration::from_secs(1);
/// A reader looks at least this often, for work that is due by time.
const IDLE: Duration = Duration::from_secs(1);

/// Something that follows the log.
pub trait Reader: Send + 'static {
    /// Its name in the log and in metrics.
    const NAME: &'static str;
    /// How long it lets entries gather after a step that left none: they share the next one. One that comes after a
    /// pause is taken at once.
    const PACE: Duration = Duration::ZERO;

    /// Takes the next entries. Returns whether there were any.
    fn step(&mut self) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The last entry that this reader will never need again.
    fn cursor(&self) -> i64;

    /// The last entry whose output can be seen.
    fn caught_up_to(&self) -> i64 {
        self.cursor()
    }

    /// Writes what should be on disk before the program ends.
    fn stop(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// How far a reader is; others may look.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<[AtomicI64; 2]>);

impl Progress {
    /// How far `reader` is before it begins.
    pub fn of(reader: &impl Reader) -> Self {
        let progress = Self::default();
        progress.publish(reader);
        progress
    }

    /// The last entry that the reader will never need again.
    #[must_use]
    pub fn cursor(&self) -> i64 {
        self.0[0].load(Ordering::Acquire)
    }

    /// The last entry whose output can be seen.
    #[must_use]
    pub fn caught_up_to(&self) -> i64 {
        self.0[1].load(Ordering::Acquire)
    }

    fn publish(&self, reader: &impl Reader) {
        self.0[0].store(reader.cursor(), Ordering::Release);
        self.0[1].store(reader.caught_up_to(), Ordering::Release);
    }
}

/// Lets `reader` follow the log until `shutdown`.
pub async fn follow<R: Reader>(
    mut reader: R,
    mut head: Head,
    progress: Progress,
    counters: Arc<Counters>,
    shutdown: CancellationToken,
) {
    progress.publish(&reader);
    while !shutdown.is_cancelled() {
        head.borrow_and_update();
        match reader.step().await {
            Ok(found) => {
                progress.publish(&reader);
                if found {
                    if !R::PACE.is_zero() && reader.caught_up_to() >= *head.borrow() {
                        let _ = shutdown.run_until_cancelled(tokio::time::sleep(R::PACE)).await;
                    }
                    continue;
                }
                tokio::select! {
                    _ = head.changed() => {}
                    () = tokio::time::sleep(IDLE) => {}
                    () = shutdown.cancelled() => {}
                }
            }
            Err(StoreError::Closed) => break,
            Err(error) => {
                counters.store_failures.add(1);
                error!(%error, reader = R::NAME, cursor = reader.cursor(), "A reader failed; it tries again.");
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => {}
                    () = shutdown.cancelled() => {}
                }
            }
        }
    }
    if let Err(error) = reader.stop().await {
        error!(%error, reader = R::NAME, "A reader could not write its last checkpoint; it reads the log again.");
    }
}
