//! Values at places in a frame. Pure.

use std::ops::Range;

use kouan_protocol::limits::TEXT_BYTES;
use kouan_protocol::{FieldValue, QualityReason};
use kouan_settings::Section;

use crate::driver::RawValue;
use crate::serial_line::FrameFormat;
use crate::serial_line::place::{Place, read_place};

/// Where a value stands in a frame, and how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Bytes that are a number.
    Bytes(Place),
    /// Characters.
    Characters { span: Span, reading: Reading },
}

/// Which characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Span {
    /// All between start and checksum.
    Whole,
    /// From this offset of the frame on, so many or up to the checksum.
    At { at: usize, length: Option<usize> },
    /// Between separators; the first column is 0.
    Column { separator: u8, column: usize },
}

/// What characters are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// Text; some texts stand for raw values.
    Text { texts: Vec<(String, i64)> },
    /// A decimal number, perhaps with a sign before and a unit behind. The digit at `decimals_at` of the frame, if
    /// there is such, says how many of the digits are decimals.
    Number { decimals_at: Option<usize> },
    /// A hexadecimal number.
    Hex,
}

/// Most digits of a number.
const LONGEST_NUMBER: usize = 32;

impl Part {
    /// Reads `at` with `type`, or `read` with `at`, `length`, `column`, `texts` and `decimals_at`.
    pub(super) fn read(section: &mut Section<'_>, separator: Option<u8>, longest: usize) -> Option<Self> {
        if !section.has("read") && !section.has("column") && !section.has("texts") && section.has("at") {
            return read_place(section, longest).map(Self::Bytes);
        }
        let within = 0..=longest as i64 - 1;
        let kinds = [("text", 0), ("number", 1), ("hex", 2)];
        let kind = section.choice("read", &kinds).unwrap_or(0);
        let at = section.integer("at", within.clone()).map(|at| at.unsigned_abs() as usize);
        let length = section.integer("length", 1..=longest as i64).map(|length| length.unsigned_abs() as usize);
        let column = section.integer("column", 0..=255).map(|column| column.unsigned_abs() as usize);
        let span = match (at, column) {
            (None, None) => Span::Whole,
            (Some(at), None) => Span::At { at, length },
            (None, Some(column)) => match separator {
                Some(separator) => Span::Column { separator, column },
                None => {
                    section.wrong(
                        "column",
                        (
                            "columns need what separates them, such as separator = \",\" in [frame]",
                            "分列需要分隔符，如在 [frame] 中写 separator = \",\"",
                        ),
                    );
                    return None;
                }
            },
            (Some(_), Some(_)) => {
                section.wrong(
                    "column",
                    (
                        "a value stands at an offset or in a column; give one of them",
                        "值要么按位置，要么按列；只写一个",
                    ),
                );
                return None;
            }
        };
        if length.is_some() && at.is_none() {
            section.wrong("length", ("a length needs an offset, such as at = 3", "length 需要位置，如 at = 3"));
        }
        let mut texts = Vec::new();
        if let Some(mut table) = section.section("texts") {
            for text in table.remaining_keys() {
                texts.extend(table.integer(&text, i64::MIN..=i64::MAX).map(|raw| (text, raw)));
            }
        }
        let decimals_at = section.integer("decimals_at", within).map(|at| at.unsigned_abs() as usize);
        if kind != 1 && decimals_at.is_some() {
            section.wrong(
                "decimals_at",
                ("only a number has decimals; add read = \"number\"", "只有数字才有小数；请加 read = \"number\""),
            );
        }
        if kind != 0 && !texts.is_empty() {
            section.wrong(
                "texts",
                ("only a text can stand for something else; remove read", "只有文字才能对应其他值；请去掉 read"),
            );
        }
        let reading = match kind {
            1 => Reading::Number { decimals_at },
            2 => Reading::Hex,
            _ => Reading::Text { texts },
        };
        Some(Self::Characters { span, reading })
    }

    /// The same further on: so many bytes, or columns.
    pub(super) fn shifted(&self, steps: u32, longest: usize) -> Option<Self> {
        match self {
            Self::Bytes(place) => place.shifted(steps, longest).map(Self::Bytes),
            Self::Characters { span: Span::Column { separator, column }, reading } => {
                let span = Span::Column { separator: *separator, column: column + steps as usize };
                Some(Self::Characters { span, reading: reading.clone() })
            }
            Self::Characters { .. } => None,
        }
    }

    /// One bit.
    pub(super) fn bit(&self, bit: u8) -> Option<Self> {
        match self {
            Self::Bytes(place) => place.bit(bit).map(Self::Bytes),
            Self::Characters { .. } => None,
        }
    }

