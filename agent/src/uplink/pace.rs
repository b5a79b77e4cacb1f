//! How much a lane sends at once, and how long it leaves the line to others.

use std::time::Duration;

use kouan_protocol::limits;

/// An upload is made as large as takes about this long.
const TARGET: Duration = Duration::from_millis(500);
/// Bytes of an upload before compression: at least, at first, at most. One batch is always sent, however large it is.
const LEAST: usize = 8 * 1024;
const FIRST: usize = 128 * 1024;
const MOST: usize = 2 * 1024 * 1024;
/// What is added after an upload that was quick.
const STEP: usize = 64 * 1024;
/// The longest pause after an upload.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A line that is slower than this many bytes a second counts as dead.
const SLOWEST_LINE: u64 = 512;

/// Adapts the size of uploads to what the line and the collector take: larger step by step, smaller by half.
///
/// Kept from session to session, so that a line that is too slow for one size is not tried with it again and again.
#[derive(Debug)]
pub(super) struct Pace {
    /// Share of the line that a backlog may take, 0 to 1.
    share: f64,
    bytes: usize,
    /// Until the first set-back the size doubles.
    doubling: bool,
    /// The quickest answer: what the line takes for next to nothing.
    quickest: Option<Duration>,
}

/// How an upload went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trip {
    /// Bytes before compression.
    pub(super) bytes: usize,
    /// From the first byte sent to the answer.
    pub(super) took: Duration,
    /// How much of it the collector says that it needed.
    pub(super) held: Duration,
}

impl Pace {
    pub(super) fn new(share: f64) -> Self {
        Self { share: share.clamp(0.01, 1.0), bytes: FIRST, doubling: true, quickest: None }
    }

    /// Bytes of the next upload, before compression.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// An upload was answered. Returns how long the lane should leave the line to others: nothing on a line that
    /// carries it in no time.
    pub(super) fn answered(&mut self, trip: Trip) -> Duration {
        if trip.took > TARGET {
            self.halve(trip.bytes);
        } else if trip.bytes >= self.bytes / 2 && trip.took < TARGET / 2 {
            self.bytes = if self.doubling { self.bytes * 2 } else { self.bytes + STEP }.min(MOST);
        }
        let on_line = trip.took.saturating_sub(trip.held);
        let quickest = self.quickest.map_or(on_line, |known| known.min(on_line));
        self.quickest = Some(quickest);
        // The answer's way is no work for the line, only the bytes are.
        (on_line - quickest).mul_f64(1.0 / self.share - 1.0).min(LONGEST_PAUSE)
    }

    /// The collector pushed back, or no answer came in time.
    pub(super) fn set_back(&mut self, bytes: usize) {
        self.halve(bytes);
    }

    fn halve(&mut self, sent: usize) {
        self.doubling = false;
        self.bytes = (self.bytes.min(sent) / 2).max(LEAST);
    }
}

/// How long an upload of that many bytes may take: a slow line is not a dead one.
pub(super) fn patience(request_timeout: Duration, bytes: usize) -> Duration {
    let bytes = bytes.min(limits::BODY_BYTES) as u64;
    request_timeout + Duration::from_secs(bytes / SLOWEST_LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trip(bytes: usize, took_ms: u64, held_ms: u64) -> Trip {
        Trip { bytes, took: Duration::from_millis(took_ms), held: Duration::from_millis(held_ms) }
    }

    #[test]
    fn a_fast_line_soon_carries_the_most_and_is_never_left_idle() {
        let mut pace = Pace::new(0.5);
        for _ in 0..5 {
            let bytes = pace.bytes();
            assert_eq!(pace.answered(trip(bytes, 40, 40)), Duration::ZERO);
        }
        assert_eq!(pace.bytes(), MOST);
    }

    #[test]
    fn a_slow_line_gets_smaller_uploads_and_is_shared() {
        let mut pace = Pace::new(0.5);
        assert_eq!(pace.answered(trip(1000, 40, 0)), Duration::ZERO, "the quickest answer is the measure");
        let mut bytes = pace.bytes();
        for _ in 0..4 {
            // 64 KiB a second.
            let took = 40 + bytes as u64 / 64;
            let pause = pace.answered(trip(bytes, took, 0));
            assert_eq!(pause, Duration::from_millis(took - 40), "half of the line is left to others");
            bytes = pace.bytes();
        }
        let takes = Duration::from_millis(bytes as u64 / 64);
        assert!(takes <= TARGET && takes >= TARGET / 4, "{takes:?}");
    }

    #[test]
    fn a_small_share_waits_longer_and_a_whole_one_not_at_all() {
        let pause = |share| {
            let mut pace = Pace::new(share);
            pace.answered(trip(100, 0, 0));
            pace.answered(trip(FIRST, 300, 100))
        };
        assert_eq!(pause(1.0), Duration::ZERO);
        assert_eq!(pause(0.1), Duration::from_millis(1800));
    }

    #[test]
    fn push_back_halves_down_to_the_least_and_small_uploads_raise_nothing() {
        let mut pace = Pace::new(1.0);
        pace.set_back(FIRST);
        assert_eq!(pace.bytes(), FIRST / 2);
        pace.answered(trip(100, 1, 0));
        assert_eq!(pace.bytes(), FIRST / 2, "what the lane happened to have says nothing");
        pace.answered(trip(FIRST / 2, 1, 0));
        assert_eq!(pace.bytes(), FIRST / 2 + STEP);
        for _ in 0..20 {
            pace.set_back(MOST);
        }
        assert_eq!(pace.bytes(), LEAST);
    }

    #[test]
    fn patience_grows_with_the_bytes() {
        let second = Duration::from_secs(1);
        assert_eq!(patience(second * 20, 0), second * 20);
        assert_eq!(patience(second * 20, 51_200), second * 120);
    }
}
