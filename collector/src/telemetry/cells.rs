//! A column of readings in memory: which rows have a cell, the values, and what is wrong with some of them.

use std::sync::Arc;

use kouan_protocol::{PointKind, Quality, QualityReason, RawValue, Value, unscale};

/// Integers up to here are exact as `f64` (2^53).
const EXACT: i64 = 1 << 53;
const POWERS: [i64; 10] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// What is wrong with a cell, in one byte: the quality in two bits, the reason above them. 0 is a good cell.
pub(super) type Flaw = u8;
const UNCERTAIN: Flaw = 1;
const BAD: Flaw = 2;

/// Quality and reason as one byte.
pub(super) fn flaw_of(quality: Quality, reason: QualityReason) -> Flaw {
    let reason = (reason.number().min(63) as Flaw) << 2;
    match quality {
        Quality::Good => 0,
        Quality::Uncertain => UNCERTAIN | reason,
        Quality::Bad => BAD | reason,
    }
}

/// Quality and reason out of a byte.
pub(super) fn quality_of(flaw: Flaw) -> (Quality, QualityReason) {
    let quality = match flaw & 3 {
        0 => Quality::Good,
        UNCERTAIN => Quality::Uncertain,
        _ => Quality::Bad,
    };
    (quality, QualityReason::from_number(u32::from(flaw >> 2)))
}

/// Whether a cell with that flaw has a value.
pub(super) fn has_value(flaw: Flaw) -> bool {
    flaw & BAD == 0
}

/// The values of the cells that have one, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// Numbers: each integer divided by ten to the power of the decimals.
    Scaled { decimals: u8, integers: Vec<i64> },
    /// Numbers that have no such form.
    Doubles(Vec<f64>),
    /// Counters.
    Integers(Vec<i64>),
    /// States and texts: places in a list of different words.
    Words { places: Vec<u32>, words: Vec<Arc<str>> },
}

impl Values {
    pub(super) fn new(kind: PointKind, decimals: u8) -> Self {
        match kind {
            PointKind::Measurement => Self::Scaled { decimals: decimals.min(9), integers: Vec::new() },
            PointKind::Counter => Self::Integers(Vec::new()),
            PointKind::State | PointKind::Text => Self::Words { places: Vec::new(), words: Vec::new() },
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Scaled { integers, .. } | Self::Integers(integers) => integers.len(),
            Self::Doubles(numbers) => numbers.len(),
            Self::Words { places, .. } => places.len(),
        }
    }

    /// The value at a place.
    pub(super) fn get(&self, at: usize) -> Option<Value> {
        Some(match self {
            Self::Scaled { decimals, integers } => Value::Number(unscale(*integers.get(at)?, *decimals)),
            Self::Doubles(numbers) => Value::Number(*numbers.get(at)?),
            Self::Integers(integers) => Value::Integer(*integers.get(at)?),
            Self::Words { places, words } => Value::Text(Arc::clone(words.get(*places.get(at)? as usize)?)),
        })
    }

    /// Adds a value; false if the column cannot hold such a value.
    fn push(&mut self, value: RawValue<'_>) -> bool {
        match (&mut *self, value) {
            (Self::Scaled { decimals, integers }, RawValue::Scaled(integer, own)) if own == *decimals => {
                integers.push(integer);
            }
            (Self::Scaled { .. }, RawValue::Scaled(integer, own)) => {
                let most = self.decimals().max(own);
                match rescale(integer, own, most).filter(|_| self.rescale_to(most)) {
                    Some(integer) => self.push_integer(integer),
                    None => return self.push_double(unscale(integer, own)),
                }
            }
            (Self::Scaled { .. } | Self::Doubles(_), RawValue::Double(number)) => return self.push_double(number),
            (Self::Scaled { .. } | Self::Doubles(_), RawValue::Integer(integer)) => {
                return self.push_double(integer as f64);
            }
            (Self::Doubles(numbers), RawValue::Scaled(integer, decimals)) => numbers.push(unscale(integer, decimals)),
            (Self::Integers(integers), RawValue::Integer(integer) | RawValue::Scaled(integer, 0)) => {
                integers.push(integer);
            }
            (Self::Integers(_), RawValue::Scaled(..) | RawValue::Double(_)) => {
                let number = value.to_value().as_f64().unwrap_or(0.0);
                self.push_integer(number as i64);
            }
            (Self::Words { places, words }, value) => {
                let number;
                let (guess, text) = match value {
                    RawValue::State(place, text) => (place, text),
                    RawValue::Text(text) => (usize::MAX, text),
                    other => {
                        number = other.to_value().to_string();
                        (usize::MAX, number.as_str())
                    }
                };
                places.push(place_of(words, guess, text));
            }
            (_, RawValue::State(..) | RawValue::Text(_)) => return false,
        }
        true
    }

    fn decimals(&self) -> u8 {
        if let Self::Scaled { decimals, .. } = self { *decimals } else { 0 }
    }

