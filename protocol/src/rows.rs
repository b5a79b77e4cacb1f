//! Readings in columns: the rows of one read group within a batch.
//!
//! Most rows are small (a dead-band leaves most values out) and most values are decimal numbers with few digits, so
//! a cell costs one to three bytes before compression. `docs/wire.md`, "Rows of a group", is the specification.

mod encode;
mod read;

use self::encode::{encode_column, encode_order, encode_presence};
use self::read::{CellReader, PairReader, QualityReader};
use crate::catalogue::{GroupSpec, PointSpec};
use crate::clock::{Anchor, BootTime};
use crate::error::DecodeError;
use crate::limits;
use crate::packed::{self, Parts, Span};
use crate::record::apply_time_step;
use crate::value::{PointKind, Quality, QualityReason, Value};
use crate::wire;
use prost::Message as _;
use prost::bytes::Bytes;

/// The number of a read group within a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupIndex(pub u32);

/// One point of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The value; `None` exactly when the quality is bad.
    pub value: Option<Value>,
    /// How far it may be believed.
    pub quality: Quality,
    /// Why it is not good.
    pub reason: QualityReason,
}

impl Cell {
    /// A good value.
    #[must_use]
    pub fn good(value: Value) -> Self {
        Self { value: Some(value), quality: Quality::Good, reason: QualityReason::None }
    }

    /// A value that no rule should act on alone.
    #[must_use]
    pub fn uncertain(value: Value, reason: QualityReason) -> Self {
        Self { value: Some(value), quality: Quality::Uncertain, reason }
    }

    /// No usable value.
    #[must_use]
    pub fn bad(reason: QualityReason) -> Self {
        Self { value: None, quality: Quality::Bad, reason }
    }
}

/// Whatever one poll of a group found worth keeping.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The record's number; zero in a snapshot.
    pub seq: u64,
    /// When the group was read.
    pub boot_time: BootTime,
    /// The kept cells, by ascending column of the group.
    pub cells: Vec<(u16, Cell)>,
}

/// Rows of one group as they travel; [`GroupRows::rows`] opens them with the group's description.
#[derive(Debug, Clone)]
pub struct GroupRows {
    bytes: Bytes,
    parts: Parts,
}

impl PartialEq for GroupRows {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

// Encodings of a column, `docs/wire.md`. 0 to 9 are decimal places of a scaled integer.
const MAX_DECIMALS: u32 = 9;
const ENCODING_DOUBLE: u32 = 16;
const ENCODING_TEXT: u32 = 17;
const ENCODING_STATE: u32 = 18;

const QUALITY_UNCERTAIN: u32 = 1;
const QUALITY_BAD: u32 = 2;

impl GroupRows {
    /// Encodes `rows` of the group. Numbers must ascend; in a snapshot (`first_seq` 0) they are all zero.
    #[must_use]
    pub fn encode(index: GroupIndex, group: &GroupSpec, rows: &[Row], first_seq: u64, anchor: &Anchor) -> Self {
        let mut wire = wire::GroupRows { group: index.0, ..wire::GroupRows::default() };
        encode_order(&mut wire, rows, first_seq, anchor);
        encode_presence(&mut wire, rows, group.points.len());
        let mut ordinal = 0_u32;
        let mut last_quality = 0_u32;
        for (column, point) in group.points.iter().enumerate() {
            let cells: Vec<&Cell> = rows
                .iter()
                .filter_map(|row| {
                    let place = row.cells.binary_search_by_key(&(column as u16), |(at, _)| *at).ok()?;
                    Some(&row.cells[place].1)
                })
                .collect();
            for cell in &cells {
                let code = match cell.quality {
                    Quality::Good => 0,
                    Quality::Uncertain => QUALITY_UNCERTAIN,
                    Quality::Bad => QUALITY_BAD,
                };
                if code != 0 {
                    wire.qualities.extend([ordinal - last_quality, code | cell.reason.number() << 2]);
                    last_quality = ordinal;
                }
                ordinal += 1;
            }
            let values: Vec<&Value> = cells.iter().filter_map(|cell| cell.value.as_ref()).collect();
            encode_column(&mut wire, column, point, &values);
        }
        let bytes = Bytes::from(wire.encode_to_vec());
        let parts = Parts::find(&bytes).expect("what was encoded here has its usual form");
        Self { bytes, parts }
    }

    /// Finds the parts of an encoded message.
    ///
    /// # Errors
    /// When it is not readable.
    pub(crate) fn open(bytes: Bytes) -> Result<Self, DecodeError> {
        if let Some(parts) = Parts::find(&bytes) {
            return Ok(Self { bytes, parts });
        }
        // Another order of fields, fields that are not known here, or damage: protobuf decides, and what it reads is
        // brought into the usual form.
        let wire = wire::GroupRows::decode(bytes).map_err(DecodeError::malformed("rows"))?;
        let bytes = Bytes::from(wire.encode_to_vec());
        let parts = Parts::find(&bytes).ok_or_else(|| DecodeError::inconsistent("rows", "a number is too long"))?;
        Ok(Self { bytes, parts })
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The rows as they stand in an encoded batch, for keeping them apart from it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    /// Reads what [`GroupRows::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are too many or not readable.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        DecodeError::check_size("rows bytes", bytes.len(), limits::BATCH_BYTES)?;
        Self::open(Bytes::copy_from_slice(bytes))
    }

