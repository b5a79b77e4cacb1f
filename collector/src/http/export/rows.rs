//! Readings of several points by time, of any range, a page at a time.

use std::collections::HashMap;
use std::sync::Arc;

use kouan_protocol::{PointName, Quality, QualityReason, Timestamp, Value};

use crate::store::StoreError;
use crate::telemetry::{History, Incomplete, IncompleteReason, SeriesColumns, SeriesPlace, SeriesQuery, Span};

const DAY_MS: i64 = 24 * 3_600_000;
/// The first window.
const FIRST_MS: i64 = 3_600_000;
/// Readings that are in memory at the same time: a window with more is not read to its end but cut in halves.
const MANY: usize = 20_000;
/// With fewer the next window is longer.
const FEW: usize = 5_000;
/// Windows that are looked at in one go when none of them holds anything.
const EMPTY: usize = 200;

/// What a line of a file says of its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Said {
    /// It was read.
    Read(Quality, QualityReason),
    /// From this time on readings may be missing.
    Missing(IncompleteReason),
}

impl Said {
    /// The word for the quality.
    pub(super) fn quality(self) -> String {
        match self {
            Self::Read(quality, _) => word(quality),
            Self::Missing(_) => "missing".to_owned(),
        }
    }

    /// The word for the reason.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Read(_, reason) => word(reason),
            Self::Missing(reason) => reason.as_str().to_owned(),
        }
    }
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) time_ms: i64,
    pub(super) point: Arc<str>,
    pub(super) value: Option<Value>,
    pub(super) said: Said,
    pub(super) late: bool,
}

/// Readings that are read as they are asked for.
pub(super) struct Rows {
    history: Arc<dyn History>,
    spans: Vec<Span>,
    points: Vec<(PointName, Arc<str>)>,
    /// What was not told yet.
    from_ms: i64,
    to_ms: i64,
    /// How long the next window is.
    length_ms: i64,
    /// How far the readings of the next millisecond are told, when there are too many of them for one page.
    crowd: Option<Crowd>,
    /// Until when it was said of a point that readings are missing.
    told: HashMap<(usize, IncompleteReason), i64>,
}

/// A place in a millisecond that is told point by point.
#[derive(Debug, Clone, Copy, Default)]
struct Crowd {
    point: usize,
    after: Option<SeriesPlace>,
}

impl Rows {
    pub(super) fn new(history: Arc<dyn History>, spans: Vec<Span>, points: Vec<PointName>, range: (i64, i64)) -> Self {
        let points = points.into_iter().map(|point| (point.clone(), Arc::from(point.as_str()))).collect();
        let (from_ms, to_ms) = range;
        Self { history, spans, points, from_ms, to_ms, length_ms: FIRST_MS, crowd: None, told: HashMap::new() }
    }

