//! Readings at a resolution: from sums where they stand, from the readings themselves where they do not.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kouan_protocol::{PointName, Timestamp};
use rusqlite::{Connection, params};
use serde::Serialize;
use tracing::error;

use super::codec;
use super::levels::LevelFile;
use super::numbers::{Counts, Figures, Numbers};
use super::window::{Sums, Windows};
use super::words::{States, Texts, Word};
use crate::store::{During as _, StoreError};
use crate::telemetry::integers::Malformed;
use crate::telemetry::missing::{Incomplete, IncompleteReason, Stretch, joined, told};
use crate::telemetry::rows::Column;
use crate::telemetry::{HistoryFiles, Span, day_ms, day_of, samples, series};

/// The length of a window, in milliseconds; a whole number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution(pub i64);

impl Resolution {
    /// The coarsest sums that windows of this length can be made of.
    fn level(self) -> Option<LevelFile> {
        [LevelFile::Hours, LevelFile::Minutes].into_iter().find(|level| self.0 % level.step_ms() == 0)
    }
}

/// Which windows.
#[derive(Debug, Clone)]
pub struct WindowsQuery {
    /// The names that the device had.
    pub spans: Vec<Span>,
    /// The point.
    pub point: PointName,
    /// From this time on; the window that it lies in is told as a whole.
    pub from: Timestamp,
    /// Before this time; the window that it lies in is told as a whole.
    pub to: Timestamp,
    /// The length of a window.
    pub resolution: Resolution,
    /// The time after which nothing is known yet.
    pub now: Timestamp,
}

/// Windows that hold readings, oldest first. A point that changed its kind has windows of each, also of one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WindowsAnswer {
    /// What they were made of: `raw`, `1m`, `1h`.
    pub levels: Vec<&'static str>,
    /// The windows by their start in milliseconds since 1970.
    pub windows: Vec<(i64, Aggregate)>,
    /// Of which times something may be missing in them.
    pub incomplete: Vec<Incomplete>,
}

/// A number of a window: of counters exactly, which have more digits than an `f64`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Figure {
    /// Of counters.
    Whole(i128),
    /// Of measurements, or of both.
    Number(f64),
}

impl Figure {
    /// The nearest `f64`.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Number(number) => number,
        }
    }
}

/// What a point did in a window.
#[derive(Debug, Clone, PartialEq)]
pub enum Aggregate {
    /// Of numbers and counters; readings without a value are not counted.
    Numbers {
        /// How many readings.
        count: u64,
        /// The least.
        min: Figure,
        /// The greatest.
        max: Figure,
        /// The sum.
        sum: Figure,
        /// The first.
        first: Figure,
        /// The last.
        last: Figure,
    },
    /// Of texts; no word stands for a reading without a value.
    Texts {
        /// How many readings with a text.
        count: u64,
        /// How often the text became another.
        changes: u64,
        /// The first text.
        first: Option<String>,
        /// The last text.
        last: Option<String>,
    },
    /// Of states; no word stands for a reading without a value.
    Words {
        /// How many readings with a word.
        count: u64,
        /// How often the word became another.
        changes: u64,
        /// The first word.
        first: Option<String>,
        /// The last word.
        last: Option<String>,
        /// Milliseconds in each word. The word of an earlier window goes on until the first reading.
        spent_ms: Vec<(Option<String>, i64)>,
    },
}

