//! Records of one lane with consecutive numbers, and the snapshot, which has none.

use prost::Message as _;
use prost::bytes::Bytes;

use crate::catalogue::{Catalogue, DeviceSpec, GroupSpec};
use crate::clock::Anchor;
use crate::error::DecodeError;
use crate::ids::CatalogueHash;
use crate::record::{Record, RecordBody};
use crate::rows::{GroupIndex, GroupRows, Row};
use crate::{BootId, BootTime, Timestamp, limits, wire};

/// Records of one lane and one boot, numbered `first_seq` to [`Batch::last_seq`] without a hole.
///
/// In the lanes `urgent` and `events` the records stand in order. In `readings` each row carries its number. A gap
/// stands alone in its batch. A snapshot is a batch with `first_seq` 0 and `count` 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Number of the first record; 0 marks a snapshot.
    pub first_seq: u64,
    /// How many numbers the batch covers; 0 in a snapshot.
    pub count: u64,
    /// Ties the boot times of the records to wall time.
    pub anchor: Anchor,
    /// The catalogue that group indices refer to; `None` where there are no rows.
    pub catalogue: Option<CatalogueHash>,
    /// Readings.
    pub groups: Vec<GroupRows>,
    /// Everything else.
    pub records: Vec<Record>,
    /// Whether the batch was made while the agent's buffer was in memory only: it was never on a disk there.
    pub volatile: bool,
    /// Snapshots only: every active alarm of the agent is named here, and what is not named is not active.
    pub all_alarms: bool,
}

/// Rows of one group, opened with the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenGroup<'c> {
    /// The group's number in the catalogue.
    pub index: GroupIndex,
    /// Whose readings they are.
    pub device: &'c DeviceSpec,
    /// The columns.
    pub group: &'c GroupSpec,
    /// The rows, by ascending number.
    pub rows: Vec<Row>,
}

