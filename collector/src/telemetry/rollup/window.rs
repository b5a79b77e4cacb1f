//! Readings summed up over windows of time.

use std::collections::BTreeMap;
use std::sync::Arc;

use kouan_protocol::Value;

/// What a point did in a window of time.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::telemetry) enum Summary {
    /// Of numbers and counters.
    Numbers(Numbers),
    /// Of states and texts.
    Words(Words),
}

/// Numbers of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::telemetry) struct Numbers {
    pub(in crate::telemetry) count: u64,
    pub(in crate::telemetry) min: f64,
    pub(in crate::telemetry) max: f64,
    pub(in crate::telemetry) sum: f64,
    pub(in crate::telemetry) first: f64,
    pub(in crate::telemetry) last: f64,
}

/// A word, or none while the reading was bad.
pub(in crate::telemetry) type Word = Option<Arc<str>>;

/// Words of a window.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::telemetry) struct Words {
    /// Readings with a word.
    pub(in crate::telemetry) count: u64,
    /// How often the word became another within the window.
    pub(in crate::telemetry) changes: u64,
    pub(in crate::telemetry) first: Word,
    pub(in crate::telemetry) last: Word,
    /// From the window's start to the first reading: until then the word of the window before goes on.
    pub(in crate::telemetry) first_after_ms: i64,
    /// Time in each word, from the first reading to the last.
    pub(in crate::telemetry) spent: BTreeMap<Word, i64>,
    /// From the window's start to the last reading: from then on `last` goes on.
    pub(in crate::telemetry) last_after_ms: i64,
}

impl Summary {
    fn begin(after_ms: i64, value: Option<&Value>, is_words: bool) -> Option<Self> {
        match value {
            Some(Value::Text(word)) => Some(Self::Words(Words::begin(after_ms, Some(Arc::clone(word))))),
            None if is_words => Some(Self::Words(Words::begin(after_ms, None))),
            None => None,
            Some(value) => value.as_f64().map(|number| Self::Numbers(Numbers::one(number))),
        }
    }

    fn take(&mut self, after_ms: i64, value: Option<&Value>) {
        match (self, value) {
            (Self::Numbers(numbers), Some(value)) => {
                if let Some(number) = value.as_f64() {
                    numbers.take(&Numbers::one(number));
                }
            }
            (Self::Words(words), Some(Value::Text(word))) => words.take(after_ms, Some(Arc::clone(word))),
            (Self::Words(words), None) => words.take(after_ms, None),
            // A point that became of another kind within one window: the kind that came first is told.
            (Self::Words(_), Some(_)) | (Self::Numbers(_), None) => {}
        }
    }

    /// Adds a window that follows, `after_ms` into this one.
    pub(in crate::telemetry) fn join(&mut self, after_ms: i64, later: &Self) {
        match (self, later) {
            (Self::Numbers(own), Self::Numbers(more)) => own.take(more),
            (Self::Words(own), Self::Words(more)) => own.join(after_ms, more),
            (Self::Numbers(_), Self::Words(_)) | (Self::Words(_), Self::Numbers(_)) => {}
        }
    }
}

impl Numbers {
    fn one(number: f64) -> Self {
        Self { count: 1, min: number, max: number, sum: number, first: number, last: number }
    }

    fn take(&mut self, more: &Self) {
        self.count += more.count;
        self.min = self.min.min(more.min);
        self.max = self.max.max(more.max);
        self.sum += more.sum;
        self.last = more.last;
    }
}

impl Words {
    fn begin(after_ms: i64, word: Word) -> Self {
        let count = u64::from(word.is_some());
        let (first, last) = (word.clone(), word);
        Self {
            count,
            changes: 0,
            first,
            last,
            first_after_ms: after_ms,
            spent: BTreeMap::new(),
            last_after_ms: after_ms,
        }
    }

    fn take(&mut self, after_ms: i64, word: Word) {
        *self.spent.entry(self.last.clone()).or_default() += after_ms - self.last_after_ms;
        self.count += u64::from(word.is_some());
        self.changes += u64::from(word != self.last);
        self.last = word;
        self.last_after_ms = after_ms;
    }

