//! What the collector counts about itself; `/metrics` shows it.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters of one running collector.
#[derive(Debug, Default)]
pub struct Counters {
    /// Uploads appended.
    pub uploads: Counter,
    /// Uploads refused because the queue was full.
    pub uploads_pushed_back: Counter,
    /// Batches stored.
    pub batches: Counter,
    /// Batches that had been stored before.
    pub duplicate_batches: Counter,
    /// Batches put into quarantine.
    pub quarantined_batches: Counter,
    /// Commits of the ingest log.
    pub commits: Counter,
    /// Time spent in those commits, in microseconds.
    pub commit_micros: Counter,
    /// Times that a reader or writer failed and went on later.
    pub store_failures: Counter,
    /// Series of device points that a scrape lacked because there were too many.
    pub points_left_out: Counter,
    /// Samples that the remote receiver took.
    pub remote_samples: Counter,
    /// Samples that the remote receiver refused.
    pub remote_samples_dropped: Counter,
    /// Samples that it took no more because they were older than what it had.
    pub remote_samples_too_old: Counter,
    /// Samples that were sent again after a crash or without an answer, and that it had already.
    pub remote_samples_known: Counter,
    /// Entries of the log that were gone before the remote receiver could take what is in them.
    pub remote_entries_dropped: Counter,
    /// Requests that the remote receiver did not take then.
    pub remote_failures: Counter,
    /// Notifications that receivers took.
    pub notifications_sent: Counter,
    /// Notifications that were given up.
    pub notifications_failed: Counter,
    /// Notifications that were not sent for a reason that stands in their rows.
    pub notifications_suppressed: Counter,
    /// Answers by first digit of the status code, 1 to 5.
    pub answers: [Counter; 5],
}
