//! One alarm of a device: whether its condition holds, long enough to be told.

use std::sync::Arc;

use kouan_drivers::profile::{Limit, LimitTest, PointProfile};
use kouan_protocol::{AlarmChange, AlarmState, BootTime, Cell, DeviceKey, HealthLevel, Quality, Value};

/// An alarm at one point, or of the whole device.
#[derive(Debug)]
pub(super) struct LimitState {
    limit: Limit,
    condition: String,
    point: Option<Arc<PointProfile>>,
    /// Whether it was so when that was last known, and since when.
    seen: Option<(bool, BootTime)>,
    /// Whether what was seen last is still so, as far as anybody knows.
    is_known: bool,
    /// When it was read last, or looked for first.
    last_read: Option<BootTime>,
    was_read: bool,
    /// Whether the alarm was last said to hold.
    said: Option<bool>,
    /// The number that the point showed.
    shown: String,
}

impl LimitState {
    /// `point`: the one that is judged, if it is not the device's health.
    pub(super) fn new(limit: &Limit, point: Option<&Arc<PointProfile>>) -> Self {
        let condition = point.map_or_else(|| limit.condition.clone(), |point| limit.condition_at(&point.spec.name));
        Self {
            limit: limit.clone(),
            condition,
            point: point.map(Arc::clone),
            seen: None,
            is_known: false,
            last_read: None,
            was_read: false,
            said: None,
            shown: String::new(),
        }
    }

    pub(super) fn condition(&self) -> &str {
        &self.condition
    }

    /// The point was read, or could not be. Whether the alarm holds, where that is new.
    pub(super) fn see(&mut self, cell: &Cell, at: BootTime) -> Option<bool> {
        let now = match &self.limit.test {
            LimitTest::Stale(_) => {
                if cell.quality != Quality::Bad {
                    (self.last_read, self.was_read) = (Some(at), true);
                }
                return self.tick(at);
            }
            LimitTest::Health(_) => return None,
            _ if cell.quality != Quality::Good => None,
            LimitTest::Equals(words) => match &cell.value {
                Some(Value::Text(word)) => Some(words.iter().any(|known| **known == **word)),
                _ => None,
            },
            LimitTest::Above { limit, hysteresis } => self.beyond(cell, |value| (value - limit, *hysteresis)),
            LimitTest::Below { limit, hysteresis } => self.beyond(cell, |value| (limit - value, *hysteresis)),
        };
        self.is_known = now.is_some();
        if let Some(now) = now {
            if self.seen.is_none_or(|(before, _)| before != now) {
                self.seen = Some((now, at));
            }
            self.shown = self.show(cell);
        }
        self.decide(at)
    }

    /// How far a number is beyond the limit: over it, below the hysteresis, or in between, where it stays as it was.
    fn beyond(&self, cell: &Cell, how_far: impl Fn(f64) -> (f64, f64)) -> Option<bool> {
        let value = match &cell.value {
            Some(Value::Number(value)) => *value,
            Some(Value::Integer(value)) => *value as f64,
            _ => return None,
        };
        match how_far(value) {
            (beyond, _) if beyond > 0.0 => Some(true),
            (beyond, hysteresis) if beyond <= -hysteresis => Some(false),
            _ => self.seen.map(|(before, _)| before),
        }
    }

    /// The device's health is this now.
    pub(super) fn see_health(&mut self, level: HealthLevel, at: BootTime) -> Option<bool> {
        let LimitTest::Health(worst) = self.limit.test else { return None };
        let now = (HealthLevel::Unreachable..=worst).contains(&level);
        if self.seen.is_none_or(|(before, _)| before != now) {
            self.seen = Some((now, at));
        }
        self.is_known = true;
        self.decide(at)
    }

    /// Time went by.
    pub(super) fn tick(&mut self, at: BootTime) -> Option<bool> {
        if let LimitTest::Stale(after) = self.limit.test {
            let last_read = *self.last_read.get_or_insert(at);
            let now = at.since_ms(last_read) >= u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            // Only a point that was read ends what an earlier run has raised.
            self.is_known = now || self.was_read;
            if self.is_known && self.seen.is_none_or(|(before, _)| before != now) {
                self.seen = Some((now, at));
            }
        }
        self.decide(at)
    }

    fn decide(&mut self, at: BootTime) -> Option<bool> {
        let (holds, since) = self.seen?;
        let after = if holds { self.limit.raise_after } else { self.limit.clear_after };
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        // What nobody can see now is neither raised nor cleared.
        if !self.is_known || at.since_ms(since) < after_ms {
            return None;
        }
        (self.said.replace(holds) != Some(holds)).then_some(holds)
    }

    /// A number with its unit; a word says no more than the alarm's own text.
    fn show(&self, cell: &Cell) -> String {
        let Some(point) = &self.point else { return String::new() };
        match &cell.value {
            Some(Value::Number(value)) => {
                let decimals = usize::from(point.spec.decimals);
                let unit = if point.spec.unit == "1" { "" } else { point.spec.unit.as_str() };
                format!("{value:.decimals$} {unit}").trim_end().to_owned()
            }
            Some(Value::Integer(value)) => value.to_string(),
            _ => String::new(),
        }
    }

