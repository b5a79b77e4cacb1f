//! Which profiles fit what a Modbus unit says.
//!
//! A profile is asked all its questions. One that gets refusals, impossible words or values outside their range does not
//! fit; of those that do, the one whose answers could least be chance comes first. Models that lie alike in their
//! registers cannot be told apart this way: the nameplate decides.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::{PointKind, QualityReason};
use serde::Serialize;

use crate::driver::RawValue;
use crate::link::trace::in_words;
use crate::link::{LinkSettings, Talker as _, Timing, Turn};
use crate::modbus::codec::ReadFunction;
use crate::modbus::dialect::{ModbusDialect, ModbusProfile, Reading};
use crate::modbus::session::{Framing, Session, Unit};
use crate::modbus::value::Type;
use crate::profile::{Evidence, PointProfile, ProfileStore};

/// Values that are shown with a guess.
const SHOWN: usize = 4;

/// A profile that fits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Guess {
    /// Its name.
    pub profile: String,
    /// The model, in its maker's words.
    pub model: String,
    /// How unlikely it is that the answers fit by chance; only good to compare guesses of one unit.
    pub weight: f64,
    /// Points with a possible value.
    pub fitting: usize,
    /// All its points.
    pub points: usize,
    /// Some of the values, for a person to judge.
    pub values: Vec<String>,
}

/// What one profile's questions brought.
#[derive(Debug, Default)]
struct Tally {
    weight: f64,
    fitting: usize,
    points: usize,
    against: usize,
    values: Vec<String>,
}

/// Asks a unit the questions of every Modbus profile in `store`. The best guess comes first; none fits if it is empty.
pub async fn guess(
    link: &LinkSettings,
    framing: Framing,
    unit: u8,
    wait: Duration,
    store: &ProfileStore,
) -> Vec<Guess> {
    let mut guesses = Vec::new();
    let mut silent: BTreeSet<ReadFunction> = BTreeSet::new();
    let mut answered: BTreeSet<ReadFunction> = BTreeSet::new();
    for name in store.names() {
        let Some(source) = store.get(name) else { continue };
        // Profiles of other kinds are no Modbus profiles, and one with problems is found by `profile check`.
        let Ok(profile) = ModbusProfile::read(&ModbusDialect, name, source) else { continue };
        let first =
            |group: &crate::profile::Group<ModbusDialect>| group.points.first().map(|p| p.address.span.function);
        if profile.groups.iter().filter_map(first).any(|function| silent.contains(&function)) {
            continue;
        }
        let profile = Arc::new(profile);
        let timing = Timing { gap: Duration::from_millis(20), answer_timeout: wait, retries: 1 };
        let unit = Unit { unit, timing, profile: Arc::clone(&profile) };
        let mut session = Session::new(link.clone(), framing, vec![unit]);
        let mut tally = Tally::default();
        for (at, group) in profile.groups.iter().enumerate() {
            if session.open().await.is_err() {
                return guesses;
            }
            let polled = session.poll(0, at, Turn::once()).await;
            session.close();
            let function = first(group);
            let said_something = polled.trouble.as_ref().is_none_or(|trouble| trouble.answered());
            match function {
                Some(function) if said_something => drop(answered.insert(function)),
                // Who does not know a function at all may be silent rather than refuse.
                Some(function) if !answered.contains(&function) => drop(silent.insert(function)),
                _ => {}
            }
            for (column, point) in (0_u16..).zip(&group.points) {
                let cell = polled.cells.iter().find(|(at, _)| *at == column).map(|(_, cell)| cell);
                tally.weigh(&point.common, point.address.reading, cell);
            }
            if tally.against > 0 {
                break;
            }
        }
        if tally.against == 0 && tally.fitting > 0 {
            // Of profiles that fit alike, the one whose facts are better known.
            tally.weight += match profile.about.evidence {
                Evidence::Solid => 0.3,
                Evidence::Medium => 0.1,
                Evidence::Uncertain => 0.0,
            };
            guesses.push(Guess {
                profile: name.to_owned(),
                model: format!("{} {}", profile.about.maker, profile.about.model).trim().to_owned(),
                weight: (tally.weight * 10.0).round() / 10.0,
                fitting: tally.fitting,
                points: tally.points,
                values: tally.values,
            });
        }
    }
    guesses.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    guesses
}

