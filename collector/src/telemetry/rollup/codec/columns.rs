//! The columns of a group: each stands for itself, so that reading one opens one.
//!
//! Version, number of columns, and each with its length in front. A column is as many sections as it has kinds of
//! windows: which kind, and the section with its length in front.

use kouan_protocol::PointKind;

use super::{counts, first, numbers, words};
use crate::telemetry::integers::{Malformed, put_part, put_varint, take_byte, take_length, take_part};
use crate::telemetry::rollup::numbers::Figures;
use crate::telemetry::rollup::window::Sums;

/// Version 1 rounded sums of numbers and had one kind of windows in a column. It is read where the readings are gone.
const FIRST: u8 = 1;
const VERSION: u8 = 2;

const NUMBERS: u8 = 1;
const COUNTS: u8 = 2;
const STATES: u8 = 3;
const TEXTS: u8 = 4;

/// A damaged length must not ask for much memory.
const MOST_COLUMNS: usize = 1 << 24;
/// A state with more different words than this on a day, in bytes, is summed up as a text is: it is none.
const STATE_WORDS: usize = 1 << 20;

/// The columns as bytes.
pub(in crate::telemetry::rollup) fn encode(columns: &[Sums]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_varint(&mut out, columns.len() as u64);
    for column in columns {
        put_part(&mut out, &encode_column(column));
    }
    out
}

fn encode_column(sums: &Sums) -> Vec<u8> {
    let (mut measured, mut counted) = (Vec::new(), Vec::new());
    for (at, figures) in &sums.figures {
        match figures {
            Figures::Numbers(numbers) => measured.push((*at, *numbers)),
            Figures::Counts(counts) => counted.push((*at, *counts)),
        }
    }
    let (mut states, mut texts) = (sums.states.as_slice(), sums.texts.clone());
    if words::bytes(states) > STATE_WORDS {
        texts.extend(states.iter().map(|(at, states)| (*at, states.clone().into())));
        texts.sort_by_key(|(at, _)| *at);
        states = &[];
    }
    let mut out = Vec::new();
    let mut section = |kind: u8, body: Option<Vec<u8>>| {
        if let Some(body) = body {
            out.push(kind);
            put_part(&mut out, &body);
        }
    };
    section(NUMBERS, (!measured.is_empty()).then(|| numbers::encode(&measured)));
    section(COUNTS, (!counted.is_empty()).then(|| counts::encode(&counted)));
    section(STATES, (!states.is_empty()).then(|| words::encode_states(states)));
    section(TEXTS, (!texts.is_empty()).then(|| words::encode_texts(&texts)));
    out
}

/// The windows of one column, which is of that kind.
pub(in crate::telemetry::rollup) fn decode_column(
    mut bytes: &[u8],
    column: usize,
    kind: PointKind,
) -> Result<Sums, Malformed> {
    let version = take_byte(&mut bytes)?;
    let columns = take_length(&mut bytes, MOST_COLUMNS)?;
    if column >= columns {
        return Err(Malformed("a column is missing"));
    }
    for _ in 0..column {
        take_part(&mut bytes)?;
    }
    let mut part = take_part(&mut bytes)?;
    match version {
        FIRST => return first::decode(part, kind),
        VERSION => {}
        _ => return Err(Malformed("its version is not known")),
    }
    let mut sums = Sums::default();
    while !part.is_empty() {
        let section = take_byte(&mut part)?;
        let body = take_part(&mut part)?;
        match section {
            NUMBERS => sums.figures.extend(of_all(numbers::decode(body)?, Figures::Numbers)),
            COUNTS => sums.figures.extend(of_all(counts::decode(body)?, Figures::Counts)),
            STATES => sums.states.extend(words::decode_states(body)?),
            TEXTS => sums.texts.extend(words::decode_texts(body)?),
            _ => return Err(Malformed("windows have an unknown encoding")),
        }
    }
    sums.figures.sort_by_key(|(at, _)| *at);
    Ok(sums)
}

fn of_all<T>(windows: Vec<(i64, T)>, figures: fn(T) -> Figures) -> impl Iterator<Item = (i64, Figures)> {
    windows.into_iter().map(move |(at, window)| (at, figures(window)))
}

/// Opens every column.
pub(in crate::telemetry) fn check(bytes: &[u8], columns: usize) -> Result<(), Malformed> {
    (0..columns).try_for_each(|column| decode_column(bytes, column, PointKind::Measurement).map(drop))
}
