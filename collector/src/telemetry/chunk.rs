//! A chunk: sorted rows of one group as bytes. Each column stands for itself, so that reading one opens one.

use kouan_protocol::PointKind;

use super::cells::{Cells, Flaw, Values, has_value};
use super::integers::{self, Malformed, put_part, put_varint, take_byte, take_length, take_part};
use super::rows::{Column, Origin, Rows};

/// The layout of the bytes.
const VERSION: u8 = 1;
/// Most rows of a chunk. A reader refuses more, whatever the bytes say.
pub(super) const MOST_ROWS: usize = 8_192;
/// Times, delays, shifts and statuses come before the columns.
const LEADING: usize = 4;

const SCALED: u8 = 0;
const DOUBLES: u8 = 1;
const INTEGERS: u8 = 2;
const WORDS: u8 = 3;

/// Words that are shorter together are kept as they are: to compress them would take longer than all the rest.
const FEW_LETTERS: usize = 200;
/// A damaged list of words must not ask for much memory.
const WORD_BYTES: usize = 64 << 20;

/// The rows as bytes: version, number of rows, number and lengths of the parts, and the parts.
pub(super) fn encode(rows: &Rows) -> Vec<u8> {
    let origin = |field: fn(&Origin) -> i64| integers::encode(&rows.origins.iter().map(field).collect::<Vec<_>>());
    let mut parts = vec![
        integers::encode(&rows.times),
        origin(|origin| origin.delay_s),
        origin(|origin| origin.shift_ms),
        origin(|origin| origin.status),
    ];
    parts.extend(rows.columns.iter().map(encode_cells));
    let mut out = vec![VERSION];
    put_varint(&mut out, rows.len() as u64);
    put_varint(&mut out, parts.len() as u64);
    for part in &parts {
        put_varint(&mut out, part.len() as u64);
    }
    for part in parts {
        out.extend(part);
    }
    out
}

fn encode_cells(cells: &Cells) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, cells.count as u64);
    if cells.count == 0 {
        return out;
    }
    // Steps between the rows that have a cell; nothing if all have one.
    let steps = cells.rows.as_ref().map(|rows| steps(rows)).unwrap_or_default();
    put_part(&mut out, &integers::encode(&steps));
    put_flaws(&mut out, &cells.flaws);
    match &cells.values {
        Values::Scaled { decimals, integers } => {
            out.extend([SCALED, *decimals]);
            out.extend(integers::encode(integers));
        }
        Values::Doubles(numbers) => {
            out.push(DOUBLES);
            let config = pco::ChunkConfig::default();
            // pco refuses only what its own limits forbid; a chunk is far below them.
            let bytes = pco::standalone::simple_compress(numbers, &config).unwrap_or_default();
            out.extend(bytes);
        }
        Values::Integers(integers) => {
            out.push(INTEGERS);
            out.extend(integers::encode(integers));
        }
        Values::Words { places, words } => {
            out.push(WORDS);
            put_words(&mut out, places, words);
        }
    }
    out
}

/// Only words that are used, in the order of their first use; then runs of one word.
fn put_words(out: &mut Vec<u8>, places: &[u32], words: &[std::sync::Arc<str>]) {
    let mut numbers = vec![u32::MAX; words.len()];
    let mut text = Vec::new();
    let mut used = 0_u32;
    let (mut runs, mut lengths) = (Vec::<i64>::new(), Vec::<i64>::new());
    for place in places {
        let number = &mut numbers[*place as usize];
        if *number == u32::MAX {
            *number = used;
            used += 1;
            put_part(&mut text, words[*place as usize].as_bytes());
        }
        let number = i64::from(*number);
        match lengths.last_mut() {
            Some(length) if runs.last() == Some(&number) => *length += 1,
            _ => {
                runs.push(number);
                lengths.push(1);
            }
        }
    }
    put_varint(out, u64::from(used));
    put_varint(out, text.len() as u64);
    let packed = (text.len() >= FEW_LETTERS).then(|| zstd::bulk::compress(&text, 3).ok()).flatten();
    let packed = packed.filter(|packed| packed.len() < text.len());
    out.push(u8::from(packed.is_some()));
    put_part(out, packed.as_ref().unwrap_or(&text));
    put_varint(out, runs.len() as u64);
    put_part(out, &integers::encode(&runs));
    put_part(out, &integers::encode(&lengths));
}

