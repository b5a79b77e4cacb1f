//! Readings summed up over windows of time.

use std::sync::Arc;

use kouan_protocol::{PointKind, Value};

use super::numbers::Figures;
use super::words::{States, Texts, Word};

/// What a window comes to.
pub(super) trait Window: Sized {
    /// Adds a window that follows, `after_ms` into this one.
    fn join(&mut self, after_ms: i64, later: Self);

    /// The same in a window that begins so much earlier.
    fn moved(self, by_ms: i64) -> Self;

    /// From the window's start to the first reading, where that is known.
    fn first_after_ms(&self) -> i64 {
        0
    }
}

/// Windows of a point by their start. A point that changed its kind has several kinds of windows, also of one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::telemetry) struct Sums {
    /// Of measurements and counters.
    pub(in crate::telemetry) figures: Vec<(i64, Figures)>,
    /// Of states.
    pub(in crate::telemetry) states: Vec<(i64, States)>,
    /// Of texts.
    pub(in crate::telemetry) texts: Vec<(i64, Texts)>,
}

impl Sums {
    pub(super) fn is_empty(&self) -> bool {
        self.figures.is_empty() && self.states.is_empty() && self.texts.is_empty()
    }

    /// Leaves only windows with such starts.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(i64) -> bool) {
        self.figures.retain(|(at, _)| is_wanted(*at));
        self.states.retain(|(at, _)| is_wanted(*at));
        self.texts.retain(|(at, _)| is_wanted(*at));
    }

    /// Adds windows, whatever their starts.
    pub(super) fn extend(&mut self, more: Self) {
        self.figures.extend(more.figures);
        self.states.extend(more.states);
        self.texts.extend(more.texts);
    }

    /// Windows that several groups, or names, brought, in order, with one for each start.
    pub(super) fn merged(self) -> Self {
        Self { figures: merge(self.figures), states: merge(self.states), texts: merge(self.texts) }
    }
}

fn merge<T: Window>(mut list: Vec<(i64, T)>) -> Vec<(i64, T)> {
    list.sort_by_key(|(at, window)| (*at, window.first_after_ms()));
    let mut merged: Vec<(i64, T)> = Vec::new();
    for (at, window) in list {
        match merged.last_mut() {
            Some((same, known)) if *same == at => known.join(0, window),
            _ => merged.push((at, window)),
        }
    }
    merged
}

/// Windows of one length, aligned to 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Windows {
    step_ms: i64,
    sums: Sums,
}

impl Windows {
    /// No windows yet, each `step_ms` long.
    pub(super) fn new(step_ms: i64) -> Self {
        Self { step_ms: step_ms.max(1), sums: Sums::default() }
    }

    /// Takes a reading that comes after all others. A bad one says something of states and texts only: that nothing is
    /// known.
    pub(super) fn take(&mut self, time_ms: i64, kind: PointKind, value: Option<&Value>) {
        let word = || -> Word {
            match value {
                Some(Value::Text(word)) => Some(Arc::clone(word)),
                _ => None,
            }
        };
        match kind {
            PointKind::State => add(&mut self.sums.states, self.step_ms, time_ms, States::one(word())),
            PointKind::Text => add(&mut self.sums.texts, self.step_ms, time_ms, Texts::one(word())),
            PointKind::Measurement | PointKind::Counter => {
                if let Some(figures) = value.and_then(Figures::of) {
                    add(&mut self.sums.figures, self.step_ms, time_ms, figures);
                }
            }
        }
    }

    /// Takes windows, at most as long as these, that come after all others.
    pub(super) fn join(&mut self, later: Sums) {
        let step = self.step_ms;
        later.figures.into_iter().for_each(|(at, window)| add(&mut self.sums.figures, step, at, window));
        later.states.into_iter().for_each(|(at, window)| add(&mut self.sums.states, step, at, window));
        later.texts.into_iter().for_each(|(at, window)| add(&mut self.sums.texts, step, at, window));
    }

    /// The windows that hold something.
    pub(super) fn sums(&self) -> &Sums {
        &self.sums
    }

    /// Gives the windows away.
    pub(super) fn into_sums(self) -> Sums {
        self.sums
    }
}

fn add<T: Window>(list: &mut Vec<(i64, T)>, step_ms: i64, at_ms: i64, window: T) {
    let start = at_ms.div_euclid(step_ms) * step_ms;
    match list.last_mut() {
        Some((same, known)) if *same == start => known.join(at_ms - start, window),
        _ => list.push((start, window.moved(at_ms - start))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn windows_of_windows_say_the_same_as_windows_of_readings() {
        let word = |at: i64| ["mains", "battery", "bypass"][(at / 7 % 3) as usize];
        let value = |kind, at: i64| match kind {
            PointKind::Measurement => Some(Value::Number((at * 37 % 101) as f64 / 4.0)),
            PointKind::Counter => Some(Value::Integer(i64::MAX - at)),
            PointKind::State | PointKind::Text => Some(Value::text(word(at))),
        };
        for kind in [PointKind::Measurement, PointKind::Counter, PointKind::State, PointKind::Text] {
            let (mut small, mut direct) = (Windows::new(10_000), Windows::new(60_000));
            for at in 0..500 {
                let value = value(kind, at).filter(|_| at % 11 != 5);
                small.take(at * 977, kind, value.as_ref());
                direct.take(at * 977, kind, value.as_ref());
            }
            let mut joined = Windows::new(60_000);
            joined.join(small.into_sums());
            assert_eq!(joined, direct);
        }
    }

    #[test]
    fn time_in_a_state_adds_up() {
        let mut windows = Windows::new(60_000);
        for (time, word) in [(10_000, "a"), (30_000, "b"), (40_000, "a"), (70_000, "a")] {
            windows.take(time, PointKind::State, Some(&Value::text(word)));
        }
        let states = &windows.sums().states[0].1;
        assert_eq!((states.count, states.changes, states.first_after_ms, states.last_after_ms), (3, 2, 10_000, 40_000));
        assert_eq!(states.spent, BTreeMap::from([(Some("a".into()), 20_000), (Some("b".into()), 10_000)]));
    }

    #[test]
    fn a_bad_reading_says_that_no_state_is_known_and_nothing_of_a_number() {
        let mut windows = Windows::new(60_000);
        windows.take(1_000, PointKind::State, None);
        windows.take(2_000, PointKind::Measurement, None);
        windows.take(3_000, PointKind::Text, None);
        let sums = windows.sums();
        assert_eq!((sums.figures.len(), sums.states.len(), sums.texts.len()), (0, 1, 1));
        assert_eq!((sums.states[0].1.count, &sums.states[0].1.last), (0, &None));
    }
}