    /// The next readings by time, [`MANY`] at most and maybe none; `None` when all were told.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Line>>, StoreError> {
        for _ in 0..EMPTY {
            if let Some(crowd) = self.crowd {
                return self.next_of_crowd(crowd).map(Some);
            }
            if self.from_ms >= self.to_ms {
                return Ok(None);
            }
            // A window ends with its day: a day's file is read by itself.
            let day_ends = (self.from_ms.div_euclid(DAY_MS) + 1).saturating_mul(DAY_MS);
            let end_ms = self.from_ms.saturating_add(self.length_ms).min(day_ends).min(self.to_ms);
            match self.window(end_ms)? {
                Some(lines) => {
                    self.from_ms = end_ms;
                    if lines.len() < FEW {
                        self.length_ms = (self.length_ms * 2).min(DAY_MS);
                    }
                    if !lines.is_empty() {
                        return Ok(Some(lines));
                    }
                }
                None if end_ms - self.from_ms > 1 => self.length_ms = (end_ms - self.from_ms) / 2,
                None => self.crowd = Some(Crowd::default()),
            }
        }
        Ok(Some(Vec::new()))
    }

    /// The readings before `end_ms`; `None` if they are too many.
    fn window(&mut self, end_ms: i64) -> Result<Option<Vec<Line>>, StoreError> {
        let (mut lines, mut missing) = (Vec::new(), Vec::new());
        for at in 0..self.points.len() {
            let query = self.query(at, end_ms, None, MANY - lines.len());
            let Some(mut columns) = self.history.columns_if_few(&query)? else { return Ok(None) };
            missing.push(std::mem::take(&mut columns.incomplete));
            self.add(at, columns, &mut lines);
        }
        for (at, missing) in missing.into_iter().enumerate() {
            self.add_missing(at, missing, &mut lines);
        }
        lines.sort_by_key(|line| line.time_ms);
        Ok(Some(lines))
    }

    /// The next readings of a millisecond: of one point.
    fn next_of_crowd(&mut self, Crowd { point, after }: Crowd) -> Result<Vec<Line>, StoreError> {
        let mut columns = self.history.columns(&self.query(point, self.from_ms + 1, after, MANY))?;
        let mut lines = Vec::new();
        if after.is_none() {
            self.add_missing(point, std::mem::take(&mut columns.incomplete), &mut lines);
        }
        let next = columns.next.as_deref().map(str::parse).transpose();
        let next = next.map_err(|()| StoreError::Damaged {
            what: "a place among readings",
            problem: "it is not one that the history gave out".to_owned(),
        })?;
        self.crowd = match next {
            Some(after) => Some(Crowd { point, after: Some(after) }),
            None if point + 1 < self.points.len() => Some(Crowd { point: point + 1, after: None }),
            None => {
                self.from_ms += 1;
                None
            }
        };
        self.add(point, columns, &mut lines);
        Ok(lines)
    }

    fn query(&self, point: usize, to_ms: i64, after: Option<SeriesPlace>, limit: usize) -> SeriesQuery {
        SeriesQuery {
            spans: self.spans.clone(),
            point: self.points[point].0.clone(),
            from: Timestamp(self.from_ms),
            to: Timestamp(to_ms),
            after,
            limit,
        }
    }

    fn add(&self, point: usize, columns: SeriesColumns, lines: &mut Vec<Line>) {
        let mut flaws = columns.flaws.into_iter().peekable();
        let mut late = columns.late.into_iter().peekable();
        for (at, (time_ms, value)) in columns.times.into_iter().zip(columns.values).enumerate() {
            let flaw = flaws.next_if(|flaw| flaw.at == at).map(|flaw| (flaw.quality, flaw.reason));
            let (quality, reason) = flaw.unwrap_or((Quality::Good, QualityReason::None));
            let (late, point) = (late.next_if_eq(&at).is_some(), Arc::clone(&self.points[point].1));
            lines.push(Line { time_ms, point, value, said: Said::Read(quality, reason), late });
        }
    }

    fn add_missing(&mut self, point: usize, missing: Vec<Incomplete>, lines: &mut Vec<Line>) {
        for Incomplete { from_ms, to_ms, reason } in missing {
            // One that goes on from the window before is told already.
            if self.told.insert((point, reason), to_ms) != Some(from_ms) {
                let (said, point) = (Said::Missing(reason), Arc::clone(&self.points[point].1));
                lines.push(Line { time_ms: from_ms, point, value: None, said, late: false });
            }
        }
    }
}