/// Runs of one flaw: how far from the run before, how long, which.
fn put_flaws(out: &mut Vec<u8>, flaws: &[(u32, Flaw)]) {
    let mut runs: Vec<(u32, u32, Flaw)> = Vec::new();
    for (place, flaw) in flaws {
        match runs.last_mut() {
            Some((first, length, code)) if *code == *flaw && *first + *length == *place => *length += 1,
            _ => runs.push((*place, 1, *flaw)),
        }
    }
    put_varint(out, runs.len() as u64);
    let mut end = 0;
    for (first, length, flaw) in runs {
        put_varint(out, u64::from(first - end));
        put_varint(out, u64::from(length));
        out.push(flaw);
        end = first + length;
    }
}

fn steps(rows: &[u32]) -> Vec<i64> {
    let mut next = 0;
    rows.iter()
        .map(|row| {
            let step = i64::from(*row) - next;
            next = i64::from(*row) + 1;
            step
        })
        .collect()
}

/// The bytes of a chunk, cut into parts, none of them opened.
pub(super) struct Chunk<'b> {
    rows: usize,
    parts: Vec<&'b [u8]>,
}

impl<'b> Chunk<'b> {
    /// Cuts `bytes` into parts.
    pub(super) fn open(bytes: &'b [u8]) -> Result<Self, Malformed> {
        let (version, mut rest) = bytes.split_first().ok_or(Malformed("it is empty"))?;
        if *version != VERSION {
            return Err(Malformed("its version is not known"));
        }
        let rows = take_length(&mut rest, MOST_ROWS)?;
        let count = take_length(&mut rest, bytes.len())?;
        let lengths = (0..count).map(|_| take_length(&mut rest, bytes.len())).collect::<Result<Vec<_>, _>>()?;
        let mut parts = Vec::with_capacity(count);
        for length in lengths {
            let (part, after) = rest.split_at_checked(length).ok_or(Malformed("it ends early"))?;
            parts.push(part);
            rest = after;
        }
        if parts.len() < LEADING || !rest.is_empty() {
            return Err(Malformed("its parts are more or fewer than it says"));
        }
        Ok(Self { rows, parts })
    }

    /// The corrected times.
    pub(super) fn times(&self) -> Result<Vec<i64>, Malformed> {
        integers::decode(self.parts[0], self.rows)
    }

    /// How late each row arrived, in whole seconds, rounded up, minus one.
    pub(super) fn delays(&self) -> Result<Vec<i64>, Malformed> {
        integers::decode(self.parts[1], self.rows)
    }

    /// Where the times come from.
    pub(super) fn origins(&self) -> Result<Vec<Origin>, Malformed> {
        let part = |at: usize| integers::decode(self.parts[at], self.rows);
        let (delays, shifts, statuses) = (part(1)?, part(2)?, part(3)?);
        let origins = delays.into_iter().zip(shifts).zip(statuses);
        Ok(origins.map(|((delay_s, shift_ms), status)| Origin { delay_s, shift_ms, status }).collect())
    }

    /// The cells of a column.
    pub(super) fn cells(&self, column: usize, kind: PointKind) -> Result<Cells, Malformed> {
        let part = self.parts.get(LEADING + column).ok_or(Malformed("a column is missing"))?;
        decode_cells(part, self.rows, kind)
    }

    /// Everything.
    pub(super) fn rows(&self, layout: &[Column]) -> Result<Rows, Malformed> {
        if self.parts.len() != LEADING + layout.len() {
            return Err(Malformed("it has more or fewer columns than its layout"));
        }
        let columns = layout.iter().enumerate().map(|(at, column)| self.cells(at, column.kind));
        Ok(Rows { times: self.times()?, origins: self.origins()?, columns: columns.collect::<Result<_, _>>()? })
    }
}

