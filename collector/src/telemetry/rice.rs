//! Short columns of integers in few bits each.
//!
//! Beside a column of a hundred numbers the tables of a stronger compression weigh more than what they save, and making
//! them takes longer than all the rest. Rice codes (R. F. Rice, JPL Publication 79-22) need one parameter: a number is
//! cut into its lowest bits, which are written as they are, and the rest, which is counted out.

use super::integers::{Malformed, put_varint, take_byte, take_varint, unzigzag, zigzag};

/// Numbers are told as their distance from the least of them.
const FROM_LEAST: u8 = 0;
/// Numbers are told as their differences.
const FROM_LAST: u8 = 1;
/// Differences are told as multiples of a step and what is left: times of polls that were left out now and then.
const BY_STEPS: u8 = 2;

/// So many times the counted part may be counted out; beyond that a number is written as it is.
const ESCAPE: u32 = 24;
/// Differences beyond this are not looked through for a step.
const STEPPED: u64 = 1 << 40;
/// A step below this gains nothing.
const LEAST_STEP: i64 = 16;

/// Bits, the lowest first.
#[derive(Default)]
struct BitWriter {
    out: Vec<u8>,
    buffer: u64,
    filled: u32,
}

impl BitWriter {
    /// At most 32 bits.
    fn put(&mut self, bits: u64, count: u32) {
        self.buffer |= bits << self.filled;
        self.filled += count;
        while self.filled >= 8 {
            self.out.push(self.buffer as u8);
            self.buffer >>= 8;
            self.filled -= 8;
        }
    }

    fn put_wide(&mut self, bits: u64, count: u32) {
        let low = count.min(32);
        self.put(bits & mask(low), low);
        if count > 32 {
            self.put((bits >> 32) & mask(count - 32), count - 32);
        }
    }

    fn put_rice(&mut self, number: u64, width: u32) {
        let counted = number >> width;
        if counted < u64::from(ESCAPE) {
            self.put((1 << counted) - 1, counted as u32 + 1);
            self.put_wide(number, width);
        } else {
            self.put(mask(ESCAPE), ESCAPE);
            self.put_wide(number, 64);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.filled > 0 {
            self.out.push(self.buffer as u8);
        }
        self.out
    }
}

struct BitReader<'b> {
    bytes: &'b [u8],
    buffer: u64,
    filled: u32,
}

impl<'b> BitReader<'b> {
    fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, buffer: 0, filled: 0 }
    }

    /// At most 32 bits.
    fn take(&mut self, count: u32) -> Result<u64, Malformed> {
        while self.filled < count {
            let (byte, rest) = self.bytes.split_first().ok_or(Malformed("numbers end early"))?;
            self.bytes = rest;
            self.buffer |= u64::from(*byte) << self.filled;
            self.filled += 8;
        }
        let bits = self.buffer & mask(count);
        self.buffer >>= count;
        self.filled -= count;
        Ok(bits)
    }

    fn take_wide(&mut self, count: u32) -> Result<u64, Malformed> {
        let low = self.take(count.min(32))?;
        let high = if count > 32 { self.take(count - 32)? } else { 0 };
        Ok(low | high << 32)
    }

    fn take_rice(&mut self, width: u32) -> Result<u64, Malformed> {
        let mut counted = 0;
        while self.take(1)? == 1 {
            counted += 1;
            if counted == ESCAPE {
                return self.take_wide(64);
            }
        }
        Ok(u64::from(counted) << width | self.take_wide(width)?)
    }

    /// What is left must be the rest of the last byte.
    fn finish(self) -> Result<(), Malformed> {
        if self.bytes.is_empty() && self.buffer == 0 {
            Ok(())
        } else {
            Err(Malformed("there are more numbers than rows"))
        }
    }
}

fn mask(count: u32) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

