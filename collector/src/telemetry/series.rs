//! The readings of a point over time.

use kouan_protocol::{PointName, Quality, QualityReason, Timestamp, Value};
use serde::Serialize;
use utoipa::ToSchema;

use super::cells::quality_of;
use super::columns::{SeriesColumns, SeriesFlaw};
use super::missing::{Incomplete, Watch, told};
use super::samples::{self, DayQuery, Sample};
use super::{HistoryFiles, Slice, Span, day_ms, day_of};
use crate::http::rfc3339;
use crate::store::StoreError;
use crate::store::log::TimeStatus;

/// Which readings.
#[derive(Debug, Clone)]
pub struct SeriesQuery {
    /// The names that the device had.
    pub spans: Vec<Span>,
    /// The point.
    pub point: PointName,
    /// From this time on.
    pub from: Timestamp,
    /// Before this time.
    pub to: Timestamp,
    /// After this place; the cursor of the page before.
    pub after: Option<SeriesPlace>,
    /// At most so many.
    pub limit: usize,
}

/// The place of a reading in its series: its time, and how many readings of that time come before it. Readings of one
/// time are told in the order in which they arrived, so a place stays what it is when more arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesPlace {
    time_ms: i64,
    before: usize,
}

impl std::fmt::Display for SeriesPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.time_ms, self.before)
    }
}

impl std::str::FromStr for SeriesPlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (time_ms, before) = text.split_once('.').ok_or(())?;
        Ok(Self { time_ms: time_ms.parse().map_err(drop)?, before: before.parse().map_err(drop)? })
    }
}

/// A reading.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReadingRow {
    /// When it was read, corrected, RFC 3339.
    pub time: String,
    /// The same in milliseconds since 1970.
    pub time_ms: i64,
    /// The value: a number or a text; `null` when the quality is bad.
    #[schema(value_type = Option<Object>)]
    pub value: Option<Value>,
    /// `good`, `uncertain` or `bad`.
    #[schema(value_type = String)]
    pub quality: Quality,
    /// Why it is not good: `none`, `out-of-range`, …
    #[schema(value_type = String)]
    pub reason: QualityReason,
    /// How far the time may be believed.
    pub time_status: TimeStatus,
    /// What the agent's wall clock showed, in milliseconds since 1970.
    pub agent_time_ms: i64,
    /// Whether it arrived more than a minute after it was read.
    pub late: bool,
}

impl From<Sample> for ReadingRow {
    fn from(sample: Sample) -> Self {
        let (quality, reason) = quality_of(sample.flaw);
        Self {
            time: rfc3339(sample.time_ms),
            time_ms: sample.time_ms,
            value: sample.value,
            quality,
            reason,
            time_status: sample.origin.status(),
            agent_time_ms: sample.time_ms.saturating_sub(sample.origin.shift_ms),
            late: sample.origin.is_late(),
        }
    }
}

pub(super) fn read(history: &HistoryFiles, query: &SeriesQuery) -> Result<Slice<ReadingRow>, StoreError> {
    let mut rows = Vec::new();
    let watch = watch(history, query);
    let next = Page::new(query).show(history, &days(history, query), |sample| rows.push(ReadingRow::from(sample)))?;
    let incomplete = incomplete(watch, query, next.as_ref().and(rows.last()).map(|row| row.time_ms));
    Ok(Slice { rows, next, incomplete })
}

fn watch<'h>(history: &'h HistoryFiles, query: &SeriesQuery) -> Watch<'h> {
    history.partitions.missing().watch(day_of(query.from), day_of(query.to))
}

/// Of which times readings may be missing, up to the `last` one that is told if there is a page after it.
fn incomplete(watch: Watch<'_>, query: &SeriesQuery, last: Option<i64>) -> Vec<Incomplete> {
    let from_ms = query.after.map_or(query.from.0, |after| after.time_ms.max(query.from.0));
    let to_ms = last.map_or(query.to.0, |last| last.saturating_add(1).min(query.to.0));
    told(&watch.end(), &query.spans, (from_ms, to_ms), |stretch| stretch.readings)
}

pub(super) fn columns(history: &HistoryFiles, query: &SeriesQuery) -> Result<SeriesColumns, StoreError> {
    let mut columns = SeriesColumns::default();
    let watch = watch(history, query);
    let (days, mut page) = (days(history, query), Page::new(query));
    let mut quick = 0;
    if query.after.is_none() {
        for day in &days {
            if !add_day(history, *day, query, &mut columns)? {
                break;
            }
            quick += 1;
        }
        page.shown = columns.times.len();
        page.last.time_ms = columns.times.last().copied().unwrap_or(page.last.time_ms);
    }
    columns.next = page.show(history, &days[quick..], |sample| push(&mut columns, sample))?;
    columns.incomplete = incomplete(watch, query, columns.next.as_ref().and(columns.times.last()).copied());
    Ok(columns)
}

