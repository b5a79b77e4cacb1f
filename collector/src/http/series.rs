//! Readings of one or many points by column, raw or at a resolution, and the time spent in each state.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use kouan_protocol::{PointName, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Caller, Id, Params};
use super::readings::time;
use super::{AppState, Problem, devices};
use crate::state;
use crate::store::StoreError;
use crate::telemetry::{
    Aggregate, Figure, Incomplete, Resolution, SeriesColumns, SeriesQuery, Span, WindowsAnswer, WindowsQuery,
};

/// Most points of one request.
const POINTS: usize = 100;
/// Most raw readings of one point in an answer.
const READINGS: usize = 100_000;
/// Most raw readings of all points of an answer together. What one point leaves of its share is for those after it.
const ALL_READINGS: usize = 500_000;
/// Most windows of one point in an answer.
const WINDOWS: i64 = 20_000;
/// Most windows of all points of an answer together.
const ALL_WINDOWS: i64 = 200_000;
/// About how many windows an answer has if the caller does not say.
const COMFORTABLE: i64 = 1_000;
const DAY_MS: i64 = 24 * 3600 * 1000;
/// The longest range of raw readings, in milliseconds: 400 days.
const RAW_RANGE_MS: i64 = 400 * DAY_MS;
/// Most days of all points together that may have to be read one by one: 400 days of ten points, or 40 of a hundred.
const POINT_DAYS: i64 = 4_000;
/// Longer ranges are told in hours when the time in states is asked for.
const MINUTES_RANGE_MS: i64 = 14 * DAY_MS;
/// The longest range of time in states: as many hours are looked at as of windows that are told.
const STATES_RANGE_MS: i64 = 3_660 * DAY_MS;
/// Lengths of windows to choose from, in seconds.
const LENGTHS_S: [i64; 8] = [60, 300, 900, 3_600, 6 * 3_600, 24 * 3_600, 7 * 24 * 3_600, 28 * 24 * 3_600];
/// What a state is called while there is no usable reading.
const NO_WORD: &str = "(bad)";

/// Which readings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    /// The points, separated by commas.
    points: String,
    /// From this time on, RFC 3339 or milliseconds; an hour before `to` by default.
    from: Option<String>,
    /// Before this time; now by default.
    to: Option<String>,
    /// `raw`, or the length of a window such as `5m` or `1h`. Without it, raw up to six hours, and longer ranges in
    /// about a thousand windows. Windows begin at whole multiples of their length since 1970 UTC. Only windows of whole
    /// hours can be had of more than 4,000 days, counted for all points together.
    resolution: Option<String>,
    /// The `next` of a point in the answer before, with everything else the same, for that point alone: it goes on with
    /// its raw readings. An answer has at most 100,000 of a point and 500,000 of all points together.
    cursor: Option<String>,
}

/// Points of a device over time.
#[derive(Debug, ToSchema)]
pub(super) struct Answer {
    /// The device.
    device: String,
    /// `raw`, or the length of a window in seconds.
    resolution: String,
    /// One for each point, in the order of the request.
    series: Vec<PointSeries>,
}

/// One point over time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PointSeries {
    /// The point.
    point: String,
    /// Its unit now; empty if it has none.
    unit: String,
    /// What the answer was made of: `raw`, `1m`, `1h`.
    levels: Vec<&'static str>,
    /// Times of which something may be missing here, because a part of the history is damaged; empty when nothing is
    /// known to be.
    incomplete: Vec<Incomplete>,
    /// The readings or windows.
    #[serde(flatten)]
    content: Content,
}

/// Readings or windows by column.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Content {
    /// Readings.
    Readings(SeriesColumns),
    /// Windows of numbers and counters.
    Numbers(NumberWindows),
    /// Windows of states and texts.
    Words(WordWindows),
}

/// Windows of numbers and counters; only those that hold readings. Those of counters are whole and exact: of more than
/// 53 bits, which a program that reads all numbers as floating point rounds.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct NumberWindows {
    /// Starts, in milliseconds since 1970.
    times: Vec<i64>,
    /// How many readings had a value.
    count: Vec<u64>,
    /// Least values.
    #[schema(value_type = Vec<f64>)]
    min: Vec<Figure>,
    /// Greatest values.
    #[schema(value_type = Vec<f64>)]
    max: Vec<Figure>,
    /// Sums.
    #[schema(value_type = Vec<f64>)]
    sum: Vec<Figure>,
    /// First values.
    #[schema(value_type = Vec<f64>)]
    first: Vec<Figure>,
    /// Last values.
    #[schema(value_type = Vec<f64>)]
    last: Vec<Figure>,
}

