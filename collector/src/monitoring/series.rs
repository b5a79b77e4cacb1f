//! What a point is called in Prometheus.

use kouan_protocol::{PointKind, Value};

/// Series of measurements.
pub(super) const MEASUREMENT: &str = "kouan_point";
/// Series of counters.
pub(super) const COUNTER: &str = "kouan_point_total";
/// Series of states: 1 for the state that holds, 0 for the others.
pub(super) const STATE: &str = "kouan_point_state";
/// Whether a device answers everything.
pub(super) const WORKING: &str = "kouan_device_working";

/// Most states of a point that get a series each.
const STATES: usize = 32;
/// The state that stands for every word that has no series of its own.
pub(super) const OTHER: &str = "other";

/// What names a point. All series of it have these labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels {
    /// Where.
    pub site: String,
    /// Where there.
    pub area: String,
    /// The device.
    pub device: String,
    /// What it is for.
    pub class: String,
    /// The point; empty for the device itself.
    pub point: String,
}

impl Labels {
    /// Names and values by name, those that are empty left out, as Prometheus takes an empty label for none.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let pairs = [
            ("area", self.area.as_str()),
            ("class", &self.class),
            ("device", &self.device),
            ("point", &self.point),
            ("site", &self.site),
        ];
        pairs.into_iter().filter(|(_, value)| !value.is_empty())
    }
}

/// A sample of one series of a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'s> {
    /// The metric.
    pub name: &'static str,
    /// The state that it is about.
    pub state: Option<&'s str>,
    /// Its value.
    pub value: f64,
}

/// The words of a state that get a series each.
pub(super) fn own_words(states: &[String]) -> impl Iterator<Item = &str> {
    states.iter().take(STATES).map(String::as_str)
}

/// The samples of a reading: one of a number; one for each state of a state, and `other` while a word holds that is none
/// of them; none of a text, which has no bounds.
pub fn samples_of<'s>(kind: PointKind, states: &'s [String], value: &'s Value) -> Vec<Sample<'s>> {
    let number = |name| {
        let value = match value {
            Value::Integer(number) => *number as f64,
            Value::Number(number) => *number,
            Value::Text(_) => return Vec::new(),
        };
        vec![Sample { name, state: None, value }]
    };
    match (kind, value) {
        (PointKind::Measurement, _) => number(MEASUREMENT),
        (PointKind::Counter, _) => number(COUNTER),
        (PointKind::State, Value::Text(word)) => {
            let sample = |state: &'s str, holds: bool| Sample {
                name: STATE,
                state: Some(state),
                value: f64::from(u8::from(holds)),
            };
            let mut samples: Vec<_> = own_words(states).map(|state| sample(state, *state == **word)).collect();
            // A device may show words that its profile does not list, and any number of them.
            if !samples.iter().any(|sample| sample.value > 0.0) {
                samples.retain(|sample| sample.state != Some(OTHER));
                samples.push(sample(OTHER, true));
            }
            samples
        }
        (PointKind::State | PointKind::Text, _) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_one_of_its_words() {
        let states = ["mains".to_owned(), "battery".to_owned()];
        let of = |word: &str| {
            let value = Value::text(word);
            let samples = samples_of(PointKind::State, &states, &value);
            samples.iter().map(|sample| (sample.state.unwrap().to_owned(), sample.value)).collect::<Vec<_>>()
        };
        assert_eq!(of("battery"), [("mains".to_owned(), 0.0), ("battery".to_owned(), 1.0)]);
        assert_eq!(of("bypass").last(), Some(&("other".to_owned(), 1.0)));
        assert_eq!(of("bypass").len(), 3);
        assert!(samples_of(PointKind::Text, &[], &Value::text("v1.2")).is_empty());
        let counter = samples_of(PointKind::Counter, &[], &Value::Integer(7));
        assert_eq!(counter, [Sample { name: COUNTER, state: None, value: 7.0 }]);
    }
}
