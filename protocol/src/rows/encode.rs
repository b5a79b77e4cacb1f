//! Encoding the columns of a group.

use super::{ENCODING_DOUBLE, ENCODING_STATE, ENCODING_TEXT, MAX_DECIMALS, POWERS, Row, default_encoding};
use crate::catalogue::PointSpec;
use crate::clock::Anchor;
use crate::record::time_step;
use crate::value::{PointKind, Value};
use crate::wire;

pub(super) fn encode_order(wire: &mut wire::GroupRows, rows: &[Row], first_seq: u64, anchor: &Anchor) {
    let mut boot_time = anchor.boot_time;
    for row in rows {
        wire.time_steps.push(time_step(row.boot_time, boot_time));
        boot_time = row.boot_time;
    }
    let contiguous = rows.iter().zip(first_seq..).all(|(row, seq)| row.seq == seq);
    if first_seq == 0 || contiguous {
        return;
    }
    let mut seq = first_seq;
    for row in rows {
        wire.seq_steps.push(u32::try_from(row.seq - seq).expect("a batch has fewer numbers than u32"));
        seq = row.seq;
    }
}

pub(super) fn encode_presence(wire: &mut wire::GroupRows, rows: &[Row], columns: usize) {
    if rows.iter().all(|row| row.cells.len() == columns) {
        return;
    }
    wire.presence = vec![0; (columns * rows.len()).div_ceil(8)];
    for (at, row) in rows.iter().enumerate() {
        for (column, _) in &row.cells {
            let bit = usize::from(*column) * rows.len() + at;
            wire.presence[bit / 8] |= 1 << (bit % 8);
        }
    }
}

pub(super) fn encode_column(wire: &mut wire::GroupRows, column: usize, point: &PointSpec, values: &[&Value]) {
    if values.is_empty() {
        return;
    }
    let encoding = choose_encoding(point, values);
    if encoding != default_encoding(point) {
        wire.encodings.extend([column as u32, encoding]);
    }
    let mut previous = 0_i64;
    for value in values {
        match encoding {
            ENCODING_DOUBLE => wire.doubles.push(value.as_f64().unwrap_or(f64::NAN)),
            ENCODING_TEXT => wire.texts.push(value.to_string()),
            _ => {
                let integer = if encoding == ENCODING_STATE {
                    state_index(point, value).unwrap_or(i64::MAX)
                } else {
                    scaled_integer(point, value, encoding).unwrap_or(i64::MAX)
                };
                wire.integers.push(integer.wrapping_sub(previous));
                previous = integer;
            }
        }
    }
}

fn choose_encoding(point: &PointSpec, values: &[&Value]) -> u32 {
    match point.kind {
        PointKind::Text => ENCODING_TEXT,
        PointKind::State if values.iter().all(|value| state_index(point, value).is_some()) => ENCODING_STATE,
        PointKind::State => ENCODING_TEXT,
        PointKind::Counter => 0,
        PointKind::Measurement => {
            let fits = |decimals: &u32| values.iter().all(|value| scaled_integer(point, value, *decimals).is_some());
            let usual = u32::from(point.decimals);
            std::iter::once(usual).chain(0..=MAX_DECIMALS).find(fits).unwrap_or(ENCODING_DOUBLE)
        }
    }
}

fn state_index(point: &PointSpec, value: &Value) -> Option<i64> {
    let Value::Text(text) = value else { return None };
    point.states.iter().position(|state| **state == **text).map(|index| index as i64)
}

/// `value` × 10^`decimals` as an integer, if that is exactly reversible.
fn scaled_integer(point: &PointSpec, value: &Value, decimals: u32) -> Option<i64> {
    match (point.kind, value) {
        (PointKind::Counter, Value::Integer(integer)) => Some(*integer),
        (PointKind::Counter, Value::Number(number)) => Some(*number as i64),
        (_, value) => {
            let number = value.as_f64()?;
            let scaled = (number * POWERS[decimals as usize]).round();
            const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
            let exact = scaled.abs() < EXACT && (scaled / POWERS[decimals as usize]).to_bits() == number.to_bits();
            exact.then_some(scaled as i64)
        }
    }
}