/// Windows of states and texts; only those that hold readings.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct WordWindows {
    /// Starts, in milliseconds since 1970.
    times: Vec<i64>,
    /// How many readings had a word.
    count: Vec<u64>,
    /// How often the word became another.
    changes: Vec<u64>,
    /// First words.
    first: Vec<Option<String>>,
    /// Last words.
    last: Vec<Option<String>>,
    /// Milliseconds in each word; `(bad)` stands for no usable reading. Nothing for texts.
    spent_ms: Vec<BTreeMap<String, i64>>,
}

/// What stands before the readings of a point.
#[derive(Serialize)]
struct PointHead<'s> {
    point: &'s str,
    unit: &'s str,
    levels: &'s [&'static str],
    incomplete: &'s [Incomplete],
}

impl Answer {
    fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let readings = self.series.iter().map(|series| match &series.content {
            Content::Readings(columns) => columns.json_bytes(),
            _ => 0,
        });
        let mut out = Vec::with_capacity(1_024 + readings.sum::<usize>());
        out.extend_from_slice(b"{\"device\":");
        serde_json::to_writer(&mut out, &self.device)?;
        out.extend_from_slice(b",\"resolution\":");
        serde_json::to_writer(&mut out, &self.resolution)?;
        out.extend_from_slice(b",\"series\":[");
        for (at, series) in self.series.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match &series.content {
                Content::Readings(columns) => {
                    let PointSeries { point, unit, levels, incomplete, .. } = series;
                    serde_json::to_writer(&mut out, &PointHead { point, unit, levels, incomplete })?;
                    // The object goes on with the readings.
                    out.pop();
                    out.push(b',');
                    columns.write_json(&mut out)?;
                    out.push(b'}');
                }
                _ => serde_json::to_writer(&mut out, series)?,
            }
        }
        out.extend_from_slice(b"]}");
        Ok(out)
    }
}

/// How many raw readings the points of an answer may have: each the same part of what is left.
struct Share {
    left: usize,
    points: usize,
}

impl Share {
    fn new(points: usize) -> Self {
        Self { left: ALL_READINGS, points }
    }

    /// How many the next point may have.
    fn next(&self) -> usize {
        (self.left / self.points.max(1)).min(READINGS)
    }

    /// It has so many.
    fn took(&mut self, readings: usize) {
        self.left = self.left.saturating_sub(readings);
        self.points = self.points.saturating_sub(1);
    }
}

fn invalid(problem: impl Into<String>) -> Problem {
    Problem::invalid(vec![problem.into()])
}

/// `None` for raw.
fn resolution(text: Option<&str>, range_ms: i64) -> Result<Option<Resolution>, Problem> {
    let ms = match text {
        Some("raw") => return Ok(None),
        Some(text) => {
            let problem = || invalid("resolution must be raw, or a length of whole seconds such as 5m or 1h");
            let length = parse_length(text).filter(|length| length.subsec_nanos() == 0 && !length.is_zero());
            i64::try_from(length.ok_or_else(problem)?.as_millis()).map_err(|_| problem())?
        }
        None if range_ms <= 6 * 3_600_000 => return Ok(None),
        None => {
            let mut lengths = LENGTHS_S.into_iter().map(|seconds| seconds * 1000);
            lengths.find(|ms| range_ms / ms <= COMFORTABLE).unwrap_or(LENGTHS_S[LENGTHS_S.len() - 1] * 1000)
        }
    };
    if range_ms / ms > WINDOWS {
        return Err(invalid(format!("that would be {} windows; at most {WINDOWS} are told at once", range_ms / ms)));
    }
    Ok(Some(Resolution(ms)))
}

/// Refuses what would have to be made of too many days of readings.
fn is_affordable(resolution: Option<Resolution>, range_ms: i64, points: usize) -> Result<(), Problem> {
    let points = i64::try_from(points).unwrap_or(i64::MAX);
    let windows = resolution.map_or(0, |Resolution(ms)| (range_ms / ms).saturating_mul(points));
    if windows > ALL_WINDOWS {
        return Err(invalid(format!(
            "that would be {windows} windows of all points together, and at most {ALL_WINDOWS} are told at once: ask for \
             fewer points, a shorter time, or longer windows"
        )));
    }
    let of_hours = resolution.is_some_and(|Resolution(ms)| ms % 3_600_000 == 0);
    let days = (range_ms / DAY_MS + 1).saturating_mul(points);
    if of_hours || days <= POINT_DAYS {
        return Ok(());
    }
    Err(invalid(format!(
        "that is {days} days of readings, counted for all points together, and at most {POINT_DAYS} are read at once: ask \
         for fewer points, a shorter time, or a resolution of whole hours"
    )))
}

