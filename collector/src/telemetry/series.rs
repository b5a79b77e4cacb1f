//! The readings of a point over time.

use kouan_protocol::{PointName, Quality, QualityReason, Timestamp, Value};
use serde::Serialize;
use utoipa::ToSchema;

use super::cells::quality_of;
use super::samples::{self, DayQuery, Sample};
use super::{HistoryFiles, Slice, Span, day_of};
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

/// Readings by column: short to write, quick to read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct SeriesColumns {
    /// Corrected times, in milliseconds since 1970.
    pub times: Vec<i64>,
    /// The values: numbers or texts; `null` when the quality is bad.
    #[schema(value_type = Vec<Object>)]
    pub values: Vec<Option<Value>>,
    /// The readings that are not good, by their place in the lists.
    pub flaws: Vec<SeriesFlaw>,
    /// The places of readings that arrived more than a minute after they were read.
    pub late: Vec<usize>,
    /// Give it as `cursor` to get what follows; `null` if nothing does.
    pub next: Option<String>,
}

/// What is wrong with a reading.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SeriesFlaw {
    /// Its place in the lists.
    pub at: usize,
    /// `uncertain` or `bad`.
    #[schema(value_type = String)]
    pub quality: Quality,
    /// Why.
    #[schema(value_type = String)]
    pub reason: QualityReason,
}

pub(super) fn read(history: &HistoryFiles, query: &SeriesQuery) -> Result<Slice<ReadingRow>, StoreError> {
    let mut rows = Vec::new();
    let next = page(history, query, |sample| rows.push(ReadingRow::from(sample)))?;
    Ok(Slice { rows, next })
}

pub(super) fn columns(history: &HistoryFiles, query: &SeriesQuery) -> Result<SeriesColumns, StoreError> {
    let mut columns = SeriesColumns::default();
    columns.next = page(history, query, |sample| {
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
    })?;
    Ok(columns)
}

/// Shows the readings of a page, oldest first. Returns the cursor of the next one, if there is one.
fn page(
    history: &HistoryFiles,
    query: &SeriesQuery,
    mut show: impl FnMut(Sample),
) -> Result<Option<String>, StoreError> {
    let start = query.after.map_or(query.from, |after| Timestamp(after.time_ms).max(query.from));
    let mut shown = 0;
    let mut last = SeriesPlace { time_ms: i64::MIN, before: 0 };
    let mut place = last;
    for day in history.days(day_of(start), day_of(query.to)) {
        for sample in of_day(history, day, &query.spans, query.point.as_str(), (start.0, query.to.0))? {
            let before = if sample.time_ms == place.time_ms { place.before + 1 } else { 0 };
            place = SeriesPlace { time_ms: sample.time_ms, before };
            if query.after.is_some_and(|after| place <= after) {
                continue;
            }
            if shown == query.limit {
                return Ok(Some(last.to_string()));
            }
            show(sample);
            shown += 1;
            last = place;
        }
    }
    Ok(None)
}

/// The readings of one day of a device under all its names, by time.
pub(super) fn of_day(
    history: &HistoryFiles,
    day: i64,
    spans: &[Span],
    point: &str,
    (from_ms, to_ms): (i64, i64),
) -> Result<Vec<Sample>, StoreError> {
    let mut found = Vec::new();
    for span in spans {
        let (from_ms, to_ms) = (from_ms.max(span.from_ms), to_ms.min(span.to_ms));
        if from_ms >= to_ms {
            continue;
        }
        let (agent, key) = (span.agent.as_str(), span.key.as_str());
        let query = DayQuery { day, agent, key, point, from_ms, to_ms };
        found.extend(samples::of_day(&history.head, &history.partitions, &query)?);
    }
    if !found.is_sorted_by_key(|sample| sample.time_ms) {
        found.sort_by_key(|sample| sample.time_ms);
    }
    Ok(found)
}
