//! A look back: what a rule would have done with what is in the history. The judge is the one that judges live.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kouan_protocol::{HealthLevel, PointName, Quality, Timestamp, Value};

use super::judge::{Delays, Machine, Reading, Rise, Turn, View, judge, opening};
use super::rule::{Pattern, Rule, Test};
use crate::state::DeviceId;
use crate::store::StoreError;
use crate::telemetry::{History, SeriesQuery, Span};

/// Readings of one point that are taken from the history at once.
const PAGE: usize = 10_000;

/// A device to look back at.
pub struct Past {
    /// Its id.
    pub id: DeviceId,
    /// Its names.
    pub spans: Vec<Span>,
    /// Its points, with their units.
    pub points: Vec<(PointName, String)>,
    /// Its changes of health by time, the last one before the beginning among them.
    pub health: Vec<(i64, HealthLevel)>,
    /// The zone of its site.
    pub zone: jiff::tz::TimeZone,
}

/// What a rule would have done with a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How often it would have been raised.
    pub raised: u64,
    /// For how long it would have stood.
    pub active_ms: i64,
    /// When it would have been raised first.
    pub first_ms: Option<i64>,
    /// How many readings were looked at.
    pub readings: usize,
    /// Whether there were more readings than may be looked at.
    pub is_cut: bool,
}

/// What the device was at an instant.
struct Then<'a> {
    past: &'a Past,
    now_ms: i64,
    /// Since when absence counts: the beginning, or that of the times at which the rule applies.
    watched_since_ms: i64,
    latest: BTreeMap<&'a str, Reading>,
    numbers: BTreeMap<&'a str, Vec<(i64, f64, bool)>>,
    health: Option<HealthLevel>,
    last_read: BTreeMap<&'a str, i64>,
}

impl View for Then<'_> {
    fn now_ms(&self) -> i64 {
        self.now_ms
    }
    fn watched_since_ms(&self) -> i64 {
        self.watched_since_ms
    }
    fn points(&self, pattern: &Pattern, visit: &mut dyn FnMut(&str, &Reading)) {
        for (name, reading) in self.latest.iter().filter(|(name, _)| pattern.place(name).is_some()) {
            visit(name, reading);
        }
    }
    fn unit(&self, point: &str) -> String {
        let found = self.past.points.iter().find(|(name, _)| name.as_str() == point);
        found.map(|(_, unit)| unit.clone()).unwrap_or_default()
    }
    fn last_read_ms(&self, points: Option<&Pattern>) -> Option<i64> {
        let fits = |name: &str| points.is_none_or(|pattern| pattern.place(name).is_some());
        self.last_read.iter().filter(|(name, _)| fits(name)).map(|(_, time)| *time).max()
    }
    fn health(&self) -> Option<HealthLevel> {
        self.health
    }
    fn last_event_ms(&self, _: &str) -> Option<i64> {
        None
    }
    fn rise(&self, point: &str, from_ms: i64) -> Option<Rise> {
        let numbers = self.numbers.get(point)?;
        let passed = numbers.partition_point(|(time, ..)| *time <= from_ms);
        let begin = passed.saturating_sub(1);
        let within = numbers.get(begin..)?;
        let (first, last) = (within.first()?, within.last()?);
        let is_counter = first.2;
        let rise = if is_counter {
            within.windows(2).map(|pair| (pair[1].1 - pair[0].1).max(0.0)).sum()
        } else {
            last.1 - first.1
        };
        let next_ms = numbers.get(passed).map(|(time, ..)| time.saturating_add(self.now_ms - from_ms));
        Some(Rise { by: rise, is_whole: first.0 <= from_ms, next_ms })
    }
}

/// The points that a test asks for.
fn wanted<'p>(test: &Test, points: &'p [(PointName, String)]) -> BTreeSet<&'p PointName> {
    let mut wanted = BTreeSet::new();
    test.visit(&mut |test| {
        let pattern = match test {
            Test::Point { name, .. } | Test::Rises { name, .. } | Test::RisesLess { name, .. } => Some(name),
            Test::NoReading { name, .. } => name.as_ref(),
            _ => None,
        };
        let any = matches!(test, Test::NoReading { name: None, .. });
        let fits = |name: &PointName| any || pattern.is_some_and(|pattern| pattern.place(name.as_str()).is_some());
        wanted.extend(points.iter().map(|(name, _)| name).filter(|name| fits(name)));
    });
    wanted
}

/// One thing that happened.
enum Happened<'a> {
    /// A value that may be acted upon, if it is one, and whether there was any.
    Read(&'a str, Option<Value>, bool),
    Health(HealthLevel),
    Nothing,
}

