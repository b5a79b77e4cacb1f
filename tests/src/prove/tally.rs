//! The figures of a round, and their sums.

use std::collections::BTreeMap;
use std::time::Duration;

/// Records of one sort.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// Made by the devices.
    pub made: u64,
    /// Stored at the collector.
    pub stored: u64,
    /// Neither stored nor covered by anything: must be 0.
    pub lost: u64,
    /// Stored more than once: must be 0.
    pub doubled: u64,
    /// Stored before an earlier one: must be 0.
    pub out_of_order: u64,
    /// Lost, with a gap in their place.
    pub in_gaps: u64,
    /// Lost with a kill of the agent, within the time in which it says that readings are at risk.
    pub uncommitted: u64,
}

/// Commands.
#[derive(Debug, Clone, Default)]
pub struct Commands {
    /// Asked.
    pub asked: u64,
    /// Of these, never stored, because the collector was away.
    pub not_taken: u64,
    /// Carried out by the device.
    pub run: u64,
    /// Carried out more than once: must be 0.
    pub run_twice: u64,
    /// Carried out after their life: must be 0.
    pub late: u64,
    /// Whose end says something else than the device: must be 0.
    pub untrue: u64,
    /// Ended as succeeded.
    pub succeeded: u64,
    /// Ended as failed.
    pub failed: u64,
    /// Ended as expired.
    pub expired: u64,
    /// Ended as rejected.
    pub rejected: u64,
    /// Ended as unknown.
    pub unknown: u64,
    /// Without an end: must be 0.
    pub open: u64,
}

/// All figures.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Readings.
    pub readings: Records,
    /// Events.
    pub events: Records,
    /// Numbers of all lanes: confirmed to the agent, and stored.
    pub lanes: Records,
    /// Commands.
    pub commands: Commands,
    /// Gaps by reason.
    pub gaps: BTreeMap<String, u64>,
    /// Batches in quarantine.
    pub quarantined: u64,
    /// How often the agent ended by itself on a broken disk.
    pub ended: u64,
    /// How long before a kill the oldest reading was made that was lost with it.
    pub oldest_uncommitted: Duration,
    /// What must not be.
    pub broken: Vec<String>,
}

impl Tally {
    /// Notes something that must not be.
    pub fn broken(&mut self, what: String) {
        self.broken.push(what);
    }

    /// Adds the figures of another round.
    pub fn add(&mut self, other: Self) {
        self.readings.add(&other.readings);
        self.events.add(&other.events);
        self.lanes.add(&other.lanes);
        self.commands.add(&other.commands);
        for (reason, count) in other.gaps {
            *self.gaps.entry(reason).or_default() += count;
        }
        self.quarantined += other.quarantined;
        self.ended += other.ended;
        self.oldest_uncommitted = self.oldest_uncommitted.max(other.oldest_uncommitted);
        self.broken.extend(other.broken);
    }
}

impl Records {
    fn add(&mut self, other: &Self) {
        self.made += other.made;
        self.stored += other.stored;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
        self.in_gaps += other.in_gaps;
        self.uncommitted += other.uncommitted;
    }
}

impl Commands {
    fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.not_taken += other.not_taken;
        self.run += other.run;
        self.run_twice += other.run_twice;
        self.late += other.late;
        self.untrue += other.untrue;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.expired += other.expired;
        self.rejected += other.rejected;
        self.unknown += other.unknown;
        self.open += other.open;
    }
}
