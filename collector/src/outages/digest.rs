//! What late records amount to.

use std::collections::{BTreeMap, BTreeSet};

use kouan_protocol::{AlarmState, Batch, Lane, RecordBody, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::log::Entry;

/// Most kinds of events, conditions and devices that a digest names; the rest is counted together.
const NAMES: usize = 100;
/// The name of the rest.
const OTHERS: &str = "(others)";

/// What came and went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Digest {
    /// Events by kind.
    pub events: BTreeMap<String, u64>,
    /// Changes of alarms by condition.
    pub alarms: BTreeMap<String, AlarmCount>,
    /// Devices whose health changed, by their names at the agent.
    pub devices: BTreeSet<String>,
    /// Rows of readings that were added to the history.
    pub readings: u64,
    /// Words about commands.
    pub commands: u64,
    /// Gap records.
    pub gaps: u64,
    /// Records lost under them, as far as that is known.
    pub lost: u64,
    /// Records and batches that could not be read.
    pub quarantined: u64,
}

/// How often an alarm was raised and cleared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlarmCount {
    /// How often it was raised.
    pub raised: u64,
    /// How often it was cleared.
    pub cleared: u64,
}

impl Digest {
    /// Adds the late records of a batch. Returns the time of the earliest one, if there is any.
    pub(super) fn add(&mut self, entry: &Entry, batch: &Batch) -> Option<Timestamp> {
        if !batch.groups.is_empty() {
            // Rows of one batch lie close together; the anchor stands for all of them.
            let time = entry.correction.time_of(&batch.anchor, batch.anchor.boot_time);
            let late = entry.lane == Lane::Readings.number() && entry.correction.is_late(time);
            if late {
                self.readings += entry.numbers();
            }
            return late.then_some(time);
        }
        let (mut next, mut earliest) = (batch.first_seq, None);
        for record in &batch.records {
            let last = (next + record.span).saturating_sub(1);
            next += record.span;
            let time = entry.correction.time_of(&batch.anchor, record.boot_time);
            if last < entry.from_seq || !entry.correction.is_late(time) {
                continue;
            }
            earliest = Some(earliest.map_or(time, |known: Timestamp| known.min(time)));
            self.count(&record.body);
        }
        earliest
    }

    /// Adds what `more` counts.
    pub(super) fn merge(&mut self, more: &Self) {
        for (kind, count) in &more.events {
            *named(&mut self.events, kind) += count;
        }
        for (condition, count) in &more.alarms {
            let known = named(&mut self.alarms, condition);
            known.raised += count.raised;
            known.cleared += count.cleared;
        }
        for device in &more.devices {
            self.insert_device(device);
        }
        self.readings += more.readings;
        self.commands += more.commands;
        self.gaps += more.gaps;
        self.lost = self.lost.saturating_add(more.lost);
        self.quarantined += more.quarantined;
    }

    fn insert_device(&mut self, device: &str) {
        let room = self.devices.len() < NAMES || self.devices.contains(device);
        self.devices.insert(if room { device } else { OTHERS }.to_owned());
    }

    fn count(&mut self, body: &RecordBody) {
        match body {
            RecordBody::Event(event) => *named(&mut self.events, &event.kind) += 1,
            RecordBody::Alarm(alarm) => {
                let count = named(&mut self.alarms, &alarm.condition);
                match alarm.state {
                    AlarmState::Raised => count.raised += 1,
                    AlarmState::Cleared => count.cleared += 1,
                }
            }
            RecordBody::Health(health) => self.insert_device(health.device.as_str()),
            RecordBody::Command(_) => self.commands += 1,
            RecordBody::Gap(gap) => {
                self.gaps += 1;
                self.lost = self.lost.saturating_add(gap.lost);
            }
            RecordBody::Opaque { .. } => self.quarantined += 1,
        }
    }
}

fn named<'m, T: Default>(names: &'m mut BTreeMap<String, T>, name: &str) -> &'m mut T {
    let name = if names.len() < NAMES || names.contains_key(name) { name } else { OTHERS };
    names.entry(name.to_owned()).or_default()
}
