//! How much a lane sends at once, and how long it leaves the line to others.

use std::time::Duration;

use kouan_protocol::limits;

/// An upload is made as large as takes about this long beyond what any upload takes.
const TARGET: Duration = Duration::from_millis(500);
/// Bytes of an upload before compression: at least, at first, at most. One batch is always sent, however large it is.
const LEAST: usize = 8 * 1024;
const FIRST: usize = 128 * 1024;
const MOST: usize = 1024 * 1024;
/// What is added after an upload that was quick.
const STEP: usize = 64 * 1024;
/// After so many uploads a small one finds out again what an answer takes at least: a line may get another way.
const PROBE_EVERY: u32 = 256;
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
    /// What an answer takes at least, whatever is sent: the way there and back, and the collector's disk.
    answer: Quickest,
    /// The same without the collector's part.
    way: Quickest,
    /// Uploads since the last probe.
    uploads: u32,
}

/// The shortest of the times since the last probe.
#[derive(Debug, Default)]
struct Quickest(Option<Duration>);

impl Quickest {
    /// What this time is longer than the shortest.
    fn beyond(&mut self, took: Duration) -> Duration {
        let quickest = self.0.map_or(took, |known| known.min(took));
        self.0 = Some(quickest);
        took - quickest
    }
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
        Self {
            share: share.clamp(0.01, 1.0),
            bytes: FIRST,
            doubling: true,
            answer: Quickest::default(),
            way: Quickest::default(),
            uploads: 0,
        }
    }

    /// Bytes of the next upload, before compression.
    pub(super) fn bytes(&self) -> usize {
        if self.uploads == 0 { LEAST } else { self.bytes }
    }

    /// An upload was answered. Returns how long the lane should leave the line to others: nothing on a line that
    /// carries it in no time.
    pub(super) fn answered(&mut self, trip: Trip) -> Duration {
        if self.uploads == 0 {
            (self.answer, self.way) = (Quickest::default(), Quickest::default());
        }
        self.uploads = (self.uploads + 1) % PROBE_EVERY;
        let beyond = self.answer.beyond(trip.took);
        // What takes its time however little is sent is no reason to send less.
        if trip.bytes >= self.bytes / 2 {
            if beyond > TARGET {
                self.halve(trip.bytes);
            } else if beyond < TARGET / 2 {
                self.bytes = if self.doubling { self.bytes * 2 } else { self.bytes + STEP }.min(MOST);
            }
        }
        // The answer's way is no work for the line, only the bytes are.
        let carried = self.way.beyond(trip.took.saturating_sub(trip.held));
        carried.mul_f64(1.0 / self.share - 1.0).min(LONGEST_PAUSE)
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

    /// A pace that knows how quick an answer is.
    fn probed(share: f64, took_ms: u64, held_ms: u64) -> Pace {
        let mut pace = Pace::new(share);
        assert_eq!(pace.bytes(), LEAST, "the first upload is a probe");
        assert_eq!(pace.answered(trip(100, took_ms, held_ms)), Duration::ZERO);
        pace
    }

    #[test]
    fn a_fast_line_soon_carries_the_most_and_is_never_left_idle() {
        let mut pace = probed(0.5, 2, 2);
        for _ in 0..5 {
            assert_eq!(pace.answered(trip(pace.bytes(), 42, 42)), Duration::ZERO);
        }
        assert_eq!(pace.bytes(), MOST);
    }

    #[test]
    fn a_slow_line_gets_smaller_uploads_and_is_shared() {
        let mut pace = probed(0.5, 40, 0);
        for _ in 0..1000 {
            // 64 KiB a second.
            let carried = pace.bytes() as u64 / 64;
            let pause = pace.answered(trip(pace.bytes(), 40 + carried, 0));
            assert!(pause <= Duration::from_millis(carried), "half of the line is left to others");
        }
        let takes = Duration::from_millis(pace.bytes() as u64 / 64);
        assert!(takes <= TARGET * 2 && takes >= TARGET / 4, "{takes:?}");
    }

    #[test]
    fn a_long_way_or_a_slow_disk_makes_no_upload_small() {
        let mut pace = probed(0.5, 700, 0);
        for _ in 0..10 {
            assert_eq!(pace.answered(trip(pace.bytes(), 700, 0)), Duration::ZERO);
        }
        assert_eq!(pace.bytes(), MOST);
        // Another way or a busy disk: the uploads shrink, and grow again once it is clear that it is not the bytes.
        for _ in 0..2 * PROBE_EVERY {
            pace.answered(trip(pace.bytes(), 2000, 600));
        }
        pace.answered(trip(pace.bytes(), 2000, 600));
        assert_eq!(pace.bytes(), MOST);
    }

    #[test]
    fn a_small_share_waits_longer_and_a_whole_one_not_at_all() {
        let pause = |share| probed(share, 0, 0).answered(trip(FIRST, 300, 100));
        assert_eq!(pause(1.0), Duration::ZERO);
        assert_eq!(pause(0.5), Duration::from_millis(200));
        assert_eq!(pause(0.1), Duration::from_millis(1800));
    }

    #[test]
    fn push_back_halves_down_to_the_least_and_small_uploads_raise_nothing() {
        let mut pace = probed(1.0, 1, 0);
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
