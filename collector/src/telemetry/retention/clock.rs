//! The time by which old files are deleted.
//!
//! A wall clock that is a year ahead makes everything a year older, and what is deleted does not come back when the clock
//! does. So age is not told by the wall clock alone but by a time of our own that is kept on disk: it follows the wall
//! clock, but moves no faster than twice as fast as this machine has really been running. After a jump ahead each real
//! day costs two days of history at most, with a warning every time, and a person has weeks to notice. After a long
//! time switched off it catches up in as many days, and what is too old is kept so much longer.

use std::path::Path;

use kouan_protocol::{Anchor, BootTime, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};
use tracing::{info, warn};

use crate::store::{During as _, StoreError, open_read_only};

const DAY_MS: i64 = 24 * 3_600_000;
/// How much faster than real time the believed time may be.
const HASTE: i64 = 2;

/// The believed time.
#[derive(Debug)]
pub(in crate::telemetry) struct BelievedClock {
    /// Until it is known what to believe there is none, and nothing is deleted.
    believed_ms: Option<i64>,
    /// When the program began, and when it was looked at last.
    started: BootTime,
    looked: BootTime,
    /// Since when the wall clock has been behind.
    behind_since: Option<BootTime>,
}

/// The time by which age was last told in the history in `folder`, if any is believed.
///
/// # Errors
/// When it cannot be read.
pub fn believed_time(folder: &Path) -> Result<Option<Timestamp>, StoreError> {
    let believed_ms = open_read_only(&folder.join("index.db"))?
        .query_row("SELECT believed_ms FROM clock", [], |row| row.get(0))
        .optional()
        .during("read the time by which old files are deleted")?;
    Ok(believed_ms.map(Timestamp))
}

impl BelievedClock {
    /// As it was left.
    pub(in crate::telemetry) fn open(index: &Connection, now: BootTime) -> Result<Self, StoreError> {
        let believed_ms = index
            .query_row("SELECT believed_ms FROM clock", [], |row| row.get(0))
            .optional()
            .during("read the time by which old files are deleted")?;
        Ok(Self { believed_ms, started: now, looked: now, behind_since: None })
    }

    /// The time by which age is told now, or `None` while the clock is not to be believed at all.
    pub(super) fn look(&mut self, index: &Connection, now: &Anchor) -> Result<Option<Timestamp>, StoreError> {
        let told = self.advance(now);
        if let Some(believed_ms) = self.believed_ms {
            let transaction = index.unchecked_transaction().during("begin noting the believed time")?;
            transaction.execute("DELETE FROM clock", []).during("note the believed time")?;
            transaction
                .execute("INSERT INTO clock (believed_ms) VALUES (?1)", [believed_ms])
                .during("note the believed time")?;
            transaction.commit().during("note the believed time")?;
        }
        Ok(told)
    }

