//! Windows of counters: starts, counts, and each field; sums in two halves where one does not hold them.

use super::form::{MOST_WINDOWS, put_integers, take_integers};
use super::numbers::take_fields;
use crate::telemetry::integers::{Malformed, put_varint, take_byte, take_length};
use crate::telemetry::rollup::numbers::Counts;

pub(super) fn encode(windows: &[(i64, Counts)]) -> Vec<u8> {
    let all = || windows.iter().map(|(_, counts)| counts);
    let mut out = Vec::new();
    put_varint(&mut out, windows.len() as u64);
    put_integers(&mut out, windows.iter().map(|(at, _)| *at));
    put_integers(&mut out, all().map(|counts| counts.count as i64));
    for field in [|it: &Counts| it.min, |it: &Counts| it.max, |it: &Counts| it.first, |it: &Counts| it.last] {
        put_integers(&mut out, all().map(field));
    }
    let is_wide = all().any(|counts| i64::try_from(counts.sum).is_err());
    out.push(u8::from(is_wide));
    put_integers(&mut out, all().map(|counts| counts.sum as i64));
    if is_wide {
        put_integers(&mut out, all().map(|counts| (counts.sum >> 64) as i64));
    }
    out
}

pub(super) fn decode(mut bytes: &[u8]) -> Result<Vec<(i64, Counts)>, Malformed> {
    let count = take_length(&mut bytes, MOST_WINDOWS)?;
    let starts = take_integers(&mut bytes, count)?;
    let counts = take_integers(&mut bytes, count)?;
    let [min, max, first, last] = take_fields(&mut bytes, count)?;
    let is_wide = take_byte(&mut bytes)? != 0;
    let low = take_integers(&mut bytes, count)?;
    let high = if is_wide { Some(take_integers(&mut bytes, count)?) } else { None };
    let sum = |at: usize| match &high {
        Some(high) => (i128::from(high[at]) << 64) | i128::from(low[at] as u64),
        None => i128::from(low[at]),
    };
    let window = |at: usize| {
        let count = counts[at].unsigned_abs();
        (starts[at], Counts { count, min: min[at], max: max[at], sum: sum(at), first: first[at], last: last[at] })
    };
    Ok((0..count).map(window).collect())
}