fn decode_cells(mut bytes: &[u8], total: usize, kind: PointKind) -> Result<Cells, Malformed> {
    let count = take_length(&mut bytes, total)?;
    let mut cells = Cells::new(kind, 0);
    cells.count = count;
    if count == 0 {
        cells.finish(total);
        return Ok(cells);
    }
    let steps = take_part(&mut bytes)?;
    if !steps.is_empty() {
        let mut next = 0_i64;
        let mut rows = Vec::with_capacity(count);
        for step in integers::decode(steps, count)? {
            let row = next.checked_add(step).filter(|row| step >= 0 && *row < total as i64);
            let row = row.ok_or(Malformed("a cell lies outside the rows"))?;
            rows.push(row as u32);
            next = row + 1;
        }
        cells.rows = Some(rows);
    } else if count != total {
        return Err(Malformed("cells are missing"));
    }
    cells.flaws = take_flaws(&mut bytes, count)?;
    let values = count - cells.flaws.iter().filter(|(_, flaw)| !has_value(*flaw)).count();
    cells.values = match take_byte(&mut bytes)? {
        SCALED => {
            let decimals = take_byte(&mut bytes)?;
            if decimals > 9 {
                return Err(Malformed("numbers have too many decimals"));
            }
            Values::Scaled { decimals, integers: integers::decode(bytes, values)? }
        }
        DOUBLES => {
            let open = pco::standalone::simple_decompress::<f64>;
            Values::Doubles(open(bytes).map_err(|_| Malformed("compressed numbers do not open"))?)
        }
        INTEGERS => Values::Integers(integers::decode(bytes, values)?),
        WORDS => take_words(bytes)?,
        _ => return Err(Malformed("values have an unknown encoding")),
    };
    if cells.values.len() != values {
        return Err(Malformed("there are more or fewer values than cells"));
    }
    Ok(cells)
}

fn take_flaws(bytes: &mut &[u8], count: usize) -> Result<Vec<(u32, Flaw)>, Malformed> {
    let runs = take_length(bytes, count)?;
    let (mut flaws, mut end) = (Vec::new(), 0);
    for _ in 0..runs {
        let first = end + take_length(bytes, count)?;
        let length = take_length(bytes, count)?;
        let flaw = take_byte(bytes)?;
        end = first + length;
        if end > count {
            return Err(Malformed("a flaw lies outside the cells"));
        }
        flaws.extend((first..end).map(|place| (place as u32, flaw)));
    }
    Ok(flaws)
}

fn take_words(mut bytes: &[u8]) -> Result<Values, Malformed> {
    let used = take_length(&mut bytes, MOST_ROWS)?;
    let size = take_length(&mut bytes, WORD_BYTES)?;
    let packed = take_byte(&mut bytes)? == 1;
    let part = take_part(&mut bytes)?;
    let opened;
    let mut text = if packed {
        opened = zstd::bulk::decompress(part, size).map_err(|_| Malformed("compressed words do not open"))?;
        opened.as_slice()
    } else {
        part
    };
    let mut words = Vec::with_capacity(used);
    for _ in 0..used {
        let word = std::str::from_utf8(take_part(&mut text)?).map_err(|_| Malformed("a word is not UTF-8"))?;
        words.push(word.into());
    }
    let count = take_length(&mut bytes, MOST_ROWS)?;
    let runs = integers::decode(take_part(&mut bytes)?, count)?;
    let lengths = integers::decode(take_part(&mut bytes)?, count)?;
    let mut places = Vec::new();
    for (place, length) in runs.into_iter().zip(lengths) {
        let place = u32::try_from(place).ok().filter(|place| (*place as usize) < words.len());
        let place = place.ok_or(Malformed("a word is missing"))?;
        let length = usize::try_from(length).ok().filter(|length| places.len() + length <= MOST_ROWS);
        places.resize(places.len() + length.ok_or(Malformed("a run of words is too long"))?, place);
    }
    Ok(Values::Words { places, words })
}

