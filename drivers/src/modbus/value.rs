//! From registers and bits to raw values, and back.

use kouan_protocol::QualityReason;

use crate::driver::RawValue;

/// How a value lies in registers. The bytes of one register are always big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// One register.
    U16,
    /// One register, two's complement.
    S16,
    /// Two registers.
    U32,
    /// Two registers, two's complement.
    S32,
    /// Four registers.
    U64,
    /// Four registers, two's complement.
    S64,
    /// Two registers, IEEE 754.
    F32,
    /// Four registers, IEEE 754.
    F64,
    /// One register, four decimal digits.
    Bcd16,
    /// Two registers, eight decimal digits.
    Bcd32,
    /// One register: days since 2000-01-01, read as a date.
    Days2000,
    /// Text of that many registers, two characters each.
    Text(u16),
}

/// Which register of a long value comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WordOrder {
    /// High word first: ABCD.
    #[default]
    Big,
    /// Low word first: CDAB.
    Little,
    /// High word first, low byte first in each: BADC.
    BigSwapped,
    /// Low word first, low byte first in each: DCBA.
    LittleSwapped,
}

impl WordOrder {
    fn low_word_first(self) -> bool {
        matches!(self, Self::Little | Self::LittleSwapped)
    }

    fn swapped(self) -> bool {
        matches!(self, Self::BigSwapped | Self::LittleSwapped)
    }
}

impl Type {
    /// How many registers it takes.
    #[must_use]
    pub fn width(self) -> u16 {
        match self {
            Self::U16 | Self::S16 | Self::Bcd16 | Self::Days2000 => 1,
            Self::U32 | Self::S32 | Self::F32 | Self::Bcd32 => 2,
            Self::U64 | Self::S64 | Self::F64 => 4,
            Self::Text(registers) => registers,
        }
    }