    fn advance(&mut self, now: &Anchor) -> Option<Timestamp> {
        let passed = |since: BootTime| i64::try_from(now.boot_time.since_ms(since)).unwrap_or(i64::MAX);
        let elapsed = passed(std::mem::replace(&mut self.looked, now.boot_time));
        let wall = now.wall.0;
        let Some(believed) = self.believed_ms else {
            // A machine without a battery for its clock starts anywhere.
            if now.trusted || passed(self.started) >= DAY_MS {
                self.believed_ms = Some(wall);
            }
            return self.believed_ms.map(Timestamp);
        };
        if wall < believed {
            // Nothing is deleted that would not be by the wall clock, and if it stays there it was the right one.
            if passed(*self.behind_since.get_or_insert(now.boot_time)) >= DAY_MS {
                info!(days = (believed - wall) / DAY_MS, "The clock went back and stayed; age is told by it again.");
                self.believed_ms = Some(wall);
                self.behind_since = None;
            }
            return Some(Timestamp(wall));
        }
        self.behind_since = None;
        let believed = wall.min(believed.saturating_add(elapsed.saturating_mul(HASTE)));
        self.believed_ms = Some(believed);
        let ahead = (wall - believed) / DAY_MS;
        if ahead > 0 {
            warn!(days = ahead, "The clock is ahead of the time that has passed; old days are deleted slowly.");
        }
        Some(Timestamp(believed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_341_600_000;
    const HOUR: u64 = 3_600_000;
    const YEAR: i64 = 365 * DAY_MS;

    fn at(hours: u64, wall: i64, trusted: bool) -> Anchor {
        Anchor { boot: kouan_protocol::BootId(1), boot_time: BootTime(hours * HOUR), wall: Timestamp(wall), trusted }
    }

    fn clock(believed_ms: Option<i64>) -> BelievedClock {
        started_at(0, believed_ms)
    }

    fn started_at(hours: u64, believed_ms: Option<i64>) -> BelievedClock {
        let now = BootTime(hours * HOUR);
        BelievedClock { believed_ms, started: now, looked: now, behind_since: None }
    }

    #[test]
    fn it_follows_a_clock_that_runs_as_time_does() {
        let mut clock = clock(None);
        for hour in 0..1_000 {
            let wall = NOW + hour * HOUR as i64;
            assert_eq!(clock.advance(&at(hour as u64, wall, true)), Some(Timestamp(wall)));
        }
    }

    #[test]
    fn a_clock_that_jumps_a_year_ages_things_by_two_days_in_a_day_also_over_restarts() {
        let mut believing = clock(Some(NOW));
        assert_eq!(believing.advance(&at(0, NOW + YEAR, true)), Some(Timestamp(NOW)));
        for hour in 1..=24 {
            believing.advance(&at(hour, NOW + YEAR + hour as i64 * HOUR as i64, true));
        }
        assert_eq!(believing.believed_ms, Some(NOW + 2 * DAY_MS));
        // To start again and again does not help.
        for start in 0..1_000 {
            let mut again = started_at(24 + start, believing.believed_ms);
            again.advance(&at(24 + start, NOW + YEAR, true));
            assert_eq!(again.believed_ms, Some(NOW + 2 * DAY_MS));
        }
        // The clock is right again, and nothing is older than it is.
        let now = NOW + DAY_MS + HOUR as i64;
        assert_eq!(believing.advance(&at(25, now, true)), Some(Timestamp(now)));
        assert_eq!(believing.advance(&at(49, now + DAY_MS, true)), Some(Timestamp(now + DAY_MS)));
    }

    #[test]
    fn after_a_month_switched_off_it_catches_up_in_a_month() {
        let mut believing = clock(Some(NOW));
        let month = 30 * DAY_MS;
        for day in 0..=30_u64 {
            believing.advance(&at(day * 24, NOW + month + day as i64 * DAY_MS, false));
        }
        assert_eq!(believing.believed_ms, Some(NOW + 2 * month));
    }

    #[test]
    fn a_machine_whose_clock_was_never_set_deletes_nothing_until_it_is() {
        let mut believing = clock(None);
        assert_eq!(believing.advance(&at(0, 0, false)), None);
        assert_eq!(believing.advance(&at(1, NOW, true)), Some(Timestamp(NOW)));
        // One that nobody ever synchronises is believed after a day.
        let mut alone = clock(None);
        assert_eq!(alone.advance(&at(0, NOW, false)), None);
        assert_eq!(alone.advance(&at(24, NOW + DAY_MS, false)), Some(Timestamp(NOW + DAY_MS)));
    }

    #[test]
    fn a_clock_that_was_a_year_ahead_from_the_first_day_does_not_disarm_the_guard() {
        let mut believing = clock(None);
        believing.advance(&at(0, NOW + YEAR, true));
        assert_eq!(believing.advance(&at(1, NOW, true)), Some(Timestamp(NOW)));
        believing.advance(&at(26, NOW + DAY_MS, true));
        assert_eq!(believing.believed_ms, Some(NOW + DAY_MS));
        assert_eq!(believing.advance(&at(26, NOW + 2 * YEAR, true)), Some(Timestamp(NOW + DAY_MS)));
    }
}
