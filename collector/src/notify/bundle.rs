//! What gathers for one destination until it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kouan_protocol::Severity;
use serde::{Deserialize, Serialize};

use super::alarm::Alarm;
use crate::store::StoreError;

/// How long the first alarm waits for others.
pub const FIRST_WINDOW_MS: i64 = 10_000;
/// How long it becomes at most while alarms keep coming; with a critical one among them.
const LONGEST_WINDOW_MS: i64 = 300_000;
const CRITICAL_WINDOW_MS: i64 = 120_000;
/// How much longer each window is than the one before.
const GROWTH: i64 = 3;
/// A storm is over when nothing was told for this long.
const CALM_MS: i64 = 60_000;
/// How long something waits that need not wait for others.
const AT_ONCE_MS: i64 = 1_000;
/// The time that the limit of messages is about.
const HOUR_MS: i64 = 3_600_000;
/// Outages that one message tells of at most; of further ones it tells the number.
const OUTAGES: usize = 100;

/// Why something is told of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// It does not hold any more.
    Clear,
    /// It was raised.
    Raise,
    /// It waits for too long.
    Escalate,
}

/// What is to be told of an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The alarm as it is now. It is on disk already, in its own place.
    #[serde(skip)]
    pub alarm: Alarm,
    /// Why.
    pub reason: Reason,
    /// The destination has never heard of this alarm.
    pub is_news: bool,
    /// The route that it comes by.
    pub route: String,
    /// The route's step.
    pub step: usize,
}

/// What came and went during an outage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageItem {
    /// The outage's number.
    pub id: i64,
    /// Where.
    pub site: String,
    /// The agent that could not be heard.
    pub agent: String,
    /// From when.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
    /// How often alarms were raised meanwhile.
    pub raised: u64,
    /// Devices whose health changed.
    pub devices: u64,
    /// Events.
    pub events: u64,
    /// Records that were lost.
    pub lost: u64,
    /// The route that it comes by.
    pub route: String,
}

/// What gathers for one destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// By alarm.
    pub items: BTreeMap<String, Item>,
    /// What waits for the end of quiet hours, by alarm, and until when.
    pub held: BTreeMap<String, (Item, i64)>,
    /// What came and went during outages.
    pub outages: Vec<OutageItem>,
    /// Outages that wait for the end of quiet hours, and until when.
    #[serde(default)]
    pub held_outages: Vec<(OutageItem, i64)>,
    /// When what gathers is told.
    pub due_ms: Option<i64>,
    /// It waited for longer than its window: for quiet hours to end, or because there were too many messages.
    pub is_late: bool,
    window_ms: i64,
    flushed_ms: Option<i64>,
    sent: VecDeque<i64>,
}