    /// The group that the rows belong to.
    #[must_use]
    pub fn group(&self) -> GroupIndex {
        GroupIndex(self.parts.group)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.rows as usize
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.rows == 0
    }

    /// Whether some cell holds a text of its own.
    #[must_use]
    pub fn has_texts(&self) -> bool {
        !self.parts.texts.of(&self.bytes).is_empty()
    }

    /// How many cells the rows hold, bad ones included; a count, not a check.
    #[must_use]
    pub fn cell_count(&self, columns: usize) -> usize {
        let presence = self.parts.presence.of(&self.bytes);
        if presence.is_empty() {
            self.len() * columns
        } else {
            presence.iter().map(|byte| byte.count_ones() as usize).sum()
        }
    }

    /// The numbers of the rows, without opening them.
    ///
    /// # Errors
    /// When the steps do not ascend or overflow.
    pub fn seqs(&self, first_seq: u64) -> Result<Vec<u64>, DecodeError> {
        self.each_seq(first_seq)?.collect()
    }

    /// The same, one after the other.
    pub(crate) fn each_seq(
        &self,
        first_seq: u64,
    ) -> Result<impl Iterator<Item = Result<u64, DecodeError>>, DecodeError> {
        let (rows, mut steps) = (self.len(), self.parts.seq_steps.of(&self.bytes));
        let counted = packed::count(steps);
        if first_seq > 0 && counted > 0 && counted != rows {
            let problem = format!("{counted} number steps for {rows} rows");
            return Err(DecodeError::inconsistent("rows", problem));
        }
        let mut seq = first_seq;
        Ok((0..rows).map(move |at| {
            if first_seq == 0 {
                return Ok(0);
            }
            if counted == 0 {
                return first_seq.checked_add(at as u64).ok_or_else(overflow);
            }
            let step = packed::small(&mut steps)?;
            if at > 0 && step == 0 {
                return Err(DecodeError::inconsistent("rows", "two rows have the same number"));
            }
            seq = seq.checked_add(u64::from(step)).ok_or_else(overflow)?;
            Ok(seq)
        }))
    }

    /// Whether the rows carry steps of their numbers.
    pub(crate) fn is_numbered(&self) -> bool {
        !self.parts.seq_steps.of(&self.bytes).is_empty()
    }

    /// Opens the rows. A number that is not finite comes back as a bad reading.
    ///
    /// # Errors
    /// When the columns do not fit the group or each other.
    pub fn rows(&self, group: &GroupSpec, first_seq: u64, anchor: &Anchor) -> Result<Vec<Row>, DecodeError> {
        let mut rows: Vec<Row> = Vec::with_capacity(self.len());
        for (seq, boot_time) in self.each_seq(first_seq)?.zip(self.boot_times(anchor)) {
            rows.push(Row { seq: seq?, boot_time, cells: Vec::new() });
        }
        self.visit(group, &mut RowCells(&mut rows))?;
        Ok(rows)
    }

    /// The times of the rows on the agent's boot clock, in order.
    pub fn boot_times(&self, anchor: &Anchor) -> impl Iterator<Item = BootTime> {
        self.view().boot_times(anchor)
    }

    /// Shows every cell to `sink` without making rows of them: column by column, each by ascending row.
    ///
    /// # Errors
    /// When the columns do not fit the group or each other; some cells were shown by then.
    pub fn visit(&self, group: &GroupSpec, sink: &mut impl CellSink) -> Result<(), DecodeError> {
        self.view().visit(group, sink)
    }

    /// The rows as they stand in an encoded batch.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.bytes
    }

    /// The rows where they lie.
    #[must_use]
    pub fn view(&self) -> RowsView<'_> {
        RowsView { bytes: &self.bytes, parts: self.parts }
    }
}

/// Rows of one group where they lie, in a batch or copied out of one.
#[derive(Debug, Clone, Copy)]
pub struct RowsView<'b> {
    bytes: &'b [u8],
    parts: Parts,
}

impl<'b> RowsView<'b> {
    /// Finds the parts of what [`GroupRows::encoded`] gave.
    ///
    /// # Errors
    /// When it did not come from there.
    pub fn open(bytes: &'b [u8]) -> Result<Self, DecodeError> {
        let parts = Parts::find(bytes).ok_or_else(|| DecodeError::inconsistent("rows", "they have another form"))?;
        Ok(Self { bytes, parts })
    }