/// All of them, if there are no more than the limit.
pub(super) fn columns_if_few(history: &HistoryFiles, query: &SeriesQuery) -> Result<Option<SeriesColumns>, StoreError> {
    let mut columns = SeriesColumns::default();
    let watch = watch(history, query);
    for day in days(history, query) {
        if add_day(history, day, query, &mut columns)? {
            continue;
        }
        let room = query.limit.saturating_sub(columns.times.len());
        let (point, range) = (query.point.as_str(), (query.from.0, query.to.0));
        let Some(samples) = of_day_if_few(history, day, &query.spans, point, range, room)? else { return Ok(None) };
        samples.into_iter().for_each(|sample| push(&mut columns, sample));
    }
    columns.incomplete = incomplete(watch, query, None);
    Ok(Some(columns))
}

fn push(columns: &mut SeriesColumns, sample: Sample) {
    let at = columns.times.len();
    if sample.flaw != 0 {
        let (quality, reason) = quality_of(sample.flaw);
        columns.flaws.push(SeriesFlaw { at, quality, reason });
    }
    if sample.origin.is_late() {
        columns.late.push(at);
    }
    columns.times.push(sample.time_ms);
    columns.values.push(sample.value);
}

/// The days that may hold such readings.
fn days(history: &HistoryFiles, query: &SeriesQuery) -> Vec<i64> {
    let start = query.after.map_or(query.from, |after| Timestamp(after.time_ms).max(query.from));
    history.days(day_of(start), day_of(query.to))
}

/// Adds the readings of a day as they lie in its file, if they lie there in order and the page has room for them.
/// Otherwise it changes nothing and returns false.
fn add_day(
    history: &HistoryFiles,
    day: i64,
    query: &SeriesQuery,
    columns: &mut SeriesColumns,
) -> Result<bool, StoreError> {
    let (from_ms, to_ms) = (query.from.0.max(day_ms(day)), query.to.0.min(day_ms(day + 1)));
    let mut spans = query.spans.iter().filter(|span| span.from_ms < to_ms && span.to_ms > from_ms);
    let (Some(span), None) = (spans.next(), spans.next()) else { return Ok(false) };
    let day_query = DayQuery {
        day,
        agent: span.agent.as_str(),
        key: span.key.as_str(),
        point: query.point.as_str(),
        from_ms: from_ms.max(span.from_ms),
        to_ms: to_ms.min(span.to_ms),
    };
    let room = query.limit.saturating_sub(columns.times.len());
    let run = samples::run_of_day(&history.head, &history.partitions, &day_query, room)?;
    let Some(run) = run.filter(|run| run.times.len() <= room) else { return Ok(false) };
    let before = columns.times.len();
    columns.late.extend(run.late.into_iter().map(|at| before + at));
    columns.times.extend(run.times);
    columns.values.extend_scaled(run.decimals, run.integers);
    Ok(true)
}

/// How far a page is.
struct Page<'q> {
    query: &'q SeriesQuery,
    shown: usize,
    last: SeriesPlace,
}

impl<'q> Page<'q> {
    fn new(query: &'q SeriesQuery) -> Self {
        Self { query, shown: 0, last: SeriesPlace { time_ms: i64::MIN, before: 0 } }
    }

    /// Shows the readings of these days, oldest first. Returns the cursor of the next page, if there is one.
    fn show(
        mut self,
        history: &HistoryFiles,
        days: &[i64],
        mut show: impl FnMut(Sample),
    ) -> Result<Option<String>, StoreError> {
        let query = self.query;
        let start = query.after.map_or(query.from, |after| Timestamp(after.time_ms).max(query.from));
        let mut place = self.last;
        for day in days {
            for sample in of_day(history, *day, &query.spans, query.point.as_str(), (start.0, query.to.0))? {
                let before = if sample.time_ms == place.time_ms { place.before + 1 } else { 0 };
                place = SeriesPlace { time_ms: sample.time_ms, before };
                if query.after.is_some_and(|after| place <= after) {
                    continue;
                }
                if self.shown == query.limit {
                    return Ok(Some(self.last.to_string()));
                }
                show(sample);
                self.shown += 1;
                self.last = place;
            }
        }
        Ok(None)
    }
}

/// The readings of one day of a device under all its names, by time.
pub(super) fn of_day(
    history: &HistoryFiles,
    day: i64,
    spans: &[Span],
    point: &str,
    range: (i64, i64),
) -> Result<Vec<Sample>, StoreError> {
    Ok(of_day_if_few(history, day, spans, point, range, usize::MAX)?.unwrap_or_default())
}

/// The same, unless there are more than `most`.
fn of_day_if_few(
    history: &HistoryFiles,
    day: i64,
    spans: &[Span],
    point: &str,
    (from_ms, to_ms): (i64, i64),
    most: usize,
) -> Result<Option<Vec<Sample>>, StoreError> {
    let mut found = Vec::new();
    for span in spans {
        let (from_ms, to_ms) = (from_ms.max(span.from_ms), to_ms.min(span.to_ms));
        if from_ms >= to_ms {
            continue;
        }
        let (agent, key) = (span.agent.as_str(), span.key.as_str());
        let query = DayQuery { day, agent, key, point, from_ms, to_ms };
        let room = most - found.len();
        let Some(more) = samples::of_day_if_few(&history.head, &history.partitions, &query, room)? else {
            return Ok(None);
        };
        found.extend(more);
    }
    if !found.is_sorted_by_key(|sample| sample.time_ms) {
        found.sort_by_key(|sample| sample.time_ms);
    }
    Ok(Some(found))
}
