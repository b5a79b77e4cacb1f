//! When something happened at an agent, and which of two words is the later one.

use kouan_protocol::{Anchor, BootId, BootTime, Timestamp};

use crate::store::log::{Correction, TimeStatus};

/// When an agent recorded something, by all clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Which boot of the agent's machine.
    pub boot: BootId,
    /// When, on that boot's clock.
    pub boot_time: BootTime,
    /// By the agent's wall clock.
    pub agent_time: Timestamp,
    /// Corrected.
    pub time: Timestamp,
    /// How far the corrected time may be believed.
    pub status: TimeStatus,
    /// Whether it arrived too late to act upon.
    pub late: bool,
}

impl Moment {
    /// The moment of a record that was made at `boot_time`.
    #[must_use]
    pub fn of(anchor: &Anchor, correction: &Correction, boot_time: BootTime) -> Self {
        let (time, status) = correction.believed(anchor, boot_time);
        Self {
            boot: anchor.boot,
            boot_time,
            agent_time: anchor.wall_at(boot_time),
            time,
            status,
            late: correction.is_late(time),
        }
    }

    /// Whether this is the later word, or the same one again, after `known`.
    #[must_use]
    pub fn follows(&self, known: &Known, current: Option<BootId>) -> bool {
        let this = Known { boot: Some(self.boot), boot_time: self.boot_time, time: self.time };
        this.follows(known, current)
    }
}

/// What must be known of an earlier word to tell which is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Which boot of the agent's machine; `None` if that is not known.
    pub boot: Option<BootId>,
    /// When, on that boot's clock.
    pub boot_time: BootTime,
    /// Corrected time.
    pub time: Timestamp,
}

impl Known {
    /// Whether this is the later word, or the same one again, after `earlier`. `current` is the boot that the agent
    /// named in its latest hello.
    ///
    /// Within one boot its clock decides, and the current boot is after all others. Only between two boots that have
    /// both ended is there nothing better than corrected time. So neither side's wall clock can make a word that is
    /// true now look old by being set.
    #[must_use]
    pub fn follows(&self, earlier: &Self, current: Option<BootId>) -> bool {
        match (self.boot, earlier.boot) {
            (Some(boot), Some(other)) if boot == other => self.boot_time >= earlier.boot_time,
            (Some(boot), Some(_)) if current == Some(boot) => true,
            (Some(_), Some(other)) if current == Some(other) => false,
            _ => self.time >= earlier.time,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn word(boot: u64, boot_ms: u64, time: i64) -> Known {
        Known { boot: Some(BootId(boot)), boot_time: BootTime(boot_ms), time: Timestamp(time) }
    }

    const YEAR: i64 = 365 * 24 * 3600 * 1000;

    #[rstest]
    #[case::same_boot(word(1, 20, 0), word(1, 10, YEAR), true)]
    #[case::same_boot_older(word(1, 10, YEAR), word(1, 20, 0), false)]
    #[case::the_same_again(word(1, 10, 0), word(1, 10, 0), true)]
    #[case::the_current_boot_follows_whatever_the_clocks_say(word(2, 1, 0), word(1, 90, YEAR), true)]
    #[case::an_ended_boot_never_follows_the_current_one(word(1, 90, YEAR), word(2, 1, 0), false)]
    #[case::two_ended_boots(word(1, 5, 10), word(3, 9, 5), true)]
    fn the_later_word(#[case] this: Known, #[case] earlier: Known, #[case] follows: bool) {
        assert_eq!(this.follows(&earlier, Some(BootId(2))), follows);
    }
}