/// How many of the lowest bits are best written as they are, and what all numbers take then.
fn best_width(numbers: impl Iterator<Item = u64> + Clone) -> (u32, u64) {
    let (mut sum, mut count) = (0_u128, 0_u128);
    for number in numbers.clone() {
        sum += u128::from(number);
        count += 1;
    }
    let about = u64::try_from(sum / count.max(1)).unwrap_or(u64::MAX).checked_ilog2().unwrap_or(0);
    let bits = |width: u32| {
        let one = |number: u64| {
            let counted = number >> width;
            if counted < u64::from(ESCAPE) { counted + 1 + u64::from(width) } else { u64::from(ESCAPE) + 64 }
        };
        (width, numbers.clone().map(one).sum::<u64>())
    };
    let near = [about.saturating_sub(1), about, (about + 1).min(63)];
    near.into_iter().map(bits).min_by_key(|(_, bits)| *bits).unwrap_or((0, 0))
}

/// A way to tell the numbers, and what it takes.
pub(super) struct Plan {
    how: u8,
    base: i64,
    step: i64,
    widths: [u32; 2],
    bits: u64,
}

impl Plan {
    /// About how many bytes the numbers take.
    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.bits / 8 + 8).unwrap_or(usize::MAX)
    }
}

/// The shortest way. `numbers` must not be empty.
pub(super) fn plan(numbers: &[i64]) -> Plan {
    let least = numbers.iter().copied().min().unwrap_or(0);
    let (width, bits) = best_width(from_least(numbers, least));
    let mut best = Plan { how: FROM_LEAST, base: least, step: 0, widths: [width, 0], bits };
    let first = numbers.first().copied().unwrap_or(0);
    let (width, bits) = best_width(differences(numbers).map(zigzag));
    // The first number and its parameter stand before them.
    if bits < best.bits {
        best = Plan { how: FROM_LAST, base: first, step: 0, widths: [width, 0], bits };
    }
    if let Some(step) = step_of(numbers) {
        let cut = differences(numbers).map(|difference| cut(difference, step));
        let (many, many_bits) = best_width(cut.clone().map(|(many, _)| many));
        let (left, left_bits) = best_width(cut.map(|(_, left)| left));
        if many_bits + left_bits + 32 < best.bits {
            let bits = many_bits + left_bits + 32;
            best = Plan { how: BY_STEPS, base: first, step, widths: [many, left], bits };
        }
    }
    best
}

/// Writes the numbers as planned.
pub(super) fn encode(out: &mut Vec<u8>, numbers: &[i64], plan: &Plan) {
    let [width, second] = plan.widths;
    out.push(plan.how << 6 | width as u8);
    put_varint(out, zigzag(plan.base));
    let mut bits = BitWriter::default();
    match plan.how {
        FROM_LEAST => from_least(numbers, plan.base).for_each(|number| bits.put_rice(number, width)),
        FROM_LAST => differences(numbers).for_each(|difference| bits.put_rice(zigzag(difference), width)),
        _ => {
            put_varint(out, zigzag(plan.step));
            out.push(second as u8);
            for (many, left) in differences(numbers).map(|difference| cut(difference, plan.step)) {
                bits.put_rice(many, width);
                bits.put_rice(left, second);
            }
        }
    }
    out.extend(bits.finish());
}

