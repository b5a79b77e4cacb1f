//! The parts of an encoded [`wire::GroupRows`](crate::wire::GroupRows), read where they lie.
//!
//! A batch of a quiet site holds hundreds of groups with a row each. To make lists of their numbers first would take more
//! time than all that is done with them.

use crate::error::DecodeError;

/// A part of the message's bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    from: u32,
    to: u32,
}

impl Span {
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.from as usize..self.to as usize).unwrap_or_default()
    }

    fn is_empty(self) -> bool {
        self.from == self.to
    }
}

/// Where the fields of the message are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Parts {
    pub(crate) group: u32,
    /// How many rows there are: a time step each.
    pub(crate) rows: u32,
    pub(crate) seq_steps: Span,
    pub(crate) time_steps: Span,
    pub(crate) presence: Span,
    pub(crate) encodings: Span,
    pub(crate) integers: Span,
    pub(crate) doubles: Span,
    /// Fields with keys and lengths, one after the other.
    pub(crate) texts: Span,
    pub(crate) qualities: Span,
}

const VARINT: u64 = 0;
const DELIMITED: u64 = 2;
const TEXTS: u64 = 8;

impl Parts {
    /// Finds the parts of a message that has each field once, packed, and only known ones; `None` of any other.
    pub(crate) fn find(bytes: &[u8]) -> Option<Self> {
        let mut parts = Self::default();
        let total = u32::try_from(bytes.len()).ok()?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let start = total - rest.len() as u32;
            let key = varint(&mut rest).ok()?;
            match (key >> 3, key & 7) {
                (1, VARINT) => parts.group = varint(&mut rest).ok()? as u32,
                (field, DELIMITED) => {
                    let length = usize::try_from(varint(&mut rest).ok()?).ok()?;
                    let (part, after) = rest.split_at_checked(length)?;
                    let from = total - rest.len() as u32;
                    let span = Span { from, to: from + length as u32 };
                    rest = after;
                    let place = match field {
                        2 => &mut parts.seq_steps,
                        3 => &mut parts.time_steps,
                        4 => &mut parts.presence,
                        5 => &mut parts.encodings,
                        6 => &mut parts.integers,
                        7 => &mut parts.doubles,
                        TEXTS => {
                            std::str::from_utf8(part).ok()?;
                            let texts = &mut parts.texts;
                            if texts.is_empty() {
                                texts.from = start;
                            } else if texts.to != start {
                                return None;
                            }
                            texts.to = span.to;
                            continue;
                        }
                        9 => &mut parts.qualities,
                        _ => return None,
                    };
                    let is_whole = match field {
                        4 => true,
                        7 => part.len().is_multiple_of(8),
                        _ => part.last().is_none_or(|last| *last < 0x80),
                    };
                    if !place.is_empty() || !is_whole {
                        return None;
                    }
                    *place = span;
                }
                _ => return None,
            }
        }
        // These are read by those who cannot fail.
        let mut steps = parts.time_steps.of(bytes);
        while !steps.is_empty() {
            varint(&mut steps).ok()?;
            parts.rows += 1;
        }
        Some(parts)
    }
}

/// How many numbers a packed part holds; a count, not a check.
pub(crate) fn count(part: &[u8]) -> usize {
    part.iter().filter(|byte| **byte < 0x80).count()
}

/// Takes an unsigned number off the front.
#[inline]
pub(crate) fn varint(part: &mut &[u8]) -> Result<u64, DecodeError> {
    // Most numbers are small.
    if let Some((byte, rest)) = part.split_first()
        && *byte < 0x80
    {
        *part = rest;
        return Ok(u64::from(*byte));
    }
    long_varint(part)
}

fn long_varint(part: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut number = 0_u64;
    for (at, byte) in part.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7F) << (7 * at);
        if *byte < 0x80 {
            if at == 9 && *byte > 1 {
                break;
            }
            *part = &part[at + 1..];
            return Ok(number);
        }
    }
    Err(DecodeError::inconsistent("rows", "a number is too long or ends early"))
}

/// Takes an unsigned number of 32 bits off the front; like protobuf, of a longer one its low bits.
pub(crate) fn small(part: &mut &[u8]) -> Result<u32, DecodeError> {
    varint(part).map(|number| number as u32)
}

/// Takes a signed number off the front.
pub(crate) fn signed(part: &mut &[u8]) -> Result<i64, DecodeError> {
    let number = varint(part)?;
    Ok((number >> 1) as i64 ^ -((number & 1) as i64))
}

