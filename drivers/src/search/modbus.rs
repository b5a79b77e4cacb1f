//! Which speed, format and units answer Modbus.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kouan_settings::{Bilingual, Translate, both};
use serde::Serialize;
pub use tokio_serial::Parity;
use tokio_serial::StopBits;

use crate::link::trace::{Direction, Trace};
use crate::link::{Endpoint, Line, LineError, SerialSettings};
use crate::modbus::codec::crc::is_sealed;
use crate::modbus::codec::{Answer, ReadFunction, Request, rtu, tcp};
use crate::modbus::session::Framing;

/// The speeds that are tried, the likeliest first.
pub const SPEEDS: [u32; 8] = [9600, 19_200, 4800, 38_400, 115_200, 2400, 57_600, 1200];
/// The units that are tried at every speed before any setting is searched whole.
const LIKELY: RangeInclusive<u8> = 1..=8;
/// Which settings are searched whole where nothing likely answered, unless the search is thorough.
const LIKELY_SETTINGS: usize = 4;
/// The longest answer that is waited for, and the frame that asks for it, in characters.
const CHARACTERS: u32 = 16;
const OPENING: Duration = Duration::from_secs(3);

/// What is searched.
#[derive(Debug, Clone)]
pub struct Search {
    /// Where, once for each setting that is tried.
    pub endpoints: Vec<Endpoint>,
    /// The envelope.
    pub framing: Framing,
    /// Which units are asked.
    pub units: RangeInclusive<u8>,
    /// How long a device may think.
    pub wait: Duration,
    /// Every setting is searched whole, also after something was found at another one.
    pub thorough: bool,
}

/// How the search goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// A setting is tried: `9600 8N1`, number and how many there are in this round.
    Setting {
        /// The place with its settings.
        endpoint: String,
        /// From 1.
        number: usize,
        /// How many.
        of: usize,
    },
    /// A unit is asked.
    Asking {
        /// Which.
        unit: u8,
        /// The last one of this round.
        last: u8,
        /// With which function.
        function: u8,
    },
    /// A unit answered.
    Found(Found),
    /// A port does not take a setting.
    Refused {
        /// The place with its settings.
        endpoint: String,
        /// What the system said.
        error: Bilingual,
    },
}

/// A unit that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub endpoint: Endpoint,
    /// Its address.
    pub unit: u8,
    /// The function that it answered, if only with a refusal.
    pub function: u8,
    /// Its answer came after the search had stopped to wait: it needs a longer `answer_timeout`.
    pub late: bool,
}

/// What was found, and what else was heard.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Units that answered.
    pub found: Vec<Found>,
    /// Places with settings at which bytes came that are no Modbus: another speed, another protocol, or noise.
    pub noise: BTreeMap<String, usize>,
    /// The adapter sends back what it is given.
    pub echo: bool,
}

/// The port could not be searched.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// It does not open at all.
    #[error(transparent)]
    Open(#[from] crate::link::endpoint::OpenError),
    /// It broke in the middle.
    #[error("searching {endpoint} failed: {cause}")]
    Broken {
        /// Where.
        endpoint: String,
        /// Why.
        #[source]
        cause: LineError,
    },
}

impl Translate for SearchError {
    fn translate(&self) -> Bilingual {
        match self {
            Self::Open(error) => error.translate(),
            Self::Broken { endpoint, cause } => {
                both!("searching {endpoint} failed: {cause}", "搜索 {endpoint} 失败：{cause}"; cause)
            }
        }
    }
}

/// The settings that a serial port is searched with, the likeliest first.
#[must_use]
pub fn serial_settings(path: &str, speeds: &[u32], parities: &[Parity]) -> Vec<Endpoint> {
    let speeds = if speeds.is_empty() { &SPEEDS[..] } else { speeds };
    let parities = if parities.is_empty() { &[Parity::None, Parity::Even, Parity::Odd][..] } else { parities };
    let mut settings = Vec::new();
    for baud in speeds {
        for parity in parities {
            let usual = SerialSettings::new(path);
            settings.push(SerialSettings { baud: *baud, parity: *parity, stop_bits: StopBits::One, ..usual });
        }
    }
    // 9600 and 19200 without and with even parity are nearly all there is.
    let unlikely = |settings: &SerialSettings| {
        !matches!((settings.baud, settings.parity), (9600 | 19_200, Parity::None | Parity::Even))
    };
    settings.sort_by_key(unlikely);
    settings.into_iter().map(Endpoint::Serial).collect()
}

/// What one unit said to one question.
enum Said {
    Answer,
    Silence,
    Noise,
}