    fn join(&mut self, after_ms: i64, later: &Self) {
        *self.spent.entry(self.last.clone()).or_default() += after_ms + later.first_after_ms - self.last_after_ms;
        for (word, ms) in &later.spent {
            *self.spent.entry(word.clone()).or_default() += ms;
        }
        self.count += later.count;
        self.changes += later.changes + u64::from(self.last != later.first);
        self.last.clone_from(&later.last);
        self.last_after_ms = after_ms + later.last_after_ms;
    }
}

/// Windows of one length, aligned to 1970-01-01 UTC, by their start.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::telemetry) struct Windows {
    step_ms: i64,
    list: Vec<(i64, Summary)>,
}

impl Windows {
    /// No windows yet, each `step_ms` long.
    pub(in crate::telemetry) fn new(step_ms: i64) -> Self {
        Self { step_ms: step_ms.max(1), list: Vec::new() }
    }

    fn start_of(&self, time_ms: i64) -> i64 {
        time_ms.div_euclid(self.step_ms) * self.step_ms
    }

    /// Takes a reading that comes after all others. A bad one counts only where a word was.
    pub(in crate::telemetry) fn take(&mut self, time_ms: i64, value: Option<&Value>, is_words: bool) {
        let start = self.start_of(time_ms);
        match self.list.last_mut().filter(|(at, _)| *at == start) {
            Some((_, summary)) => summary.take(time_ms - start, value),
            None => self.list.extend(Summary::begin(time_ms - start, value, is_words).map(|summary| (start, summary))),
        }
    }

    /// Takes a window, at most as long as these, that comes after all others.
    pub(in crate::telemetry) fn join(&mut self, at_ms: i64, later: Summary) {
        let start = self.start_of(at_ms);
        match self.list.last_mut().filter(|(at, _)| *at == start) {
            Some((_, summary)) => summary.join(at_ms - start, &later),
            None if at_ms == start => self.list.push((start, later)),
            None => {
                let moved = match later {
                    Summary::Words(mut words) => {
                        words.first_after_ms += at_ms - start;
                        words.last_after_ms += at_ms - start;
                        Summary::Words(words)
                    }
                    numbers @ Summary::Numbers(_) => numbers,
                };
                self.list.push((start, moved));
            }
        }
    }

    /// The windows that hold something, by their start.
    pub(in crate::telemetry) fn list(&self) -> &[(i64, Summary)] {
        &self.list
    }

    /// Gives the windows away.
    pub(in crate::telemetry) fn into_list(self) -> Vec<(i64, Summary)> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_windows_say_the_same_as_windows_of_readings() {
        let readings: Vec<(i64, Option<Value>)> = (0..500)
            .map(|at: i64| {
                let word = ["mains", "battery", "bypass"][(at / 7 % 3) as usize];
                (at * 977, (at % 11 != 5).then(|| Value::text(word)))
            })
            .collect();
        let numbers: Vec<(i64, Option<Value>)> =
            (0..500).map(|at: i64| (at * 977, Some(Value::Number((at * 37 % 101) as f64)))).collect();
        for (readings, is_words) in [(readings, true), (numbers, false)] {
            let (mut small, mut direct) = (Windows::new(10_000), Windows::new(60_000));
            for (time, value) in &readings {
                small.take(*time, value.as_ref(), is_words);
                direct.take(*time, value.as_ref(), is_words);
            }
            let mut joined = Windows::new(60_000);
            for (at, summary) in small.into_list() {
                joined.join(at, summary);
            }
            assert_eq!(joined, direct);
        }
    }

    #[test]
    fn time_in_a_state_adds_up() {
        let mut windows = Windows::new(60_000);
        for (time, word) in [(10_000, "a"), (30_000, "b"), (40_000, "a"), (70_000, "a")] {
            windows.take(time, Some(&Value::text(word)), true);
        }
        let Summary::Words(words) = &windows.list()[0].1 else { panic!("states") };
        assert_eq!((words.count, words.changes, words.first_after_ms, words.last_after_ms), (3, 2, 10_000, 40_000));
        assert_eq!(words.spent, BTreeMap::from([(Some("a".into()), 20_000), (Some("b".into()), 10_000)]));
    }
}
