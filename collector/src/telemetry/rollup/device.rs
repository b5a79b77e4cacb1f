//! Summing up the day of one device.
//!
//! Whoever asks for a point is told one answer, whatever groups and layouts brought it, so the sums follow the readings:
//! a point is summed up once over everything that holds it, in the order in which a question for the readings tells
//! them, and minutes are kept of all of that or of none.

use std::collections::BTreeMap;

use kouan_protocol::{PointKind, Value};

use super::levels::LevelFile;
use super::window::{Sums, Windows};
use crate::telemetry::cells::Flaw;
use crate::telemetry::head::Group;
use crate::telemetry::rows::Rows;
use crate::telemetry::samples::{Said, once_each};

/// Minutes are kept where they are at most a tenth as many as the rows. Elsewhere they would take as much room as the
/// rows and answer no sooner.
const ROWS_PER_MINUTE: i64 = 10;

/// All rows of a group and layout on a day, chunk after chunk.
pub(super) struct GroupRows {
    pub(super) group: Group,
    pub(super) rows: Rows,
    /// Each chunk's place among all chunks of the device, and its first row.
    pub(super) chunks: Vec<(usize, usize)>,
}

/// The sums of a group and layout on a day.
pub(super) struct GroupSums {
    pub(super) group: Group,
    /// `None` where they are not kept.
    pub(super) minutes: Option<Vec<Sums>>,
    pub(super) hours: Vec<Sums>,
}

/// A reading, and its chunk's place among all chunks.
struct Placed {
    time_ms: i64,
    chunk: usize,
    kind: PointKind,
    flaw: Flaw,
    value: Option<Value>,
}

impl Said for Placed {
    fn said(&self) -> (i64, Flaw, Option<&Value>) {
        (self.time_ms, self.flaw, self.value.as_ref())
    }
}

/// Sums up everything that a device brought on a day, in the order of its groups' first chunks.
pub(super) fn sum_up(groups: Vec<GroupRows>) -> Vec<GroupSums> {
    let mut holders: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    for (at, group) in groups.iter().enumerate() {
        for (column, spec) in group.group.layout.iter().enumerate() {
            holders.entry(spec.name.as_str()).or_default().push((at, column));
        }
    }
    let kept = kept_minutes(&groups, &holders);
    let empty = |group: &GroupRows| vec![Sums::default(); group.group.layout.len()];
    let mut sums: Vec<(Vec<Sums>, Vec<Sums>)> = groups.iter().map(|group| (empty(group), empty(group))).collect();
    for places in holders.values() {
        // The last of them stands for all; the others say nothing about the point.
        let Some((at, column)) = places.last().copied() else { continue };
        let (minutes, hours) = sum_up_point(&groups, places);
        (sums[at].0[column], sums[at].1[column]) = (minutes, hours);
    }
    let all = groups.into_iter().zip(sums).zip(kept);
    all.map(|((GroupRows { group, .. }, (minutes, hours)), kept)| GroupSums {
        group,
        minutes: kept.then_some(minutes),
        hours,
    })
    .collect()
}

/// Which groups' minutes are kept. Groups that have a point in common are judged as one.
fn kept_minutes(groups: &[GroupRows], holders: &BTreeMap<&str, Vec<(usize, usize)>>) -> Vec<bool> {
    let mut union: Vec<usize> = (0..groups.len()).collect();
    for places in holders.values() {
        for pair in places.windows(2) {
            let (from, to) = (union[pair[1].0], union[pair[0].0]);
            union.iter_mut().filter(|own| **own == from).for_each(|own| *own = to);
        }
    }
    let is_kept = |wanted: usize| {
        let of_union = || groups.iter().zip(&union).filter(|(_, own)| **own == wanted).map(|(group, _)| &group.rows);
        let rows = of_union().map(Rows::len).sum::<usize>() as i64;
        let times = || of_union().flat_map(|rows| &rows.times);
        let span = times().max().zip(times().min()).map_or(0, |(last, first)| last - first);
        rows * LevelFile::Minutes.step_ms() >= ROWS_PER_MINUTE * span.max(1)
    };
    union.iter().map(|own| is_kept(*own)).collect()
}

fn sum_up_point(groups: &[GroupRows], places: &[(usize, usize)]) -> (Sums, Sums) {
    let mut readings = Vec::new();
    for (at, column) in places {
        let GroupRows { group, rows, chunks } = &groups[*at];
        let kind = group.layout[*column].kind;
        let cells = &rows.columns[*column];
        let mut chunk = 0;
        readings.extend(cells.iter().map(|(row, flaw, place)| {
            while chunks.get(chunk + 1).is_some_and(|(_, first)| *first <= row) {
                chunk += 1;
            }
            let value = place.and_then(|place| cells.values.get(place));
            let chunk = chunks.get(chunk).map_or(0, |(place, _)| *place);
            Placed { time_ms: rows.times[row], chunk, kind, flaw, value }
        }));
    }
    // As `samples::of_day` tells them: chunk after chunk, by time, and nothing that is said again.
    let place = |reading: &Placed| (reading.time_ms, reading.chunk);
    if !readings.is_sorted_by_key(place) {
        readings.sort_by_key(place);
    }
    once_each(&mut readings);
    let mut minutes = Windows::new(LevelFile::Minutes.step_ms());
    for reading in &readings {
        minutes.take(reading.time_ms, reading.kind, reading.value.as_ref());
    }
    let mut hours = Windows::new(LevelFile::Hours.step_ms());
    hours.join(minutes.sums().clone());
    (minutes.into_sums(), hours.into_sums())
}