/// A number and a unit: `90s`, `5m`, `1h`, `1d`.
fn parse_length(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds).filter(|seconds| *seconds <= 366 * 86_400).map(Duration::from_secs)
}

fn range(shared: &AppState, from: Option<&String>, to: Option<&String>) -> Result<(Timestamp, Timestamp), Problem> {
    let to = time("to", to, shared.clock.wall().plus_ms(1))?;
    let from = time("from", from, to.plus_ms(-3_600_000))?;
    if from > to || from < Timestamp(0) || to > shared.clock.wall().plus_ms(RAW_RANGE_MS) {
        return Err(invalid("from must be before to, and both must be times since 1970 and not years ahead"));
    }
    Ok((from, to))
}

/// Reads names of points, separated by commas.
pub(super) fn points_of(text: &str) -> Result<Vec<PointName>, Problem> {
    let points = text.split(',').map(str::parse::<PointName>).collect::<Result<Vec<_>, _>>();
    let points = points.map_err(|error| invalid(format!("points: {error}")))?;
    if points.len() > POINTS {
        return Err(invalid(format!("points must name between 1 and {POINTS} points")));
    }
    Ok(points)
}

/// The names that a device had.
pub(super) async fn spans(shared: &AppState, id: &str) -> Result<Vec<Span>, Problem> {
    let bound = id.to_owned();
    let bindings = shared.state_readers.read(move |conn| state::bindings(conn, Some(&bound))).await?;
    Ok(bindings.into_iter().map(Span::try_from).collect::<Result<_, _>>()?)
}

/// Points of a device over time, by column. A point whose readings do not all fit has a `next`.
#[utoipa::path(get, path = "/api/v1/devices/{id}/series", tag = "devices", params(("id" = String, Path), Range),
    responses((status = 200, body = Answer),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn columns(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(wanted): Params<Range>,
) -> Result<Response, Problem> {
    let device = devices::find(&shared, &caller.sites, &id)?;
    let points = points_of(&wanted.points)?;
    let (from, to) = range(&shared, wanted.from.as_ref(), wanted.to.as_ref())?;
    let range_ms = to.0.saturating_sub(from.0);
    let resolution = resolution(wanted.resolution.as_deref(), range_ms)?;
    if resolution.is_none() && range_ms > RAW_RANGE_MS {
        return Err(invalid("raw readings are told for at most 400 days at once"));
    }
    is_affordable(resolution, range_ms, points.len())?;
    let after = wanted.cursor.as_ref().map(|text| text.parse()).transpose();
    let after = after.map_err(|()| invalid("cursor is not one that an answer gave as next"))?;
    if after.is_some() && (resolution.is_some() || points.len() > 1) {
        return Err(invalid(
            "a cursor goes on with the raw readings of one point: ask for it alone, with resolution=raw",
        ));
    }
    let units: Vec<String> = points
        .iter()
        .map(|point| {
            let specs = device.spec.groups.iter().flat_map(|group| &group.points);
            specs.into_iter().find(|spec| spec.name == *point).map(|spec| spec.unit.clone()).unwrap_or_default()
        })
        .collect();
    let (now, readers) = (shared.clock.wall(), shared.state_readers.clone());
    let answer = shared.history(move |history| {
        let bindings = readers.read_blocking(|conn| state::bindings(conn, Some(&id)))?;
        let spans = bindings.into_iter().map(Span::try_from).collect::<Result<Vec<_>, _>>()?;
        let mut share = Share::new(points.len());
        let point = |(point, unit): (PointName, String)| {
            let name = point.to_string();
            let spans = spans.clone();
            let (levels, incomplete, content) = match resolution {
                None => {
                    let query = SeriesQuery { spans, point, from, to, after, limit: share.next() };
                    let mut columns = history.columns(&query)?;
                    share.took(columns.times.len());
                    (vec!["raw"], std::mem::take(&mut columns.incomplete), Content::Readings(columns))
                }
                Some(resolution) => {
                    let query = WindowsQuery { spans, point, from, to, resolution, now };
                    let WindowsAnswer { levels, windows, incomplete } = history.windows(&query)?;
                    (levels, incomplete, by_column(windows))
                }
            };
            Ok(PointSeries { point: name, unit, levels, incomplete, content })
        };
        let series = points.into_iter().zip(units).map(point).collect::<Result<Vec<_>, StoreError>>()?;
        let resolution = resolution.map_or_else(|| "raw".to_owned(), |Resolution(ms)| (ms / 1000).to_string());
        let answer = Answer { device: id, resolution, series };
        answer.to_json().map_err(StoreError::damaged("readings"))
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], answer.await?).into_response())
}