impl Tally {
    fn weigh(&mut self, point: &PointProfile, reading: Reading, cell: Option<&Result<RawValue, QualityReason>>) {
        self.points += 1;
        let (fits, weight) = match cell {
            None | Some(Err(QualityReason::ReadFailed | QualityReason::NotUnderstood)) => (false, 0.0),
            Some(Err(_)) => (true, 0.0),
            Some(Ok(raw)) => judge(point, reading, raw),
        };
        if !fits {
            self.against += 1;
            return;
        }
        self.fitting += 1;
        self.weight += weight;
        if let Some(cell) = cell.filter(|_| weight > 0.0 && self.values.len() < SHOWN) {
            self.values.push(format!("{} {}", point.spec.name, in_words(point, cell)));
        }
    }
}

/// Whether a value is possible, and how much it says that it is.
fn judge(point: &PointProfile, reading: Reading, raw: &RawValue) -> (bool, f64) {
    let number = match raw {
        RawValue::Text(text) => {
            let printable = text.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ');
            return (printable, if text.is_empty() { 0.0 } else { 3.0 });
        }
        RawValue::Integer(raw) if point.not_available.contains(raw) => return (true, 0.2),
        RawValue::Integer(raw) if !point.words.is_empty() => {
            let known = point.words.iter().any(|(word, _)| word == raw);
            // A bit is always 0 or 1, which says nothing.
            let bit = matches!(reading, Reading::Bit | Reading::Registers { mask: Some(_), .. });
            return (known || bit, if bit { 0.1 } else { 1.0 });
        }
        RawValue::Integer(raw) => *raw as f64,
        RawValue::Number(number) => *number,
    };
    let value = point.scale.apply(number);
    let float = matches!(reading, Reading::Registers { kind: Type::F32 | Type::F64, .. });
    let weight = match (point.range, float) {
        // Of all bit patterns few are numbers of an ordinary size.
        (_, true) if value != 0.0 => 3.0,
        (_, true) => 0.3,
        (Some(_), false) if number != 0.0 => 1.0,
        (Some(_), false) => 0.2,
        (None, false) => 0.1,
    };
    let ordinary = value == 0.0 || (1e-4..1e9).contains(&value.abs());
    let within = point.range.is_none_or(|(low, high)| (low..=high).contains(&value));
    (within && (!float || ordinary) && (point.spec.kind != PointKind::Measurement || value.is_finite()), weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Endpoint;
    use crate::modbus::simulator::{Model, Simulator};

    async fn guessed(model: Model) -> Vec<Guess> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let simulator = Simulator::new([(7, model)]);
        let server = tokio::spawn(async move { simulator.serve_tcp(listener).await });
        let link = LinkSettings::new(Endpoint::Tcp { address });
        let guesses = guess(&link, Framing::Tcp, 7, Duration::from_millis(250), &ProfileStore::built_in()).await;
        server.abort();
        guesses
    }

    #[tokio::test]
    async fn models_are_told_apart_by_what_they_say() {
        for (model, expected) in [(Model::ApcSmartUps, "apc-smart-ups"), (Model::Pzem016, "pzem-016")] {
            let guesses = guessed(model).await;
            let names: Vec<_> = guesses.iter().map(|guess| (guess.profile.as_str(), guess.weight)).collect();
            assert_eq!(names.first().map(|(name, _)| *name), Some(expected), "{names:?}");
        }
    }

    #[tokio::test]
    async fn look_alikes_are_all_named() {
        let guesses = guessed(Model::XyMd02).await;
        let names: Vec<_> = guesses.iter().map(|guess| guess.profile.as_str()).collect();
        assert_eq!(names[0], "xy-md02", "{names:?}");
        assert!(names.contains(&"md02-hundredths"), "{names:?}");
        assert!(!names.contains(&"sdm630"), "{names:?}");
        assert!(guesses[0].values.iter().any(|value| value.contains("°C")), "{guesses:?}");
    }
}
