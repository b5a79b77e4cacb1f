//! The windows of one group and day as bytes: each column stands for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::window::{Numbers, Summary, Word, Words};
use crate::telemetry::integers::{self, Malformed, put_part, put_varint, take_byte, take_length, take_part};

const VERSION: u8 = 1;
const NOTHING: u8 = 0;
const SCALED: u8 = 1;
const DOUBLES: u8 = 2;
const WORDS: u8 = 3;

/// A day has no more minutes.
const MOST_WINDOWS: usize = 1_440;
/// A damaged length must not ask for much memory.
const MOST: usize = 1 << 24;
const POWERS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53

/// Windows of a column by their start.
pub(in crate::telemetry) type ColumnWindows = Vec<(i64, Summary)>;

/// The columns as bytes: version, number of columns, and each with its length in front.
pub(super) fn encode(columns: &[ColumnWindows]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_varint(&mut out, columns.len() as u64);
    for column in columns {
        put_part(&mut out, &encode_column(column));
    }
    out
}

fn encode_column(windows: &ColumnWindows) -> Vec<u8> {
    let mut out = Vec::new();
    let numbers: Vec<(i64, Numbers)> = windows
        .iter()
        .filter_map(|(at, summary)| if let Summary::Numbers(numbers) = summary { Some((*at, *numbers)) } else { None })
        .collect();
    let words: Vec<(i64, &Words)> = windows
        .iter()
        .filter_map(|(at, summary)| if let Summary::Words(words) = summary { Some((*at, words)) } else { None })
        .collect();
    if numbers.is_empty() && words.is_empty() {
        out.push(NOTHING);
    } else if numbers.len() >= words.len() {
        encode_numbers(&mut out, &numbers);
    } else {
        encode_words(&mut out, &words);
    }
    out
}

fn put_integers(out: &mut Vec<u8>, numbers: impl Iterator<Item = i64>) {
    put_part(out, &integers::encode(&numbers.collect::<Vec<_>>()));
}

fn encode_numbers(out: &mut Vec<u8>, windows: &[(i64, Numbers)]) {
    let fields = |numbers: &Numbers| [numbers.min, numbers.max, numbers.first, numbers.last];
    let fits = |decimals: &u8| {
        windows.iter().all(|(_, numbers)| fields(numbers).iter().all(|field| scale(*field, *decimals).is_some()))
    };
    let decimals = (0..=9).find(fits);
    match decimals {
        Some(decimals) => out.extend([SCALED, decimals]),
        None => out.push(DOUBLES),
    }
    put_varint(out, windows.len() as u64);
    put_integers(out, windows.iter().map(|(at, _)| *at));
    put_integers(out, windows.iter().map(|(_, numbers)| numbers.count as i64));
    for field in 0..4 {
        let values = windows.iter().map(|(_, numbers)| fields(numbers)[field]);
        let integer = |value: f64| match decimals {
            Some(decimals) => scale(value, decimals).unwrap_or_default(),
            None => value.to_bits() as i64,
        };
        put_integers(out, values.map(integer));
    }
    // Sums gather rounding errors; told as the difference from their nearest scaled value they would not be exact.
    let sums: Option<Vec<i64>> =
        decimals.and_then(|decimals| windows.iter().map(|(_, numbers)| scale_near(numbers.sum, decimals)).collect());
    out.push(u8::from(sums.is_some()));
    match sums {
        Some(sums) => put_integers(out, sums.into_iter()),
        None => put_integers(out, windows.iter().map(|(_, numbers)| numbers.sum.to_bits() as i64)),
    }
}

fn scale(value: f64, decimals: u8) -> Option<i64> {
    let scaled = (value * POWERS[usize::from(decimals)]).round();
    let exact = scaled.abs() < EXACT && (scaled / POWERS[usize::from(decimals)]).to_bits() == value.to_bits();
    exact.then_some(scaled as i64)
}

