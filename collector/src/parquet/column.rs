//! Columns of a row group, and the pages that they become.

use std::collections::HashMap;

use super::hybrid;
use super::thrift::Struct;
use super::writer::CODEC_ZSTD;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Milliseconds since 1970 UTC.
    Time,
    /// A number.
    Number,
    /// Words that repeat.
    Word,
    /// Texts that may all differ.
    Text,
    /// True or false.
    Truth,
}

/// A column's name and kind, and whether a row may lack it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a row may have nothing there.
    pub optional: bool,
}

const PLAIN: i32 = 0;
const RLE: i32 = 3;
const RLE_DICTIONARY: i32 = 8;
const DATA_PAGE: i32 = 0;
const DICTIONARY_PAGE: i32 = 2;

/// Values of one column.
#[derive(Debug)]
enum Values {
    Times(Vec<i64>),
    Numbers(Vec<f64>),
    Words { places: Vec<u32>, list: Vec<String>, known: HashMap<String, u32> },
    Texts(Vec<u8>),
    Truths(Vec<bool>),
}

/// A column of the row group that is being filled.
#[derive(Debug)]
pub struct Column {
    field: Field,
    /// Whether each row has a value, in an optional column.
    present: Vec<bool>,
    values: Values,
    rows: usize,
}

/// A column as it stands in the file, for the footer.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) rows: i64,
    pub(super) plain_bytes: i64,
    pub(super) bytes: i64,
    /// Where its pages begin, counted from the beginning of its bytes.
    pub(super) data_at: i64,
    pub(super) has_dictionary: bool,
    /// Least and greatest, of times.
    pub(super) bounds: Option<(i64, i64)>,
}

impl Column {
    pub(super) fn new(field: Field) -> Self {
        let values = match field.kind {
            Kind::Time => Values::Times(Vec::new()),
            Kind::Number => Values::Numbers(Vec::new()),
            Kind::Word => Values::Words { places: Vec::new(), list: Vec::new(), known: HashMap::new() },
            Kind::Text => Values::Texts(Vec::new()),
            Kind::Truth => Values::Truths(Vec::new()),
        };
        Self { field, present: Vec::new(), values, rows: 0 }
    }

    fn row(&mut self, is_present: bool) {
        self.rows += 1;
        if self.field.optional {
            self.present.push(is_present);
        }
    }

    /// Adds a time.
    pub fn time(&mut self, time_ms: i64) {
        if let Values::Times(times) = &mut self.values {
            times.push(time_ms);
            self.row(true);
        }
    }

    /// Adds a number, or says that the row has none.
    pub fn number(&mut self, number: Option<f64>) {
        if let Values::Numbers(numbers) = &mut self.values {
            numbers.extend(number);
            self.row(number.is_some());
        }
    }

    /// Adds a word.
    pub fn word(&mut self, word: &str) {
        if let Values::Words { places, list, known } = &mut self.values {
            let place = known.get(word).copied().unwrap_or_else(|| {
                let place = list.len() as u32;
                list.push(word.to_owned());
                known.insert(word.to_owned(), place);
                place
            });
            places.push(place);
            self.row(true);
        }
    }

    /// Adds a text, or says that the row has none.
    pub fn text(&mut self, text: Option<&str>) {
        if let Values::Texts(texts) = &mut self.values {
            if let Some(text) = text {
                byte_array(texts, text);
            }
            self.row(text.is_some());
        }
    }

    /// Adds true or false.
    pub fn truth(&mut self, truth: bool) {
        if let Values::Truths(truths) = &mut self.values {
            truths.push(truth);
            self.row(true);
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// About how much memory the values take.
    pub(super) fn bytes(&self) -> usize {
        match &self.values {
            Values::Texts(texts) => texts.len(),
            _ => self.rows * 8,
        }
    }

    /// Writes the pages to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> std::io::Result<Written> {
        let begin = out.len();
        let mut plain_bytes = 0;
        let mut has_dictionary = false;
        if let Values::Words { list, .. } = &self.values {
            let mut plain = Vec::new();
            list.iter().for_each(|word| byte_array(&mut plain, word));
            let header = Struct::default().i32(1, list.len() as i32).i32(2, PLAIN);
            plain_bytes += page(out, DICTIONARY_PAGE, (7, header), &plain)?;
            has_dictionary = true;
        }
        let data_at = (out.len() - begin) as i64;
        let encoding = if has_dictionary { RLE_DICTIONARY } else { PLAIN };
        let header = Struct::default().i32(1, self.rows as i32).i32(2, encoding).i32(3, RLE).i32(4, RLE);
        plain_bytes += page(out, DATA_PAGE, (5, header), &self.plain())?;
        let bounds = match &self.values {
            Values::Times(times) => times.iter().min().copied().zip(times.iter().max().copied()),
            _ => None,
        };
        let bytes = (out.len() - begin) as i64;
        Ok(Written { rows: self.rows as i64, plain_bytes, bytes, data_at, has_dictionary, bounds })
    }

    /// A data page before it is compressed.
    fn plain(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        if self.field.optional {
            let levels = hybrid::encode(self.present.iter().map(|present| u32::from(*present)), 1);
            plain.extend((levels.len() as u32).to_le_bytes());
            plain.extend(levels);
        }
        match &self.values {
            Values::Times(times) => plain.extend(times.iter().flat_map(|time| time.to_le_bytes())),
            Values::Numbers(numbers) => plain.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
            Values::Texts(texts) => plain.extend_from_slice(texts),
            Values::Truths(truths) => plain.extend(
                truths
                    .chunks(8)
                    .map(|bits| bits.iter().enumerate().fold(0_u8, |byte, (at, truth)| byte | u8::from(*truth) << at)),
            ),
            Values::Words { places, list, .. } => {
                let width = hybrid::width(list.len().saturating_sub(1) as u32);
                plain.push(width);
                plain.extend(hybrid::encode(places.iter().copied(), width));
            }
        }
        plain
    }

    pub(super) fn encodings(&self) -> &'static [i32] {
        match self.values {
            Values::Words { .. } => &[PLAIN, RLE, RLE_DICTIONARY],
            _ => &[PLAIN, RLE],
        }
    }
}

fn byte_array(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Writes a page. Returns its length if it were not compressed.
fn page(out: &mut Vec<u8>, kind: i32, (id, header): (u8, Struct), plain: &[u8]) -> std::io::Result<i64> {
    debug_assert_eq!(CODEC_ZSTD, 6, "the codec that the footer names");
    let compressed = zstd::bulk::compress(plain, 3)?;
    let header = Struct::default()
        .i32(1, kind)
        .i32(2, plain.len() as i32)
        .i32(3, compressed.len() as i32)
        .nested(id, header)
        .end();
    out.extend_from_slice(&header);
    out.extend_from_slice(&compressed);
    Ok((header.len() + plain.len()) as i64)
}
