//! The bytes of a conversation, for a person who wants to see them.
//!
//! A line records what passes while somebody listens. Who listens is bound to the task that talks ([`Trace::scope`]), so
//! that no protocol has to hand it on, and nothing is recorded, or costs anything, at any other time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kouan_protocol::QualityReason;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::driver::RawValue;
use crate::profile::PointProfile;

/// Most bytes of one conversation that are kept.
const MOST_BYTES: usize = 64 * 1024;
/// Most pieces of one conversation that are kept.
const MOST_PIECES: usize = 2000;

tokio::task_local! {
    static LISTENING: Trace;
}

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The link was opened.
    Opened,
    /// To the device.
    Sent,
    /// From the device, while an answer was waited for.
    Received,
    /// From somebody, while nobody waited: thrown away.
    Discarded,
}

/// Bytes that went one way without a byte the other way between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Microseconds since the conversation began, of the first byte.
    pub at_us: u64,
    /// Which way.
    pub direction: Direction,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What they mean, as far as that is known.
    pub fields: Vec<Meaning>,
}

/// What some of the bytes mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meaning {
    /// The first byte.
    pub at: usize,
    /// How many.
    pub length: usize,
    /// What kind of field: a word of [`FIELDS`], or the name of a point.
    pub field: String,
    /// What it says.
    pub says: String,
}

/// The words for fields that are no points.
pub const FIELDS: [&str; 19] = [
    "address",
    "byte-count",
    "checksum",
    "command",
    "count",
    "data",
    "end",
    "endpoint",
    "equipment",
    "exception",
    "function",
    "junk",
    "length",
    "protocol",
    "result",
    "start",
    "transaction",
    "unit",
    "version",
];

impl Meaning {
    /// A field from `at` on.
    #[must_use]
    pub fn new(at: usize, length: usize, field: &str, says: impl Into<String>) -> Self {
        Self { at, length, field: field.to_owned(), says: says.into() }
    }

    /// A point with what its raw value stands for.
    #[must_use]
    pub fn point(at: usize, length: usize, point: &PointProfile, raw: &Result<RawValue, QualityReason>) -> Self {
        Self::new(at, length, point.spec.name.as_str(), in_words(point, raw))
    }
}

/// What a raw value stands for, for a person: `raw 231 = 23.1 °C`.
#[must_use]
pub fn in_words(point: &PointProfile, raw: &Result<RawValue, QualityReason>) -> String {
    let unit = if point.spec.unit == "1" { "" } else { point.spec.unit.as_str() };
    let places = usize::from(point.spec.decimals);
    let scaled = |raw: f64| format!("{:.places$} {unit}", point.scale.apply(raw)).trim_end().to_owned();
    match raw {
        Err(reason) => format!("no value ({})", format!("{reason:?}").to_lowercase()),
        Ok(RawValue::Text(text)) => format!("\"{text}\""),
        Ok(RawValue::Number(number)) => scaled(*number),
        Ok(RawValue::Integer(raw)) if point.not_available.contains(raw) => format!("raw {raw} = no value"),
        Ok(RawValue::Integer(raw)) => match point.words.iter().find(|(known, _)| known == raw) {
            Some((_, word)) => format!("raw {raw} = {word}"),
            None if unit.is_empty() && point.scale == crate::profile::Scale::NONE => raw.to_string(),
            None => format!("raw {raw} = {}", scaled(*raw as f64)),
        },
    }
}

/// A conversation that is being recorded. Clones record into the same one.
#[derive(Debug, Clone)]
pub struct Trace(Arc<Mutex<Recorded>>);

#[derive(Debug)]
struct Recorded {
    began: Instant,
    pieces: Vec<Piece>,
    bytes: usize,
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Trace {
    /// Nothing was said yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Recorded { began: Instant::now(), pieces: Vec::new(), bytes: 0 })))
    }

    /// Records what lines do while `talk` runs in this task.
    pub async fn scope<T>(&self, talk: impl Future<Output = T>) -> T {
        LISTENING.scope(self.clone(), talk).await
    }

    /// What was said.
    #[must_use]
    pub fn pieces(&self) -> Vec<Piece> {
        self.lock().pieces.clone()
    }

    /// How many pieces there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().pieces.len()
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records bytes that were heard while nothing was asked; for a driver that only listens.
    pub fn heard(&self, bytes: &[u8]) {
        self.add(Direction::Received, bytes, Vec::new());
    }

