//! The readings of a batch on their way to the latest values of devices.

use std::sync::Arc;

use kouan_protocol::{
    Anchor, BootId, BootTime, CatalogueHash, CellSink, DecodeError, GroupRows, Quality, QualityReason, RawValue,
    Timestamp, Value,
};

use super::{Known, PointState};
use crate::store::log::{Correction, OpenCatalogue, Opened, TimeStatus};

/// When a row was read by the agent's boot clock, corrected, and how far that may be believed.
pub(super) type RowTime = (BootTime, (Timestamp, TimeStatus));

/// The readings of a batch that opens. They stay as they came until memory takes them.
#[derive(Debug)]
pub struct LatestReadings {
    pub(super) hash: CatalogueHash,
    pub(super) catalogue: Arc<OpenCatalogue>,
    opened: Arc<Opened>,
    /// The newest row's time.
    pub(super) newest: Timestamp,
    anchor: Anchor,
    correction: Correction,
    /// The batch's first number, and the first that counts.
    numbers: (u64, u64),
}

impl LatestReadings {
    /// Checks the rows of a batch, of which those from number `from_seq` on count.
    ///
    /// # Errors
    /// When a row does not fit its group; why.
    pub(super) fn of(
        opened: &Arc<Opened>,
        hash: CatalogueHash,
        catalogue: &Arc<OpenCatalogue>,
        correction: &Correction,
        from_seq: u64,
    ) -> Result<Self, Arc<str>> {
        opened.check(catalogue)?;
        let batch = &opened.batch;
        let mut latest = Self {
            hash,
            catalogue: Arc::clone(catalogue),
            opened: Arc::clone(opened),
            newest: Timestamp(i64::MIN),
            anchor: batch.anchor,
            correction: *correction,
            numbers: (batch.first_seq, from_seq),
        };
        let mut times = Vec::new();
        for rows in &batch.groups {
            latest.times(rows, &mut times).map_err(|error| Arc::from(error.to_string()))?;
            let newest = times.iter().flatten().map(|(_, (time, _))| *time).max();
            latest.newest = latest.newest.max(newest.unwrap_or(latest.newest));
        }
        Ok(latest)
    }

    /// The rows.
    pub(super) fn groups(&self) -> &[GroupRows] {
        &self.opened.batch.groups
    }

    /// When each row was read, by the agent's boot clock and corrected, and how far that may be believed; `None` for one
    /// that does not count.
    ///
    /// # Errors
    /// When the numbers of the rows do not ascend.
    pub(super) fn times(&self, rows: &GroupRows, times: &mut Vec<Option<RowTime>>) -> Result<(), DecodeError> {
        times.clear();
        let both = |boot_time| Some((boot_time, self.correction.believed(&self.anchor, boot_time)));
        times.extend(rows.boot_times(&self.anchor).map(both));
        let (first_seq, from_seq) = self.numbers;
        if first_seq > 0 && from_seq > first_seq {
            let seqs = rows.seqs(first_seq)?;
            times.iter_mut().zip(seqs).filter(|(_, seq)| *seq < from_seq).for_each(|(time, _)| *time = None);
        }
        Ok(())
    }

    /// Takes a cell, unless a newer one is known. Returns whether it was taken.
    pub(super) fn update(&self, known: &mut PointState, cell: &LatestCell<'_>, current: Option<BootId>) -> bool {
        let moment = Known { boot: Some(self.anchor.boot), boot_time: cell.boot_time, time: cell.time };
        if !moment.follows(&known.moment(), current) {
            return false;
        }
        let before = known.value.take();
        *known = self.state(cell, before);
        true
    }

    /// The cell as it is kept. A word that was known before is not made again.
    pub(super) fn state(&self, cell: &LatestCell<'_>, before: Option<Value>) -> PointState {
        let value = cell.value.map(|value| match (value, before) {
            (RawValue::State(_, word) | RawValue::Text(word), Some(Value::Text(known))) if *known == *word => {
                Value::Text(known)
            }
            (value, _) => value.to_value(),
        });
        PointState {
            value,
            quality: cell.quality,
            reason: cell.reason,
            time: cell.time,
            time_status: cell.time_status,
            received: self.correction.received,
            boot: self.anchor.boot,
            boot_time: cell.boot_time,
        }
    }
}

/// A cell with the time of its row.
pub(super) struct LatestCell<'c> {
    value: Option<RawValue<'c>>,
    quality: Quality,
    reason: QualityReason,
    boot_time: BootTime,
    time: Timestamp,
    time_status: TimeStatus,
}

/// Shows the cells of rows that count, with their columns.
pub(super) struct Timed<'t, F> {
    pub(super) times: &'t [Option<RowTime>],
    pub(super) take: F,
}

impl<F: FnMut(usize, &LatestCell<'_>)> CellSink for Timed<'_, F> {
    fn cell(
        &mut self,
        column: usize,
        row: usize,
        value: Option<RawValue<'_>>,
        quality: Quality,
        reason: QualityReason,
    ) {
        if let Some((boot_time, (time, time_status))) = self.times.get(row).copied().flatten() {
            (self.take)(column, &LatestCell { value, quality, reason, boot_time, time, time_status });
        }
    }
}
