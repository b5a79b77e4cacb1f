//! Exponential back-off with jitter and a cap. Pure: time and chance are arguments.

use std::time::Duration;

use tokio::time::Instant;

/// How long to wait after failures in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffSettings {
    /// Wait after the first failure.
    pub first: Duration,
    /// The wait doubles with each failure up to this.
    pub cap: Duration,
}

impl BackoffSettings {
    /// Of a device that does not answer.
    pub const DEVICE: Self = Self { first: Duration::from_secs(1), cap: Duration::from_secs(60) };
    /// Of a link that does not open.
    pub const LINK: Self = Self { first: Duration::from_millis(500), cap: Duration::from_secs(30) };

    /// The wait after `failures` in a row. `chance` in 0..1 spreads it over the upper quarter, so that the
    /// devices of a site do not all come back at the same instant; the cap is never exceeded.
    #[must_use]
    pub fn delay(&self, failures: u32, chance: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.cap);
        full.mul_f64(0.75 + 0.25 * chance.clamp(0.0, 1.0))
    }
}

/// The back-off of one device or one link.
#[derive(Debug, Clone)]
pub struct Backoff {
    settings: BackoffSettings,
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// No failure yet.
    #[must_use]
    pub fn new(settings: BackoffSettings) -> Self {
        Self { settings, failures: 0, until: None }
    }

    /// Counts a failure at `now`; the next try is due at the returned instant.
    pub fn failed(&mut self, now: Instant, chance: f64) -> Instant {
        self.failures = self.failures.saturating_add(1);
        let until = now + self.settings.delay(self.failures, chance);
        self.until = Some(until);
        until
    }

    /// Forgets all failures.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.until = None;
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// When the next try is due; none if nothing failed.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_wait_doubles_to_the_cap() {
        let delays: Vec<_> =
            (1..=9).map(|failures| BackoffSettings::DEVICE.delay(failures, 1.0).as_secs_f64()).collect();
        assert_eq!(delays, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
    }

    #[test]
    fn success_forgets() {
        let now = Instant::now();
        let mut backoff = Backoff::new(BackoffSettings::LINK);
        backoff.failed(now, 0.0);
        assert!(backoff.failed(now, 0.0) > now);
        backoff.succeeded();
        assert_eq!((backoff.failures(), backoff.until()), (0, None));
    }

    proptest! {
        #[test]
        fn the_wait_stays_within_bounds(failures in 1..u32::MAX, chance in 0.0..1.0) {
            let delay = BackoffSettings::DEVICE.delay(failures, chance);
            prop_assert!(delay >= BackoffSettings::DEVICE.first.mul_f64(0.75));
            prop_assert!(delay <= BackoffSettings::DEVICE.cap);
        }
    }
}
