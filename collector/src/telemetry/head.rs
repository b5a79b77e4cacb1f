//! The newest part of the history, in memory: rows that the log holds and no partition does yet.
//!
//! Readers lock one group for as long as it takes to copy what they ask for. While a generation is being sealed it
//! stays visible; a partition says in the same snapshot as its chunks which log entries it holds, so a row is never
//! told twice and never missed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use kouan_protocol::{CellSink, DecodeError, GroupRows, GroupSpec, Quality, QualityReason, RawValue, RowsView};

use super::cells::flaw_of;
use super::rows::{Column, Origin, Rows};
use super::waiting::{Source, Waiting};
use crate::store::log::OpenCatalogue;

/// A read group as its rows name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub(super) agent: String,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) site: String,
    pub(super) class: String,
    pub(super) layout: Vec<Column>,
}

impl Group {
    /// The place of a point among the columns.
    pub(super) fn column(&self, point: &str) -> Option<usize> {
        self.layout.iter().position(|column| column.name.as_str() == point)
    }
}

/// Tells groups of the head apart; given out once per run of the program.
pub(super) type GroupNumber = u64;

/// What a row costs in memory beside its values.
pub(super) const ROW_BYTES: usize = 40;

/// Rows in the order of their arrival, each with its log entry.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) rows: Rows,
    pub(super) entries: Vec<i64>,
    waiting: Waiting,
}

impl Arrived {
    /// Adds rows that are known to open; a few may wait for more before they go into their columns. Returns about how
    /// much memory they take.
    ///
    /// # Errors
    /// When they do not open all the same; the rows are there then, and some of their cells.
    pub(super) fn add(
        &mut self,
        rows: &GroupRows,
        catalogue: &Arc<OpenCatalogue>,
        source: &Arc<Source>,
    ) -> Result<usize, DecodeError> {
        let Some((_, spec)) = catalogue.at(rows.group()) else { return Ok(0) };
        let may_wait = Waiting::suits(rows);
        if !may_wait || !self.waiting.has_room(rows, catalogue) {
            self.settle();
        }
        if may_wait {
            self.waiting.add(rows, catalogue, source);
        } else {
            write(&mut self.rows, &mut self.entries, rows.view(), spec, source)?;
        }
        // In columns it takes as much as this, however it came.
        let texts = if rows.has_texts() { rows.encoded().len() } else { 0 };
        Ok(rows.len() * ROW_BYTES + rows.cell_count(spec.points.len()) * 8 + texts)
    }

    /// Writes what waits into the columns.
    pub(super) fn settle(&mut self) {
        let (rows, entries) = (&mut self.rows, &mut self.entries);
        self.waiting.drain(|view, spec, source| write(rows, entries, view, spec, source));
    }
}

fn write(
    rows: &mut Rows,
    entries: &mut Vec<i64>,
    view: RowsView<'_>,
    spec: &GroupSpec,
    source: &Source,
) -> Result<(), DecodeError> {
    let base = rows.len() as u32;
    for boot_time in view.boot_times(&source.anchor) {
        let (time, origin) = Origin::of(&source.correction, &source.anchor, boot_time);
        rows.times.push(time);
        rows.origins.push(origin);
    }
    entries.resize(rows.len(), source.entry);
    view.visit(spec, &mut ColumnCells { rows, base })
}

/// Puts cells into columns.
pub(super) struct ColumnCells<'r> {
    pub(super) rows: &'r mut Rows,
    /// The number of the first row.
    pub(super) base: u32,
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

/// The newest rows of a group.
#[derive(Debug)]
pub(super) struct HeadGroup {
    pub(super) group: Arc<Group>,
    arrived: Mutex<Arrived>,
}

impl HeadGroup {
    fn new(group: Arc<Group>) -> Self {
        let rows = Rows::new(&group.layout);
        Self { group, arrived: Mutex::new(Arrived { rows, entries: Vec::new(), waiting: Waiting::default() }) }
    }

    /// For whoever adds rows.
    pub(super) fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With every row complete.
    pub(super) fn lock_settled(&self) -> MutexGuard<'_, Arrived> {
        let mut arrived = self.lock();
        arrived.settle();
        arrived.rows.finish();
        arrived
    }
}

/// Rows that did not open.
#[derive(Debug, Clone)]
pub(super) struct Unopened {
    pub(super) agent: String,
    pub(super) epoch: String,
    pub(super) from_seq: u64,
    pub(super) rows: u64,
    pub(super) problem: String,
}

