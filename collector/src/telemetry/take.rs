//! From a batch of the log to rows in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kouan_protocol::{AgentId, CatalogueHash, DecodeError, GroupRows, Timestamp};

use super::head::{ColumnCells, Group, GroupNumber, Head, HeadGroup, ROW_BYTES, Unopened};
use super::rows::{Column, Origin, Rows};
use super::waiting::Source;
use super::{day_ms, day_of};
use crate::store::StoreError;
use crate::store::log::{Catalogues, Entry, FollowLog, Found, OpenCatalogue};

/// What a group costs, and each of its columns, before there is a row.
const GROUP_BYTES: usize = 256;
const COLUMN_BYTES: usize = 128;
/// What a point of a catalogue costs that rows refer to: its place among the columns, and its description.
const POINT_BYTES: usize = 256;

/// A group, and where its rows went last.
struct Place {
    number: GroupNumber,
    group: Arc<Group>,
    open: Option<(i64, Arc<HeadGroup>)>,
}

/// Opens batches into the head.
#[derive(Default)]
pub(super) struct Taker {
    catalogues: Catalogues,
    /// The places of a catalogue's groups.
    resolved: HashMap<(AgentId, String, CatalogueHash), Arc<Vec<usize>>>,
    /// Agents that have named a catalogue since the head was sealed.
    described: HashSet<AgentId>,
    known: HashMap<Arc<Group>, usize>,
    places: Vec<Place>,
    next_number: GroupNumber,
    counted: HashMap<(i64, String, String), u64>,
    bytes: usize,
    times: Vec<i64>,
}

/// Numbers by day; few days, and the one before is the next one as well.
#[derive(Default)]
struct Counts(Vec<(i64, u64)>);

