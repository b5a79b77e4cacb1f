//! What the words of a window come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::window::Window;

/// A word, or none while the reading was bad.
pub(in crate::telemetry) type Word = Option<Arc<str>>;

/// What a state did in a window.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::telemetry) struct States {
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

impl States {
    /// A window of one reading, which begins with it.
    pub(super) fn one(word: Word) -> Self {
        let (count, first, last) = (u64::from(word.is_some()), word.clone(), word);
        Self { count, changes: 0, first, last, first_after_ms: 0, spent: BTreeMap::new(), last_after_ms: 0 }
    }

    fn spend(&mut self, word: Word, ms: i64) {
        if ms != 0 {
            *self.spent.entry(word).or_default() += ms;
        }
    }
}

impl Window for States {
    fn join(&mut self, after_ms: i64, later: Self) {
        self.spend(self.last.clone(), after_ms + later.first_after_ms - self.last_after_ms);
        for (word, ms) in later.spent {
            self.spend(word, ms);
        }
        self.count = self.count.saturating_add(later.count);
        self.changes = self.changes.saturating_add(later.changes + u64::from(self.last != later.first));
        self.last = later.last;
        self.last_after_ms = after_ms + later.last_after_ms;
    }

    fn moved(mut self, by_ms: i64) -> Self {
        self.first_after_ms += by_ms;
        self.last_after_ms += by_ms;
        self
    }

    fn first_after_ms(&self) -> i64 {
        self.first_after_ms
    }
}

/// What a text did in a window. Texts may all be different, so nothing is kept of each.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::telemetry) struct Texts {
    /// Readings with a text.
    pub(in crate::telemetry) count: u64,
    /// How often the text became another within the window.
    pub(in crate::telemetry) changes: u64,
    pub(in crate::telemetry) first: Word,
    pub(in crate::telemetry) last: Word,
}

impl Texts {
    /// A window of one reading.
    pub(super) fn one(text: Word) -> Self {
        Self { count: u64::from(text.is_some()), changes: 0, first: text.clone(), last: text }
    }
}

impl From<States> for Texts {
    fn from(states: States) -> Self {
        let States { count, changes, first, last, .. } = states;
        Self { count, changes, first, last }
    }
}

impl Window for Texts {
    fn join(&mut self, _after_ms: i64, later: Self) {
        self.count = self.count.saturating_add(later.count);
        self.changes = self.changes.saturating_add(later.changes + u64::from(self.last != later.first));
        self.last = later.last;
    }

    fn moved(self, _by_ms: i64) -> Self {
        self
    }
}