/// The newest rows of a day.
#[derive(Debug, Default)]
pub(super) struct HeadDay {
    pub(super) groups: HashMap<GroupNumber, Arc<HeadGroup>>,
    by_device: HashMap<(String, String), Vec<Arc<HeadGroup>>>,
    /// Numbers by agent and epoch.
    pub(super) counts: HashMap<(String, String), u64>,
    pub(super) unopened: Vec<Unopened>,
}

/// Rows that are sealed together.
#[derive(Debug, Default)]
pub(super) struct Generation {
    pub(super) days: BTreeMap<i64, HeadDay>,
    /// The last log entry whose rows are in it.
    pub(super) through: i64,
}

#[derive(Debug, Default)]
struct Generations {
    open: Generation,
    sealing: Option<Arc<Generation>>,
}

/// Shared by the reader that fills it and those who read the history.
#[derive(Debug, Default)]
pub(super) struct Head {
    generations: RwLock<Generations>,
    bytes: AtomicUsize,
}

impl Head {
    fn change<T>(&self, change: impl FnOnce(&mut Generations) -> T) -> T {
        change(&mut self.generations.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where rows of the group go on that day.
    pub(super) fn group(&self, day: i64, number: GroupNumber, group: &Arc<Group>) -> Arc<HeadGroup> {
        self.change(|generations| {
            let day = generations.open.days.entry(day).or_default();
            if let Some(found) = day.groups.get(&number) {
                return Arc::clone(found);
            }
            let made = Arc::new(HeadGroup::new(Arc::clone(group)));
            day.groups.insert(number, Arc::clone(&made));
            day.by_device.entry((group.agent.clone(), group.key.clone())).or_default().push(Arc::clone(&made));
            made
        })
    }

    /// Accounts for numbers, and says how much memory their rows took.
    pub(super) fn account(&self, counted: HashMap<(i64, String, String), u64>, bytes: usize, through: i64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.change(|generations| {
            generations.open.through = through;
            for ((day, agent, epoch), rows) in counted {
                *generations.open.days.entry(day).or_default().counts.entry((agent, epoch)).or_default() += rows;
            }
        });
    }

    /// Accounts for rows that did not open.
    pub(super) fn unopened(&self, day: i64, unopened: Unopened) {
        self.change(|generations| {
            let day = generations.open.days.entry(day).or_default();
            *day.counts.entry((unopened.agent.clone(), unopened.epoch.clone())).or_default() += unopened.rows;
            day.unopened.push(unopened);
        });
    }

    /// Memory of the open generation, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The generation to seal: the one whose sealing failed before, or the open one, which makes place for another.
    pub(super) fn begin_seal(&self) -> Arc<Generation> {
        self.change(|generations| {
            if let Some(sealing) = &generations.sealing {
                return Arc::clone(sealing);
            }
            self.bytes.store(0, Ordering::Relaxed);
            let through = generations.open.through;
            let next = Generation { days: BTreeMap::new(), through };
            let sealing = Arc::new(std::mem::replace(&mut generations.open, next));
            generations.sealing = Some(Arc::clone(&sealing));
            sealing
        })
    }

    /// Forgets what is open; it is read from the log again. Returns the last entry that is not forgotten, if the head
    /// knows it.
    pub(super) fn forget_open(&self) -> Option<i64> {
        self.change(|generations| {
            self.bytes.store(0, Ordering::Relaxed);
            let through = generations.sealing.as_ref().map(|sealing| sealing.through);
            generations.open = Generation { days: BTreeMap::new(), through: through.unwrap_or(0) };
            through
        })
    }

    /// The generation is in the partitions.
    pub(super) fn end_seal(&self) {
        self.change(|generations| generations.sealing = None);
    }

    /// The groups of a device that have rows of that day, those that are being sealed first.
    pub(super) fn of_device(&self, day: i64, agent: &str, key: &str) -> Vec<Arc<HeadGroup>> {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let generation = |generation: &Generation| {
            let Some(day) = generation.days.get(&day) else { return Vec::new() };
            day.by_device.get(&(agent.to_owned(), key.to_owned())).cloned().unwrap_or_default()
        };
        let mut groups = generations.sealing.as_deref().map(generation).unwrap_or_default();
        groups.extend(generation(&generations.open));
        groups
    }

    /// Whether the device has rows of that day here.
    pub(super) fn has_device(&self, day: i64, agent: &str, key: &str) -> bool {
        !self.of_device(day, agent, key).is_empty()
    }

    /// The days that have rows here.
    pub(super) fn days(&self) -> Vec<i64> {
        let generations = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let sealing = generations.sealing.iter().flat_map(|generation| generation.days.keys());
        let mut days: Vec<i64> = sealing.chain(generations.open.days.keys()).copied().collect();
        days.sort_unstable();
        days.dedup();
        days
    }
}
