//! When the next session is tried, and how often the log tells of it.

use std::time::Duration;

use kouan_protocol::BootTime;

use super::client::UplinkError;

/// The first pause; it doubles.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause while a line that is back should be found at once.
const SOON: Duration = Duration::from_millis(750);
/// The longest pause after a long outage.
const LATE: Duration = Duration::from_secs(5);
/// An outage of this length is worth a pause of one unit: a minute's outage less than a second, and so on.
const OUTAGE_PER_PAUSE: u64 = 200;
/// The longest pause where nothing will change until somebody acts.
const REFUSED: Duration = Duration::from_secs(30);
/// How often an unchanged problem is told again.
const SAY_AGAIN_MS: u64 = 60_000;

/// Attempts since the last good session.
#[derive(Debug)]
pub(super) struct Retry {
    pause: Duration,
    since: Option<BootTime>,
    attempts: u64,
    said: Option<(String, BootTime)>,
}

/// What follows a failed attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// The pause, before jitter.
    pub(super) pause: Duration,
    /// Attempts that failed in a row.
    pub(super) attempts: u64,
    /// Whether the log should tell of it.
    pub(super) say: bool,
}

impl Retry {
    pub(super) fn new() -> Self {
        Self { pause: FIRST, since: None, attempts: 0, said: None }
    }

    /// An attempt failed, or a session ended.
    pub(super) fn after(&mut self, problem: &UplinkError, now: BootTime) -> Next {
        let outage = now.since_ms(*self.since.get_or_insert(now));
        let longest = match problem {
            // A collector that failed may be well again at any time.
            UplinkError::Refused { status, .. } if !status.is_server_error() => REFUSED,
            UplinkError::Certificate { .. } => REFUSED,
            // Two machines with one identity end each other's sessions.
            UplinkError::HelloRequired { .. } => LATE,
            _ => Duration::from_millis(outage / OUTAGE_PER_PAUSE).clamp(SOON, LATE),
        };
        let pause = self.pause.min(longest);
        self.pause = (pause * 2).min(longest);
        self.attempts += 1;
        let text = problem.to_string();
        let told = self.said.as_ref().is_some_and(|(said, at)| *said == text && now.since_ms(*at) < SAY_AGAIN_MS);
        if !told {
            self.said = Some((text, now));
        }
        Next { pause, attempts: self.attempts, say: !told }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> UplinkError {
        UplinkError::Busy { request: "hello", retry_after: Duration::from_secs(1) }
    }

    fn superseded() -> UplinkError {
        UplinkError::HelloRequired { request: "upload", detail: "superseded".to_owned() }
    }

    #[test]
    fn a_short_outage_ends_within_a_second_and_a_long_one_within_five() {
        let mut retry = Retry::new();
        let pauses: Vec<_> = (0..4).map(|at| retry.after(&busy(), BootTime(at * 1000)).pause.as_millis()).collect();
        assert_eq!(pauses, [250, 500, 750, 750]);
        assert_eq!(retry.after(&busy(), BootTime(120_000)).pause, SOON);
        for _ in 0..3 {
            retry.after(&busy(), BootTime(3_600_000));
        }
        assert_eq!(retry.after(&busy(), BootTime(3_600_000)).pause, LATE);
    }

    #[test]
    fn who_is_sent_away_comes_back_less_and_less() {
        let mut retry = Retry::new();
        let last = (0..10).map(|at| retry.after(&superseded(), BootTime(at)).pause).last();
        assert_eq!(last, Some(LATE));
        assert_eq!(retry.after(&busy(), BootTime(1000)).pause, SOON, "a line that is cut is another matter");
    }

    #[test]
    fn the_log_is_told_what_is_new_and_otherwise_once_a_minute() {
        let mut retry = Retry::new();
        let mut say = |problem: &UplinkError, at| retry.after(problem, BootTime(at)).say;
        assert!(say(&busy(), 0));
        assert!(!say(&busy(), 1000));
        assert!(say(&superseded(), 2000));
        assert!(say(&busy(), 3000));
        assert!(!say(&busy(), 62_999));
        assert!(say(&busy(), 63_000));
    }
}