/// The API's word for a quality or a reason.
fn word<T: serde::Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::auth::Scope;
    use crate::telemetry::{
        EventFilter, EventId, EventRow, EventSlice, ReadingRow, SeriesValues, Slice, WindowsAnswer, WindowsQuery,
    };

    /// A history that has so many readings a second of each point within a time, and a crowd in one millisecond.
    struct Made {
        dense: (i64, i64),
        every_ms: i64,
        crowd: (i64, usize),
        /// The most that was ever told at once.
        largest: AtomicUsize,
    }

    impl Made {
        fn times(&self, query: &SeriesQuery) -> Vec<i64> {
            let (from_ms, to_ms) = (query.from.0, query.to.0);
            let first = from_ms.max(self.dense.0) + self.every_ms - 1;
            let first = first.div_euclid(self.every_ms) * self.every_ms;
            let count = ((to_ms.min(self.dense.1) - first).max(0) + self.every_ms - 1) / self.every_ms;
            // Never more than are needed to know that there are too many.
            let most = query.limit.saturating_add(1) as i64;
            let mut times: Vec<i64> = (0..count.min(most)).map(|at| first + at * self.every_ms).collect();
            if (from_ms..to_ms).contains(&self.crowd.0) {
                times.extend(vec![self.crowd.0; self.crowd.1]);
            }
            times.sort_unstable();
            times
        }

        fn told(&self, times: Vec<i64>, next: Option<String>) -> SeriesColumns {
            self.largest.fetch_max(times.len(), Ordering::Relaxed);
            let integers = times.iter().map(|time| time % 1_000).collect();
            SeriesColumns { times, values: SeriesValues::Scaled { decimals: 0, integers }, next, ..Default::default() }
        }
    }

    impl History for Made {
        fn series(&self, _: &SeriesQuery) -> Result<Slice<ReadingRow>, StoreError> {
            Err(StoreError::Closed)
        }

        fn columns(&self, query: &SeriesQuery) -> Result<SeriesColumns, StoreError> {
            assert_eq!(query.to.0 - query.from.0, 1, "only where a window cannot be any shorter");
            let before: usize = query.after.map_or(0, |after| {
                let place = after.to_string();
                place.split_once('.').unwrap().1.parse::<usize>().unwrap() + 1
            });
            let (all, end) = (self.times(query), before + query.limit);
            let next = (all.len() > end).then(|| format!("{}.{}", query.from.0, end - 1));
            Ok(self.told(all[before..end.min(all.len())].to_vec(), next))
        }

        fn columns_if_few(&self, query: &SeriesQuery) -> Result<Option<SeriesColumns>, StoreError> {
            let times = self.times(query);
            Ok((times.len() <= query.limit).then(|| self.told(times, None)))
        }

        fn windows(&self, _: &WindowsQuery) -> Result<WindowsAnswer, StoreError> {
            Err(StoreError::Closed)
        }

        fn events(&self, _: &Scope, _: &EventFilter, _: usize) -> Result<EventSlice, StoreError> {
            Err(StoreError::Closed)
        }

        fn event(&self, _: &Scope, _: &EventId) -> Result<Option<EventRow>, StoreError> {
            Err(StoreError::Closed)
        }
    }

    fn points(count: usize) -> Vec<PointName> {
        (0..count).map(|at| format!("p{at}").parse().unwrap()).collect()
    }

    #[test]
    fn what_is_in_memory_is_bounded_after_a_quiet_day_as_well() {
        let (start, hour) = (20_000 * DAY_MS, 3_600_000);
        // A quiet day makes the windows long; then a hundred points are read every second for an hour.
        let dense = (start + DAY_MS, start + DAY_MS + hour);
        let crowd = (0, 0);
        let made = Arc::new(Made { dense, every_ms: 1_000, crowd, largest: AtomicUsize::new(0) });
        let history: Arc<dyn History> = Arc::clone(&made) as _;
        let mut rows = Rows::new(history, Vec::new(), points(100), (start, start + 2 * DAY_MS));
        let (mut count, mut largest, mut last, mut pages) = (0, 0, i64::MIN, 0);
        while let Some(lines) = rows.next().unwrap() {
            assert!(lines.is_sorted_by_key(|line| line.time_ms));
            assert!(lines.first().is_none_or(|line| line.time_ms >= last));
            last = lines.last().map_or(last, |line| line.time_ms);
            count += lines.len();
            largest = largest.max(lines.len());
            pages += 1;
        }
        assert_eq!(count, 100 * 3_600);
        assert!(largest <= MANY, "{largest} at once");
        assert!(made.largest.load(Ordering::Relaxed) <= MANY);
        assert!(pages < 400, "{pages} pages of few readings");
    }

    #[test]
    fn more_readings_of_one_instant_than_fit_are_told_point_by_point_and_once() {
        let start = 20_000 * DAY_MS;
        let (dense, crowd) = ((start, start + 10_000), (start + 5_000, MANY + MANY / 2));
        let made = Arc::new(Made { dense, every_ms: 1_000, crowd, largest: AtomicUsize::new(0) });
        let history: Arc<dyn History> = Arc::clone(&made) as _;
        let mut rows = Rows::new(history, Vec::new(), points(2), (start, start + 60_000));
        let mut lines = Vec::new();
        while let Some(more) = rows.next().unwrap() {
            assert!(more.len() <= MANY);
            lines.extend(more);
        }
        assert!(lines.is_sorted_by_key(|line| line.time_ms));
        assert_eq!(lines.len(), 2 * (10 + crowd.1));
        assert_eq!(lines.iter().filter(|line| line.point.as_ref() == "p1").count(), 10 + crowd.1);
        assert!(made.largest.load(Ordering::Relaxed) <= MANY);
    }

    #[test]
    fn years_of_nothing_are_left_between_two_looks_for_whoever_reads() {
        let made = Made { dense: (0, 0), every_ms: 1_000, crowd: (-1, 0), largest: AtomicUsize::new(0) };
        let mut rows = Rows::new(Arc::new(made), Vec::new(), points(1), (0, 20_000 * DAY_MS));
        let mut looks = 0;
        while let Some(lines) = rows.next().unwrap() {
            assert_eq!(lines.len(), 0);
            looks += 1;
        }
        assert!((100..=101).contains(&looks), "{looks}");
    }

    #[test]
    fn qualities_and_reasons_have_the_words_of_the_api() {
        assert_eq!(word(Quality::Uncertain), "uncertain");
        assert_eq!(word(QualityReason::OutOfRange), "out-of-range");
        assert_eq!(word(QualityReason::None), "none");
    }
}
