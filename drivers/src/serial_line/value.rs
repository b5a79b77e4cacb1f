//! Values at places in an answer.

use kouan_protocol::QualityReason;

use crate::driver::RawValue;

/// Where a point's raw value stands in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Offset from the first byte of the answer.
    pub(super) at: usize,
    /// How many bytes.
    pub(super) width: usize,
    pub(super) reading: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Unsigned { big_endian: bool },
    Signed { big_endian: bool },
    Bit(u8),
    Ascii,
}

const BIG: bool = true;
const LITTLE: bool = false;

/// The words of profiles, with the width in bytes.
pub(super) const WORDS: [(&str, (usize, Reading)); 13] = [
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
    ("ascii", (0, Reading::Ascii)),
];

impl Place {
    /// The raw value in `answer`.
    pub(super) fn read(&self, answer: &[u8]) -> Result<RawValue, QualityReason> {
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
            Reading::Bit(bit) => RawValue::Integer(number(BIG) >> bit & 1),
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
        let bit = Place { at: 3, width: 1, reading: Reading::Bit(1) };
        assert_eq!(bit.read(&answer), Ok(RawValue::Integer(1)));
    }
}
