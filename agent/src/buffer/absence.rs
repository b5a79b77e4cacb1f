//! The time before a start in which no readings were kept: the first rows of a run follow a gap that tells of it.
//!
//! A run that was killed, a disk that refused until it was, a power cut that took the rows which waited for their
//! commit: none of them can write anything down. So every start looks at what the file certainly has. The gap is written
//! together with the first rows after it; a run that keeps nothing leaves it to the next one, so a loop of restarts
//! widens one gap and does not fill the lane.

use kouan_protocol::{Anchor, BootTime, Gap, GapReason, Lane, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::lanes::gap_of;

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Absence {
    reason: GapReason,
    since: Timestamp,
    until: BootTime,
}

impl Absence {
    /// What the gap says.
    pub(super) fn gap(&self, anchor: &Anchor) -> Gap {
        let until = anchor.wall_at(self.until);
        // One of the two clocks was wrong. A synchronised one is right.
        let (since, until) = match (until < self.since, anchor.trusted) {
            (true, true) => (until, until),
            (true, false) => (self.since, self.since),
            (false, _) => (self.since, until),
        };
        gap_of(self.reason, 0, since, until)
    }

    /// Whether the last run that kept anything ended in order.
    fn is_in_order(&self) -> bool {
        self.reason == GapReason::NotRunning
    }
}

/// What the file of the readings lacks at a start.
pub(super) fn before_start(connection: &Connection, anchor: &Anchor) -> rusqlite::Result<Option<Absence>> {
    let kept = connection
        .query_row("SELECT kept_ms, in_order FROM lane WHERE lane = ?1", [Lane::Readings.number()], |row| {
            Ok((Timestamp(row.get(0)?), row.get::<_, bool>(1)?))
        })
        .optional()?;
    let Some((since, in_order)) = kept.filter(|(since, _)| since.0 != 0) else { return Ok(None) };
    // Files that are opened again at once lack nothing.
    if in_order && since == anchor.wall {
        return Ok(None);
    }
    let reason = if in_order { GapReason::NotRunning } else { GapReason::Interrupted };
    Ok(Some(Absence { reason, since, until: anchor.boot_time }))
}

/// A run begins to write: until it says otherwise it did not end in order.
pub(super) fn begin_run(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("UPDATE lane SET in_order = 0 WHERE lane = ?1", [Lane::Readings.number()]).map(|_| ())
}

/// Everything up to now is kept, or told of.
pub(super) fn set_kept(tx: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE lane SET kept_ms = ?2 WHERE lane = ?1")?
        .execute(params![Lane::Readings.number(), now.0])
        .map(|_| ())
}

/// The run ends and has kept everything. What it found untold and kept nothing after is left to the next one.
pub(super) fn end_run(tx: &Transaction<'_>, untold: Option<Absence>, now: Timestamp) -> rusqlite::Result<()> {
    if untold.is_none() {
        set_kept(tx, now)?;
    }
    let in_order = untold.is_none_or(|absence| absence.is_in_order());
    tx.execute("UPDATE lane SET in_order = ?2 WHERE lane = ?1", params![Lane::Readings.number(), in_order]).map(|_| ())
}