/// Windows of one day, and what they were made of.
type DayWindows = (&'static str, Sums);

pub(in crate::telemetry) fn read(history: &HistoryFiles, query: &WindowsQuery) -> Result<WindowsAnswer, StoreError> {
    let step = query.resolution.0.max(1_000);
    let from_ms = query.from.0.div_euclid(step) * step;
    let to_ms = (query.to.0.saturating_add(step - 1)).div_euclid(step).saturating_mul(step);
    let mut answer = WindowsAnswer::default();
    let mut windows = Windows::new(step);
    let watch = history.partitions.missing().watch(day_of(Timestamp(from_ms)), day_of(Timestamp(to_ms)));
    let Told { days, by_sums, incomplete } = days(history, query, (from_ms, to_ms))?;
    let lacks = |stretch: &Stretch| match days.get(&stretch.day) {
        _ if by_sums.contains(&stretch.day) => stretch.sums,
        Some(_) => stretch.readings,
        None => stretch.readings || stretch.sums,
    };
    answer.incomplete = told(&watch.end(), &query.spans, (from_ms, to_ms), lacks);
    answer.incomplete.extend(incomplete);
    answer.incomplete = joined(answer.incomplete);
    for (_, (level, mut day)) in days {
        if !answer.levels.contains(&level) {
            answer.levels.push(level);
        }
        day.retain(|at| (from_ms..to_ms).contains(&at));
        windows.join(day);
    }
    answer.windows = finish(windows.into_sums(), step, query.now.0);
    Ok(answer)
}

fn days(history: &HistoryFiles, query: &WindowsQuery, (from_ms, to_ms): (i64, i64)) -> Result<Told, StoreError> {
    let (first, last) = (day_of(Timestamp(from_ms)), day_of(Timestamp(to_ms - 1)));
    let Summed { mut days, mut partly, nothing: mut by_sums, unread } = match query.resolution.level() {
        Some(level) => summed_days(history, query, level, (first, last))?,
        None => Summed::default(),
    };
    by_sums.extend(days.keys());
    let name = query.resolution.level().map_or("raw", LevelFile::name);
    let small = query.resolution.level().map_or(query.resolution.0, LevelFile::step_ms);
    for day in history.days(first, last) {
        if days.contains_key(&day) {
            continue;
        }
        // What is left of a day that was damaged knows less than the sums from before.
        if history.levels.is_frozen(day)
            && let Some(windows) = partly.remove(&day)
        {
            days.insert(day, (name, windows.merged()));
            by_sums.insert(day);
            continue;
        }
        let range = (from_ms.max(day_ms(day)), to_ms.min(day_ms(day + 1)));
        // Only as coarse as sums are: a longer window may reach into the next day.
        let mut windows = Windows::new(small);
        let samples = series::of_day(history, day, &query.spans, query.point.as_str(), range)?;
        for sample in &samples {
            windows.take(sample.time_ms, sample.kind, sample.value.as_ref());
        }
        if !windows.sums().is_empty() {
            days.insert(day, ("raw", windows.into_sums()));
        }
    }
    // Where the readings are gone, sums that may lack something are all there is.
    for (day, windows) in std::mem::take(&mut partly) {
        days.entry(day).or_insert_with(|| {
            by_sums.insert(day);
            (name, windows.merged())
        });
    }
    let whole = |day: i64, reason| {
        let (from_ms, to_ms) = (day_ms(day).max(from_ms), day_ms(day + 1).min(to_ms));
        Incomplete { from_ms, to_ms, reason }
    };
    let has_newer =
        |day: i64| query.spans.iter().any(|span| history.head.has_device(day, span.agent.as_str(), span.key.as_str()));
    let late = by_sums.iter().filter(|day| history.levels.is_frozen(**day) && has_newer(**day));
    let mut incomplete: Vec<_> = late.map(|day| whole(*day, IncompleteReason::Late)).collect();
    // Where the readings are gone as well.
    let is_raw = |day: &i64| days.get(day).is_some_and(|(level, _)| *level == "raw");
    let lost = unread.into_iter().filter(|day| !is_raw(day));
    incomplete.extend(lost.map(|day| whole(day, IncompleteReason::Damaged)));
    Ok(Told { days, by_sums, incomplete })
}

/// What is known of the days.
struct Told {
    days: BTreeMap<i64, DayWindows>,
    /// Days of which sums said everything, which may be nothing.
    by_sums: BTreeSet<i64>,
    /// Of which times something may be missing, beside what is known to be.
    incomplete: Vec<Incomplete>,
}

/// What the sums say.
#[derive(Default)]
struct Summed {
    /// Days whose sums hold everything that is known of the device.
    days: BTreeMap<i64, DayWindows>,
    /// Days whose sums are in parts, or of which the device had one of its names for a part only.
    partly: BTreeMap<i64, Sums>,
    /// Days whose sums hold nothing of the device, because there was nothing.
    nothing: BTreeSet<i64>,
    /// Days that were summed up and whose sums do not read.
    unread: BTreeSet<i64>,
}

fn summed_days(
    history: &HistoryFiles,
    query: &WindowsQuery,
    level: LevelFile,
    (first, last): (i64, i64),
) -> Result<Summed, StoreError> {
    let mut summed = Summed::default();
    let newest = history.head.days();
    // Minutes are kept of some groups only.
    let is_kept_of_all = level == LevelFile::Hours;
    for (at, span) in query.spans.iter().enumerate() {
        let (agent, key) = (span.agent.as_str(), span.key.as_str());
        // Asked before the sums are read: what they lack now arrived later than the question.
        let is_good = |day: i64| {
            let has_newer = || newest.contains(&day) && history.head.has_device(day, agent, key);
            history.levels.is_made_for(day, agent, key) && (history.levels.is_frozen(day) || !has_newer())
        };
        let good: HashSet<i64> =
            history.levels.made_within(first, last).into_iter().filter(|day| is_good(*day)).collect();
        let (mut read, mut told) = (BTreeSet::new(), BTreeSet::new());
        let mut day = first;
        while day <= last {
            let path = level.path(history.levels.folder(), day);
            let mut end = day;
            while end < last && level.path(history.levels.folder(), end + 1) == path {
                end += 1;
            }
            let look = |conn: &Connection| of_file(conn, (agent, key), query.point.as_str(), (day, end));
            let found = history.levels.read(&path, look)?;
            match &found {
                Some(_) => read.extend(good.iter().copied().filter(|good| (day..=end).contains(good))),
                // Damaged, and not set aside yet.
                None if history.levels.is_doubted(&path) || path.exists() => {
                    summed.unread.extend((day..=end).filter(|day| history.levels.was_made(*day)));
                }
                None => {}
            }
            for (day, windows) in found.unwrap_or_default() {
                told.insert(day);
                let Some(windows) = windows else {
                    history.levels.doubt_day(day);
                    summed.unread.insert(day);
                    continue;
                };
                let is_whole = span.from_ms <= day_ms(day) && span.to_ms >= day_ms(day + 1);
                summed.add(day, (level.name(), windows), is_whole && good.contains(&day), span);
            }
            day = end + 1;
        }
        let silent: BTreeSet<i64> = read.difference(&told).copied().filter(|_| is_kept_of_all).collect();
        match at {
            0 => summed.nothing = silent,
            _ => summed.nothing.retain(|day| silent.contains(day)),
        }
    }
    // What does not read may be what holds the point: the readings are asked.
    for day in &summed.unread {
        if let Some((_, known)) = summed.days.remove(day) {
            summed.partly.entry(*day).or_default().extend(known);
        }
    }
    Ok(summed)
}

impl Summed {
    /// Takes sums of a group. Of two groups that both say something on one day, and where something is missing, the
    /// readings themselves are asked; of several that hold the point, one says what all of them brought.
    fn add(&mut self, day: i64, (level, mut windows): DayWindows, is_all: bool, span: &Span) {
        if let Some(partly) = self.partly.get_mut(&day) {
            windows.retain(|at| span.covers(at));
            partly.extend(windows);
            return;
        }
        match self.days.get_mut(&day) {
            Some((_, known)) if is_all && known.is_empty() => *known = windows,
            Some(_) if is_all && windows.is_empty() => {}
            None if is_all => {
                self.days.insert(day, (level, windows));
            }
            _ => {
                let mut partly = self.days.remove(&day).map(|(_, known)| known).unwrap_or_default();
                windows.retain(|at| span.covers(at));
                partly.extend(windows);
                self.partly.insert(day, partly);
            }
        }
    }
}

/// The sums of a point, day by day; `None` where they do not open.
fn of_file(
    conn: &Connection,
    (agent, key): (&str, &str),
    point: &str,
    (first, last): (i64, i64),
) -> Result<Vec<(i64, Option<Sums>)>, StoreError> {
    let mut layouts: HashMap<i64, Option<Vec<Column>>> = HashMap::new();
    let mut statement = conn
        .prepare_cached(
            "SELECT w.day, w.layout_id, w.checksum, w.body FROM groups g JOIN windows w ON w.group_id = g.id
             WHERE g.agent = ?1 AND g.key = ?2 AND w.day BETWEEN ?3 AND ?4 ORDER BY w.day",
        )
        .during("read sums")?;
    let mut rows = statement.query(params![agent, key, first, last]).during("read sums")?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().during("read sums")? {
        let (day, layout_id, checksum): (i64, i64, i64) =
            (|| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))().during("read sums")?;
        let layout = match layouts.entry(layout_id) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(samples::layout(conn, layout_id)?),
        };
        let Some(layout) = layout else {
            error!(day, agent, key, "The layout of sums does not read; the readings are asked instead.");
            found.push((day, None));
            continue;
        };
        let Some(column) = layout.iter().position(|column| column.name.as_str() == point) else { continue };
        let body = row.get_ref(3).and_then(|body| Ok(body.as_blob()?)).during("read sums")?;
        let opened = if i64::from(crc32fast::hash(body)) == checksum {
            codec::decode_column(body, column, layout[column].kind)
        } else {
            Err(Malformed("its checksum is wrong"))
        };
        match opened {
            Ok(windows) => found.push((day, Some(windows))),
            Err(problem) => {
                error!(%problem, day, agent, key, "Sums are broken; the readings are asked instead.");
                found.push((day, None));
            }
        }
    }
    Ok(found)
}