impl Bundle {
    /// When there is something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<i64> {
        let held = self.held.values().map(|(_, until)| *until);
        held.chain(self.held_outages.iter().map(|(_, until)| *until)).chain(self.due_ms).min()
    }

    /// Whether nothing has to be remembered any more.
    #[must_use]
    pub fn is_spent(&self, now: i64) -> bool {
        self.items.is_empty()
            && self.held.is_empty()
            && self.outages.is_empty()
            && self.held_outages.is_empty()
            && self.flushed_ms.is_none_or(|flushed| now - flushed > HOUR_MS || flushed > now)
    }

    /// Adds something; it waits until `hold`, if there is such a time. With `at_once` it hardly gathers.
    pub fn add(&mut self, item: Item, hold: Option<i64>, at_once: bool, now: i64) {
        let id = item.alarm.id.clone();
        let gathering = self.items.remove(&id);
        // What is on its way stays on its way, whatever another route says.
        let hold = hold.filter(|_| gathering.is_none());
        let known = gathering.or_else(|| self.held.remove(&id).map(|(known, _)| known));
        let item = match known {
            // It was never told: that it came and went is one thing to tell.
            Some(known) if known.is_news => {
                let reason = item.reason.max(Reason::Raise).max(known.reason);
                Item { reason, is_news: true, ..item }
            }
            // It was told before, and is told as it is now.
            Some(_) => Item { is_news: false, ..item },
            None => item,
        };
        if let Some(until) = hold {
            self.held.insert(id, (item, until));
            self.settle(now);
            return;
        }
        let is_critical = item.alarm.severity == Severity::Critical;
        self.items.insert(id, item);
        self.gather(is_critical, at_once, now);
    }

    /// What was held of an alarm gathers now. Tells whether there was something.
    pub fn release(&mut self, alarm: &str, at_once: bool, now: i64) -> bool {
        let Some((item, _)) = self.held.remove(alarm) else { return false };
        self.add(item, None, at_once, now);
        true
    }

    /// Adds an outage; it waits until `hold`, if there is such a time.
    pub fn add_outage(&mut self, outage: OutageItem, hold: Option<i64>, now: i64) {
        if self.outages.iter().any(|known| known.id == outage.id) {
            return;
        }
        if let Some(until) = hold {
            let is_known = self.held_outages.iter().any(|(known, _)| known.id == outage.id);
            if !is_known && self.held_outages.len() < OUTAGES {
                self.held_outages.push((outage, until));
            }
            return;
        }
        self.held_outages.retain(|(known, _)| known.id != outage.id);
        if self.outages.len() < OUTAGES {
            self.outages.push(outage);
        }
        self.gather(false, false, now);
    }

    fn gather(&mut self, is_critical: bool, at_once: bool, now: i64) {
        let since = self.flushed_ms.map(|flushed| now - flushed).filter(|since| *since >= 0);
        let is_calm = since.is_none_or(|since| since > CALM_MS.max(2 * self.window_ms));
        if is_calm {
            self.window_ms = FIRST_WINDOW_MS;
        }
        let window = if is_critical { self.window_ms.min(CRITICAL_WINDOW_MS) } else { self.window_ms };
        // The first window begins with its first alarm, the later ones of a storm with the message before.
        let wait = match (at_once, since) {
            (true, _) => AT_ONCE_MS,
            (false, Some(since)) if !is_calm => (window - since).max(AT_ONCE_MS),
            (false, _) => window,
        };
        match self.due_ms {
            // There were too many messages; what is critical may still be told.
            Some(_) if self.is_late && !is_critical => {}
            known => self.due_ms = Some(known.map_or(now + wait, |known| known.min(now + wait))),
        }
    }

    /// Brings what is known of an alarm up to date.
    pub fn renew(&mut self, alarm: &Alarm) -> bool {
        let item = self.items.get_mut(&alarm.id).or_else(|| self.held.get_mut(&alarm.id).map(|(item, _)| item));
        match item {
            Some(item) if item.alarm != *alarm => {
                item.alarm = alarm.clone();
                true
            }
            _ => false,
        }
    }

    /// Takes back what was to be told of an alarm, if `is_moot` says so. Tells whether that was news.
    pub fn withdraw(&mut self, alarm: &str, is_moot: impl Fn(&Item) -> bool) -> Option<bool> {
        let known = self.items.get(alarm).or_else(|| self.held.get(alarm).map(|(item, _)| item));
        let is_news = known.filter(|item| is_moot(item))?.is_news;
        self.items.remove(alarm);
        self.held.remove(alarm);
        if self.items.is_empty() && self.outages.is_empty() {
            self.due_ms = None;
            self.is_late = false;
        }
        Some(is_news)
    }

    /// Leaves out what is about other sites than those that `sees` says.
    pub fn keep_sites(&mut self, sees: impl Fn(&str) -> bool) {
        self.items.retain(|_, item| sees(&item.alarm.site));
        self.held.retain(|_, (item, _)| sees(&item.alarm.site));
        self.outages.retain(|outage| sees(&outage.site));
        self.held_outages.retain(|(outage, _)| sees(&outage.site));
        if self.items.is_empty() && self.outages.is_empty() {
            self.due_ms = None;
            self.is_late = false;
        }
    }

    /// What was held and may be told now is told now.
    fn settle(&mut self, now: i64) {
        let over: BTreeSet<String> =
            self.held.iter().filter(|(_, (_, until))| *until <= now).map(|(id, _)| id.clone()).collect();
        for id in over {
            if let Some((item, _)) = self.held.remove(&id) {
                self.items.insert(id, item);
                self.be_late(now);
            }
        }
        for (outage, _) in self.held_outages.extract_if(.., |(_, until)| *until <= now).collect::<Vec<_>>() {
            if self.outages.len() < OUTAGES {
                self.outages.push(outage);
            }
            self.be_late(now);
        }
    }

    fn be_late(&mut self, now: i64) {
        self.is_late = true;
        self.due_ms = Some(self.due_ms.map_or(now, |due| due.min(now)));
    }

    /// Brings back what is not written with it. What is told of alarms that are no more is left out.
    pub(super) fn restore(
        &mut self,
        alarm_of: &mut impl FnMut(&str) -> Result<Option<Alarm>, StoreError>,
    ) -> Result<(), StoreError> {
        let ids: Vec<String> = self.items.keys().chain(self.held.keys()).cloned().collect();
        for id in ids {
            let Some(alarm) = alarm_of(&id)? else {
                self.items.remove(&id);
                self.held.remove(&id);
                continue;
            };
            self.renew(&alarm);
        }
        Ok(())
    }

    /// Takes what is due, unless `rate` messages went there within the last hour: then it goes on gathering.
    pub fn take_due(&mut self, rate: Option<u32>, now: i64) -> Option<(Vec<Item>, Vec<OutageItem>, bool)> {
        self.settle(now);
        if self.items.is_empty() && self.outages.is_empty() {
            self.due_ms = None;
        }
        if self.due_ms.is_none_or(|due| due > now) {
            return None;
        }
        self.sent.retain(|at| now - at < HOUR_MS && *at <= now);
        let is_critical = self.items.values().any(|item| item.alarm.severity == Severity::Critical);
        // Some more are kept for what is critical.
        let most = rate.map(|rate| if is_critical { rate + (rate / 4).max(2) } else { rate });
        if let Some(most) = most.and_then(|most| usize::try_from(most).ok())
            && self.sent.len() >= most
            && let Some(free) = self.sent.get(self.sent.len() - most)
        {
            self.due_ms = Some(free + HOUR_MS);
            self.is_late = true;
            return None;
        }
        self.sent.push_back(now);
        self.flushed_ms = Some(now);
        self.window_ms = (self.window_ms.max(FIRST_WINDOW_MS) * GROWTH).min(LONGEST_WINDOW_MS);
        self.due_ms = None;
        let is_late = std::mem::take(&mut self.is_late);
        let mut items: Vec<Item> = std::mem::take(&mut self.items).into_values().collect();
        // The worst first; among equals what is news, then what is oldest.
        items.sort_by_key(|item| {
            (item.reason == Reason::Clear, std::cmp::Reverse(item.alarm.severity), item.alarm.last_raised_ms)
        });
        Some((items, std::mem::take(&mut self.outages), is_late))
    }
}
