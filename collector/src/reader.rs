//! What all readers of the log have in common: they are woken by a signal that carries no data, and may be stopped at
//! any instant, because each commits its cursor together with its output.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
    /// pause is taken at once. It also looks no more often than that for entries that turn out to be for others.
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
#[derive(Debug, Clone)]
pub struct Progress(Arc<Place>);

#[derive(Debug)]
struct Place {
    cursor: AtomicI64,
    caught_up_to: AtomicI64,
    pace: Mutex<Pace>,
}

/// How long a reader takes: it passes a mark that was set at what was the newest entry then.
#[derive(Debug)]
struct Pace {
    mark: i64,
    marked: Instant,
    /// Everything that was there then has been seen; `None` until the reader has caught up with what it found.
    fresh: Option<Instant>,
}

impl Progress {
    /// How far `reader` is before it begins.
    pub fn of(reader: &impl Reader) -> Self {
        let pace = Pace { mark: i64::MAX, marked: Instant::now(), fresh: None };
        let (cursor, caught_up_to) = (reader.cursor().into(), reader.caught_up_to().into());
        Self(Arc::new(Place { cursor, caught_up_to, pace: pace.into() }))
    }

    /// The last entry that the reader will never need again.
    #[must_use]
    pub fn cursor(&self) -> i64 {
        self.0.cursor.load(Ordering::Acquire)
    }

    /// The last entry whose output can be seen.
    #[must_use]
    pub fn caught_up_to(&self) -> i64 {
        self.0.caught_up_to.load(Ordering::Acquire)
    }

    /// How old the newest entry is at most that the reader has not seen; `None` while it has not caught up since the
    /// start. `head` is the newest entry.
    #[must_use]
    pub fn behind(&self, head: i64) -> Option<Duration> {
        self.behind_at(head, Instant::now())
    }

    fn behind_at(&self, head: i64, now: Instant) -> Option<Duration> {
        if self.caught_up_to() >= head {
            return Some(Duration::ZERO);
        }
        self.pace().fresh.map(|fresh| now.saturating_duration_since(fresh))
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.0.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, reader: &impl Reader, head: i64, now: Instant) {
        let seen = reader.caught_up_to();
        self.0.cursor.store(reader.cursor(), Ordering::Release);
        self.0.caught_up_to.store(seen, Ordering::Release);
        let mut pace = self.pace();
        if seen >= pace.mark {
            pace.fresh = Some(pace.marked);
        }
        if seen >= head {
            pace.fresh = Some(now);
        }
        if seen >= pace.mark || pace.mark == i64::MAX {
            (pace.mark, pace.marked) = (head, now);
        }
    }
}

/// Lets `reader` follow the log until `shutdown`. It ends before only when the reader cannot go on: then what was
/// stored would be seen no more, and whoever started it must not go on as if nothing had happened.
pub async fn follow<R: Reader>(
    mut reader: R,
    mut head: Head,
    progress: Progress,
    counters: Arc<Counters>,
    shutdown: CancellationToken,
) {
    progress.publish(&reader, *head.borrow(), Instant::now());
    while !shutdown.is_cancelled() {
        head.borrow_and_update();
        let before = reader.caught_up_to();
        match reader.step().await {
            Ok(found) => {
                let ended = tokio::time::Instant::now();
                progress.publish(&reader, *head.borrow(), Instant::now());
                if found && reader.caught_up_to() < *head.borrow() {
                    continue;
                }
                // Work on what is there already has nothing to wait for: sums of a backlog would wait most of their time.
                if found && reader.caught_up_to() == before {
                    tokio::task::yield_now().await;
                    continue;
                }
                if !found {
                    tokio::select! {
                        _ = head.changed() => {}
                        () = tokio::time::sleep(IDLE) => {}
                        () = shutdown.cancelled() => {}
                    }
                }
                if ended.elapsed() < R::PACE {
                    let _ = shutdown.run_until_cancelled(tokio::time::sleep_until(ended + R::PACE)).await;
                }
            }
            Err(StoreError::Closed) => {
                if !shutdown.is_cancelled() {
                    counters.store_failures.add(1);
                    error!(reader = R::NAME, "A reader cannot go on: its thread or the writer of its file failed.");
                }
                break;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Slow(i64);

    /// Its thread panics, and then it has nothing left.
    struct Broken(Option<i64>);

    impl Reader for Broken {
        const NAME: &'static str = "broken";

        async fn step(&mut self) -> Result<bool, StoreError> {
            let place = self.0.take().ok_or(StoreError::Closed)?;
            let stepped = tokio::task::spawn_blocking(move || {
                assert!(place < 0, "a step that fails");
                place
            });
            self.0 = Some(stepped.await.map_err(|_| StoreError::Closed)?);
            Ok(false)
        }

        fn cursor(&self) -> i64 {
            self.0.unwrap_or(0)
        }

        async fn stop(&mut self) -> Result<(), StoreError> {
            self.0.map(drop).ok_or(StoreError::Closed)
        }
    }

    #[tokio::test]
    async fn a_reader_that_panics_ends_and_is_counted() {
        let (_sender, head) = tokio::sync::watch::channel(9);
        let (reader, counters) = (Broken(Some(1)), Arc::new(Counters::default()));
        let progress = Progress::of(&reader);
        // It would go on for ever otherwise: nobody tells it to stop.
        follow(reader, head, progress, Arc::clone(&counters), CancellationToken::new()).await;
        assert_eq!(counters.store_failures.get(), 1);
    }

    impl Reader for Slow {
        const NAME: &'static str = "slow";

        async fn step(&mut self) -> Result<bool, StoreError> {
            Ok(false)
        }

        fn cursor(&self) -> i64 {
            self.0
        }

        async fn stop(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[test]
    fn how_far_a_reader_is_behind_is_told_in_time() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let at = |seconds: u32| start + seconds * second;
        let progress = Progress::of(&Slow(0));
        assert_eq!(progress.behind_at(0, start), Some(Duration::ZERO), "there is nothing to read");
        progress.publish(&Slow(0), 10, at(0));
        assert_eq!(progress.behind_at(10, at(0)), None, "it has not caught up yet");
        progress.publish(&Slow(10), 10, at(1));
        assert_eq!(progress.behind_at(10, at(1)), Some(Duration::ZERO));
        // An entry a second, read five seconds later.
        for now in 11..40 {
            progress.publish(&Slow(i64::from(now) - 5), i64::from(now), at(now));
        }
        let behind = progress.behind_at(40, at(40)).unwrap();
        assert!(behind >= 5 * second && behind <= 12 * second, "{behind:?}");
        assert!(progress.behind_at(40, at(100)).unwrap() >= 60 * second, "it does not move at all");
    }
}
