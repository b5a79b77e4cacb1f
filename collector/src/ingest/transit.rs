//! How long a message was on its way, as far as one side can tell.

use std::time::Duration;

use kouan_protocol::{Anchor, BootId, BootTime};

/// How long the quickest message counts; clocks drift apart.
const WINDOW: Duration = Duration::from_secs(600);

/// The quickest message of an agent within the last one or two windows. Both sides' boot clocks run evenly, so what
/// the others took longer was the line, not a clock; without this a line that held a message back for seconds would
/// move the times in it by as much, past those of messages that came after.
#[derive(Debug)]
pub(super) struct Transit {
    boot: BootId,
    since: BootTime,
    least: i128,
    before: Option<i128>,
}

impl Transit {
    pub(super) fn new(sent: &Anchor, received: &Anchor) -> Self {
        Self { boot: sent.boot, since: received.boot_time, least: difference(sent, received), before: None }
    }

    /// How much longer than the quickest this message took, in milliseconds.
    pub(super) fn delay_ms(&mut self, sent: &Anchor, received: &Anchor) -> u64 {
        let now = difference(sent, received);
        if sent.boot != self.boot {
            *self = Self::new(sent, received);
        } else if u128::from(received.boot_time.since_ms(self.since)) > WINDOW.as_millis() {
            *self = Self { boot: sent.boot, since: received.boot_time, least: now, before: Some(self.least) };
        }
        self.least = self.least.min(now);
        let least = self.before.map_or(self.least, |before| before.min(self.least));
        u64::try_from(now - least).unwrap_or(u64::MAX)
    }
}

fn difference(sent: &Anchor, received: &Anchor) -> i128 {
    i128::from(received.boot_time.0) - i128::from(sent.boot_time.0)
}

#[cfg(test)]
mod tests {
    use kouan_protocol::Timestamp;

    use super::*;

    fn at(boot: u64, boot_ms: u64) -> Anchor {
        Anchor { boot: BootId(boot), boot_time: BootTime(boot_ms), wall: Timestamp(0), trusted: false }
    }

    #[test]
    fn what_takes_longer_than_the_quickest_is_the_line() {
        let mut transit = Transit::new(&at(1, 1_000), &at(9, 51_005));
        assert_eq!(transit.delay_ms(&at(1, 2_000), &at(9, 52_005)), 0);
        assert_eq!(transit.delay_ms(&at(1, 3_000), &at(9, 54_205)), 1_200);
        assert_eq!(transit.delay_ms(&at(1, 4_000), &at(9, 54_002)), 0, "a quicker one");
        assert_eq!(transit.delay_ms(&at(1, 5_000), &at(9, 55_005)), 3);
    }

    #[test]
    fn the_quickest_is_forgotten_after_two_windows_and_with_a_reboot() {
        let mut transit = Transit::new(&at(1, 0), &at(9, 100));
        assert_eq!(transit.delay_ms(&at(1, 700_000), &at(9, 700_150)), 50, "one window back");
        assert_eq!(transit.delay_ms(&at(1, 1_400_000), &at(9, 1_400_150)), 0, "two windows back");
        assert_eq!(transit.delay_ms(&at(2, 5), &at(9, 1_500_000)), 0, "another boot");
    }
}
