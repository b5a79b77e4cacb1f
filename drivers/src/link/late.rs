//! Answers that may still come.

use std::time::Duration;

use tokio::time::Instant;

/// What a device that did not answer in time may still say.
#[derive(Debug, Default)]
pub(super) struct Late {
    request: Vec<u8>,
    /// When the first copy of the request was sent.
    first_sent: Option<Instant>,
    until: Option<Instant>,
    /// Time-outs in a row.
    misses: u32,
}

/// Slack for a device whose delay varies.
const SLACK: f64 = 1.25;

impl Late {
    /// The request that was sent at `sent` was not answered. Its answer is expected for `window`, and for twice that
    /// after several time-outs in a row: the device may be slower than anybody thought.
    pub(super) fn timed_out(&mut self, request: &[u8], sent: Instant, window: Duration, now: Instant) {
        let same = self.until(now).is_some() && self.request == request;
        if !same {
            self.first_sent = Some(sent);
            self.request = request.to_vec();
        }
        let until = sent + if self.misses > 1 { window * 2 } else { window };
        self.until = Some(self.until.map_or(until, |earlier| earlier.max(until)));
        self.misses = self.misses.saturating_add(1);
    }

    /// The request that was sent at `sent` was answered. If a copy was sent before, that answer may have been to the
    /// earlier one, and the next comes as much later as they were sent apart.
    pub(super) fn answered(&mut self, sent: Instant, now: Instant) {
        self.misses = 0;
        let apart = self.first_sent.map_or(Duration::ZERO, |first| sent.saturating_duration_since(first));
        self.until = self.until.map(|until| until.min(now + apart.mul_f64(SLACK)));
    }

    /// Until when any answer may come, if one may.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// Until when this read must wait. The same read may be repeated at once: a late answer to it is a true one.
    pub(super) fn hold(&self, request: &[u8], now: Instant) -> Option<Instant> {
        self.until(now).filter(|_| self.request != request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_slow_device_is_left_alone_for_longer() {
        let start = Instant::now();
        let mut late = Late::default();
        late.timed_out(b"status", start, SECOND, start + SECOND);
        assert_eq!(late.hold(b"open", start), Some(start + SECOND));
        assert_eq!(late.hold(b"status", start), None);
        late.timed_out(b"status", start + SECOND, SECOND, start + SECOND * 2);
        assert_eq!(late.until(start), Some(start + SECOND * 2));
        late.timed_out(b"status", start + SECOND * 2, SECOND, start + SECOND * 3);
        assert_eq!(late.until(start), Some(start + SECOND * 4));
    }

    #[test]
    fn after_an_answer_to_a_copy_another_may_come() {
        let start = Instant::now();
        let mut late = Late::default();
        late.timed_out(b"status", start, SECOND * 4, start + SECOND);
        late.answered(start + SECOND, start + SECOND * 3 / 2);
        assert_eq!(late.until(start + SECOND * 3 / 2), Some(start + SECOND * 11 / 4));
    }
}
