//! What a controller's events mean.

use kouan_protocol::{Field, FieldValue, Privacy};

use super::record::Event;
use crate::link::HeardEvent;

/// Kinds of events that such a controller reports.
pub(super) const KINDS: [&str; 10] = [
    "access-granted",
    "access-denied",
    "door-opened",
    "door-closed",
    "door-held",
    "door-forced",
    "button-pressed",
    "duress",
    "device-started",
    "access-event",
];

/// The event for the rest of the agent.
pub(super) fn heard(event: &Event) -> HeardEvent {
    let kind = match event.code {
        0..=3 | 14..=19 | 203 | 208 => "access-granted",
        28 | 37 => "door-held",
        20..=42 => "access-denied",
        101 | 103 => "duress",
        102 => "door-forced",
        200 => "door-opened",
        201 => "door-closed",
        202 => "button-pressed",
        206 => "device-started",
        _ => "access-event",
    };
    let number = |name: &str, value: i64| Field::new(name, FieldValue::Integer(value));
    let mut fields = vec![number("door", event.door.into()), number("code", event.code.into())];
    match event.direction {
        0 => fields.push(Field::new("direction", FieldValue::Text("in".to_owned()))),
        3 => fields.push(Field::new("direction", FieldValue::Text("out".to_owned()))),
        _ => {}
    }
    for (name, value) in [("card", event.card), ("person", event.pin)] {
        if value != 0 {
            fields.push(Field { privacy: Privacy::Personal, ..number(name, value.into()) });
        }
    }
    if let Some(time) = event.time {
        fields.push(Field::new("device-time", FieldValue::Text(time.to_string())));
    }
    HeardEvent { kind: kind.to_owned(), fields, stored: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_it_was_is_personal() {
        let event = Event { card: 7, pin: 9, door: 1, code: 23, direction: 0, time: None };
        let told = heard(&event);
        assert_eq!(told.kind, "access-denied");
        let personal: Vec<_> = told.fields.iter().filter(|field| field.privacy == Privacy::Personal).collect();
        assert_eq!(personal.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["card", "person"]);
        for (code, kind) in [(28, "door-held"), (102, "door-forced"), (8, "access-event"), (999, "access-event")] {
            assert_eq!(heard(&Event { code, ..event }).kind, kind);
        }
    }
}