    /// The raw value in a frame.
    pub(super) fn raw(&self, format: &FrameFormat, frame: &[u8]) -> Result<RawValue, QualityReason> {
        let (span, reading) = match self {
            Self::Bytes(place) => return place.read(frame),
            Self::Characters { span, reading } => (span, reading),
        };
        let range = span.range(format, frame);
        let characters = range.and_then(|range| frame.get(range)).ok_or(QualityReason::NotUnderstood)?;
        let read = match reading {
            Reading::Text { texts } => {
                let text = text_of(characters);
                match texts.iter().find(|(known, _)| *known == text) {
                    Some((_, raw)) => Some(RawValue::Integer(*raw)),
                    None => Some(RawValue::Text(text)),
                }
            }
            Reading::Number { decimals_at: None } => number(characters),
            Reading::Number { decimals_at: Some(at) } => {
                let digit = frame.get(*at).and_then(|byte| char::from(*byte).to_digit(10));
                match (number(characters), digit) {
                    (Some(RawValue::Integer(number)), Some(digit)) => {
                        Some(RawValue::Number(number as f64 / 10_f64.powi(digit as i32)))
                    }
                    _ => None,
                }
            }
            Reading::Hex => hexadecimal(characters),
        };
        read.ok_or(QualityReason::NotUnderstood)
    }

    /// Where it stands in a frame.
    pub(super) fn range(&self, format: &FrameFormat, frame: &[u8]) -> Option<Range<usize>> {
        match self {
            Self::Bytes(place) => Some(place.at..place.end()).filter(|range| range.end <= frame.len()),
            Self::Characters { span, .. } => span.range(format, frame),
        }
    }

    /// The value as a field of an event; `None` where there is none.
    pub(super) fn field(&self, format: &FrameFormat, frame: &[u8]) -> Option<FieldValue> {
        Some(match self.raw(format, frame).ok()? {
            RawValue::Integer(integer) => FieldValue::Integer(integer),
            RawValue::Number(number) => FieldValue::Number(number),
            RawValue::Text(text) if text.is_empty() => return None,
            RawValue::Text(text) => FieldValue::Text(text),
        })
    }
}

impl Span {
    fn range(&self, format: &FrameFormat, frame: &[u8]) -> Option<Range<usize>> {
        let payload = format.payload(frame);
        let start = format.start.len();
        match self {
            Self::Whole => Some(start..start + payload.len()),
            Self::At { at, length: Some(length) } => Some(*at..at + length),
            Self::At { at, length: None } => Some(*at..start + payload.len()),
            Self::Column { separator, column } => {
                let mut columns = payload.split(|byte| byte == separator);
                let before: usize = columns.by_ref().take(*column).map(|column| column.len() + 1).sum();
                columns.next().map(|column| start + before..start + before + column.len())
            }
        }
        .filter(|range| range.start <= range.end && range.end <= frame.len())
    }
}

fn is_around(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control()
}

/// What stands between blanks and control characters.
pub(super) fn trimmed(mut characters: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = characters
        && is_around(*first)
    {
        characters = rest;
    }
    while let [rest @ .., last] = characters
        && is_around(*last)
    {
        characters = rest;
    }
    characters
}

/// The text, or the bytes in hexadecimal where they are not UTF-8: in a Chinese code they may be GBK, and nothing of it
/// must be lost.
fn text_of(characters: &[u8]) -> String {
    let characters = trimmed(characters);
    let text = match std::str::from_utf8(characters) {
        Ok(text) => text.to_owned(),
        Err(_) => characters.iter().map(|byte| format!("{byte:02X}")).collect(),
    };
    let end = (0..=TEXT_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].to_owned()
}

/// `+ 00012.34kg`
fn number(characters: &[u8]) -> Option<RawValue> {
    let text = std::str::from_utf8(trimmed(characters)).ok()?;
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let rest = rest.trim_start();
    let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
    let digits = &rest[..end];
    if digits.is_empty() || digits.len() > LONGEST_NUMBER {
        return None;
    }
    let digits = format!("{sign}{digits}");
    match digits.parse::<i64>() {
        Ok(integer) => Some(RawValue::Integer(integer)),
        Err(_) => digits.parse().ok().filter(|number: &f64| number.is_finite()).map(RawValue::Number),
    }
}

fn hexadecimal(characters: &[u8]) -> Option<RawValue> {
    let text = std::str::from_utf8(trimmed(characters)).ok()?;
    // `from_str_radix` would take a sign.
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    i64::from_str_radix(text, 16).ok().map(RawValue::Integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_signs_blanks_and_units() {
        for (text, expected) in [
            ("+00012.34kg", Some(RawValue::Number(12.34))),
            ("-  183.96  g", Some(RawValue::Number(-183.96))),
            (" 42", Some(RawValue::Integer(42))),
            ("-0007", Some(RawValue::Integer(-7))),
            ("kg", None),
            ("", None),
            ("1.2.3", None),
            ("+-5", None),
            ("999999999999999999999999999999999", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_a_number() {
        assert_eq!(hexadecimal(b"0063E9AE"), Some(RawValue::Integer(6_547_886)));
        assert_eq!(hexadecimal(b"+1"), None);
        assert_eq!(hexadecimal(b"FFFFFFFFFFFFFFFF"), None, "more than the widest number");
    }

    #[test]
    fn no_byte_of_a_code_is_lost() {
        assert_eq!(text_of(b"\n 6901234567892 \r"), "6901234567892");
        assert_eq!(text_of(b"\xD6\xD0"), "D6D0");
    }
}