/// Reads `count` numbers that [`encode`] wrote.
pub(super) fn decode(mut bytes: &[u8], count: usize) -> Result<Vec<i64>, Malformed> {
    let head = take_byte(&mut bytes)?;
    let (how, width) = (head >> 6, u32::from(head & 63));
    let base = unzigzag(take_varint(&mut bytes)?);
    // Each takes a bit at least: a damaged count must not ask for much memory.
    let mut numbers = Vec::with_capacity(count.min(bytes.len().saturating_mul(8) + 1));
    match how {
        FROM_LEAST => {
            let mut bits = BitReader::new(bytes);
            for _ in 0..count {
                numbers.push(base.wrapping_add(bits.take_rice(width)? as i64));
            }
            bits.finish()?;
        }
        FROM_LAST | BY_STEPS if count > 0 => {
            let stepped = (how == BY_STEPS).then(|| {
                let step = unzigzag(take_varint(&mut bytes)?);
                Ok((step, u32::from(take_byte(&mut bytes)? & 63)))
            });
            let stepped = stepped.transpose()?;
            let mut bits = BitReader::new(bytes);
            let mut last = base;
            numbers.push(last);
            for _ in 1..count {
                let told = bits.take_rice(width)?;
                let difference = match stepped {
                    None => unzigzag(told),
                    Some((step, second)) => {
                        let many = unzigzag(told).wrapping_add(1);
                        many.wrapping_mul(step).wrapping_add(unzigzag(bits.take_rice(second)?))
                    }
                };
                last = last.wrapping_add(difference);
                numbers.push(last);
            }
            bits.finish()?;
        }
        _ => return Err(Malformed("numbers have an unknown encoding")),
    }
    Ok(numbers)
}

fn from_least(numbers: &[i64], least: i64) -> impl Iterator<Item = u64> + Clone {
    numbers.iter().map(move |number| number.wrapping_sub(least) as u64)
}

fn differences(numbers: &[i64]) -> impl Iterator<Item = i64> + Clone {
    numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]))
}

/// The difference as a multiple of the step, less one, and what is left of it.
fn cut(difference: i64, step: i64) -> (u64, u64) {
    let many = (difference + step / 2).div_euclid(step);
    (zigzag(many - 1), zigzag(difference - many * step))
}

/// The step of which most differences may be multiples: the one in the middle of the shorter half.
fn step_of(numbers: &[i64]) -> Option<i64> {
    let mut found: Vec<i64> = differences(numbers).collect();
    if found.len() < 4 || found.iter().any(|difference| difference.unsigned_abs() >= STEPPED) {
        return None;
    }
    let place = found.len() / 4;
    let (_, step, _) = found.select_nth_unstable(place);
    (*step >= LEAST_STEP).then_some(*step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back(numbers: &[i64]) -> usize {
        let (mut bytes, plan) = (Vec::new(), plan(numbers));
        encode(&mut bytes, numbers, &plan);
        assert_eq!(decode(&bytes, numbers.len()).unwrap(), numbers);
        assert!(bytes.len() <= plan.bytes() + 16, "{} bytes, planned {}", bytes.len(), plan.bytes());
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length], numbers.len()).is_err(), "{length} of {}", bytes.len());
        }
        bytes.len()
    }

    #[test]
    fn each_kind_of_column_takes_few_bits() {
        let dice = |at: i64| (at * 7_919 + at * at * 31) % 101;
        let mut value = 2_300;
        let walk: Vec<i64> = (0..100)
            .map(|at| {
                value += dice(at) % 9 - 4;
                value
            })
            .collect();
        assert!(there_and_back(&walk) < 65);
        let levels: Vec<i64> = (0..100).map(|at| 2_300 + dice(at) % 16).collect();
        assert!(there_and_back(&levels) < 70);
        let times: Vec<i64> = (0..100).map(|at| 1_795_305_600_000 + (at + at / 3) * 10_000 + dice(at) % 12).collect();
        assert!(there_and_back(&times) < 110, "{}", there_and_back(&times));
        assert!(there_and_back(&[i64::MIN, i64::MAX, 0, -1, i64::MAX, i64::MIN]) < 80);
    }

    proptest! {
        #[test]
        fn numbers_come_back_whatever_they_are(numbers in prop::collection::vec(any::<i64>(), 1..40)) {
            there_and_back(&numbers);
        }

        #[test]
        fn near_numbers_come_back(numbers in prop::collection::vec(-5_000_i64..5_000, 1..300)) {
            there_and_back(&numbers);
        }

        #[test]
        fn damage_is_an_error_or_other_numbers(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0_usize..9_000) {
            if let Ok(numbers) = decode(&bytes, count) {
                prop_assert_eq!(numbers.len(), count);
            }
        }
    }
}
