//! Reading the columns of a group, value by value, where they lie.

use super::{
    CellSink, ENCODING_DOUBLE, ENCODING_STATE, ENCODING_TEXT, MAX_DECIMALS, QUALITY_BAD, QUALITY_UNCERTAIN, RawValue,
};
use crate::catalogue::PointSpec;
use crate::error::DecodeError;
use crate::limits;
use crate::packed;
use crate::value::{PointKind, Quality, QualityReason};

pub(super) struct CellReader<'a> {
    pub(super) integers: &'a [u8],
    pub(super) doubles: &'a [u8],
    pub(super) texts: &'a [u8],
}

impl<'a> CellReader<'a> {
    /// Shows the next cell of a column.
    #[inline]
    pub(super) fn show(
        &mut self,
        (column, row): (usize, usize),
        encoding: u32,
        point: &PointSpec,
        previous: &mut i64,
        qualities: &mut QualityReader<'_>,
        sink: &mut impl CellSink,
    ) -> Result<(), DecodeError> {
        let (code, reason) = qualities.next_cell()?;
        if code == QUALITY_BAD {
            sink.cell(column, row, None, Quality::Bad, reason);
            return Ok(());
        }
        match self.next(encoding, point, previous)? {
            None => sink.cell(column, row, None, Quality::Bad, QualityReason::NotUnderstood),
            value if code == QUALITY_UNCERTAIN => sink.cell(column, row, value, Quality::Uncertain, reason),
            value => sink.cell(column, row, value, Quality::Good, QualityReason::None),
        }
        Ok(())
    }

    /// The next value of a column; `None` if it is not a value that a reading can have.
    pub(super) fn next<'v>(
        &mut self,
        encoding: u32,
        point: &'v PointSpec,
        previous: &mut i64,
    ) -> Result<Option<RawValue<'v>>, DecodeError>
    where
        'a: 'v,
    {
        let short = || DecodeError::inconsistent("rows", format!("values of point \"{}\" are missing", point.name));
        Ok(match encoding {
            ENCODING_DOUBLE => {
                let (number, rest) = self.doubles.split_first_chunk().ok_or_else(short)?;
                self.doubles = rest;
                let number = f64::from_le_bytes(*number);
                number.is_finite().then_some(RawValue::Double(number))
            }
            ENCODING_TEXT => {
                if self.texts.is_empty() {
                    return Err(short());
                }
                let text = packed::text(&mut self.texts)?;
                DecodeError::check_size("text value bytes", text.len(), limits::TEXT_BYTES)?;
                Some(RawValue::Text(text))
            }
            _ => {
                if self.integers.is_empty() {
                    return Err(short());
                }
                let integer = previous.wrapping_add(packed::signed(&mut self.integers)?);
                *previous = integer;
                match (encoding, point.kind) {
                    (ENCODING_STATE, _) => usize::try_from(integer)
                        .ok()
                        .and_then(|index| point.states.get(index).map(|state| RawValue::State(index, state))),
                    (0, PointKind::Counter) => Some(RawValue::Integer(integer)),
                    (0..=MAX_DECIMALS, _) => Some(RawValue::Scaled(integer, encoding as u8)),
                    _ => {
                        let problem = format!("point \"{}\" has unknown encoding {encoding}", point.name);
                        return Err(DecodeError::inconsistent("rows", problem));
                    }
                }
            }
        })
    }

    pub(super) fn is_done(&self) -> bool {
        self.integers.is_empty() && self.doubles.is_empty() && self.texts.is_empty()
    }
}

/// Reads `[column, code]` pairs with ascending columns.
pub(super) struct PairReader<'a> {
    pairs: &'a [u8],
    next: Option<(u32, u32)>,
}

impl<'a> PairReader<'a> {
    pub(super) fn new(pairs: &'a [u8], what: &str) -> Result<Self, DecodeError> {
        if !packed::count(pairs).is_multiple_of(2) {
            return Err(DecodeError::inconsistent("rows", format!("{what} are not pairs")));
        }
        let mut reader = Self { pairs, next: None };
        reader.advance()?;
        Ok(reader)
    }

    pub(super) fn advance(&mut self) -> Result<(), DecodeError> {
        self.next = if self.pairs.is_empty() {
            None
        } else {
            Some((packed::small(&mut self.pairs)?, packed::small(&mut self.pairs)?))
        };
        Ok(())
    }

    pub(super) fn take(&mut self, column: u32) -> Result<Option<u32>, DecodeError> {
        let Some((_, code)) = self.next.filter(|(at, _)| *at == column) else { return Ok(None) };
        self.advance()?;
        Ok(Some(code))
    }

    pub(super) fn is_done(&self) -> bool {
        self.next.is_none()
    }
}

/// Reads `[distance to the previous exception, code]` pairs over the cells in order.
pub(super) struct QualityReader<'a> {
    pairs: PairReader<'a>,
    at: u32,
    base: u32,
}

impl<'a> QualityReader<'a> {
    pub(super) fn new(pairs: &'a [u8]) -> Result<Self, DecodeError> {
        Ok(Self { pairs: PairReader::new(pairs, "qualities")?, at: 0, base: 0 })
    }

    pub(super) fn next_cell(&mut self) -> Result<(u32, QualityReason), DecodeError> {
        if self.pairs.is_done() {
            return Ok((0, QualityReason::None));
        }
        let distance = self.at - self.base;
        let code = self.pairs.take(distance)?;
        if code.is_some() {
            self.base = self.at;
        }
        self.at += 1;
        let code = code.unwrap_or(0);
        Ok((code & 3, QualityReason::from_number(code >> 2)))
    }

    pub(super) fn is_done(&self) -> bool {
        self.pairs.is_done()
    }
}