impl Batch {
    /// The number of the last record.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        (self.first_seq + self.count).saturating_sub(1)
    }

    /// A batch of records for `urgent` or `events`, or one gap for any lane.
    #[must_use]
    pub fn of_records(first_seq: u64, anchor: Anchor, records: Vec<Record>) -> Self {
        let count = records.iter().map(|record| record.span).sum();
        let (groups, volatile, all_alarms) = (Vec::new(), false, false);
        Self { first_seq, count, anchor, catalogue: None, groups, records, volatile, all_alarms }
    }

    /// The bytes that are stored, digested and sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::Batch {
            first_seq: self.first_seq,
            count: self.count,
            anchor: Some(anchor_to_wire(&self.anchor)),
            catalogue: self.catalogue.map_or(0, |hash| hash.0),
            groups: self.groups.iter().map(GroupRows::bytes).collect(),
            records: self.records.iter().map(|record| record.to_wire(&self.anchor)).collect(),
            volatile: self.volatile,
            all_alarms: self.all_alarms,
        }
        .encode_to_vec()
    }

    /// Reads a batch and checks that its parts agree. Rows are opened later, with the catalogue.
    ///
    /// # Errors
    /// When it is too large, not readable, or its numbers do not add up.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        DecodeError::check_size("batch bytes", bytes.len(), limits::BATCH_BYTES)?;
        // One copy; the groups are parts of it.
        let wire = wire::Batch::decode(Bytes::copy_from_slice(bytes)).map_err(DecodeError::malformed("batch"))?;
        let anchor = anchor_from_wire(wire.anchor, "batch")?;
        let records =
            wire.records.into_iter().map(|record| Record::from_wire(record, &anchor)).collect::<Result<Vec<_>, _>>()?;
        let batch = Self {
            first_seq: wire.first_seq,
            count: wire.count,
            anchor,
            catalogue: (wire.catalogue != 0).then_some(CatalogueHash(wire.catalogue)),
            groups: wire.groups.into_iter().map(GroupRows::open).collect::<Result<_, _>>()?,
            records,
            volatile: wire.volatile,
            all_alarms: wire.all_alarms,
        };
        batch.check_numbers()?;
        Ok(batch)
    }

    fn check_numbers(&self) -> Result<(), DecodeError> {
        let rows: usize = self.groups.iter().map(GroupRows::len).sum();
        DecodeError::check_size("batch rows and records", rows + self.records.len(), limits::BATCH_RECORDS)?;
        if rows > 0 && self.catalogue.is_none() {
            return Err(DecodeError::inconsistent("batch", "it has rows but names no catalogue"));
        }
        if self.first_seq == 0 {
            let numbered = self.count > 0 || self.groups.iter().any(GroupRows::is_numbered);
            return if numbered { Err(DecodeError::inconsistent("snapshot", "it has numbers")) } else { Ok(()) };
        }
        if self.all_alarms {
            return Err(DecodeError::inconsistent("batch", "it says that it names all alarms; only a snapshot may"));
        }
        if rows > 0 && !self.records.is_empty() {
            return Err(DecodeError::inconsistent("batch", "it has rows and records; a gap stands alone"));
        }
        let is_gap = |record: &Record| matches!(record.body, RecordBody::Gap(_));
        if self.records.iter().any(|record| record.span > 1 && !is_gap(record)) {
            return Err(DecodeError::inconsistent("batch", "a record that is no gap takes several numbers"));
        }
        let spans = self.records.iter().try_fold(0_u64, |sum, record| sum.checked_add(record.span));
        let numbers = spans.and_then(|spans| spans.checked_add(rows as u64));
        if numbers != Some(self.count) || self.first_seq.checked_add(self.count).is_none() {
            let problem = format!("it announces {} numbers and holds {numbers:?}", self.count);
            return Err(DecodeError::inconsistent("batch", problem));
        }
        if rows > 0 { self.check_row_numbers(rows) } else { Ok(()) }
    }

    fn check_row_numbers(&self, rows: usize) -> Result<(), DecodeError> {
        let mut seen = vec![false; rows];
        for group in &self.groups {
            for seq in group.each_seq(self.first_seq)? {
                let seq = seq?;
                let place = usize::try_from(seq - self.first_seq).ok().and_then(|at| seen.get_mut(at));
                match place {
                    Some(place) if !*place => *place = true,
                    _ => return Err(DecodeError::inconsistent("batch", format!("number {seq} is doubled or outside"))),
                }
            }
        }
        Ok(())
    }

    /// Opens every row with its device and group.
    ///
    /// # Errors
    /// When a group is not in the catalogue or a row does not fit its group.
    pub fn open_rows<'c>(&self, catalogue: &'c Catalogue) -> Result<Vec<OpenGroup<'c>>, DecodeError> {
        let groups: Vec<_> = catalogue.groups().collect();
        self.groups
            .iter()
            .map(|rows| {
                let (_, device, group) = groups.get(rows.group().0 as usize).ok_or_else(|| {
                    DecodeError::inconsistent("batch", format!("group {} is not in the catalogue", rows.group().0))
                })?;
                let index = rows.group();
                Ok(OpenGroup { index, device, group, rows: rows.rows(group, self.first_seq, &self.anchor)? })
            })
            .collect()
    }
}

pub(crate) fn anchor_to_wire(anchor: &Anchor) -> wire::Anchor {
    wire::Anchor { boot: anchor.boot.0, boot_ms: anchor.boot_time.0, wall_ms: anchor.wall.0, trusted: anchor.trusted }
}

pub(crate) fn anchor_from_wire(anchor: Option<wire::Anchor>, what: &'static str) -> Result<Anchor, DecodeError> {
    let anchor = anchor.ok_or_else(|| DecodeError::inconsistent(what, "it has no anchor"))?;
    Ok(Anchor {
        boot: BootId(anchor.boot),
        boot_time: BootTime(anchor.boot_ms),
        wall: Timestamp(anchor.wall_ms),
        trusted: anchor.trusted,
    })
}