impl Counts {
    fn add(&mut self, day: i64, rows: u64) {
        match self.0.iter_mut().find(|(at, _)| *at == day) {
            Some((_, count)) => *count += rows,
            None => self.0.push((day, rows)),
        }
    }
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
        let opened = match entry.open() {
            Ok(opened) => opened,
            Err(error) => return unopened(head, entry, error.to_string(), wanted),
        };
        let batch = &opened.batch;
        let Some(hash) = batch.catalogue.filter(|_| !batch.groups.is_empty()) else { return Ok(()) };
        let catalogue = match self.catalogues.find(log, &entry.agent, hash)? {
            Found::Unusable(problem) => return unopened(head, entry, problem.to_string(), wanted),
            Found::Open(catalogue) => catalogue,
        };
        // All of it must open before any of it is taken: half a row would be worse than none.
        if let Err(problem) = opened.check(&catalogue) {
            return unopened(head, entry, problem.to_string(), wanted);
        }
        let places = self.resolve(entry, hash, &catalogue);
        let correction = entry.correction;
        let source = Arc::new(Source { entry: entry.id, anchor: batch.anchor, correction });
        let mut counts = Counts::default();
        let mut asked: Option<(i64, bool)> = None;
        let mut wanted = |day: i64| match asked {
            Some((same, answer)) if same == day => Ok(answer),
            _ => wanted(day).inspect(|answer| asked = Some((day, *answer))),
        };
        for rows in &batch.groups {
            if let Some(place) = places.get(rows.group().0 as usize) {
                self.take_rows(
                    head,
                    entry,
                    (batch.first_seq, rows),
                    *place,
                    (&catalogue, &source),
                    &mut wanted,
                    &mut counts,
                )?;
            }
        }
        for (day, rows) in counts.0 {
            *self.counted.entry((day, entry.agent.to_string(), entry.epoch.to_string())).or_default() += rows;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `take`, which has them all")]
    fn take_rows(
        &mut self,
        head: &Head,
        entry: &Entry,
        (first_seq, rows): (u64, &GroupRows),
        place: usize,
        (catalogue, source): (&Arc<OpenCatalogue>, &Arc<Source>),
        wanted: &mut impl FnMut(i64) -> Result<bool, StoreError>,
        counts: &mut Counts,
    ) -> Result<(), StoreError> {
        let damaged = StoreError::damaged::<DecodeError>("a batch that had opened before");
        let anchor = &source.anchor;
        let Some((_, spec)) = catalogue.at(rows.group()) else { return Ok(()) };
        let mut times = std::mem::take(&mut self.times);
        times.clear();
        times.extend(rows.boot_times(anchor).map(|time| entry.correction.time_of(anchor, time).0));
        let Some(first_day) = times.first().map(|time| day_of(Timestamp(*time))) else { return Ok(()) };
        let (from, to) = (day_ms(first_day), day_ms(first_day + 1));
        let is_of_one_day = times.iter().all(|time| (from..to).contains(time));
        let count = times.len();
        self.times = times;
        if is_of_one_day && entry.from_seq <= first_seq {
            if wanted(first_day)? {
                let group = self.place(head, first_day, place);
                self.bytes += group.lock().add(rows, catalogue, source).map_err(damaged)?;
                counts.add(first_day, count as u64);
            }
            return Ok(());
        }
        let mut opened = Rows::new(&self.places[place].group.layout);
        for boot_time in rows.boot_times(anchor) {
            let (time, origin) = Origin::of(&entry.correction, anchor, boot_time);
            opened.times.push(time);
            opened.origins.push(origin);
        }
        rows.visit(spec, &mut ColumnCells { rows: &mut opened, base: 0 }).map_err(damaged)?;
        opened.finish();
        let seqs = rows.seqs(first_seq).map_err(StoreError::damaged("a batch that had opened before"))?;
        let mut by_day: HashMap<i64, Vec<u32>> = HashMap::new();
        for (row, (time, seq)) in opened.times.iter().zip(seqs).enumerate() {
            if seq >= entry.from_seq {
                by_day.entry(day_of(Timestamp(*time))).or_default().push(row as u32);
            }
        }
        for (day, order) in by_day {
            if !wanted(day)? {
                continue;
            }
            let group = self.place(head, day, place);
            {
                let mut arrived = group.lock();
                arrived.settle();
                arrived.rows.finish();
                arrived.rows.append(&opened, &order);
                let rows = arrived.rows.len();
                arrived.entries.resize(rows, entry.id);
            }
            self.bytes += order.len() * ROW_BYTES + opened.bytes();
            counts.add(day, order.len() as u64);
        }
        Ok(())
    }

    /// Where rows of the group go on that day.
    fn place(&mut self, head: &Head, day: i64, place: usize) -> Arc<HeadGroup> {
        let place = &mut self.places[place];
        match &place.open {
            Some((same, group)) if *same == day => Arc::clone(group),
            _ => {
                let group = head.group(day, place.number, &place.group);
                place.open = Some((day, Arc::clone(&group)));
                self.bytes += GROUP_BYTES + group.group.layout.len() * COLUMN_BYTES;
                group
            }
        }
    }

    /// Tells the head what was taken; the last entry was `through`.
    pub(super) fn account(&mut self, head: &Head, through: i64) {
        head.account(std::mem::take(&mut self.counted), std::mem::take(&mut self.bytes), through);
    }

    /// The groups of the head are being sealed: the next rows begin new ones.
    pub(super) fn begin_anew(&mut self) {
        self.places.clear();
        self.known.clear();
        self.resolved.clear();
        self.described.clear();
    }

    fn resolve(&mut self, entry: &Entry, hash: CatalogueHash, catalogue: &OpenCatalogue) -> Arc<Vec<usize>> {
        let key = (entry.agent.clone(), entry.site.clone(), hash);
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
            let next = self.places.len();
            let place = *self.known.entry(Arc::clone(&group)).or_insert(next);
            if place == next {
                self.places.push(Place { number: self.next_number, group, open: None });
                self.next_number += 1;
            }
            place
        });
        let resolved = Arc::new(groups.collect::<Vec<_>>());
        // It stays until the head is sealed, so ever new catalogues of an agent bring that about. The first one does not
        // count: with many agents, theirs would be most of the memory, and be there again at once.
        if !self.described.insert(entry.agent.clone()) {
            self.bytes += resolved.len() * GROUP_BYTES + catalogue.points() * POINT_BYTES;
        }
        self.resolved.insert(key, Arc::clone(&resolved));
        resolved
    }
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