    fn push_integer(&mut self, integer: i64) {
        if let Self::Scaled { integers, .. } | Self::Integers(integers) = self {
            integers.push(integer);
        }
    }

    fn push_double(&mut self, number: f64) -> bool {
        self.make_doubles();
        if let Self::Doubles(numbers) = self {
            numbers.push(number);
        }
        true
    }

    fn make_doubles(&mut self) {
        if let Self::Scaled { decimals, integers } = self {
            *self = Self::Doubles(integers.iter().map(|integer| unscale(*integer, *decimals)).collect());
        }
    }

    /// Gives the integers more decimals. A quotient of exact numbers is rounded to the same `f64` either way.
    fn rescale_to(&mut self, wanted: u8) -> bool {
        let Self::Scaled { decimals, integers } = self else { return false };
        let scaled: Option<Vec<i64>> = integers.iter().map(|integer| rescale(*integer, *decimals, wanted)).collect();
        let Some(scaled) = scaled else { return false };
        (*decimals, *integers) = (wanted, scaled);
        true
    }

    /// Adds the values of another column at those places.
    pub(super) fn append(&mut self, other: &Self, places: impl Iterator<Item = usize>) {
        match (&mut *self, other) {
            (Self::Scaled { decimals, integers }, Self::Scaled { decimals: own, integers: more })
                if decimals == own =>
            {
                integers.extend(places.map(|at| more[at]));
            }
            (Self::Integers(integers), Self::Integers(more)) => integers.extend(places.map(|at| more[at])),
            (Self::Doubles(numbers), Self::Doubles(more)) => numbers.extend(places.map(|at| more[at])),
            (Self::Words { places: own, words }, Self::Words { places: more, words: other }) => {
                let map: Vec<u32> = other.iter().enumerate().map(|(at, word)| place_of(words, at, word)).collect();
                own.extend(places.map(|at| map[more[at] as usize]));
            }
            _ => {
                for at in places {
                    let pushed = match other {
                        Self::Scaled { decimals, integers } => self.push(RawValue::Scaled(integers[at], *decimals)),
                        Self::Integers(integers) => self.push(RawValue::Integer(integers[at])),
                        Self::Doubles(numbers) => self.push(RawValue::Double(numbers[at])),
                        Self::Words { places, words } => self.push(RawValue::Text(&words[places[at] as usize])),
                    };
                    debug_assert!(pushed, "columns of one layout hold the same kind");
                }
            }
        }
    }
}

fn rescale(integer: i64, from: u8, to: u8) -> Option<i64> {
    let factor = POWERS.get(usize::from(to.checked_sub(from)?))?;
    let scaled = integer.checked_mul(*factor)?;
    (scaled.abs() < EXACT || from == to).then_some(scaled)
}