/// The sum of numbers with so many decimals has no more; what is beyond is an error of the addition.
fn scale_near(value: f64, decimals: u8) -> Option<i64> {
    let scaled = (value * POWERS[usize::from(decimals)]).round();
    (scaled.abs() < EXACT).then_some(scaled as i64)
}

/// The word's number; 0 stands for none.
fn number_of(words: &mut Vec<Arc<str>>, word: &Word) -> i64 {
    let Some(word) = word else { return 0 };
    let place = words.iter().position(|known| known == word).unwrap_or_else(|| {
        words.push(Arc::clone(word));
        words.len() - 1
    });
    place as i64 + 1
}

fn encode_words(out: &mut Vec<u8>, windows: &[(i64, &Words)]) {
    let mut words = Vec::new();
    let mut columns: [Vec<i64>; 8] = Default::default();
    let (mut spent_words, mut spent_ms) = (Vec::new(), Vec::new());
    for (at, window) in windows {
        let row = [
            *at,
            window.count as i64,
            window.changes as i64,
            number_of(&mut words, &window.first),
            number_of(&mut words, &window.last),
            window.first_after_ms,
            window.last_after_ms,
            window.spent.len() as i64,
        ];
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
        for (word, ms) in &window.spent {
            spent_words.push(number_of(&mut words, word));
            spent_ms.push(*ms);
        }
    }
    out.push(WORDS);
    put_varint(out, windows.len() as u64);
    put_varint(out, words.len() as u64);
    for word in &words {
        put_part(out, word.as_bytes());
    }
    put_varint(out, spent_ms.len() as u64);
    for column in columns {
        put_integers(out, column.into_iter());
    }
    put_integers(out, spent_words.into_iter());
    put_integers(out, spent_ms.into_iter());
}

/// The windows of one column.
pub(super) fn decode_column(mut bytes: &[u8], column: usize) -> Result<ColumnWindows, Malformed> {
    if take_byte(&mut bytes)? != VERSION {
        return Err(Malformed("its version is not known"));
    }
    let columns = take_length(&mut bytes, MOST)?;
    if column >= columns {
        return Err(Malformed("a column is missing"));
    }
    for _ in 0..column {
        take_part(&mut bytes)?;
    }
    let mut part = take_part(&mut bytes)?;
    match take_byte(&mut part)? {
        NOTHING => Ok(Vec::new()),
        SCALED => {
            let decimals = take_byte(&mut part)?;
            let power = *POWERS.get(usize::from(decimals)).ok_or(Malformed("numbers have too many decimals"))?;
            decode_numbers(part, |integer| integer as f64 / power)
        }
        DOUBLES => decode_numbers(part, |bits| f64::from_bits(bits as u64)),
        WORDS => decode_words(part),
        _ => Err(Malformed("windows have an unknown encoding")),
    }
}

/// Opens every column.
pub(in crate::telemetry) fn check(bytes: &[u8], columns: usize) -> Result<(), Malformed> {
    (0..columns).try_for_each(|column| decode_column(bytes, column).map(drop))
}

fn take_integers(bytes: &mut &[u8], count: usize) -> Result<Vec<i64>, Malformed> {
    integers::decode(take_part(bytes)?, count)
}

fn decode_numbers(mut bytes: &[u8], number: impl Fn(i64) -> f64) -> Result<ColumnWindows, Malformed> {
    let count = take_length(&mut bytes, MOST_WINDOWS)?;
    let starts = take_integers(&mut bytes, count)?;
    let counts = take_integers(&mut bytes, count)?;
    let mut fields = Vec::with_capacity(4);
    for _ in 0..4 {
        fields.push(take_integers(&mut bytes, count)?);
    }
    let scaled_sums = take_byte(&mut bytes)? == 1;
    let sums = take_integers(&mut bytes, count)?;
    Ok((0..count)
        .map(|at| {
            let numbers = Numbers {
                count: counts[at].unsigned_abs(),
                min: number(fields[0][at]),
                max: number(fields[1][at]),
                sum: if scaled_sums { number(sums[at]) } else { f64::from_bits(sums[at] as u64) },
                first: number(fields[2][at]),
                last: number(fields[3][at]),
            };
            (starts[at], Summary::Numbers(numbers))
        })
        .collect())
}

