//! Numbers as bytes: lengths and parts, and columns of integers in the encoding that fits each.

use pco::standalone::{simple_compress, simple_decompress};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

use super::rice;

/// Columns below this many numbers are too short for pco's tables.
const SHORT: usize = 64;
/// From so many numbers on its tables weigh next to nothing.
const LONG: usize = 512;
/// In between, numbers that take no more bits than this each leave little to gain.
const FEW_BITS: usize = 7;
/// The compression level of pco: above it the gain is below one in a hundred.
const LEVEL: usize = 8;

const CONSTANT: u8 = 0;
const DIFFERENCES: u8 = 1;
const PCO: u8 = 2;
const RICE: u8 = 3;

/// Bytes that do not read as what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// Appends `number` in as few groups of seven bits as it takes.
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number that [`put_varint`] wrote off the front.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Malformed("a number ends early"))?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed("a number is too long"))
}

/// Takes a length, which must not be more than what is left or `most`.
pub(super) fn take_length(bytes: &mut &[u8], most: usize) -> Result<usize, Malformed> {
    usize::try_from(take_varint(bytes)?).ok().filter(|length| *length <= most).ok_or(Malformed("a length is too large"))
}

/// A part with its length in front.
pub(super) fn put_part(out: &mut Vec<u8>, part: &[u8]) {
    put_varint(out, part.len() as u64);
    out.extend(part);
}

/// Takes what [`put_part`] wrote off the front.
pub(super) fn take_part<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8], Malformed> {
    let most = bytes.len();
    let length = take_length(bytes, most)?;
    let (part, rest) = bytes.split_at_checked(length).ok_or(Malformed("a part ends early"))?;
    *bytes = rest;
    Ok(part)
}

/// Takes one byte off the front.
pub(super) fn take_byte(bytes: &mut &[u8]) -> Result<u8, Malformed> {
    let (byte, rest) = bytes.split_first().ok_or(Malformed("a part ends early"))?;
    *bytes = rest;
    Ok(*byte)
}

/// Small numbers of either sign as small numbers.
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// What [`zigzag`] was made of.
pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// The numbers as bytes; how many there are is kept elsewhere.
pub(super) fn encode(numbers: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(first) = numbers.first() else { return out };
    if numbers.iter().all(|number| number == first) {
        out.push(CONSTANT);
        put_varint(&mut out, zigzag(*first));
        return out;
    }
    let plan = (numbers.len() < LONG).then(|| rice::plan(numbers));
    let enough = |plan: &rice::Plan| numbers.len() < SHORT || plan.bytes() <= numbers.len() * FEW_BITS / 8;
    let compressed = if plan.as_ref().is_some_and(enough) { None } else { compress(numbers) };
    match (compressed, plan) {
        (Some(bytes), plan) if plan.as_ref().is_none_or(|plan| bytes.len() < plan.bytes()) => {
            out.push(PCO);
            out.extend(bytes);
        }
        (_, plan) => {
            out.push(RICE);
            rice::encode(&mut out, numbers, &plan.unwrap_or_else(|| rice::plan(numbers)));
        }
    }
    out
}

/// Whether numbers are nearer to the one before than to their mean. pco would find out by trial, at some cost.
fn delta(numbers: &[i64]) -> DeltaSpec {
    let mean = numbers.iter().map(|number| *number as f64).sum::<f64>() / numbers.len() as f64;
    let from_mean: f64 = numbers.iter().map(|number| (*number as f64 - mean).abs()).sum();
    let from_last: f64 = numbers.windows(2).map(|pair| (pair[1] as f64 - pair[0] as f64).abs()).sum();
    if from_last < from_mean { DeltaSpec::TryConsecutive(1) } else { DeltaSpec::NoOp }
}

fn compress(numbers: &[i64]) -> Option<Vec<u8>> {
    let config = ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(delta(numbers));
    // Half the width is half the work. It refuses only what its own limits forbid, and a shorter form remains then.
    let narrow: Option<Vec<i32>> = numbers.iter().map(|number| i32::try_from(*number).ok()).collect();
    match narrow {
        Some(narrow) => simple_compress(&narrow, &config).ok(),
        None => simple_compress(numbers, &config).ok(),
    }
}

/// Reads `count` numbers that [`encode`] wrote.
pub(super) fn decode(bytes: &[u8], count: usize) -> Result<Vec<i64>, Malformed> {
    let Some((kind, mut rest)) = bytes.split_first() else {
        return if count == 0 { Ok(Vec::new()) } else { Err(Malformed("numbers are missing")) };
    };
    let numbers = match *kind {
        CONSTANT => vec![unzigzag(take_varint(&mut rest)?); count],
        RICE => rice::decode(rest, count)?,
        // Of earlier versions.
        DIFFERENCES => {
            let mut previous = 0_i64;
            let mut numbers = Vec::with_capacity(count);
            for _ in 0..count {
                previous = previous.wrapping_add(unzigzag(take_varint(&mut rest)?));
                numbers.push(previous);
            }
            numbers
        }
        PCO => decompress(rest)?,
        _ => return Err(Malformed("numbers have an unknown encoding")),
    };
    if numbers.len() == count { Ok(numbers) } else { Err(Malformed("there are more or fewer numbers than rows")) }
}

fn decompress(bytes: &[u8]) -> Result<Vec<i64>, Malformed> {
    // The type stands in the bytes; asking for another is refused.
    if let Ok(narrow) = simple_decompress::<i32>(bytes) {
        return Ok(narrow.into_iter().map(i64::from).collect());
    }
    simple_decompress::<i64>(bytes).map_err(|_| Malformed("compressed numbers do not open"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_whatever_they_are() {
        let jitter = |at: i64| at * 10_000 + (at * 7919) % 13;
        let cases: [Vec<i64>; 7] = [
            vec![],
            vec![i64::MIN, i64::MAX, 0, -1],
            vec![42; 5000],
            (0..30).map(jitter).collect(),
            (0..5000).map(jitter).collect(),
            (0..5000).map(|at| 2300 + (at * 31) % 17).collect(),
            (0..200).map(|at| if at % 2 == 0 { i64::MIN } else { i64::MAX }).collect(),
        ];
        for numbers in cases {
            assert_eq!(decode(&encode(&numbers), numbers.len()).unwrap(), numbers);
        }
        assert!(encode(&[7; 8000]).len() < 4);
    }

    #[test]
    fn bytes_that_are_cut_off_are_refused() {
        for numbers in [vec![1, 2, 3], (0..500).map(|at| at * at).collect()] {
            let bytes = encode(&numbers);
            for length in 0..bytes.len() {
                assert!(decode(&bytes[..length], numbers.len()).is_err(), "{length} of {}", bytes.len());
            }
        }
    }
}
