//! The readings of one point out of memory and chunks, by time.

use std::collections::{HashMap, HashSet};

use kouan_protocol::{PointKind, Value};
use rusqlite::{Connection, OptionalExtension as _, params};
use tracing::error;

use super::cells::{Cells, Flaw, Values};
use super::chunk::Chunk;
use super::head::Head;
use super::integers::Malformed;
use super::missing::Missing;
use super::partitions::Partitions;
use super::rows::{Column, Origin, is_late};
use super::seal::sealed_through;
use crate::store::{During as _, StoreError};

/// Readings of one time that are compared one by one.
const TWINS: usize = 8;

/// A reading as the history holds it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) time_ms: i64,
    /// Of the point when it was read: it tells what a bad reading says.
    pub(super) kind: PointKind,
    pub(super) value: Option<Value>,
    pub(super) flaw: Flaw,
    pub(super) origin: Origin,
}

/// Which readings of one day: of a device at an agent, of a point, from a time on and before another.
#[derive(Debug, Clone, Copy)]
pub(super) struct DayQuery<'q> {
    pub(super) day: i64,
    pub(super) agent: &'q str,
    pub(super) key: &'q str,
    pub(super) point: &'q str,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

/// The readings by time; those of one time in the order in which they arrived.
///
/// If there are more than `most`, it looks no further and tells none.
pub(super) fn of_day_if_few(
    head: &Head,
    partitions: &Partitions,
    query: &DayQuery<'_>,
    most: usize,
) -> Result<Option<Vec<Sample>>, StoreError> {
    // Memory first: a row that is sealed in between is then found twice, and the partition tells which.
    let newest = of_head(head, query, most);
    let sealed = partitions.read(query.day, |conn| {
        let through = sealed_through(conn)?;
        Ok((through, of_partition(partitions.missing(), conn, query, most)?))
    })?;
    let (through, mut samples) = sealed.unwrap_or((0, Vec::new()));
    if newest.len() > most || samples.len() > most {
        return Ok(None);
    }
    samples.extend(newest.into_iter().filter(|(entry, _)| *entry > through).map(|(_, sample)| sample));
    if !samples.is_sorted_by_key(|sample| sample.time_ms) {
        samples.sort_by_key(|sample| sample.time_ms);
    }
    once_each(&mut samples);
    Ok((samples.len() <= most).then_some(samples))
}

/// What may be said again.
pub(super) trait Said {
    /// Of which time, how bad it is, and the value.
    fn said(&self) -> (i64, Flaw, Option<&Value>);
}

impl Said for Sample {
    fn said(&self) -> (i64, Flaw, Option<&Value>) {
        (self.time_ms, self.flaw, self.value.as_ref())
    }
}

/// Leaves one of what is said again of the same time, the first. Sealing does so with whole rows; until then, and where
/// they lie in different chunks, all of them are there, and a place in the series must not depend on it.
pub(super) fn once_each<S: Said>(samples: &mut Vec<S>) {
    let (mut kept, mut first) = (0, 0);
    // Of a time with many, what was said: a mad clock may give all one time.
    let mut said: HashSet<(u8, Option<String>)> = HashSet::new();
    let words = |sample: &S| (sample.said().1, sample.said().2.map(|value| format!("{value:?}")));
    for at in 0..samples.len() {
        if kept == 0 || samples[first].said().0 != samples[at].said().0 {
            first = kept;
            said.clear();
        }
        let is_again = if kept - first < TWINS {
            samples[first..kept].iter().any(|known| known.said() == samples[at].said())
        } else {
            if said.is_empty() {
                said.extend(samples[first..kept].iter().map(words));
            }
            !said.insert(words(&samples[at]))
        };
        if !is_again {
            samples.swap(kept, at);
            kept += 1;
        }
    }
    samples.truncate(kept);
}

/// Readings that lie in the file of a day as numbers, in order, with nothing wrong with any.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) times: Vec<i64>,
    pub(super) decimals: u8,
    /// The values, each times ten to the power of the decimals.
    pub(super) integers: Vec<i64>,
    /// The places of those that came late.
    pub(super) late: Vec<usize>,
}