/// The word's place in the list, which gets it if it is new. A guess saves the search.
fn place_of(words: &mut Vec<Arc<str>>, guess: usize, text: &str) -> u32 {
    let place = match words.get(guess) {
        Some(word) if **word == *text => guess,
        // The last word first: texts that are all different would otherwise search the whole list each time.
        _ => match words.iter().rev().take(256).position(|word| **word == *text) {
            Some(from_end) => words.len() - 1 - from_end,
            None => {
                words.push(text.into());
                words.len() - 1
            }
        },
    };
    place as u32
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cells {
    /// The rows that have a cell; `None` while all do.
    pub(super) rows: Option<Vec<u32>>,
    /// How many cells there are, those without a value included.
    pub(super) count: usize,
    /// Flaws by place among the cells, ascending.
    pub(super) flaws: Vec<(u32, Flaw)>,
    /// The values of the cells that have one.
    pub(super) values: Values,
}

impl Cells {
    pub(super) fn new(kind: PointKind, decimals: u8) -> Self {
        Self { rows: None, count: 0, flaws: Vec::new(), values: Values::new(kind, decimals) }
    }

    /// Adds a cell at `row`, which is after all others.
    pub(super) fn push(&mut self, row: u32, value: Option<RawValue<'_>>, flaw: Flaw) {
        let flaw = match value {
            Some(value) if self.values.push(value) => flaw,
            Some(_) => flaw_of(Quality::Bad, QualityReason::NotUnderstood),
            None => flaw,
        };
        self.push_cell(row, flaw);
    }

    fn push_cell(&mut self, row: u32, flaw: Flaw) {
        if self.rows.is_none() && row as usize != self.count {
            self.rows = Some((0..self.count as u32).collect());
        }
        if let Some(rows) = &mut self.rows {
            rows.push(row);
        }
        if flaw != 0 {
            self.flaws.push((self.count as u32, flaw));
        }
        self.count += 1;
    }

    /// Every cell: its row, its flaw, and the place of its value if it has one.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Flaw, Option<usize>)> {
        let mut flaws = self.flaws.iter().peekable();
        let mut value = 0;
        (0..self.count).map(move |at| {
            let row = self.rows.as_ref().map_or(at, |rows| rows[at] as usize);
            let flaw = flaws.next_if(|(place, _)| *place as usize == at).map_or(0, |(_, flaw)| *flaw);
            let place = has_value(flaw).then_some(value);
            value += usize::from(place.is_some());
            (row, flaw, place)
        })
    }

    /// Adds rows of `other`, in the order of `order`; this column has `base` rows already.
    pub(super) fn append(&mut self, base: usize, other: &Self, order: &[u32], total: usize) {
        let dense = other.rows.is_none() && other.flaws.is_empty();
        if dense && self.count == base && self.rows.is_none() {
            self.values.append(&other.values, order.iter().map(|row| *row as usize));
            self.count += order.len();
            return;
        }
        let mut by_row: Vec<Option<(Flaw, Option<usize>)>> = vec![None; total];
        for (row, flaw, place) in other.iter() {
            by_row[row] = Some((flaw, place));
        }
        let mut places = Vec::with_capacity(order.len());
        for (at, row) in order.iter().enumerate() {
            let Some((flaw, place)) = by_row[*row as usize] else { continue };
            self.push_cell((base + at) as u32, flaw);
            places.extend(place);
        }
        self.values.append(&other.values, places.into_iter());
    }

    /// After the last row: a column whose last rows have no cell must know it.
    pub(super) fn finish(&mut self, rows: usize) {
        if self.rows.is_none() && self.count < rows {
            self.rows = Some((0..self.count as u32).collect());
        }
    }

    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let rows = self.rows.as_ref().map_or(0, |rows| rows.len() * 4);
        let words = if let Values::Words { words, .. } = &self.values {
            words.iter().map(|word| word.len() + 16).sum()
        } else {
            0
        };
        let width = if matches!(self.values, Values::Words { .. }) { 4 } else { 8 };
        rows + words + self.flaws.len() * 8 + self.values.len() * width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(cells: &Cells) -> Vec<f64> {
        (0..cells.values.len()).map(|at| cells.values.get(at).unwrap().as_f64().unwrap()).collect()
    }

    #[test]
    fn more_decimals_and_odd_numbers_change_no_value() {
        let mut cells = Cells::new(PointKind::Measurement, 1);
        let wanted = [230.1, 230.15, 0.1 + 0.2, -7.0, 1e300];
        cells.push(0, Some(RawValue::Scaled(2301, 1)), 0);
        cells.push(1, Some(RawValue::Scaled(23015, 2)), 0);
        assert!(matches!(cells.values, Values::Scaled { decimals: 2, .. }));
        cells.push(2, Some(RawValue::Double(0.1 + 0.2)), 0);
        cells.push(3, Some(RawValue::Scaled(-7, 0)), 0);
        cells.push(4, Some(RawValue::Double(1e300)), 0);
        assert_eq!(numbers(&cells), wanted);
        let mut wide = Cells::new(PointKind::Measurement, 0);
        wide.push(0, Some(RawValue::Scaled(EXACT - 1, 0)), 0);
        wide.push(1, Some(RawValue::Scaled(5, 1)), 0);
        assert_eq!(numbers(&wide), [(EXACT - 1) as f64, 0.5]);
    }

    #[test]
    fn a_text_where_a_number_belongs_is_a_bad_reading() {
        let mut cells = Cells::new(PointKind::Measurement, 1);
        cells.push(0, Some(RawValue::Text("hot")), 0);
        cells.push(1, Some(RawValue::Scaled(1, 0)), 0);
        let found: Vec<_> = cells.iter().collect();
        assert_eq!(quality_of(found[0].1), (Quality::Bad, QualityReason::NotUnderstood));
        assert_eq!((found[0].2, found[1].2), (None, Some(0)));
    }

    #[test]
    fn missing_cells_and_flaws_keep_their_rows() {
        let mut cells = Cells::new(PointKind::State, 0);
        let uncertain = flaw_of(Quality::Uncertain, QualityReason::OutOfRange);
        cells.push(0, Some(RawValue::State(1, "battery")), 0);
        cells.push(2, None, flaw_of(Quality::Bad, QualityReason::ReadFailed));
        cells.push(3, Some(RawValue::State(0, "mains")), uncertain);
        cells.finish(5);
        let rows: Vec<_> = cells.iter().map(|(row, flaw, place)| (row, flaw & 3, place)).collect();
        assert_eq!(rows, [(0, 0, Some(0)), (2, 2, None), (3, 1, Some(1))]);
        let mut sorted = Cells::new(PointKind::State, 0);
        sorted.append(0, &cells, &[3, 0], 5);
        let rows: Vec<_> =
            sorted.iter().map(|(row, _, place)| sorted.values.get(place.unwrap()).map(|v| (row, v))).collect();
        assert_eq!(rows, [Some((0, Value::text("mains"))), Some((1, Value::text("battery")))]);
    }
}