/// Searches. Whoever listens to `progress` sees each step; dropping the future ends the search and closes the port.
///
/// # Errors
/// When the port does not open at any setting, or breaks.
pub async fn search(search: &Search, mut progress: impl FnMut(Progress)) -> Result<Outcome, SearchError> {
    let mut outcome = Outcome::default();
    let likely = intersection(&search.units, &LIKELY);
    let mut rounds: VecDeque<(usize, RangeInclusive<u8>, &[ReadFunction])> = VecDeque::new();
    const QUICK: &[ReadFunction] = &[ReadFunction::HoldingRegisters, ReadFunction::InputRegisters];
    const WHOLE: &[ReadFunction] = &[ReadFunction::HoldingRegisters, ReadFunction::InputRegisters, ReadFunction::Coils];
    let single = search.endpoints.len() == 1;
    if !single && !search.thorough {
        rounds.extend((0..search.endpoints.len()).map(|at| (at, likely.clone(), QUICK)));
    }
    let quick = rounds.len();
    let mut opened = 0;
    let mut last_error = None;
    let mut done = 0;
    let mut whole: VecDeque<usize> = (0..search.endpoints.len()).collect();
    loop {
        let (at, units, functions) = match rounds.pop_front() {
            Some(round) => round,
            None => {
                if !search.thorough {
                    if let Some(found) = outcome.found.first() {
                        // A line has one speed: the rest of the units is asked there and nowhere else.
                        whole.retain(|at| search.endpoints[*at] == found.endpoint);
                    } else {
                        whole.retain(|at| *at < LIKELY_SETTINGS);
                    }
                }
                match whole.pop_front() {
                    Some(at) => (at, search.units.clone(), WHOLE),
                    None => break,
                }
            }
        };
        done += 1;
        let endpoint = &search.endpoints[at];
        let of = if done <= quick { quick } else { done + whole.len() };
        progress(Progress::Setting { endpoint: endpoint.in_full(), number: done, of });
        let mut line = match endpoint.open(OPENING).await {
            Ok(line) => line,
            Err(error) => {
                progress(Progress::Refused { endpoint: endpoint.in_full(), error: error.translate() });
                last_error = Some(error);
                continue;
            }
        };
        opened += 1;
        let before = outcome.found.len();
        search_units(search, endpoint, &mut line, units, functions, &mut outcome, &mut progress).await?;
        if !search.thorough && done <= quick && outcome.found.len() > before {
            rounds.clear();
        }
    }
    match last_error {
        Some(error) if opened == 0 => Err(error.into()),
        _ => Ok(outcome),
    }
}

async fn search_units(
    search: &Search,
    endpoint: &Endpoint,
    line: &mut Line,
    units: RangeInclusive<u8>,
    functions: &[ReadFunction],
    outcome: &mut Outcome,
    progress: &mut impl FnMut(Progress),
) -> Result<(), SearchError> {
    let mut transaction = 0;
    let broken = |cause| SearchError::Broken { endpoint: endpoint.in_full(), cause };
    for function in functions {
        for unit in units.clone() {
            if outcome.found.iter().any(|found| found.unit == unit && found.endpoint == *endpoint) {
                continue;
            }
            progress(Progress::Asking { unit, last: *units.end(), function: function.code() });
            transaction += 1;
            let request = Request::Read { function: *function, address: 0, count: 1 };
            let trace = Trace::new();
            let asked = trace.scope(ask(search, endpoint, line, transaction, unit, &request)).await;
            let said = match asked {
                Ok(said) => said,
                // A gateway hangs up when it has no such unit, or after a while; it is called again.
                Err(_) if !endpoint.is_serial() => {
                    *line = endpoint.open(OPENING).await?;
                    Said::Silence
                }
                Err(error) => return Err(broken(error)),
            };
            let frame = rtu::encode(unit, &request);
            for piece in trace.pieces() {
                // What was thrown away before this question, and what others say meanwhile, answers an earlier one.
                let heard = matches!(piece.direction, Direction::Discarded | Direction::Received);
                if heard && search.framing == Framing::Rtu {
                    for (late, by) in all_units_in(&piece.bytes) {
                        if late != unit {
                            found(outcome, endpoint, late, by, true, progress);
                        }
                    }
                }
                outcome.echo |= piece.direction == Direction::Received && piece.bytes.starts_with(&frame);
            }
            match said {
                Said::Answer => found(outcome, endpoint, unit, *function, false, progress),
                Said::Noise => *outcome.noise.entry(endpoint.in_full()).or_default() += 1,
                Said::Silence => {}
            }
        }
    }
    Ok(())
}

fn found(
    outcome: &mut Outcome,
    endpoint: &Endpoint,
    unit: u8,
    function: ReadFunction,
    late: bool,
    progress: &mut impl FnMut(Progress),
) {
    if !outcome.found.iter().any(|found| found.unit == unit && found.endpoint == *endpoint) {
        let found = Found { endpoint: endpoint.clone(), unit, function: function.code(), late };
        progress(Progress::Found(found.clone()));
        outcome.found.push(found);
    }
}