impl Run {
    /// Adds what a chunk has within the times. Returns whether it goes on where the run ends.
    fn add(&mut self, chunk: &Chunk<'_>, at: usize, column: &Column, query: &DayQuery<'_>) -> Result<bool, Malformed> {
        let cells = chunk.cells(at, column.kind)?;
        if cells.count == 0 {
            return Ok(true);
        }
        let Values::Scaled { decimals, integers } = &cells.values else { return Ok(false) };
        if !cells.flaws.is_empty() || (*decimals != self.decimals && !self.times.is_empty()) {
            return Ok(false);
        }
        let (mut times, mut delays) = (chunk.times()?, chunk.delays()?);
        if let Some(rows) = &cells.rows {
            times = rows.iter().map(|row| times[*row as usize]).collect();
            delays = rows.iter().map(|row| delays[*row as usize]).collect();
        }
        let ascends = times.windows(2).all(|pair| pair[0] < pair[1]);
        let within =
            times.partition_point(|time| *time < query.from_ms)..times.partition_point(|time| *time < query.to_ms);
        let follows = times.get(within.start).is_none_or(|first| self.times.last().is_none_or(|last| last < first));
        if !ascends || !follows {
            return Ok(false);
        }
        let before = self.times.len();
        let late = delays[within.clone()].iter().enumerate().filter(|(_, delay)| is_late(**delay));
        self.late.extend(late.map(|(at, _)| before + at));
        self.times.extend_from_slice(&times[within.clone()]);
        self.integers.extend_from_slice(&integers[within]);
        self.decimals = *decimals;
        Ok(true)
    }
}

/// The readings of a day of which memory holds none, if they lie in its file in order; this takes a fraction of what
/// [`of_day`] takes.
pub(super) fn run_of_day(
    head: &Head,
    partitions: &Partitions,
    query: &DayQuery<'_>,
    most: usize,
) -> Result<Option<Run>, StoreError> {
    if head.has_device(query.day, query.agent, query.key) {
        return Ok(None);
    }
    let (mut run, mut goes_on) = (Run::default(), true);
    partitions.read(query.day, |conn| {
        each_chunk(partitions.missing(), conn, query, |chunk, layout| {
            let Some(at) = layout.iter().position(|column| column.name.as_str() == query.point) else { return Ok(()) };
            goes_on = goes_on && run.add(chunk, at, &layout[at], query)? && run.times.len() <= most;
            Ok(())
        })
    })?;
    Ok(goes_on.then_some(run))
}

/// At most one more than `most`.
fn of_head(head: &Head, query: &DayQuery<'_>, most: usize) -> Vec<(i64, Sample)> {
    let mut samples = Vec::new();
    for group in head.of_device(query.day, query.agent, query.key) {
        let Some(column) = group.group.column(query.point) else { continue };
        let arrived = group.lock_settled();
        let cells = (&arrived.rows.columns[column], group.group.layout[column].kind);
        let room = most.saturating_add(1) - samples.len();
        for (row, sample) in samples_of(cells, &arrived.rows.times, &arrived.rows.origins, query).take(room) {
            samples.push((arrived.entries[row], sample));
        }
    }
    samples
}

fn samples_of<'c>(
    (cells, kind): (&'c Cells, PointKind),
    times: &'c [i64],
    origins: &'c [Origin],
    query: &'c DayQuery<'_>,
) -> impl Iterator<Item = (usize, Sample)> + 'c {
    cells.iter().filter_map(move |(row, flaw, place)| {
        let time_ms = *times.get(row)?;
        if time_ms < query.from_ms || time_ms >= query.to_ms {
            return None;
        }
        let value = place.and_then(|place| cells.values.get(place));
        Some((row, Sample { time_ms, kind, value, flaw, origin: *origins.get(row)? }))
    })
}

/// At most one more than `most`.
fn of_partition(
    missing: &Missing,
    conn: &Connection,
    query: &DayQuery<'_>,
    most: usize,
) -> Result<Vec<Sample>, StoreError> {
    let mut samples = Vec::new();
    each_chunk(missing, conn, query, |chunk, layout| {
        let Some(at) = layout.iter().position(|column| column.name.as_str() == query.point) else { return Ok(()) };
        if samples.len() > most {
            return Ok(());
        }
        let kind = layout[at].kind;
        let cells = chunk.cells(at, kind)?;
        let room = most.saturating_add(1) - samples.len();
        let (times, origins) = (chunk.times()?, chunk.origins()?);
        samples.extend(samples_of((&cells, kind), &times, &origins, query).take(room).map(|(_, sample)| sample));
        Ok(())
    })?;
    Ok(samples)
}