    /// Lets `explain` say what the pieces from number `from` on mean.
    pub fn explain(&self, from: usize, explain: impl FnOnce(&mut [Piece])) {
        if let Some(pieces) = self.lock().pieces.get_mut(from..) {
            explain(pieces);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, direction: Direction, bytes: &[u8], fields: Vec<Meaning>) {
        let mut recorded = self.lock();
        let room = MOST_BYTES.saturating_sub(recorded.bytes);
        let bytes = &bytes[..bytes.len().min(room)];
        recorded.bytes += bytes.len();
        let at_us = u64::try_from(recorded.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let room = recorded.pieces.len() < MOST_PIECES;
        match recorded.pieces.last_mut() {
            Some(last) if last.direction == direction && direction != Direction::Opened && last.fields.is_empty() => {
                last.bytes.extend_from_slice(bytes);
            }
            _ if room => {
                recorded.pieces.push(Piece { at_us, direction, bytes: bytes.to_vec(), fields });
            }
            _ => {}
        }
    }
}

/// Takes bytes apart into frames; what belongs to none is junk. `frame` says how long the frame is that begins here, and
/// what its fields are, counted from its own first byte.
pub fn frames(bytes: &[u8], frame: impl Fn(&[u8]) -> Option<(usize, Vec<Meaning>)>) -> Vec<Meaning> {
    let mut fields: Vec<Meaning> = Vec::new();
    let (mut at, mut junk) = (0, 0);
    let waste = |fields: &mut Vec<Meaning>, from: usize, to: usize| {
        if from < to {
            fields.push(Meaning::new(from, to - from, "junk", String::new()));
        }
    };
    while at < bytes.len() {
        match frame(&bytes[at..]).filter(|(length, _)| (1..=bytes.len() - at).contains(length)) {
            Some((length, found)) => {
                waste(&mut fields, junk, at);
                fields.extend(found.into_iter().map(|field| Meaning { at: at + field.at, ..field }));
                at += length;
                junk = at;
            }
            None => at += 1,
        }
    }
    waste(&mut fields, junk, bytes.len());
    fields
}

/// Says what every piece means that went over the line.
pub fn explain_pieces(pieces: &mut [Piece], fields: impl Fn(Direction, &[u8]) -> Vec<Meaning>) {
    for piece in pieces.iter_mut().filter(|piece| matches!(piece.direction, Direction::Sent | Direction::Received)) {
        piece.fields = fields(piece.direction, &piece.bytes);
    }
}

/// Records bytes, if somebody listens. For drivers that do not talk over a [`super::Line`].
pub fn record(direction: Direction, bytes: &[u8]) {
    // Nobody listens: nothing to do.
    let _ = LISTENING.try_with(|trace| trace.add(direction, bytes, Vec::new()));
}

/// Records that a link was opened, if somebody listens.
pub fn record_opened(endpoint: &str, took: Duration) {
    let _ = LISTENING.try_with(|trace| {
        let says = format!("{endpoint}, {} ms", took.as_millis());
        trace.add(Direction::Opened, &[], vec![Meaning::new(0, 0, "endpoint", says)]);
    });
}

/// Requests, each with what came before the next one.
pub fn exchanges(pieces: &[Piece]) -> Vec<(usize, Option<usize>)> {
    let mut pairs = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        match piece.direction {
            Direction::Sent => pairs.push((at, None)),
            Direction::Received => {
                if let Some((_, answer @ None)) = pairs.last_mut() {
                    *answer = Some(at);
                }
            }
            Direction::Opened | Direction::Discarded => {}
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_said_within_the_scope_is_recorded_and_pieces_join() {
        let trace = Trace::new();
        record(Direction::Sent, b"before");
        trace
            .scope(async {
                record(Direction::Sent, b"ask");
                record(Direction::Received, b"ans");
                record(Direction::Received, b"wer");
                record(Direction::Sent, b"again");
            })
            .await;
        record(Direction::Received, b"after");
        let pieces = trace.pieces();
        let said: Vec<&[u8]> = pieces.iter().map(|piece| piece.bytes.as_slice()).collect();
        assert_eq!(said, [b"ask".as_slice(), b"answer", b"again"]);
        assert_eq!(exchanges(&pieces), [(0, Some(1)), (2, None)]);
    }

    #[tokio::test]
    async fn a_device_that_babbles_fills_no_memory() {
        let trace = Trace::new();
        trace
            .scope(async {
                for _ in 0..4000 {
                    record(Direction::Received, &[0; 50]);
                    record(Direction::Sent, &[0; 50]);
                }
            })
            .await;
        let pieces = trace.pieces();
        assert!(
            pieces.len() <= MOST_PIECES && pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>() <= MOST_BYTES
        );
    }

    #[test]
    fn the_words_for_fields_are_sorted_and_single() {
        assert!(FIELDS.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
