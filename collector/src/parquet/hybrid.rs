//! Small numbers as runs and packed bits (parquet-format, Encodings.md, "RLE/Bit-Packing Hybrid").

use super::thrift::varint;

/// Values that are packed together.
const GROUP: usize = 8;

/// How many bits the numbers up to `greatest` need.
pub(super) fn width(greatest: u32) -> u8 {
    (u32::BITS - greatest.leading_zeros()) as u8
}

/// The values in `width` bits each, where they do not repeat.
pub(super) fn encode(values: impl IntoIterator<Item = u32>, width: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut packed: Vec<u32> = Vec::new();
    let mut run: Option<(u32, usize)> = None;
    for value in values {
        run = match run {
            Some((last, length)) if last == value => Some((last, length + 1)),
            Some(ended) => {
                end_run(&mut out, &mut packed, ended, width);
                Some((value, 1))
            }
            None => Some((value, 1)),
        };
    }
    if let Some(ended) = run {
        end_run(&mut out, &mut packed, ended, width);
    }
    pack(&mut out, &mut packed, width);
    out
}

/// A run that is long enough stands by itself, once what came before fills its groups.
fn end_run(out: &mut Vec<u8>, packed: &mut Vec<u32>, (value, mut length): (u32, usize), width: u8) {
    let missing = (GROUP - packed.len() % GROUP) % GROUP;
    if length < missing + GROUP {
        packed.extend(std::iter::repeat_n(value, length));
        return;
    }
    packed.extend(std::iter::repeat_n(value, missing));
    length -= missing;
    pack(out, packed, width);
    varint(out, (length as u64) << 1);
    out.extend(&value.to_le_bytes()[..usize::from(width).div_ceil(8)]);
}

/// Groups of eight, the lowest bits first; the last one is filled up, and readers know how many values there are.
fn pack(out: &mut Vec<u8>, packed: &mut Vec<u32>, width: u8) {
    if packed.is_empty() {
        return;
    }
    varint(out, (packed.len().div_ceil(GROUP) as u64) << 1 | 1);
    let (mut bits, mut held) = (0_u64, 0);
    let filling = (GROUP - packed.len() % GROUP) % GROUP;
    for value in packed.drain(..).chain(std::iter::repeat_n(0, filling)) {
        bits |= u64::from(value) << held;
        held += u32::from(width);
        while held >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            held -= 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_specification_are_packed_as_it_says() {
        // Encodings.md: 0 to 7 in three bits are 10001000 11000110 11111010.
        assert_eq!(encode(0..8, 3), [3, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
    }

    #[test]
    fn runs_stand_by_themselves_and_short_ones_are_packed() {
        assert_eq!(encode([1; 100], 1), [200, 1, 1]);
        assert_eq!(encode([5; 3], 3), [3, 0b0110_1101, 0b1_u8, 0]);
        // Five are packed with three of the run, and the rest of it follows.
        let values = [0, 1, 0, 1, 0].into_iter().chain([1; 20]);
        assert_eq!(encode(values, 1), [3, 0b1110_1010, 34, 1]);
        assert_eq!([width(0), width(1), width(2), width(99), width(255), width(256)], [0, 1, 2, 7, 8, 9]);
    }
}
