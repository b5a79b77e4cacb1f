//! Numbers as integers: with so many decimals, or bit by bit.

use crate::telemetry::integers::{self, Malformed, put_part, take_byte, take_part};

/// A day has no more minutes.
pub(super) const MOST_WINDOWS: usize = 1_440;
/// Stands for no decimals at all.
const BITS: u8 = u8::MAX;
const POWERS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53

/// How numbers stand for integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Times ten to the power of so many decimals.
    Scaled(u8),
    /// Their bits.
    Bits,
}

impl Form {
    /// The form with the fewest decimals in which `fits` says yes.
    pub(super) fn fitting(fits: impl Fn(u8) -> bool) -> Self {
        (0..=9).find(|decimals| fits(*decimals)).map_or(Self::Bits, Self::Scaled)
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Scaled(decimals) => decimals,
            Self::Bits => BITS,
        });
    }

    pub(super) fn take(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        match take_byte(bytes)? {
            BITS => Ok(Self::Bits),
            decimals if usize::from(decimals) < POWERS.len() => Ok(Self::Scaled(decimals)),
            _ => Err(Malformed("numbers have too many decimals")),
        }
    }

    /// The integer that stands for a number that fits.
    pub(super) fn integer(self, number: f64) -> i64 {
        match self {
            Self::Scaled(decimals) => (number * POWERS[usize::from(decimals)]).round() as i64,
            Self::Bits => number.to_bits() as i64,
        }
    }

    /// The number that an integer stands for.
    pub(super) fn number(self, integer: i64) -> f64 {
        match self {
            Self::Scaled(decimals) => integer as f64 / POWERS[usize::from(decimals)],
            Self::Bits => f64::from_bits(integer as u64),
        }
    }
}

/// Whether the number, rounded to so many decimals, is itself but for `error`.
pub(super) fn fits(number: f64, decimals: u8, error: f64) -> bool {
    let scaled = (number * POWERS[usize::from(decimals)]).round();
    let rounded = scaled / POWERS[usize::from(decimals)];
    scaled.abs() < EXACT && (rounded - number).abs() <= error
}

pub(super) fn put_integers(out: &mut Vec<u8>, numbers: impl Iterator<Item = i64>) {
    put_part(out, &integers::encode(&numbers.collect::<Vec<_>>()));
}

pub(super) fn take_integers(bytes: &mut &[u8], count: usize) -> Result<Vec<i64>, Malformed> {
    integers::decode(take_part(bytes)?, count)
}