/// Takes a text with its key and length off the front.
pub(crate) fn text<'t>(part: &mut &'t [u8]) -> Result<&'t str, DecodeError> {
    let damaged = || DecodeError::inconsistent("rows", "a text ends early");
    varint(part)?;
    let length = usize::try_from(varint(part)?).map_err(|_| damaged())?;
    let (text, rest) = part.split_at_checked(length).ok_or_else(damaged)?;
    *part = rest;
    std::str::from_utf8(text).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::wire;

    fn numbers(mut part: &[u8], signed_ones: bool) -> Vec<i64> {
        let mut found = Vec::new();
        while !part.is_empty() {
            found.push(if signed_ones { signed(&mut part).unwrap() } else { i64::from(small(&mut part).unwrap()) });
        }
        found
    }

    fn is_the_same(wire: &wire::GroupRows, bytes: &[u8]) {
        let parts = Parts::find(bytes).unwrap();
        assert_eq!((parts.group, parts.rows as usize), (wire.group, wire.time_steps.len()));
        let wide = |numbers: &[u32]| numbers.iter().map(|number| i64::from(*number)).collect::<Vec<_>>();
        assert_eq!(numbers(parts.seq_steps.of(bytes), false), wide(&wire.seq_steps));
        assert_eq!(numbers(parts.encodings.of(bytes), false), wide(&wire.encodings));
        assert_eq!(numbers(parts.qualities.of(bytes), false), wide(&wire.qualities));
        assert_eq!(numbers(parts.time_steps.of(bytes), true), wire.time_steps);
        assert_eq!(numbers(parts.integers.of(bytes), true), wire.integers);
        assert_eq!(parts.presence.of(bytes), wire.presence);
        let doubles: Vec<u8> = wire.doubles.iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(parts.doubles.of(bytes), doubles);
        let mut texts = parts.texts.of(bytes);
        for wanted in &wire.texts {
            assert_eq!(text(&mut texts).unwrap(), wanted);
        }
        assert!(texts.is_empty());
    }

    proptest! {
        #[test]
        fn the_parts_are_what_protobuf_reads(
            group: u32,
            seq_steps in prop::collection::vec(any::<u32>(), 0..4),
            time_steps in prop::collection::vec(any::<i64>(), 0..4),
            presence in prop::collection::vec(any::<u8>(), 0..4),
            encodings in prop::collection::vec(any::<u32>(), 0..4),
            integers in prop::collection::vec(any::<i64>(), 0..5),
            doubles in prop::collection::vec(-1e9..1e9, 0..4),
            texts in prop::collection::vec(".{0,3}", 0..4),
            qualities in prop::collection::vec(any::<u32>(), 0..4),
        ) {
            let wire = wire::GroupRows {
                group, seq_steps, time_steps, presence, encodings, integers, doubles, texts, qualities,
            };
            is_the_same(&wire, &wire.encode_to_vec());
        }

        #[test]
        fn what_is_found_in_any_bytes_protobuf_reads_too(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(parts) = Parts::find(&bytes) {
                // Numbers that nobody has looked at may be too long; then reading them fails.
                if let Ok(wire) = wire::GroupRows::decode(bytes.as_slice()) {
                    prop_assert_eq!(parts.rows as usize, wire.time_steps.len());
                    is_the_same(&wire, &bytes);
                } else {
                    let lazy = [parts.seq_steps, parts.encodings, parts.integers, parts.qualities];
                    let fails = |part: Span| {
                        let mut part = part.of(&bytes);
                        while !part.is_empty() {
                            if varint(&mut part).is_err() {
                                return true;
                            }
                        }
                        false
                    };
                    prop_assert!(lazy.into_iter().any(fails), "protobuf refuses what is read here");
                }
            }
        }
    }

    #[test]
    fn another_order_and_unknown_fields_are_left_to_protobuf() {
        let wire = wire::GroupRows { group: 3, time_steps: vec![5], integers: vec![7, -1], ..Default::default() };
        let usual = wire.encode_to_vec();
        let unpacked = [usual.as_slice(), &[0x30, 0x02]].concat();
        assert!(Parts::find(&unpacked).is_none(), "an integer more, by itself");
        let opened = crate::GroupRows::open(unpacked.into()).unwrap();
        let wanted = wire::GroupRows { integers: vec![7, -1, 1], ..wire };
        assert_eq!(opened.to_bytes(), wanted.encode_to_vec());
        assert!(crate::GroupRows::open([usual.as_slice(), &[0x80]].concat().into()).is_err());
    }
}