    /// The times of the rows on the agent's boot clock, in order.
    pub fn boot_times(self, anchor: &Anchor) -> impl Iterator<Item = BootTime> + use<'b> {
        let mut steps = self.parts.time_steps.of(self.bytes);
        let mut boot_time = anchor.boot_time;
        (0..self.parts.rows).map(move |_| {
            // They were checked as the parts were found.
            boot_time = apply_time_step(boot_time, packed::signed(&mut steps).unwrap_or(0));
            boot_time
        })
    }

    /// Shows every cell to `sink` without making rows of them: column by column, each by ascending row.
    ///
    /// # Errors
    /// When the columns do not fit the group or each other; some cells were shown by then.
    pub fn visit(self, group: &GroupSpec, sink: &mut impl CellSink) -> Result<(), DecodeError> {
        let count = self.parts.rows as usize;
        let bits = group.points.len() * count;
        let presence = self.parts.presence.of(self.bytes);
        if !presence.is_empty() && presence.len() != bits.div_ceil(8) {
            let problem = format!("{} presence bytes for {bits} cells", presence.len());
            return Err(DecodeError::inconsistent("rows", problem));
        }
        let part = |part: Span| part.of(self.bytes);
        let mut exceptions = PairReader::new(part(self.parts.encodings), "encodings")?;
        let mut qualities = QualityReader::new(part(self.parts.qualities))?;
        let mut cells = CellReader {
            integers: part(self.parts.integers),
            doubles: part(self.parts.doubles),
            texts: part(self.parts.texts),
        };
        if count == 1 && !presence.is_empty() && exceptions.is_done() {
            // One row of a dead-band's leavings: only the columns that have a cell are looked at.
            for (at, byte) in presence.iter().enumerate() {
                let mut left = *byte;
                while left != 0 {
                    let column = at * 8 + left.trailing_zeros() as usize;
                    left &= left - 1;
                    // What is set after the last column means nothing.
                    let Some(point) = group.points.get(column) else { break };
                    let encoding = default_encoding(point);
                    cells.show((column, 0), encoding, point, &mut 0, &mut qualities, sink)?;
                }
            }
        } else {
            for (column, point) in group.points.iter().enumerate() {
                let encoding = exceptions.take(column as u32)?.unwrap_or_else(|| default_encoding(point));
                let mut previous = 0_i64;
                for row in 0..count {
                    let bit = column * count + row;
                    if !presence.is_empty() && presence[bit / 8] >> (bit % 8) & 1 == 0 {
                        continue;
                    }
                    cells.show((column, row), encoding, point, &mut previous, &mut qualities, sink)?;
                }
            }
        }
        if !exceptions.is_done() || !qualities.is_done() || !cells.is_done() {
            return Err(DecodeError::inconsistent("rows", "values are left over after the last column"));
        }
        Ok(())
    }
}

/// A value as it travels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RawValue<'a> {
    /// A number: the integer divided by ten to the power of the decimals, 0 to 9.
    Scaled(i64, u8),
    /// A number that has no such form.
    Double(f64),
    /// A counter's.
    Integer(i64),
    /// A word of the point's list, by its place there.
    State(usize, &'a str),
    /// Any other text.
    Text(&'a str),
}

impl RawValue<'_> {
    /// The value that it stands for.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Scaled(integer, decimals) => Value::Number(unscale(integer, decimals)),
            Self::Double(number) => Value::Number(number),
            Self::Integer(integer) => Value::Integer(integer),
            Self::State(_, text) | Self::Text(text) => Value::text(text),
        }
    }
}

/// `integer` divided by ten to the power of `decimals`, which is 0 to 9.
#[must_use]
pub fn unscale(integer: i64, decimals: u8) -> f64 {
    integer as f64 / POWERS[usize::from(decimals).min(POWERS.len() - 1)]
}

/// Takes cells as [`GroupRows::visit`] comes upon them.
pub trait CellSink {
    /// A cell of a column and row, both counted from 0; no value exactly when the quality is bad.
    fn cell(&mut self, column: usize, row: usize, value: Option<RawValue<'_>>, quality: Quality, reason: QualityReason);
}

struct RowCells<'r>(&'r mut [Row]);

impl CellSink for RowCells<'_> {
    fn cell(
        &mut self,
        column: usize,
        row: usize,
        value: Option<RawValue<'_>>,
        quality: Quality,
        reason: QualityReason,
    ) {
        let cell = Cell { value: value.map(RawValue::to_value), quality, reason };
        self.0[row].cells.push((column as u16, cell));
    }
}

fn overflow() -> DecodeError {
    DecodeError::inconsistent("rows", "the row numbers overflow")
}

fn default_encoding(point: &PointSpec) -> u32 {
    match point.kind {
        PointKind::Measurement => point.decimals.into(),
        PointKind::Counter => 0,
        PointKind::State => ENCODING_STATE,
        PointKind::Text => ENCODING_TEXT,
    }
}

const POWERS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