/// Shows each chunk that may hold such readings. One that is broken is reported and left out: what the others hold is
/// worth more than an error.
fn each_chunk(
    missing: &Missing,
    conn: &Connection,
    query: &DayQuery<'_>,
    mut take: impl FnMut(&Chunk<'_>, &[Column]) -> Result<(), Malformed>,
) -> Result<(), StoreError> {
    let mut layouts: HashMap<i64, Option<Vec<Column>>> = HashMap::new();
    let mut statement = conn
        .prepare_cached(
            "SELECT c.id, c.layout_id, c.checksum, c.body, c.t_min, c.t_max FROM groups g JOIN chunks c ON c.group_id = g.id
             WHERE g.agent = ?1 AND g.key = ?2 AND c.t_max >= ?3 AND c.t_min < ?4 ORDER BY c.first_entry, c.id",
        )
        .during("read chunks")?;
    let mut rows =
        statement.query(params![query.agent, query.key, query.from_ms, query.to_ms]).during("read chunks")?;
    while let Some(row) = rows.next().during("read chunks")? {
        let (id, layout_id, checksum): (i64, i64, i64) =
            (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))().during("read chunks")?;
        let layout = match layouts.entry(layout_id) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(layout(conn, layout_id)?),
        };
        let body = row.get_ref(3).and_then(|body| Ok(body.as_blob()?)).during("read chunks")?;
        let opened = match layout {
            None => Err(Malformed("its layout does not read")),
            Some(layout) if i64::from(crc32fast::hash(body)) == checksum => {
                Chunk::open(body).and_then(|chunk| take(&chunk, layout))
            }
            Some(_) => Err(Malformed("its checksum is wrong")),
        };
        if let Err(problem) = opened {
            let (agent, key, day) = (query.agent, query.key, query.day);
            let bounds: (i64, i64) = (|| Ok((row.get(4)?, row.get(5)?)))().during("read chunks")?;
            missing.find_chunk(id, bounds, day, (agent, key));
            error!(%problem, chunk = id, day, agent, key, "A chunk of the history is broken and is left out.");
        }
    }
    Ok(())
}

/// The columns of a layout; `None` if it is missing or does not read, and with it what it is the layout of.
pub(super) fn layout(conn: &Connection, id: i64) -> Result<Option<Vec<Column>>, StoreError> {
    let text: Option<Vec<u8>> = conn
        .prepare_cached("SELECT CAST(columns AS BLOB) FROM layouts WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional())
        .during("read a layout")?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_of_a_time_stands_once_wherever_it_stands() {
        let sample = |(time_ms, value): (i64, f64)| {
            let origin = Origin { shift_ms: 0, delay_s: 0, status: 0 };
            Sample { time_ms, kind: PointKind::Measurement, value: Some(Value::Number(value)), flaw: 0, origin }
        };
        let of = |samples: &[(i64, f64)]| {
            let mut samples: Vec<Sample> = samples.iter().copied().map(sample).collect();
            once_each(&mut samples);
            samples.iter().map(|sample| (sample.time_ms, sample.value.clone())).collect::<Vec<_>>()
        };
        let wanted = |samples: &[(i64, f64)]| {
            samples.iter().map(|(time_ms, value)| (*time_ms, Some(Value::Number(*value)))).collect::<Vec<_>>()
        };
        assert_eq!(
            of(&[(1, 5.0), (2, 1.0), (2, 2.0), (2, 1.0), (3, 1.0)]),
            wanted(&[(1, 5.0), (2, 1.0), (2, 2.0), (3, 1.0)])
        );
        assert_eq!(of(&[(2, 1.0), (2, 1.0), (2, 1.0)]), wanted(&[(2, 1.0)]));
        assert_eq!(of(&[]), wanted(&[]));
        // A clock that stands still.
        let still: Vec<(i64, f64)> = (0..3_000).map(|at| (7, f64::from(at % 1_000))).collect();
        assert_eq!(of(&still), wanted(&still[..1_000]));
    }
}