    /// The word in profiles.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::U16 => "u16",
            Self::S16 => "s16",
            Self::U32 => "u32",
            Self::S32 => "s32",
            Self::U64 => "u64",
            Self::S64 => "s64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bcd16 => "bcd16",
            Self::Bcd32 => "bcd32",
            Self::Days2000 => "days-2000",
            Self::Text(_) => "string",
        }
    }

    /// Whether single bits of it can be picked.
    #[must_use]
    pub fn has_bits(self) -> bool {
        matches!(self, Self::U16 | Self::U32 | Self::U64)
    }

    /// Whether it is a number that can be scaled.
    #[must_use]
    pub fn is_number(self) -> bool {
        !matches!(self, Self::Text(_) | Self::Days2000)
    }

    /// Reads a value from exactly [`Type::width`] registers. With a `mask` only those bits count, moved down to bit 0.
    ///
    /// # Errors
    /// When the registers hold no value of this type.
    pub fn read(self, registers: &[u16], order: WordOrder, mask: Option<u64>) -> Result<RawValue, QualityReason> {
        if registers.len() != usize::from(self.width()) {
            return Err(QualityReason::NotUnderstood);
        }
        let ordered = |register: &u16| if order.swapped() { register.swap_bytes() } else { *register };
        if let Self::Text(_) = self {
            return Ok(RawValue::Text(text(&registers.iter().map(ordered).collect::<Vec<_>>())));
        }
        let word = |joined: u64, register: &u16| joined << 16 | u64::from(ordered(register));
        let joined =
            if order.low_word_first() { registers.iter().rev().fold(0, word) } else { registers.iter().fold(0, word) };
        if let Some(mask) = mask.filter(|mask| *mask != 0) {
            return integer((joined & mask) >> mask.trailing_zeros());
        }
        match self {
            Self::U16 | Self::U32 | Self::U64 => integer(joined),
            Self::S16 => Ok(RawValue::Integer(i64::from(joined as u16 as i16))),
            Self::S64 => Ok(RawValue::Integer(joined as i64)),
            Self::Bcd16 | Self::Bcd32 => decimal(joined, self.width() * 4),
            Self::Days2000 => Ok(RawValue::Text(date(joined))),
            Self::S32 => Ok(RawValue::Integer(i64::from(joined as u32 as i32))),
            Self::F32 => {
                let number = f32::from_bits(joined as u32);
                // A device that has no value sends "not a number".
                if number.is_finite() {
                    Ok(RawValue::Number(f64::from(number)))
                } else {
                    Err(QualityReason::NotAvailable)
                }
            }
            Self::F64 => {
                let number = f64::from_bits(joined);
                if number.is_finite() { Ok(RawValue::Number(number)) } else { Err(QualityReason::NotAvailable) }
            }
            Self::Text(_) => Err(QualityReason::NotUnderstood),
        }
    }

    /// The registers that hold `raw`, if it fits.
    #[must_use]
    pub fn write(self, raw: f64, order: WordOrder) -> Option<Vec<u16>> {
        let joined = match self {
            Self::F32 => {
                let number = raw as f32;
                return number.is_finite().then(|| self.words(u64::from(number.to_bits()), order));
            }
            Self::F64 => return raw.is_finite().then(|| self.words(raw.to_bits(), order)),
            Self::Text(_) | Self::Days2000 => return None,
            Self::Bcd16 => bcd(whole(raw, 0.0, 9_999.0)?.unsigned_abs()),
            Self::Bcd32 => bcd(whole(raw, 0.0, 99_999_999.0)?.unsigned_abs()),
            Self::S64 => whole(raw, -9_007_199_254_740_992.0, 9_007_199_254_740_992.0)? as u64,
            Self::U16 => u64::from(whole(raw, 0.0, f64::from(u16::MAX))? as u16),
            Self::S16 => u64::from(whole(raw, f64::from(i16::MIN), f64::from(i16::MAX))? as i16 as u16),
            Self::U32 => u64::from(whole(raw, 0.0, f64::from(u32::MAX))? as u32),
            Self::S32 => u64::from(whole(raw, f64::from(i32::MIN), f64::from(i32::MAX))? as i32 as u32),
            Self::U64 => whole(raw, 0.0, 9_007_199_254_740_992.0)?.unsigned_abs(),
        };
        Some(self.words(joined, order))
    }

    fn words(self, joined: u64, order: WordOrder) -> Vec<u16> {
        let mut words: Vec<u16> = (0..self.width()).rev().map(|word| (joined >> (16 * word)) as u16).collect();
        if order.low_word_first() {
            words.reverse();
        }
        if order.swapped() {
            words.iter_mut().for_each(|word| *word = word.swap_bytes());
        }
        words
    }
}

fn integer(value: u64) -> Result<RawValue, QualityReason> {
    i64::try_from(value).map(RawValue::Integer).map_err(|_| QualityReason::NotUnderstood)
}

fn whole(raw: f64, low: f64, high: f64) -> Option<i64> {
    let rounded = raw.round();
    (rounded >= low && rounded <= high).then_some(rounded as i64)
}

/// The number whose decimal digits are the nibbles.
fn decimal(joined: u64, digits: u16) -> Result<RawValue, QualityReason> {
    let mut number = 0;
    for at in (0..digits).rev() {
        let digit = joined >> (4 * at) & 0xF;
        if digit > 9 {
            return Err(QualityReason::NotUnderstood);
        }
        number = number * 10 + digit as i64;
    }
    Ok(RawValue::Integer(number))
}

fn bcd(mut number: u64) -> u64 {
    let mut joined = 0;
    for at in 0..8 {
        joined |= (number % 10) << (4 * at);
        number /= 10;
    }
    joined
}

/// The day that lies so many days after 2000-01-01.
fn date(days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (2000, days);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", left + 1)
}