fn word(word: Option<String>) -> String {
    word.unwrap_or_else(|| NO_WORD.to_owned())
}

/// A point that was of several kinds within the range is told as the kind with most windows.
fn by_column(windows: Vec<(i64, Aggregate)>) -> Content {
    let mut numbers = NumberWindows::default();
    let (mut states, mut texts) = (WordWindows::default(), WordWindows::default());
    for (start, aggregate) in windows {
        match aggregate {
            Aggregate::Numbers { count, min, max, sum, first, last } => {
                numbers.times.push(start);
                numbers.count.push(count);
                numbers.min.push(min);
                numbers.max.push(max);
                numbers.sum.push(sum);
                numbers.first.push(first);
                numbers.last.push(last);
            }
            Aggregate::Words { count, changes, first, last, spent_ms } => {
                let spent = spent_ms.into_iter().map(|(name, ms)| (word(name), ms)).collect();
                states.push(start, (count, changes), (first, last), spent);
            }
            Aggregate::Texts { count, changes, first, last } => {
                texts.push(start, (count, changes), (first, last), BTreeMap::new());
            }
        }
    }
    let words = if texts.times.len() > states.times.len() { texts } else { states };
    if words.times.len() > numbers.times.len() { Content::Words(words) } else { Content::Numbers(numbers) }
}

impl WordWindows {
    fn push(
        &mut self,
        start: i64,
        (count, changes): (u64, u64),
        (first, last): (Option<String>, Option<String>),
        spent_ms: BTreeMap<String, i64>,
    ) {
        self.times.push(start);
        self.count.push(count);
        self.changes.push(changes);
        self.first.push(first);
        self.last.push(last);
        self.spent_ms.push(spent_ms);
    }
}

/// Which state.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StateRange {
    /// The point.
    point: String,
    /// From this time on, RFC 3339 or milliseconds; an hour before `to` by default.
    from: Option<String>,
    /// Before this time; now by default.
    to: Option<String>,
}

/// The time that a point spent in each of its states.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimeInState {
    /// The device.
    device: String,
    /// The point.
    point: String,
    /// Milliseconds in each state; `(bad)` stands for no usable reading.
    spent_ms: BTreeMap<String, i64>,
    /// Milliseconds before the first reading within the range.
    unknown_ms: i64,
    /// How often the state became another.
    changes: u64,
    /// Times of which readings may be missing, because a part of the history is damaged: the state before counts on
    /// there. Empty when nothing is known to be missing.
    incomplete: Vec<Incomplete>,
}

