//! The latest reading of each point in a batch, by column, on its way to the devices.

use std::sync::Arc;

use kouan_protocol::{
    Anchor, Batch, BootId, BootTime, CatalogueHash, CellSink, DecodeError, GroupIndex, GroupSpec, Quality,
    QualityReason, RawValue, Timestamp, Value, unscale,
};

use super::{Known, PointState};
use crate::store::log::{Correction, OpenCatalogue};

/// A value that may still be a place in a list of words.
#[derive(Debug, Clone)]
enum LatestValue {
    Number(f64),
    Integer(i64),
    State(usize),
    Text(Arc<str>),
}

impl LatestValue {
    fn of(value: RawValue<'_>) -> Self {
        match value {
            RawValue::Scaled(integer, decimals) => Self::Number(unscale(integer, decimals)),
            RawValue::Double(number) => Self::Number(number),
            RawValue::Integer(integer) => Self::Integer(integer),
            RawValue::State(place, _) => Self::State(place),
            RawValue::Text(text) => Self::Text(text.into()),
        }
    }
}

/// The latest reading of one column.
#[derive(Debug, Clone)]
pub(super) struct LatestCell {
    pub(super) column: u16,
    quality: Quality,
    reason: QualityReason,
    value: Option<LatestValue>,
    boot_time: BootTime,
}

/// The latest readings of a batch.
#[derive(Debug)]
pub struct LatestReadings {
    pub(super) hash: CatalogueHash,
    pub(super) catalogue: Arc<OpenCatalogue>,
    /// Groups, each with the end of its cells.
    pub(super) groups: Vec<(GroupIndex, usize)>,
    pub(super) cells: Vec<LatestCell>,
    anchor: Anchor,
    correction: Correction,
    /// The newest row's time.
    pub(super) newest: Timestamp,
}

impl LatestReadings {
    /// Opens the rows of a batch from number `from_seq` on.
    ///
    /// # Errors
    /// When a row does not fit its group.
    pub(super) fn of(
        batch: &Batch,
        hash: CatalogueHash,
        catalogue: &Arc<OpenCatalogue>,
        correction: &Correction,
        from_seq: u64,
    ) -> Result<Self, DecodeError> {
        let mut latest = Self {
            hash,
            catalogue: Arc::clone(catalogue),
            groups: Vec::with_capacity(batch.groups.len()),
            cells: Vec::new(),
            anchor: batch.anchor,
            correction: *correction,
            newest: Timestamp(i64::MIN),
        };
        let is_partial = batch.first_seq > 0 && from_seq > batch.first_seq;
        let mut times = Vec::new();
        for rows in &batch.groups {
            let index = rows.group();
            let (_, group) = catalogue.at(index).ok_or_else(|| DecodeError::Inconsistent {
                what: "batch",
                problem: format!("group {} is not in the catalogue", index.0),
            })?;
            times.clear();
            times.extend(rows.boot_times(&batch.anchor).map(Some));
            if is_partial {
                let seqs = rows.seqs(batch.first_seq)?;
                times.iter_mut().zip(seqs).filter(|(_, seq)| *seq < from_seq).for_each(|(time, _)| *time = None);
            }
            let newest = times.iter().flatten().map(|time| correction.time_of(&batch.anchor, *time)).max();
            latest.newest = latest.newest.max(newest.unwrap_or(latest.newest));
            let first = latest.cells.len();
            rows.visit(group, &mut Newest { cells: &mut latest.cells, first, times: &times })?;
            if latest.cells.len() > first {
                latest.groups.push((index, latest.cells.len()));
            }
        }
        Ok(latest)
    }

    /// The cell as it is kept.
    pub(super) fn state(&self, cell: &LatestCell, group: &GroupSpec) -> PointState {
        PointState {
            value: cell.value.as_ref().and_then(|value| value_of(value, cell.column, group, None)),
            quality: cell.quality,
            reason: cell.reason,
            time: self.correction.time_of(&self.anchor, cell.boot_time),
            time_status: self.correction.status,
            received: self.correction.received,
            boot: self.anchor.boot,
            boot_time: cell.boot_time,
        }
    }

    /// Takes the cell, unless a newer one is known. Returns whether it was taken.
    pub(super) fn update(
        &self,
        known: &mut PointState,
        cell: &LatestCell,
        group: &GroupSpec,
        current: Option<BootId>,
    ) -> bool {
        let time = self.correction.time_of(&self.anchor, cell.boot_time);
        let moment = Known { boot: Some(self.anchor.boot), boot_time: cell.boot_time, time };
        if !moment.follows(&known.moment(), current) {
            return false;
        }
        known.value = match &cell.value {
            None => None,
            Some(value) => value_of(value, cell.column, group, known.value.take()),
        };
        (known.quality, known.reason) = (cell.quality, cell.reason);
        (known.time, known.time_status) = (time, self.correction.status);
        (known.received, known.boot, known.boot_time) = (self.correction.received, self.anchor.boot, cell.boot_time);
        true
    }
}

/// The value; a word that was known before is not made again.
fn value_of(value: &LatestValue, column: u16, group: &GroupSpec, before: Option<Value>) -> Option<Value> {
    let word = match value {
        LatestValue::Number(number) => return Some(Value::Number(*number)),
        LatestValue::Integer(integer) => return Some(Value::Integer(*integer)),
        LatestValue::Text(text) => return Some(Value::Text(Arc::clone(text))),
        LatestValue::State(place) => group.points.get(usize::from(column))?.states.get(*place)?.as_str(),
    };
    match before {
        Some(Value::Text(known)) if *known == *word => Some(Value::Text(known)),
        _ => Some(Value::text(word)),
    }
}

/// Keeps the newest cell of each column; of two at the same time the later row.
struct Newest<'l> {
    cells: &'l mut Vec<LatestCell>,
    /// Where the cells of the group begin.
    first: usize,
    /// Times of the rows that count.
    times: &'l [Option<BootTime>],
}

impl CellSink for Newest<'_> {
    fn cell(
        &mut self,
        column: usize,
        row: usize,
        value: Option<RawValue<'_>>,
        quality: Quality,
        reason: QualityReason,
    ) {
        let Some(boot_time) = self.times.get(row).copied().flatten() else { return };
        let column = column as u16;
        let same = if self.cells.len() > self.first { self.cells.last_mut() } else { None };
        match same.filter(|last| last.column == column) {
            Some(last) if last.boot_time > boot_time => {}
            Some(last) => {
                let value = value.map(LatestValue::of);
                *last = LatestCell { column, quality, reason, value, boot_time };
            }
            None => {
                let value = value.map(LatestValue::of);
                self.cells.push(LatestCell { column, quality, reason, value, boot_time });
            }
        }
    }
}
