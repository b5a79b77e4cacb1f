//! Values at places in an answer.

use kouan_protocol::QualityReason;
use kouan_settings::{Section, both};

use crate::driver::RawValue;

/// Where a point's raw value stands in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Offset from the first byte of the answer.
    pub(crate) at: usize,
    /// How many bytes.
    pub(crate) width: usize,
    pub(crate) reading: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Unsigned {
        big_endian: bool,
    },
    Signed {
        big_endian: bool,
    },
    Float {
        big_endian: bool,
    },
    /// One bit of a number; bit 0 is the lowest.
    Bit {
        bit: u8,
        big_endian: bool,
    },
    /// Some bits of a number, moved down to bit 0.
    Mask {
        mask: u32,
        big_endian: bool,
    },
    Ascii,
}

const BIG: bool = true;
const LITTLE: bool = false;

/// The words of profiles, with the width in bytes.
pub(crate) const WORDS: [(&str, (usize, Reading)); 15] = [
    ("u8", (1, Reading::Unsigned { big_endian: BIG })),
    ("i8", (1, Reading::Signed { big_endian: BIG })),
    ("u16-be", (2, Reading::Unsigned { big_endian: BIG })),
    ("u16-le", (2, Reading::Unsigned { big_endian: LITTLE })),
    ("i16-be", (2, Reading::Signed { big_endian: BIG })),
    ("i16-le", (2, Reading::Signed { big_endian: LITTLE })),
    ("u24-be", (3, Reading::Unsigned { big_endian: BIG })),
    ("u24-le", (3, Reading::Unsigned { big_endian: LITTLE })),
    ("u32-be", (4, Reading::Unsigned { big_endian: BIG })),
    ("u32-le", (4, Reading::Unsigned { big_endian: LITTLE })),
    ("i32-be", (4, Reading::Signed { big_endian: BIG })),
    ("i32-le", (4, Reading::Signed { big_endian: LITTLE })),
    ("f32-be", (4, Reading::Float { big_endian: BIG })),
    ("f32-le", (4, Reading::Float { big_endian: LITTLE })),
    ("ascii", (0, Reading::Ascii)),
];

/// Reads `at` with `type`, `bit` and `length`, in an answer of at most `longest` bytes.
pub(crate) fn read_place(point: &mut Section<'_>, longest: usize) -> Option<Place> {
    point.require("at", ("the offset from the first byte, such as at = 6", "从第一个字节算起的位置，如 at = 6"));
    let at = point.integer("at", 0..=longest as i64 - 1).map(|at| at.unsigned_abs() as usize);
    let bit = point.integer("bit", 0..=31).map(|bit| bit.unsigned_abs() as u8);
    let mask = point.integer("mask", 1..=i64::from(u32::MAX)).map(|mask| mask.unsigned_abs() as u32);
    let (width, reading) = point.choice("type", &WORDS).unwrap_or((1, Reading::Unsigned { big_endian: BIG }));
    let width = match reading {
        Reading::Ascii => {
            point.require("length", ("how many characters the text has", "文字有几个字符"));
            point.integer("length", 1..=longest as i64)?.unsigned_abs() as usize
        }
        _ => width,
    };
    let place = Place { at: at?, width, reading };
    if place.at + width > longest {
        let end = place.at + width;
        point.wrong(
            "at",
            both!(
                "the answer has {longest} bytes; this would end after byte {end}",
                "应答有 {longest} 个字节；这一项会到第 {end} 个字节之后"
            ),
        );
        return None;
    }
    if let Some(mask) = mask {
        let Reading::Unsigned { big_endian } = reading else {
            point.wrong("mask", ("bits are picked from unsigned numbers", "只能从无符号数中取位"));
            return None;
        };
        return Some(Place { reading: Reading::Mask { mask, big_endian }, ..place });
    }
    let Some(bit) = bit else { return Some(place) };
    let picked = place.bit(bit);
    if picked.is_none() {
        point.wrong(
            "bit",
            (
                "there is no such bit; give a wider type, such as type = \"u16-be\"",
                "没有这一位；请用更宽的类型，如 type = \"u16-be\"",
            ),
        );
    }
    picked
}

impl Place {
    /// The same so many bytes further on.
    pub(crate) fn shifted(&self, bytes: u32, longest: usize) -> Option<Self> {
        let at = self.at + bytes as usize;
        (at + self.width <= longest).then_some(Self { at, ..*self })
    }

    /// The offset behind it.
    pub(crate) fn end(&self) -> usize {
        self.at + self.width
    }

    /// One bit of an unsigned number.
    pub(crate) fn bit(&self, bit: u8) -> Option<Self> {
        match self.reading {
            Reading::Unsigned { big_endian } if usize::from(bit) < self.width * 8 => {
                Some(Self { reading: Reading::Bit { bit, big_endian }, ..*self })
            }
            _ => None,
        }
    }

    /// The raw value in `answer`.
    pub(crate) fn read(&self, answer: &[u8]) -> Result<RawValue, QualityReason> {
        let bytes = answer.get(self.at..self.at + self.width).ok_or(QualityReason::NotUnderstood)?;
        let number = |big_endian: bool| {
            let push = |number: i64, byte: &u8| (number << 8) | i64::from(*byte);
            if big_endian { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) }
        };
        Ok(match self.reading {
            Reading::Unsigned { big_endian } => RawValue::Integer(number(big_endian)),
            Reading::Signed { big_endian } => {
                let unused = 64 - 8 * self.width as u32;
                RawValue::Integer(number(big_endian) << unused >> unused)
            }
            Reading::Bit { bit, big_endian } => RawValue::Integer(number(big_endian) >> bit & 1),
            Reading::Mask { mask, big_endian } => {
                RawValue::Integer((number(big_endian) & i64::from(mask)) >> mask.trailing_zeros())
            }
            Reading::Float { big_endian } => {
                let number = f32::from_bits(number(big_endian) as u32);
                if !number.is_finite() {
                    return Err(QualityReason::NotAvailable);
                }
                RawValue::Number(f64::from(number))
            }
            Reading::Ascii => {
                let text = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii());
                let text = text.ok_or(QualityReason::NotUnderstood)?;
                RawValue::Text(text.trim_end_matches('\0').trim().to_owned())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_their_order() {
        let answer = [0x00, 0xFF, 0x01, 0x02, b'o', b'k', 0x00];
        let read = |word: &str, at: usize| {
            let (width, reading) = WORDS.iter().find(|(known, _)| *known == word).unwrap().1;
            Place { at, width, reading }.read(&answer)
        };
        assert_eq!(read("u24-be", 0), Ok(RawValue::Integer(0x00FF01)));
        assert_eq!(read("u24-le", 0), Ok(RawValue::Integer(0x01FF00)));
        assert_eq!(read("i16-be", 1), Ok(RawValue::Integer(-255)));
        assert_eq!(read("i8", 1), Ok(RawValue::Integer(-1)));
        assert_eq!(read("u16-be", 6), Err(QualityReason::NotUnderstood));
        let text = Place { at: 4, width: 3, reading: Reading::Ascii };
        assert_eq!(text.read(&answer), Ok(RawValue::Text("ok".to_owned())));
        let word = Place { at: 2, width: 2, reading: Reading::Unsigned { big_endian: true } };
        assert_eq!(word.bit(8).unwrap().read(&answer), Ok(RawValue::Integer(1)));
        assert_eq!(word.bit(1).unwrap().read(&answer), Ok(RawValue::Integer(1)));
        assert_eq!(word.bit(16), None);
    }
}
