//! From a batch of the log to rows in memory.

use std::collections::HashMap;
use std::sync::Arc;

use kouan_protocol::{
    Batch, Catalogue, CatalogueHash, CellSink, DecodeError, GroupRows, Quality, QualityReason, RawValue,
};

use super::cells::flaw_of;
use super::day_of;
use super::head::{Arrived, Group, GroupNumber, Head, HeadGroup, Unopened};
use super::rows::{Column, Origin, Rows};
use crate::store::StoreError;
use crate::store::log::{Catalogues, Entry, FollowLog, Found, OpenCatalogue};

/// What a row costs in memory beside its values.
const ROW_BYTES: usize = 40;

/// A batch with so few rows of a group leaves their cells to wait for more.
const FEW_ROWS: usize = 4;

/// The groups of a catalogue, as rows name them.
type Resolved = Arc<Vec<(GroupNumber, Arc<Group>)>>;

/// Opens batches into the head.
#[derive(Default)]
pub(super) struct Taker {
    catalogues: Catalogues,
    resolved: HashMap<(String, String, CatalogueHash), Resolved>,
    numbers: HashMap<Arc<Group>, GroupNumber>,
    next_number: GroupNumber,
    groups: HashMap<(i64, GroupNumber), Arc<HeadGroup>>,
    counted: HashMap<(i64, String, String), u64>,
    bytes: usize,
}

impl Taker {
    pub(super) fn new(catalogues: Catalogues) -> Self {
        Self { catalogues, ..Self::default() }
    }

    /// One that knows nothing but the catalogues.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.catalogues.clone())
    }

    /// Takes the rows of an entry. `wanted` says whether the day's partition lacks the entry: after a crash some
    /// partitions are ahead of the cursor.
    pub(super) fn take(
        &mut self,
        log: &mut dyn FollowLog,
        head: &Head,
        entry: &Entry,
        mut wanted: impl FnMut(i64) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let batch = match Batch::decode(&entry.body) {
            Ok(batch) => batch,
            Err(error) => return unopened(head, entry, error.to_string(), wanted),
        };
        let Some(hash) = batch.catalogue.filter(|_| !batch.groups.is_empty()) else { return Ok(()) };
        let catalogue = match self.catalogues.find(log, &entry.agent, hash)? {
            Found::Unusable(problem) => return unopened(head, entry, problem.to_string(), wanted),
            Found::Open(catalogue) => catalogue,
        };
        let resolved = self.resolve(entry, hash, &catalogue);
        // All of it must open before any of it is taken: half a row would be worse than none.
        if let Err(error) = check(&batch, &catalogue) {
            return unopened(head, entry, error.to_string(), wanted);
        }
        let mut counts = HashMap::new();
        for rows in &batch.groups {
            let at = rows.group().0 as usize;
            let (Some((_, spec)), Some((number, group))) = (catalogue.at(rows.group()), resolved.get(at)) else {
                continue;
            };
            self.take_rows(head, entry, &batch, rows, spec, (*number, group), &mut wanted, &mut counts)?;
        }
        for (day, rows) in counts {
            *self.counted.entry((day, entry.agent.to_string(), entry.epoch.to_string())).or_default() += rows;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `take`, which has them all")]
    fn take_rows(
        &mut self,
        head: &Head,
        entry: &Entry,
        batch: &Batch,
        rows: &GroupRows,
        spec: &kouan_protocol::GroupSpec,
        (number, group): (GroupNumber, &Arc<Group>),
        wanted: &mut impl FnMut(i64) -> Result<bool, StoreError>,
        counts: &mut HashMap<i64, u64>,
    ) -> Result<(), StoreError> {
        let damaged = StoreError::damaged::<DecodeError>("a batch that had opened before");
        let times: Vec<i64> =
            rows.boot_times(&batch.anchor).map(|time| entry.correction.time_of(&batch.anchor, time).0).collect();
        let days: Vec<i64> = times.iter().map(|time| day_of(kouan_protocol::Timestamp(*time))).collect();
        let Some(first_day) = days.first().copied() else { return Ok(()) };
        let all_new = entry.from_seq <= batch.first_seq;
        if all_new && days.iter().all(|day| *day == first_day) {
            if wanted(first_day)? {
                let bytes = self.append(head, (first_day, number), group, |arrived| {
                    let base = arrived.rows.len();
                    arrived.rows.times.extend_from_slice(&times);
                    arrived.rows.origins.extend(origins(entry, batch, rows, &times));
                    arrived.entries.resize(base + times.len(), entry.id);
                    if times.len() <= FEW_ROWS {
                        let mut sink = PendingCells { arrived, base: base as u32 };
                        rows.visit(spec, &mut sink).map_err(damaged)?;
                        arrived.settle_if_full();
                    } else {
                        arrived.settle();
                        let mut sink = ColumnCells { rows: &mut arrived.rows, base: base as u32 };
                        rows.visit(spec, &mut sink).map_err(damaged)?;
                    }
                    Ok(())
                })?;
                self.bytes += bytes + rows.cell_count(spec.points.len()) * 8;
                *counts.entry(first_day).or_default() += times.len() as u64;
            }
            return Ok(());
        }
        let mut opened = Rows::new(&group.layout);
        opened.origins = origins(entry, batch, rows, &times).collect();
        opened.times = times;
        rows.visit(spec, &mut ColumnCells { rows: &mut opened, base: 0 }).map_err(damaged)?;
        opened.finish();
        let seqs = rows.seqs(batch.first_seq).map_err(StoreError::damaged("a batch that had opened before"))?;
        let mut by_day: HashMap<i64, Vec<u32>> = HashMap::new();
        for (row, (day, seq)) in days.into_iter().zip(seqs).enumerate() {
            if seq >= entry.from_seq {
                by_day.entry(day).or_default().push(row as u32);
            }
        }
        for (day, order) in by_day {
            if !wanted(day)? {
                continue;
            }
            let bytes = self.append(head, (day, number), group, |arrived| {
                arrived.settle();
                arrived.rows.finish();
                arrived.rows.append(&opened, &order);
                let rows = arrived.rows.len();
                arrived.entries.resize(rows, entry.id);
                Ok(())
            })?;
            self.bytes += bytes + opened.bytes();
            *counts.entry(day).or_default() += order.len() as u64;
        }
        Ok(())
    }

    fn append(
        &mut self,
        head: &Head,
        (day, number): (i64, GroupNumber),
        group: &Arc<Group>,
        append: impl FnOnce(&mut Arrived) -> Result<(), StoreError>,
    ) -> Result<usize, StoreError> {
        let place = self.groups.entry((day, number)).or_insert_with(|| head.group(day, number, group));
        let mut arrived = place.lock();
        let before = arrived.rows.len();
        append(&mut arrived)?;
        Ok((arrived.rows.len() - before) * ROW_BYTES)
    }

    /// Tells the head what was taken; the last entry was `through`.
    pub(super) fn account(&mut self, head: &Head, through: i64) {
        head.account(std::mem::take(&mut self.counted), std::mem::take(&mut self.bytes), through);
    }

    /// The groups of the head are being sealed: the next rows begin new ones.
    pub(super) fn begin_anew(&mut self) {
        self.groups.clear();
        self.numbers.clear();
        self.resolved.clear();
    }

    fn resolve(&mut self, entry: &Entry, hash: CatalogueHash, catalogue: &Catalogue) -> Resolved {
        let key = (entry.agent.to_string(), entry.site.clone(), hash);
        if let Some(found) = self.resolved.get(&key) {
            return Arc::clone(found);
        }
        let groups = catalogue.groups().map(|(_, device, spec)| {
            let group = Arc::new(Group {
                agent: entry.agent.to_string(),
                key: device.key.to_string(),
                name: spec.name.clone(),
                site: entry.site.clone(),
                class: device.class.clone(),
                layout: spec.points.iter().map(Column::from).collect(),
            });
            // Another catalogue with the same group goes on with the same rows.
            let next = self.next_number;
            let number = *self.numbers.entry(Arc::clone(&group)).or_insert(next);
            self.next_number += 1;
            (number, group)
        });
        let resolved: Resolved = Arc::new(groups.collect());
        self.resolved.insert(key, Arc::clone(&resolved));
        resolved
    }
}

fn origins<'e>(
    entry: &'e Entry,
    batch: &'e Batch,
    rows: &'e GroupRows,
    times: &'e [i64],
) -> impl Iterator<Item = Origin> + 'e {
    let times = rows.boot_times(&batch.anchor).zip(times);
    times.map(|(boot_time, time)| Origin::new(&entry.correction, &batch.anchor, boot_time, *time))
}