/// Two characters per register, first character high, filled up with blanks or zeros.
fn text(registers: &[u16]) -> String {
    let bytes: Vec<u8> = registers.iter().flat_map(|register| register.to_be_bytes()).collect();
    let text = String::from_utf8_lossy(&bytes);
    let text = text.split('\0').next().unwrap_or_default();
    text.chars().filter(|letter| !letter.is_control()).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn registers_become_raw_values() {
        let big = WordOrder::Big;
        for (kind, registers, order, expected) in [
            (Type::U16, vec![0xFFFF], big, RawValue::Integer(65535)),
            (Type::S16, vec![0xFFFF], big, RawValue::Integer(-1)),
            (Type::U32, vec![1, 2], big, RawValue::Integer(65538)),
            (Type::U32, vec![0x006C, 0], WordOrder::Little, RawValue::Integer(108)),
            (Type::S32, vec![0xFFFF, 0xFFFE], big, RawValue::Integer(-2)),
            (Type::U64, vec![0, 0, 1, 0], big, RawValue::Integer(65536)),
            (Type::F32, vec![0x4366, 0x3333], big, RawValue::Number(f64::from(230.2_f32))),
            (Type::S64, vec![0xFFFF; 4], big, RawValue::Integer(-1)),
            (Type::F64, vec![0x4008, 0, 0, 0], big, RawValue::Number(3.0)),
            (Type::Bcd16, vec![0x1234], big, RawValue::Integer(1234)),
            (Type::Bcd32, vec![0x0012, 0x3456], big, RawValue::Integer(123_456)),
            (Type::Days2000, vec![0], big, RawValue::Text("2000-01-01".to_owned())),
            (Type::Days2000, vec![8766], big, RawValue::Text("2024-01-01".to_owned())),
            (Type::Days2000, vec![59], big, RawValue::Text("2000-02-29".to_owned())),
            (Type::U32, vec![0x0201, 0x0403], WordOrder::BigSwapped, RawValue::Integer(0x0102_0304)),
            (Type::U32, vec![0x0403, 0x0201], WordOrder::LittleSwapped, RawValue::Integer(0x0102_0304)),
            (Type::Text(3), vec![0x4150, 0x4320, 0], big, RawValue::Text("APC".to_owned())),
        ] {
            assert_eq!(kind.read(&registers, order, None), Ok(expected), "{kind:?}");
        }
        assert_eq!(Type::U16.read(&[0b1_0110], big, Some(0b1_1110)), Ok(RawValue::Integer(0b1011)));
        assert_eq!(Type::F32.read(&[0x7FC0, 0], big, None), Err(QualityReason::NotAvailable));
        assert_eq!(Type::U64.read(&[0xFFFF; 4], big, None), Err(QualityReason::NotUnderstood));
        assert_eq!(Type::Bcd16.read(&[0x12A4], big, None), Err(QualityReason::NotUnderstood));
        assert_eq!(Type::U32.read(&[1], big, None), Err(QualityReason::NotUnderstood));
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        assert_eq!(Type::U16.write(65536.0, WordOrder::Big), None);
        assert_eq!(Type::U16.write(-1.0, WordOrder::Big), None);
        assert_eq!(Type::S16.write(-1.0, WordOrder::Big), Some(vec![0xFFFF]));
        assert_eq!(Type::U32.write(f64::NAN, WordOrder::Big), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(raw: i32, order: u8) {
            let orders = [WordOrder::Big, WordOrder::Little, WordOrder::BigSwapped, WordOrder::LittleSwapped];
            let order = orders[usize::from(order % 4)];
            let digits = raw.unsigned_abs() % 100_000_000;
            let words = Type::Bcd32.write(f64::from(digits), order).unwrap();
            prop_assert_eq!(Type::Bcd32.read(&words, order, None), Ok(RawValue::Integer(i64::from(digits))));
            let words = Type::S32.write(f64::from(raw), order).unwrap();
            prop_assert_eq!(Type::S32.read(&words, order, None), Ok(RawValue::Integer(i64::from(raw))));
        }
    }
}