async fn ask(
    search: &Search,
    endpoint: &Endpoint,
    line: &mut Line,
    transaction: u16,
    unit: u8,
    request: &Request,
) -> Result<Said, LineError> {
    line.settle(Duration::from_millis(5)).await?;
    let frame = match search.framing {
        Framing::Rtu => rtu::encode(unit, request),
        Framing::Tcp => tcp::encode(transaction, unit, request),
    };
    let wire = match endpoint {
        Endpoint::Serial(settings) => Duration::from_secs(12) * CHARACTERS / settings.baud.max(1),
        Endpoint::Tcp { .. } => Duration::ZERO,
    };
    line.send(&frame, OPENING).await?;
    let received = line
        .receive(search.wait + wire, |buffer: &mut BytesMut| match search.framing {
            Framing::Rtu => rtu_answer(buffer, unit, request, &frame),
            Framing::Tcp => match tcp::decode(buffer, transaction, unit, request) {
                Ok(None) => None,
                Ok(Some(Answer::Refused(exception))) => Some(!exception.is_from_gateway()),
                Ok(Some(_)) => Some(true),
                Err(_) => Some(false),
            },
        })
        .await;
    match received {
        Ok(true) => Ok(Said::Answer),
        Ok(false) => Ok(Said::Silence),
        Err(LineError::Timeout { heard: 0, .. }) => Ok(Said::Silence),
        Err(LineError::Timeout { .. }) => Ok(Said::Noise),
        Err(error) => Err(error),
    }
}

fn rtu_answer(buffer: &mut BytesMut, unit: u8, request: &Request, asked: &Bytes) -> Option<bool> {
    // Some adapters hear themselves; what they send back is no answer.
    if buffer.starts_with(asked) {
        let _ = buffer.split_to(asked.len());
    }
    let function = ReadFunction::from_code(request.code())?;
    units_in(buffer, function).contains(&unit).then_some(true)
}

/// The units whose answers to a read of one value stand in `bytes`.
fn units_in(bytes: &[u8], function: ReadFunction) -> Vec<u8> {
    let code = function.code();
    let whole = if function.is_bits() { 6 } else { 7 };
    let mut units = Vec::new();
    for at in 0..bytes.len() {
        let length = match bytes.get(at + 1) {
            Some(got) if *got == code => whole,
            Some(got) if *got == code | 0x80 => 5,
            _ => continue,
        };
        let right = bytes.get(at..at + length).is_some_and(is_sealed);
        if right && (1..=247).contains(&bytes[at]) {
            units.push(bytes[at]);
        }
    }
    units
}

/// The units whose answers to any question of the search stand in `bytes`, with the function that they answer.
fn all_units_in(bytes: &[u8]) -> impl Iterator<Item = (u8, ReadFunction)> {
    let functions = [ReadFunction::HoldingRegisters, ReadFunction::InputRegisters, ReadFunction::Coils];
    functions.into_iter().flat_map(|function| units_in(bytes, function).into_iter().map(move |unit| (unit, function)))
}

fn intersection(one: &RangeInclusive<u8>, other: &RangeInclusive<u8>) -> RangeInclusive<u8> {
    let (start, end) = (*one.start().max(other.start()), *one.end().min(other.end()));
    // Somebody who asks for units that are unlikely gets those.
    if start <= end { start..=end } else { one.clone() }
}

impl Serialize for Found {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut fields = serializer.serialize_struct("Found", 4)?;
        fields.serialize_field("endpoint", &self.endpoint.in_full())?;
        fields.serialize_field("unit", &self.unit)?;
        fields.serialize_field("function", &self.function)?;
        fields.serialize_field("late", &self.late)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_settings_come_first() {
        let settings = serial_settings("/dev/ttyUSB0", &[], &[]);
        assert_eq!(settings.len(), SPEEDS.len() * 3);
        let first: Vec<_> = settings.iter().take(4).map(Endpoint::in_full).collect();
        let expected =
            ["9600 8N1", "9600 8E1", "19200 8N1", "19200 8E1"].map(|s| format!("serial port /dev/ttyUSB0, {s}"));
        assert_eq!(first, expected);
    }

    #[test]
    fn an_echo_is_no_answer_and_a_late_answer_has_a_name() {
        let request = Request::Read { function: ReadFunction::HoldingRegisters, address: 0, count: 1 };
        let asked = rtu::encode(5, &request);
        let mut buffer = BytesMut::from(&asked[..]);
        assert_eq!(rtu_answer(&mut buffer, 5, &request, &asked), None);
        let answer = rtu::seal(BytesMut::from(&[5, 3, 2, 0, 7][..]));
        buffer.extend_from_slice(&answer);
        assert_eq!(rtu_answer(&mut buffer.clone(), 5, &request, &asked), Some(true));
        assert_eq!(rtu_answer(&mut buffer, 6, &request, &asked), None);
        let refusal = rtu::seal(BytesMut::from(&[9, 0x83, 2][..]));
        assert_eq!(units_in(&[&[0xFF][..], &answer, &refusal].concat(), ReadFunction::HoldingRegisters), [5, 9]);
        assert!(units_in(&asked, ReadFunction::HoldingRegisters).is_empty());
    }
}