    /// What is told.
    pub(super) fn change(&self, device: &DeviceKey) -> AlarmChange {
        let name = self.point.as_ref().map(|point| point.spec.name.to_string()).unwrap_or_default();
        // For people: where it is and how much, not how the point is called.
        let place = self.condition.strip_prefix(&self.limit.condition).map_or("", |rest| rest.trim_start_matches('.'));
        let details: Vec<&str> = [place, self.shown.as_str()].into_iter().filter(|detail| !detail.is_empty()).collect();
        let said = |text: &str, open: &str, between: &str, close: &str| match details.is_empty() {
            true => text.to_owned(),
            false => format!("{text}{open}{}{close}", details.join(between)),
        };
        let (text, text_zh) = (&self.limit.text, &self.limit.text_zh);
        AlarmChange {
            device: device.clone(),
            condition: self.condition.clone(),
            state: AlarmState::Raised,
            severity: self.limit.severity,
            text: said(text, " (", ", ", ")"),
            point: name,
            text_zh: if text_zh.is_empty() { String::new() } else { said(text_zh, "（", "，", "）") },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kouan_drivers::profile::Scale;
    use kouan_protocol::{PointKind, PointSpec, QualityReason, Severity};

    use super::*;

    fn state(test: LimitTest) -> LimitState {
        let limit = Limit {
            line: 1,
            condition: "c".to_owned(),
            point: "p".to_owned(),
            except: Vec::new(),
            test,
            raise_after: Duration::from_secs(10),
            clear_after: Duration::from_secs(5),
            severity: Severity::Major,
            text: "too hot".to_owned(),
            text_zh: "高温".to_owned(),
        };
        let spec = PointSpec {
            name: "p".parse().unwrap(),
            kind: PointKind::Measurement,
            unit: "°C".to_owned(),
            decimals: 1,
            states: Vec::new(),
        };
        let point = PointProfile {
            spec,
            scale: Scale::NONE,
            not_available: Vec::new(),
            range: None,
            words: Vec::new(),
            dead_band: 0.0,
            wraps_at: None,
            counts: None,
            tells: None,
        };
        LimitState::new(&limit, Some(&Arc::new(point)))
    }

    fn number(state: &mut LimitState, value: f64, at_s: u64) -> Option<bool> {
        state.see(&Cell::good(Value::Number(value)), BootTime(at_s * 1000))
    }

    #[test]
    fn a_limit_has_delays_and_a_hysteresis() {
        let mut state = state(LimitTest::Above { limit: 35.0, hysteresis: 2.0 });
        assert_eq!(number(&mut state, 34.0, 0), None, "between: nothing is known of what was before");
        assert_eq!(number(&mut state, 36.0, 1), None);
        assert_eq!(number(&mut state, 34.0, 5), None, "between: it goes on");
        assert_eq!(number(&mut state, 35.5, 10), None);
        assert_eq!(number(&mut state, 35.5, 11), Some(true));
        let change = state.change(&"room".parse().unwrap());
        assert_eq!((change.text.as_str(), change.text_zh.as_str()), ("too hot (35.5 °C)", "高温（35.5 °C）"));
        assert_eq!(number(&mut state, 33.5, 20), None);
        assert_eq!(number(&mut state, 32.0, 30), None);
        assert_eq!(number(&mut state, 36.0, 33), None, "a dip is no end");
        assert_eq!(number(&mut state, 32.0, 40), None);
        assert_eq!(state.tick(BootTime(45_000)), Some(false), "no new value is needed for the time to go by");
        let mut below = self::state(LimitTest::Below { limit: 20.0, hysteresis: 5.0 });
        assert_eq!((number(&mut below, 19.0, 0), number(&mut below, 19.0, 10)), (None, Some(true)));
        assert_eq!((number(&mut below, 24.0, 11), number(&mut below, 25.0, 12)), (None, None));
        assert_eq!(number(&mut below, 25.0, 17), Some(false));
    }

    #[test]
    fn what_is_not_read_is_neither_raised_nor_cleared() {
        let mut state = state(LimitTest::Equals(vec!["on".to_owned()]));
        let word = |word: &str| Cell::good(Value::text(word));
        let unread = Cell::bad(QualityReason::ReadFailed);
        assert_eq!(state.see(&word("on"), BootTime(0)), None);
        assert_eq!(state.see(&unread, BootTime(5_000)), None);
        assert_eq!(state.tick(BootTime(60_000)), None);
        assert_eq!(state.see(&word("on"), BootTime(61_000)), Some(true), "it went on meanwhile");
        assert_eq!(state.see(&unread, BootTime(70_000)), None);
        assert_eq!(state.tick(BootTime(700_000)), None);
        assert_eq!(state.see(&word("off"), BootTime(701_000)), None);
        assert_eq!(state.see(&word("off"), BootTime(706_000)), Some(false));
    }

    #[test]
    fn a_point_that_is_not_read_any_more_is_stale() {
        let mut state = state(LimitTest::Stale(Duration::from_secs(60)));
        assert_eq!(state.tick(BootTime(0)), None);
        assert_eq!(number(&mut state, 1.0, 30), None);
        assert_eq!(state.see(&Cell::bad(QualityReason::ReadFailed), BootTime(89_000)), Some(false));
        assert_eq!(state.tick(BootTime(90_000)), None, "stale from here on, and the delay begins");
        assert_eq!(state.tick(BootTime(100_000)), Some(true));
        assert_eq!(number(&mut state, 1.0, 101), None);
        assert_eq!(number(&mut state, 1.0, 106), Some(false));
    }

    #[test]
    fn a_device_that_is_not_well_is_told() {
        let mut state = state(LimitTest::Health(HealthLevel::Reachable));
        assert_eq!(state.see_health(HealthLevel::Unreachable, BootTime(0)), None);
        assert_eq!(state.tick(BootTime(10_000)), Some(true));
        assert_eq!(state.see_health(HealthLevel::Answering, BootTime(11_000)), None);
        assert_eq!(state.tick(BootTime(16_000)), Some(false));
    }
}