#[cfg(test)]
mod tests {
    use kouan_protocol::{Quality, QualityReason, RawValue};

    use super::*;
    use crate::telemetry::cells::flaw_of;

    fn layout() -> Vec<Column> {
        let column = |name: &str, kind| Column { name: name.parse().unwrap(), kind, decimals: 1 };
        vec![
            column("voltage", PointKind::Measurement),
            column("mode", PointKind::State),
            column("passages", PointKind::Counter),
            column("serial", PointKind::Text),
            column("never", PointKind::Measurement),
            column("odd", PointKind::Measurement),
        ]
    }

    /// Rows with everything in them: missing cells, flaws, new words, numbers without a short form.
    fn mixed(count: usize) -> Rows {
        let mut rows = Rows::new(&layout());
        for at in 0..count {
            rows.times.push(1_795_000_000_000 + at as i64 * 10_000 + (at as i64 * 7919) % 23);
            rows.origins.push(Origin { delay_s: (at % 300 / 299 * 100) as i64, shift_ms: 5, status: 0 });
            let row = at as u32;
            let uncertain = flaw_of(Quality::Uncertain, QualityReason::OutOfRange);
            rows.columns[0].push(row, Some(RawValue::Scaled(2300 + (at as i64 * 31) % 17, 1)), 0);
            if at % 10 == 3 {
                let word = ["mains", "battery"][at / 100 % 2];
                rows.columns[1].push(row, Some(RawValue::Text(word)), uncertain);
            }
            match at % 500 {
                400.. => rows.columns[2].push(row, None, flaw_of(Quality::Bad, QualityReason::ReadFailed)),
                _ => rows.columns[2].push(row, Some(RawValue::Integer(at as i64 * 3)), 0),
            }
            rows.columns[3].push(row, Some(RawValue::Text(&format!("text {at}"))), 0);
            rows.columns[5].push(row, Some(RawValue::Double((at as f64).sin())), 0);
        }
        rows.finish();
        rows
    }

    #[test]
    fn rows_come_back_as_they_were() {
        for count in [1, 5, 2_000] {
            let rows = mixed(count);
            let bytes = encode(&rows);
            let back = Chunk::open(&bytes).unwrap().rows(&layout()).unwrap();
            assert_eq!((&back.times, &back.origins), (&rows.times, &rows.origins));
            for (own, wanted) in back.columns.iter().zip(&rows.columns) {
                let cells = |cells: &Cells| -> Vec<_> {
                    cells.iter().map(|(row, flaw, at)| (row, flaw, at.and_then(|at| cells.values.get(at)))).collect()
                };
                assert_eq!(cells(own), cells(wanted));
            }
        }
    }

    #[test]
    fn a_damaged_chunk_is_refused_and_never_panics() {
        let bytes = encode(&mixed(300));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x41;
            // Some damage changes a value only; the checksum beside the chunk finds that.
            let _ = Chunk::open(&damaged).and_then(|chunk| chunk.rows(&layout()));
            assert!(Chunk::open(&bytes[..at]).and_then(|chunk| chunk.rows(&layout())).is_err());
        }
    }

    #[test]
    fn a_repeated_row_is_kept_once_and_late_rows_find_their_place() {
        let rows = mixed(50);
        let mut arrived = Rows::new(&layout());
        arrived.append(&rows, &(20..50).collect::<Vec<_>>());
        arrived.append(&rows, &(0..25).collect::<Vec<_>>());
        let sorted = arrived.into_sorted(&layout());
        assert_eq!(sorted.times, rows.times);
        assert_eq!(sorted.origins, rows.origins);
        for (own, wanted) in sorted.columns.iter().zip(&rows.columns) {
            assert_eq!((own.count, &own.flaws, &own.rows), (wanted.count, &wanted.flaws, &wanted.rows));
        }
    }
}
