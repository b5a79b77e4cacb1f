//! One value: from raw to reading, and whether it is worth sending.

use std::sync::Arc;

use kouan_drivers::driver::RawValue;
use kouan_drivers::profile::PointProfile;
use kouan_protocol::{BootTime, Cell, PointKind, QualityReason, Value};

/// What the pipeline remembers of a point.
#[derive(Debug)]
pub(super) struct PointState {
    words: Vec<(i64, Arc<str>)>,
    last_sent: Option<(Cell, BootTime)>,
}

impl PointState {
    pub(super) fn new(profile: &PointProfile) -> Self {
        let words = profile.words.iter().map(|(raw, word)| (*raw, Arc::from(word.as_str()))).collect();
        Self { words, last_sent: None }
    }

    /// The reading for a raw value.
    pub(super) fn judge(&self, profile: &PointProfile, raw: Result<RawValue, QualityReason>) -> Cell {
        let raw = match raw {
            Ok(raw) => raw,
            Err(reason) => return Cell::bad(reason),
        };
        if let RawValue::Integer(integer) = raw
            && profile.not_available.contains(&integer)
        {
            return Cell::bad(QualityReason::NotAvailable);
        }
        match profile.spec.kind {
            PointKind::Measurement => judge_measurement(profile, &raw),
            PointKind::Counter => match raw {
                RawValue::Integer(count) => Cell::good(Value::Integer(count)),
                RawValue::Number(number) if number.is_finite() => Cell::good(Value::Integer(number as i64)),
                _ => Cell::bad(QualityReason::NotUnderstood),
            },
            PointKind::State => self.judge_state(&raw),
            PointKind::Text => Cell::good(Value::text(&shortened(match raw {
                RawValue::Text(text) => text,
                RawValue::Integer(integer) => integer.to_string(),
                RawValue::Number(number) => number.to_string(),
            }))),
        }
    }

    fn judge_state(&self, raw: &RawValue) -> Cell {
        match raw {
            RawValue::Integer(integer) => match self.words.iter().find(|(known, _)| known == integer) {
                Some((_, word)) => Cell::good(Value::Text(Arc::clone(word))),
                None => Cell::uncertain(Value::text(&integer.to_string()), QualityReason::OutOfRange),
            },
            RawValue::Text(text) => match self.words.iter().find(|(_, word)| **word == **text) {
                Some((_, word)) => Cell::good(Value::Text(Arc::clone(word))),
                None if self.words.is_empty() => Cell::good(Value::text(&shortened(text.clone()))),
                None => Cell::uncertain(Value::text(&shortened(text.clone())), QualityReason::OutOfRange),
            },
            RawValue::Number(_) => Cell::bad(QualityReason::NotUnderstood),
        }
    }

    /// Whether the reading goes out: it changed by more than the dead-band, or the heartbeat is due.
    pub(super) fn keep(&mut self, profile: &PointProfile, heartbeat_ms: u64, at: BootTime, cell: &Cell) -> bool {
        let keep = match &self.last_sent {
            None => true,
            Some((last, sent)) => at.since_ms(*sent) >= heartbeat_ms || changed(last, cell, profile.dead_band),
        };
        if keep {
            self.last_sent = Some((cell.clone(), at));
        }
        keep
    }
}

fn judge_measurement(profile: &PointProfile, raw: &RawValue) -> Cell {
    let number = match raw {
        RawValue::Integer(integer) => *integer as f64,
        RawValue::Number(number) => *number,
        RawValue::Text(_) => return Cell::bad(QualityReason::NotUnderstood),
    };
    let value = profile.scale.apply(number);
    if !value.is_finite() {
        return Cell::bad(QualityReason::NotAvailable);
    }
    match profile.range {
        Some((low, high)) if value < low || value > high => {
            Cell::uncertain(Value::Number(value), QualityReason::OutOfRange)
        }
        _ => Cell::good(Value::Number(value)),
    }
}

fn changed(last: &Cell, now: &Cell, dead_band: f64) -> bool {
    if last.quality != now.quality || last.reason != now.reason {
        return true;
    }
    match (&last.value, &now.value) {
        (Some(Value::Number(last)), Some(Value::Number(now))) => {
            if dead_band > 0.0 {
                (now - last).abs() > dead_band
            } else {
                now != last
            }
        }
        (last, now) => last != now,
    }
}

/// Cuts a text to what the protocol carries.
fn shortened(mut text: String) -> String {
    let limit = kouan_protocol::limits::TEXT_BYTES;
    if text.len() > limit {
        let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kouan_drivers::profile::Scale;
    use kouan_protocol::{PointSpec, Quality};

    fn profile(kind: PointKind) -> PointProfile {
        PointProfile {
            spec: PointSpec { name: "p".parse().unwrap(), kind, unit: "V".into(), decimals: 1, states: vec![] },
            scale: Scale { multiply: 1.0, divide: 10.0, add: 0.0, round: None },
            not_available: vec![0xFFFF],
            range: Some((0.0, 300.0)),
            words: vec![(0, "closed".into()), (1, "open".into())],
            dead_band: 0.5,
            wraps_at: None,
            counts: None,
            tells: None,
        }
    }

    #[test]
    fn a_measurement_is_scaled_and_doubted_outside_its_range() {
        let profile = profile(PointKind::Measurement);
        let state = PointState::new(&profile);
        assert_eq!(state.judge(&profile, Ok(RawValue::Integer(2302))), Cell::good(Value::Number(230.2)));
        assert_eq!(state.judge(&profile, Ok(RawValue::Integer(0xFFFF))), Cell::bad(QualityReason::NotAvailable));
        assert_eq!(state.judge(&profile, Ok(RawValue::Integer(9999))).quality, Quality::Uncertain);
        assert_eq!(state.judge(&profile, Ok(RawValue::Number(f64::NAN))), Cell::bad(QualityReason::NotAvailable));
        assert_eq!(state.judge(&profile, Err(QualityReason::ReadFailed)), Cell::bad(QualityReason::ReadFailed));
    }

    #[test]
    fn a_state_is_a_word_and_an_unknown_one_is_doubted() {
        let profile = profile(PointKind::State);
        let state = PointState::new(&profile);
        assert_eq!(state.judge(&profile, Ok(RawValue::Integer(1))), Cell::good(Value::text("open")));
        assert_eq!(state.judge(&profile, Ok(RawValue::Text("open".into()))), Cell::good(Value::text("open")));
        let unknown = state.judge(&profile, Ok(RawValue::Integer(7)));
        assert_eq!(unknown, Cell::uncertain(Value::text("7"), QualityReason::OutOfRange));
    }

    #[test]
    fn small_changes_wait_for_the_heartbeat() {
        let profile = profile(PointKind::Measurement);
        let mut state = PointState::new(&profile);
        let mut keep = |at, value| state.keep(&profile, 1000, BootTime(at), &Cell::good(Value::Number(value)));
        assert!(keep(0, 230.0), "the first value goes out");
        assert!(!keep(100, 230.4), "within the dead-band");
        assert!(keep(200, 230.6), "beyond the dead-band of the last one sent");
        assert!(!keep(1100, 230.6));
        assert!(keep(1200, 230.6), "the heartbeat is due");
    }
}