/// Plays what is known of a device from `from` to `to` to the rule's test, at most `most` readings and no longer than
/// `until`.
///
/// # Errors
/// When the history cannot be read.
pub fn replay(
    history: &dyn History,
    rule: &Rule,
    test: &Test,
    past: &Past,
    (from, to): (Timestamp, Timestamp),
    most: usize,
    until: Instant,
) -> Result<Replayed, StoreError> {
    let mut replayed = Replayed::default();
    let mut happened: Vec<(i64, Happened<'_>)> = Vec::new();
    for name in wanted(test, &past.points) {
        let mut after = None;
        loop {
            let limit = PAGE.min(most.saturating_sub(replayed.readings));
            if limit == 0 || Instant::now() >= until {
                replayed.is_cut = true;
                break;
            }
            let query = SeriesQuery { spans: past.spans.clone(), point: name.clone(), from, to, after, limit };
            let slice = history.series(&query)?;
            replayed.readings += slice.rows.len();
            for row in slice.rows {
                let is_any = row.value.is_some();
                let value = row.value.filter(|_| row.quality == Quality::Good);
                happened.push((row.time_ms, Happened::Read(name.as_str(), value, is_any)));
            }
            after = slice.next.and_then(|next| next.parse().ok());
            if after.is_none() {
                break;
            }
        }
    }
    happened.extend(past.health.iter().map(|(time, level)| ((*time).max(from.0), Happened::Health(*level))));
    happened.push((from.0, Happened::Nothing));
    happened.push((to.0, Happened::Nothing));
    happened.sort_by_key(|(time, _)| *time);

    let mut then = Then {
        past,
        now_ms: from.0,
        watched_since_ms: from.0,
        latest: BTreeMap::new(),
        numbers: BTreeMap::new(),
        health: None,
        last_read: BTreeMap::new(),
    };
    let mut played =
        Played { rule, test, from_ms: from.0, machines: BTreeMap::new(), raised_at: BTreeMap::new(), replayed };
    let mut due: Option<i64> = None;
    let mut happened = happened.into_iter().peekable();
    'all: while let Some((time_ms, what)) = happened.next() {
        // What is due in between comes first; a look costs little, but never without end.
        while let Some(at) = due.filter(|at| *at < time_ms) {
            if Instant::now() >= until {
                played.replayed.is_cut = true;
                break 'all;
            }
            then.now_ms = at.max(then.now_ms + 1);
            due = played.look(&mut then);
        }
        if Instant::now() >= until {
            played.replayed.is_cut = true;
            break;
        }
        then.now_ms = time_ms.max(then.now_ms);
        match what {
            Happened::Read(name, value, is_any) => {
                if is_any {
                    then.last_read.insert(name, time_ms);
                }
                if let Some(number) = value.as_ref().and_then(Value::as_f64) {
                    let is_counter = matches!(value, Some(Value::Integer(_)));
                    then.numbers.entry(name).or_default().push((time_ms, number, is_counter));
                }
                then.latest.insert(name, Reading { value, time_ms });
            }
            Happened::Health(level) => then.health = Some(level),
            Happened::Nothing => {}
        }
        // What was read together is judged together.
        if happened.peek().is_none_or(|(next, _)| *next > time_ms) {
            due = played.look(&mut then);
        }
    }
    let end_ms = if played.replayed.is_cut { then.now_ms } else { to.0 };
    Ok(played.end(end_ms))
}

struct Played<'a> {
    rule: &'a Rule,
    test: &'a Test,
    from_ms: i64,
    machines: BTreeMap<String, Machine>,
    raised_at: BTreeMap<String, i64>,
    replayed: Replayed,
}

impl Played<'_> {
    /// Judges; returns when to look again.
    fn look(&mut self, then: &mut Then<'_>) -> Option<i64> {
        let pattern = match self.test {
            Test::Point { name, .. } | Test::Rises { name, .. } | Test::RisesLess { name, .. } => Some(name),
            _ => None,
        };
        let places: Vec<Option<String>> = match pattern.filter(|pattern| pattern.has_places()) {
            None => vec![None],
            Some(pattern) => {
                let fits = |name: &&&str| pattern.place(name).is_some();
                then.latest.keys().filter(fits).map(|name| Some((*name).to_owned())).collect()
            }
        };
        let delays =
            Delays { raise_ms: self.rule.raise_after_ms, clear_ms: self.rule.clear_after_ms, flap: self.rule.flap };
        let opening = opening(&self.rule.during, &then.past.zone, then.now_ms);
        then.watched_since_ms = self.from_ms.max(opening.since_ms.unwrap_or(i64::MIN));
        // Of what somebody works on, or does not use, only its reach is known.
        let is_out_of_service = matches!(then.health, Some(HealthLevel::Disabled | HealthLevel::Maintenance));
        let is_known = !is_out_of_service || self.test.is_about_reach();
        let mut due: Option<i64> = None;
        let mut sooner = |at: Option<i64>| {
            due = match (due, at) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        };
        for only in places {
            let name = only.clone().unwrap_or_default();
            let machine = self.machines.entry(name.clone()).or_default();
            let holds = match opening.since_ms {
                _ if !is_known => None,
                None => Some(false),
                Some(_) => {
                    let judged = judge(self.test, then, machine.raised, only.as_deref());
                    sooner(judged.due_ms);
                    judged.holds
                }
            };
            sooner(opening.until_ms);
            let (turn, at) = machine.step(holds, then.now_ms.unsigned_abs(), &delays);
            sooner(at.and_then(|at| i64::try_from(at).ok()));
            match turn {
                Some(Turn::Raise) => {
                    self.replayed.raised += 1;
                    self.replayed.first_ms = Some(self.replayed.first_ms.map_or(then.now_ms, |at| at.min(then.now_ms)));
                    self.raised_at.insert(name, then.now_ms);
                }
                Some(Turn::Clear) => {
                    let since = self.raised_at.remove(&name).unwrap_or(then.now_ms);
                    self.replayed.active_ms += then.now_ms - since;
                }
                None => {}
            }
        }
        due.filter(|due| *due > then.now_ms)
    }

    fn end(mut self, to_ms: i64) -> Replayed {
        self.replayed.active_ms += self.raised_at.values().map(|since| to_ms - since).sum::<i64>();
        self.replayed
    }
}