/// All windows by their starts. Windows of states also tell the time before their first and after their last reading.
fn finish(sums: Sums, step_ms: i64, now_ms: i64) -> Vec<(i64, Aggregate)> {
    let mut before: Option<Word> = None;
    let of_states = sums.states.into_iter().map(|(start, mut states)| {
        if let Some(before) = before.take() {
            *states.spent.entry(before).or_default() += states.first_after_ms;
        }
        let end = step_ms.min(now_ms.saturating_sub(start)).max(states.last_after_ms);
        *states.spent.entry(states.last.clone()).or_default() += end - states.last_after_ms;
        before = Some(states.last.clone());
        (start, Aggregate::from(states))
    });
    let mut windows: Vec<_> = of_states.collect();
    windows.extend(sums.figures.into_iter().map(|(start, figures)| (start, Aggregate::from(figures))));
    windows.extend(sums.texts.into_iter().map(|(start, texts)| (start, Aggregate::from(texts))));
    windows.sort_by_key(|(start, _)| *start);
    windows
}

fn text(word: &Word) -> Option<String> {
    word.as_ref().map(ToString::to_string)
}

impl From<Figures> for Aggregate {
    fn from(figures: Figures) -> Self {
        match figures {
            Figures::Numbers(Numbers { count, min, max, total, first, last }) => {
                let [min, max, sum, first, last] = [min, max, total.value(), first, last].map(Figure::Number);
                Self::Numbers { count, min, max, sum, first, last }
            }
            Figures::Counts(Counts { count, min, max, sum, first, last }) => {
                let [min, max, first, last] = [min, max, first, last].map(|whole| Figure::Whole(whole.into()));
                Self::Numbers { count, min, max, sum: Figure::Whole(sum), first, last }
            }
        }
    }
}

impl From<States> for Aggregate {
    fn from(states: States) -> Self {
        let spent = states.spent.iter().filter(|(_, ms)| **ms > 0);
        Self::Words {
            count: states.count,
            changes: states.changes,
            first: text(&states.first),
            last: text(&states.last),
            spent_ms: spent.map(|(word, ms)| (text(word), *ms)).collect(),
        }
    }
}

impl From<Texts> for Aggregate {
    fn from(texts: Texts) -> Self {
        let Texts { count, changes, first, last } = texts;
        Self::Texts { count, changes, first: text(&first), last: text(&last) }
    }
}