/// The time that a point spent in each of its states; texts have none. The range is widened to whole minutes, one of
/// more than 14 days to whole hours, and may be 3,660 days long; a state lasts until the next reading.
#[utoipa::path(get, path = "/api/v1/devices/{id}/time-in-state", tag = "devices",
    params(("id" = String, Path), StateRange), responses((status = 200, body = TimeInState),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn time_in_state(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(wanted): Params<StateRange>,
) -> Result<Json<TimeInState>, Problem> {
    devices::find(&shared, &caller.sites, &id)?;
    let point: PointName = wanted.point.parse().map_err(|error| invalid(format!("point: {error}")))?;
    let (from, to) = range(&shared, wanted.from.as_ref(), wanted.to.as_ref())?;
    if to.0 - from.0 > STATES_RANGE_MS {
        return Err(invalid("the time in states is told for at most 3660 days at once"));
    }
    let step = window_ms(from, to);
    let (from_ms, to_ms) = (from.0.div_euclid(step) * step, (to.0 + step - 1).div_euclid(step) * step);
    let (spans, now) = (spans(&shared, &id).await?, shared.clock.wall());
    let query = WindowsQuery { spans, point, from, to, resolution: Resolution(step), now };
    let mut answer = shared.history(move |history| history.windows(&query)).await?;
    let is = |wanted: fn(&Aggregate) -> bool| answer.windows.iter().any(|(_, window)| wanted(window));
    if is(|it| matches!(it, Aggregate::Texts { .. })) && !is(|it| matches!(it, Aggregate::Words { .. })) {
        return Err(invalid(format!("{} holds texts: the time in each is told of states only", wanted.point)));
    }
    let incomplete = std::mem::take(&mut answer.incomplete);
    let end_ms = to_ms.min(now.0);
    let (spent_ms, changes) = spent(answer, step, end_ms);
    let unknown_ms = end_ms - from_ms;
    let mut told = TimeInState { device: id, point: wanted.point, spent_ms, unknown_ms, changes, incomplete };
    told.unknown_ms = (told.unknown_ms - told.spent_ms.values().sum::<i64>()).max(0);
    Ok(Json(told))
}

/// The windows by which the time in states of a range is asked: hours where both ends are whole hours, because their
/// sums are made, and for long ranges, else minutes.
pub(super) fn window_ms(from: Timestamp, to: Timestamp) -> i64 {
    let (minute, hour) = (60_000, 3_600_000);
    let is_long = to.0 - from.0 > MINUTES_RANGE_MS;
    if is_long || (from.0 % hour == 0 && to.0 % hour == 0) { hour } else { minute }
}

/// How long a point had each word in windows of `step` milliseconds, the last of which ends by `end_ms`, and how often
/// it changed.
pub(super) fn spent(answer: WindowsAnswer, step: i64, end_ms: i64) -> (BTreeMap<String, i64>, u64) {
    let (mut spent, mut count) = (BTreeMap::new(), 0);
    let mut before: Option<(i64, Option<String>)> = None;
    for (start, aggregate) in answer.windows {
        let Aggregate::Words { changes, first, last, spent_ms, .. } = aggregate else { continue };
        if let Some((end, word_before)) = before.take() {
            *spent.entry(word(word_before.clone())).or_default() += start - end;
            count += u64::from(word_before != first);
        }
        count += changes;
        for (name, ms) in spent_ms {
            *spent.entry(word(name)).or_default() += ms;
        }
        before = Some((start + step, last));
    }
    if let Some((end, last)) = before {
        *spent.entry(word(last)).or_default() += (end_ms - end).max(0);
    }
    (spent, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolution_is_asked_for_or_chosen() {
        let day = 24 * 3_600_000;
        let asked = |text: &str| resolution(Some(text), day).ok().flatten().map(|Resolution(ms)| ms);
        assert_eq!((asked("5m"), asked("1h"), asked("90s")), (Some(300_000), Some(3_600_000), Some(90_000)));
        for wrong in ["0s", "1.5m", "h", "1w", "-1m", "99999999999999999999s"] {
            assert!(resolution(Some(wrong), day).is_err(), "{wrong}");
        }
        let chosen = |range| resolution(None, range).unwrap().map(|Resolution(ms)| ms);
        assert_eq!((chosen(3_600_000), chosen(day), chosen(30 * day)), (None, Some(300_000), Some(3_600_000)));
        assert_eq!(chosen(3_650 * day), Some(7 * day));
        assert!(resolution(Some("1s"), 30 * day).is_err());
    }

    #[test]
    fn what_would_read_too_many_days_is_refused() {
        let day = 24 * 3_600_000;
        let refused =
            |ms: Option<i64>, days: i64, points| is_affordable(ms.map(Resolution), days * day, points).is_err();
        assert!(!refused(None, 399, 10) && refused(None, 399, 11));
        assert!(!refused(Some(3_660_000), 39, 100) && refused(Some(3_660_000), 40, 100));
        assert!(refused(Some(86_401_000), 19_000, 1), "no sums are of that length");
        assert!(!refused(Some(10 * 86_400_000), 19_000, 100), "sums of hours are made");
        assert!(!refused(Some(3_600_000), 83, 100) && refused(Some(3_600_000), 84, 100), "windows of all points");
    }

    #[test]
    fn points_share_what_an_answer_may_have() {
        assert_eq!(Share::new(1).next(), READINGS);
        let mut share = Share::new(100);
        let mut all = 0;
        for at in 0..100 {
            let part = share.next();
            assert!((ALL_READINGS / 100..=READINGS).contains(&part), "{part}");
            // Every other point has few.
            let took = if at % 2 == 0 { part } else { 10 };
            share.took(took);
            all += took;
        }
        assert!(all <= ALL_READINGS && all > ALL_READINGS * 9 / 10, "{all}");
    }

    #[test]
    fn long_ranges_of_states_are_told_in_hours() {
        let day = 24 * 3_600_000;
        assert_eq!(window_ms(Timestamp(1), Timestamp(14 * day)), 60_000);
        assert_eq!(window_ms(Timestamp(1), Timestamp(14 * day + 2)), 3_600_000);
        assert_eq!(window_ms(Timestamp(0), Timestamp(day)), 3_600_000);
    }
}