fn check(batch: &Batch, catalogue: &OpenCatalogue) -> Result<(), DecodeError> {
    for rows in &batch.groups {
        let (_, spec) = catalogue.at(rows.group()).ok_or_else(|| DecodeError::Inconsistent {
            what: "batch",
            problem: format!("group {} is not in the catalogue", rows.group().0),
        })?;
        rows.visit(spec, &mut NoCells)?;
    }
    Ok(())
}

/// Counts rows that do not open under the day on which they arrived.
fn unopened(
    head: &Head,
    entry: &Entry,
    problem: String,
    mut wanted: impl FnMut(i64) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let day = day_of(entry.correction.received);
    if wanted(day)? {
        let (agent, epoch) = (entry.agent.to_string(), entry.epoch.to_string());
        head.unopened(day, Unopened { agent, epoch, from_seq: entry.from_seq, rows: entry.numbers(), problem });
    }
    Ok(())
}

struct NoCells;

impl CellSink for NoCells {
    fn cell(&mut self, _: usize, _: usize, _: Option<RawValue<'_>>, _: Quality, _: QualityReason) {}
}

struct PendingCells<'r> {
    arrived: &'r mut Arrived,
    base: u32,
}

impl CellSink for PendingCells<'_> {
    fn cell(
        &mut self,
        column: usize,
        row: usize,
        value: Option<RawValue<'_>>,
        quality: Quality,
        reason: QualityReason,
    ) {
        self.arrived.push(self.base + row as u32, column, value, flaw_of(quality, reason));
    }
}

struct ColumnCells<'r> {
    rows: &'r mut Rows,
    base: u32,
}

impl CellSink for ColumnCells<'_> {
    fn cell(
        &mut self,
        column: usize,
        row: usize,
        value: Option<RawValue<'_>>,
        quality: Quality,
        reason: QualityReason,
    ) {
        self.rows.columns[column].push(self.base + row as u32, value, flaw_of(quality, reason));
    }
}
