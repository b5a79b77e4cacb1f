//! What an entry of the log, or a snapshot, changes.

use std::sync::Arc;

use kouan_protocol::{
    AgentId, AlarmChange, AlarmState, Batch, CatalogueHash, CommandProgress, DeviceHealth, DeviceKey, Gap, RecordBody,
    RecordKind, Timestamp,
};

use super::Moment;
use super::latest::LatestReadings;
use crate::store::StoreError;
use crate::store::log::{Catalogues, Correction, Entry, EntryKind, FollowLog, Found, OpenCatalogue, Opened};

/// Where changes come from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Whose they are.
    pub agent: AgentId,
    /// The agent's site.
    pub site: String,
    /// The lane's number, its epoch as text; 0 and empty for a snapshot.
    pub lane: u32,
    /// The lane's epoch as text.
    pub epoch: String,
    /// When it arrived.
    pub received: Timestamp,
    /// Whether it is current state beside the lanes.
    pub snapshot: bool,
}

/// One change, in the order in which it was recorded.
#[derive(Debug)]
pub enum Change {
    /// The agent's devices are described by this catalogue.
    Catalogue(CatalogueHash, Arc<OpenCatalogue>),
    /// A catalogue arrived; it counts if it is the agent's first, because a backlog also brings old ones.
    Arrived(CatalogueHash, Arc<OpenCatalogue>),
    /// Latest readings of devices.
    Readings(LatestReadings),
    /// An edge alarm.
    Alarm(AlarmChange, Moment),
    /// These are all alarms that stand at the agent, by device and condition.
    AllAlarms(Vec<(DeviceKey, String)>, Moment),
    /// A device's health.
    Health(DeviceHealth, Moment),
    /// A command moved on.
    Progress(CommandProgress, Timestamp),
    /// Something of that kind happened then.
    Seen(DeviceKey, String, Timestamp),
    /// The agent lost records.
    Gap(Gap, u64, u64),
    /// Numbers that will never come, as this side found out, and why.
    Lost(u64, u64, String),
    /// Something that could not be read.
    Quarantine {
        /// First number.
        first_seq: u64,
        /// Last number.
        last_seq: u64,
        /// The record's kind; 0 for a whole batch.
        kind: u32,
        /// Why.
        reason: String,
        /// Its bytes.
        body: Vec<u8>,
    },
}

/// The changes of a log entry.
///
/// # Errors
/// Only when the log cannot be read; what is wrong with the entry itself becomes [`Change::Quarantine`].
pub(super) fn of_entry(
    entry: &Entry,
    log: &mut dyn FollowLog,
    catalogues: &Catalogues,
) -> Result<Vec<Change>, StoreError> {
    let whole = |log: &mut dyn FollowLog, reason: String| {
        let (first_seq, last_seq, body) = (entry.from_seq, entry.last_seq, log.body_of(entry)?);
        Ok(vec![Change::Quarantine { first_seq, last_seq, kind: 0, reason, body }])
    };
    match entry.kind {
        EntryKind::Quarantined => whole(log, entry.reason.clone()),
        EntryKind::Lost => Ok(vec![Change::Lost(entry.first_seq, entry.last_seq, entry.reason.clone())]),
        EntryKind::Catalogue => {
            let body = log.body_of(entry)?;
            let text = String::from_utf8_lossy(&body);
            let hash: CatalogueHash = text.parse().map_err(StoreError::damaged("a catalogue's hash in the log"))?;
            match catalogues.find(log, &entry.agent, hash)? {
                Found::Open(catalogue) => Ok(vec![Change::Arrived(hash, catalogue)]),
                Found::Unusable(reason) => whole(log, reason.to_string()),
            }
        }
        EntryKind::Batch => {
            let opened = match entry.open() {
                Ok(opened) => opened,
                Err(error) => return whole(log, error.to_string()),
            };
            match of_batch(&entry.agent, &opened, &entry.correction, entry.from_seq, log, catalogues)? {
                Ok(changes) => Ok(changes),
                Err(reason) => whole(log, reason),
            }
        }
    }
}

/// The changes of a batch or a snapshot; the inner error says why its rows do not open.
pub(super) fn of_batch(
    agent: &AgentId,
    opened: &Arc<Opened>,
    correction: &Correction,
    from_seq: u64,
    log: &mut dyn FollowLog,
    catalogues: &Catalogues,
) -> Result<Result<Vec<Change>, String>, StoreError> {
    let batch = &opened.batch;
    let mut changes = Vec::new();
    if let Some(hash) = batch.catalogue.filter(|_| batch.first_seq == 0 || !batch.groups.is_empty()) {
        let catalogue = match catalogues.find(log, agent, hash)? {
            Found::Open(catalogue) => catalogue,
            Found::Unusable(reason) => return Ok(Err(reason.to_string())),
        };
        if let Err(error) = readings(opened, hash, &catalogue, correction, from_seq, &mut changes) {
            return Ok(Err(error.to_string()));
        }
    }
    records(batch, correction, from_seq, &mut changes);
    Ok(Ok(changes))
}

fn readings(
    opened: &Arc<Opened>,
    hash: CatalogueHash,
    catalogue: &Arc<OpenCatalogue>,
    correction: &Correction,
    from_seq: u64,
    changes: &mut Vec<Change>,
) -> Result<(), Arc<str>> {
    let latest = LatestReadings::of(opened, hash, catalogue, correction, from_seq)?;
    // An old batch in a backlog must not bring back an old description.
    if !correction.is_late(latest.newest) || opened.batch.first_seq == 0 {
        changes.push(Change::Catalogue(hash, Arc::clone(catalogue)));
    }
    changes.push(Change::Readings(latest));
    Ok(())
}

fn records(batch: &Batch, correction: &Correction, from_seq: u64, changes: &mut Vec<Change>) {
    let mut next = batch.first_seq;
    let mut standing = Vec::new();
    for record in &batch.records {
        let (first, last) = (next, (next + record.span).saturating_sub(1));
        next += record.span;
        if batch.first_seq > 0 && last < from_seq {
            continue;
        }
        let moment = Moment::of(&batch.anchor, correction, record.boot_time);
        changes.push(match &record.body {
            RecordBody::Event(event) => Change::Seen(event.device.clone(), event.kind.clone(), moment.time),
            RecordBody::Alarm(alarm) => {
                if alarm.state == AlarmState::Raised {
                    standing.push((alarm.device.clone(), alarm.condition.clone()));
                }
                Change::Alarm(alarm.clone(), moment)
            }
            RecordBody::Command(progress) => Change::Progress(progress.clone(), moment.time),
            RecordBody::Health(health) => Change::Health(health.clone(), moment),
            RecordBody::Gap(gap) => Change::Gap(gap.clone(), first.max(from_seq), last),
            RecordBody::Opaque { kind: RecordKind(kind), body, problem } => Change::Quarantine {
                first_seq: first,
                last_seq: last,
                kind: *kind,
                reason: problem.clone(),
                body: body.clone(),
            },
        });
    }
    if batch.all_alarms {
        changes.push(Change::AllAlarms(standing, Moment::of(&batch.anchor, correction, batch.anchor.boot_time)));
    }
}
