//! Windows of measurements: how their numbers are written, how their sums are, starts, counts, and each field.

use super::form::{Form, MOST_WINDOWS, fits, put_integers, take_integers};
use crate::telemetry::integers::{Malformed, put_varint, take_length};
use crate::telemetry::rollup::numbers::{Numbers, Total};

fn fields(numbers: &Numbers) -> [f64; 4] {
    [numbers.min, numbers.max, numbers.first, numbers.last]
}

/// How far a sum may be from the sum of the decimals that were meant: what their own forms and two roundings amount to.
fn error_of(numbers: &Numbers) -> f64 {
    if numbers.count < 2 {
        return 0.0;
    }
    2.0 * f64::EPSILON * numbers.count as f64 * numbers.min.abs().max(numbers.max.abs())
}

pub(super) fn encode(windows: &[(i64, Numbers)]) -> Vec<u8> {
    let all = || windows.iter().map(|(_, numbers)| numbers);
    let form = Form::fitting(|decimals| all().all(|it| fields(it).iter().all(|field| fits(*field, decimals, 0.0))));
    // Readings between the extremes may have more decimals than those.
    let form_of_sums = Form::fitting(|decimals| all().all(|it| fits(it.total.value(), decimals, error_of(it))));
    let mut out = Vec::new();
    form.put(&mut out);
    form_of_sums.put(&mut out);
    put_varint(&mut out, windows.len() as u64);
    put_integers(&mut out, windows.iter().map(|(at, _)| *at));
    put_integers(&mut out, all().map(|numbers| numbers.count as i64));
    for field in 0..4 {
        put_integers(&mut out, all().map(|numbers| form.integer(fields(numbers)[field])));
    }
    put_integers(&mut out, all().map(|numbers| form_of_sums.integer(numbers.total.value())));
    out
}

pub(super) fn decode(mut bytes: &[u8]) -> Result<Vec<(i64, Numbers)>, Malformed> {
    let (form, form_of_sums) = (Form::take(&mut bytes)?, Form::take(&mut bytes)?);
    let count = take_length(&mut bytes, MOST_WINDOWS)?;
    let starts = take_integers(&mut bytes, count)?;
    let counts = take_integers(&mut bytes, count)?;
    let fields = take_fields(&mut bytes, count)?;
    let sums = take_integers(&mut bytes, count)?;
    let window = |at: usize| {
        let [min, max, first, last] = [0, 1, 2, 3].map(|field: usize| form.number(fields[field][at]));
        let total = Total::of(form_of_sums.number(sums[at]));
        (starts[at], Numbers { count: counts[at].unsigned_abs(), min, max, total, first, last })
    };
    Ok((0..count).map(window).collect())
}

/// The columns of least, greatest, first and last.
pub(super) fn take_fields(bytes: &mut &[u8], count: usize) -> Result<[Vec<i64>; 4], Malformed> {
    let mut take = || take_integers(bytes, count);
    Ok([take()?, take()?, take()?, take()?])
}