fn decode_words(mut bytes: &[u8]) -> Result<ColumnWindows, Malformed> {
    let count = take_length(&mut bytes, MOST_WINDOWS)?;
    let most = bytes.len();
    let word_count = take_length(&mut bytes, most)?;
    let mut words: Vec<Arc<str>> = Vec::new();
    for _ in 0..word_count {
        words.push(std::str::from_utf8(take_part(&mut bytes)?).map_err(|_| Malformed("a word is not UTF-8"))?.into());
    }
    let word = |number: i64| -> Result<Word, Malformed> {
        match usize::try_from(number).map_err(|_| Malformed("a word is missing"))? {
            0 => Ok(None),
            place => words.get(place - 1).cloned().map(Some).ok_or(Malformed("a word is missing")),
        }
    };
    let spent_count = take_length(&mut bytes, MOST)?;
    let mut columns = Vec::with_capacity(8);
    for _ in 0..8 {
        columns.push(take_integers(&mut bytes, count)?);
    }
    let spent_words = take_integers(&mut bytes, spent_count)?;
    let spent_ms = take_integers(&mut bytes, spent_count)?;
    let mut spents = spent_words.into_iter().zip(spent_ms);
    (0..count)
        .map(|at| {
            let many = usize::try_from(columns[7][at]).map_err(|_| Malformed("times in words are missing"))?;
            let spent: BTreeMap<Word, i64> = spents
                .by_ref()
                .take(many)
                .map(|(number, ms)| Ok((word(number)?, ms)))
                .collect::<Result<_, Malformed>>()?;
            let window = Words {
                count: columns[1][at].unsigned_abs(),
                changes: columns[2][at].unsigned_abs(),
                first: word(columns[3][at])?,
                last: word(columns[4][at])?,
                first_after_ms: columns[5][at],
                last_after_ms: columns[6][at],
                spent,
            };
            Ok((columns[0][at], Summary::Words(window)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use kouan_protocol::Value;

    use super::*;
    use crate::telemetry::rollup::window::Windows;

    #[test]
    fn windows_come_back_as_they_were() {
        let windows = |value: &dyn Fn(i64) -> Option<Value>, is_words| {
            let mut windows = Windows::new(60_000);
            for at in 0..3_000 {
                windows.take(at * 10_007, value(at).as_ref(), is_words);
            }
            windows.into_list()
        };
        let decimal = windows(&|at| Some(Value::Number((2300 + at * 31 % 17) as f64 / 10.0)), false);
        let odd = windows(&|at| Some(Value::Number((at as f64).sin())), false);
        let states = windows(&|at| (at % 40 != 7).then(|| Value::text(["a", "b"][(at / 9 % 2) as usize])), true);
        let columns = vec![decimal.clone(), Vec::new(), odd.clone(), states.clone()];
        let bytes = encode(&columns);
        for (at, wanted) in columns.iter().enumerate().skip(1) {
            assert_eq!(&decode_column(&bytes, at).unwrap(), wanted);
        }
        for ((_, own), (_, wanted)) in decode_column(&bytes, 0).unwrap().iter().zip(&decimal) {
            let (Summary::Numbers(own), Summary::Numbers(wanted)) = (own, wanted) else { panic!("numbers") };
            assert!((own.sum - wanted.sum).abs() < 1e-6);
            assert_eq!(Numbers { sum: 0.0, ..*own }, Numbers { sum: 0.0, ..*wanted });
        }
        for length in 0..bytes.len() {
            for column in 0..columns.len() {
                let _ = decode_column(&bytes[..length], column);
            }
        }
    }
}
