//! What the changes of a state mean: events, and an alarm while it shows a word.

use kouan_drivers::profile::{PointProfile, Tells};
use kouan_protocol::{
    AlarmChange, AlarmState, BootTime, Cell, DeviceKey, Event, Field, FieldValue, Quality, RecordBody, Value,
};

use crate::buffer::NewRecord;

/// A state whose profile has an alarm.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Since when it shows the word.
    since: Option<BootTime>,
    /// Whether the alarm was last said to hold.
    said: Option<bool>,
}

impl Watched {
    /// Whether the alarm holds, where that is new. A state that was not read stays as it was.
    pub(super) fn judge(&mut self, tells: &Tells, cell: &Cell, at: BootTime) -> Option<bool> {
        let alarm = tells.alarm.as_ref()?;
        let shows = match alarm.raw {
            // Nobody has proved which raw value means what: the readings are bare numbers, and this one must not be missed.
            Some(raw) => bare_number(cell)? == raw,
            None => word(cell)? == alarm.word,
        };
        let since = if shows { *self.since.get_or_insert(at) } else { at };
        if !shows {
            self.since = None;
        }
        let after_ms = u64::try_from(alarm.after.as_millis()).unwrap_or(u64::MAX);
        let holds = shows && at.since_ms(since) >= after_ms;
        // What is not over yet is not said to be over.
        if shows && !holds && self.said.is_none() {
            return None;
        }
        (self.said.replace(holds) != Some(holds)).then_some(holds)
    }
}

/// The number that stands for itself in a state without words.
fn bare_number(cell: &Cell) -> Option<i64> {
    match &cell.value {
        Some(Value::Text(number)) => number.parse().ok(),
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    }
}

fn word(cell: &Cell) -> Option<&str> {
    match &cell.value {
        Some(Value::Text(word)) if cell.quality == Quality::Good => Some(word),
        _ => None,
    }
}

/// The raw value behind a good state.
pub(super) fn shown_raw(profile: &PointProfile, cell: &Cell) -> Option<i64> {
    profile.raw_of(word(cell)?)
}

/// The event that stands for the change to what is shown now.
pub(super) fn change_event(
    device: &DeviceKey,
    tells: &Tells,
    profile: &PointProfile,
    cell: &Cell,
    at: BootTime,
) -> Option<NewRecord> {
    let kind = tells.event(word(cell)?)?.to_owned();
    let field = |(name, place): (&str, &str)| {
        let value = place.parse().map_or_else(|_| FieldValue::Text(place.to_owned()), FieldValue::Integer);
        Field::new(name, value)
    };
    let fields = tells.place(&profile.spec.name).map(field).into_iter().collect();
    let event = Event { device: device.clone(), kind, fields, blobs: Vec::new() };
    Some(NewRecord { boot_time: at, body: RecordBody::Event(event) })
}

/// The alarm of a state.
pub(super) fn alarm(device: &DeviceKey, tells: &Tells, profile: &PointProfile) -> Option<AlarmChange> {
    let alarm = tells.alarm.as_ref()?;
    let name = &profile.spec.name;
    let text =
        if alarm.text.is_empty() { format!("{name} is {}", alarm.word) } else { format!("{} ({name})", alarm.text) };
    Some(AlarmChange {
        device: device.clone(),
        condition: tells.condition(alarm, name),
        state: AlarmState::Raised,
        severity: alarm.severity,
        text,
        point: name.to_string(),
        text_zh: match tells.place(name) {
            Some((_, place)) if !alarm.text_zh.is_empty() => format!("{}（{place}）", alarm.text_zh),
            _ => alarm.text_zh.clone(),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kouan_drivers::profile::StateAlarm;
    use kouan_protocol::{QualityReason, Severity};

    use super::*;

    fn tells(after: Duration) -> Tells {
        let alarm = StateAlarm {
            word: "open".to_owned(),
            after,
            severity: Severity::Major,
            condition: "door-held".to_owned(),
            text: String::new(),
            text_zh: String::new(),
            unproved: false,
            raw: None,
        };
        Tells { changes: Vec::new(), place: None, alarm: Some(alarm) }
    }

    #[test]
    fn what_must_never_be_silent_is_judged_before_its_polarity_is_proved() {
        let mut tells = tells(Duration::ZERO);
        tells.alarm.as_mut().unwrap().raw = Some(0);
        let mut watched = Watched::default();
        let mut number = |raw: &str, at: u64| {
            let cell = Cell::uncertain(Value::text(raw), kouan_protocol::QualityReason::OutOfRange);
            watched.judge(&tells, &cell, BootTime(at))
        };
        assert_eq!(
            [number("1", 0), number("0", 1), number("0", 2), number("1", 3)],
            [Some(false), Some(true), None, Some(false)]
        );
    }

    fn seen(watched: &mut Watched, tells: &Tells, word: &str, at: u64) -> Option<bool> {
        watched.judge(tells, &Cell::good(Value::text(word)), BootTime(at))
    }

    #[test]
    fn an_alarm_holds_after_its_time_and_is_said_once() {
        let tells = tells(Duration::from_secs(60));
        let mut watched = Watched::default();
        assert_eq!(seen(&mut watched, &tells, "open", 1000), None);
        assert_eq!(seen(&mut watched, &tells, "open", 60_999), None);
        // It cannot be read for a while; that is no proof that it was shut.
        assert_eq!(watched.judge(&tells, &Cell::bad(QualityReason::ReadFailed), BootTime(61_500)), None);
        assert_eq!(seen(&mut watched, &tells, "open", 62_000), Some(true));
        assert_eq!(seen(&mut watched, &tells, "open", 63_000), None);
        assert_eq!(seen(&mut watched, &tells, "closed", 64_000), Some(false));
        assert_eq!(seen(&mut watched, &tells, "closed", 65_000), None);
        assert_eq!(seen(&mut watched, &tells, "open", 66_000), None);
    }

    #[test]
    fn an_alarm_without_delay_holds_at_once() {
        let tells = tells(Duration::ZERO);
        let mut watched = Watched::default();
        assert_eq!(seen(&mut watched, &tells, "open", 0), Some(true));
        let mut watched = Watched::default();
        assert_eq!(seen(&mut watched, &tells, "closed", 0), Some(false), "an earlier run may have raised it");
    }
}
