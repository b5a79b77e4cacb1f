//! From the bytes of a file to rows of cells.

use std::borrow::Cow;

use encoding_rs::{GB18030, UTF_8, UTF_16BE, UTF_16LE};

use super::super::column::Column;
use super::super::trouble::Words;
use super::workbook;

/// Largest file, in bytes.
pub const SHEET_BYTES: usize = 32 << 20;
/// Most rows of a file.
pub(super) const ROWS: usize = 100_000;
/// Longest cell, in bytes.
pub(super) const CELL_BYTES: usize = 16 << 10;
/// Most bytes of all cells together.
pub(super) const ALL_CELLS_BYTES: usize = 64 << 20;
/// Most columns that are looked at.
pub(super) const COLUMNS: usize = 200;
/// Rows in which the headers are looked for: above them there may be a title.
pub(super) const HEADER_WITHIN: usize = 20;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// A workbook (ECMA-376).
    Xlsx,
}

/// A row of cells, with its number in the file.
#[derive(Debug, Clone)]
pub(super) struct SheetRow {
    pub(super) number: usize,
    pub(super) cells: Vec<String>,
}

/// The rows of a sheet beneath its headers.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) columns: Vec<Option<Column>>,
    /// Headers that are not understood.
    pub(super) ignored: Vec<String>,
    pub(super) rows: Vec<SheetRow>,
}

pub(super) fn wrong(zh: impl Into<String>, en: impl Into<String>) -> Words {
    Words { zh: zh.into(), en: en.into() }
}

/// Reads a file.
pub(super) fn read(bytes: &[u8], format: Format) -> Result<Sheet, Words> {
    match format {
        Format::Csv => csv(bytes),
        Format::Xlsx => workbook::read(bytes),
    }
}

/// Gathers rows, finds the headers among the first of them, and keeps to the limits.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// Rows above the headers.
    above: usize,
    columns: Vec<Option<Column>>,
    ignored: Vec<String>,
    rows: Vec<SheetRow>,
    bytes: usize,
}

impl Gathering {
    /// Takes the next row. Empty rows count for nothing.
    pub(super) fn take(&mut self, row: SheetRow) -> Result<(), Words> {
        if row.cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(());
        }
        let number = row.number;
        if row.cells.iter().any(|cell| cell.len() > CELL_BYTES) {
            return Err(wrong(
                format!("第 {number} 行有单元格过长"),
                format!("row {number} has a cell that is too long"),
            ));
        }
        if !self.columns.is_empty() {
            self.bytes += row.cells.iter().map(|cell| cell.len() + 24).sum::<usize>();
            if self.rows.len() >= ROWS {
                return Err(wrong(format!("超过 {ROWS} 行"), format!("there are more than {ROWS} rows")));
            }
            if self.bytes > ALL_CELLS_BYTES {
                return Err(wrong("表格内容过多", "all cells together are too long"));
            }
            self.rows.push(row);
            return Ok(());
        }
        if self.above >= HEADER_WITHIN {
            return Ok(());
        }
        let columns: Vec<_> = row.cells.iter().take(COLUMNS).map(|cell| Column::meant_by(cell)).collect();
        if columns.contains(&Some(Column::Name)) && columns.iter().flatten().count() > 1 {
            self.columns = with_system(columns, &row.cells);
            let cells = self.columns.iter().zip(&row.cells);
            let unknown = cells.filter(|(column, cell)| column.is_none() && !cell.trim().is_empty());
            self.ignored = unknown.map(|(_, cell)| cell.trim().chars().take(60).collect()).collect();
        } else {
            self.above += 1;
        }
        Ok(())
    }

    /// How many columns are understood.
    fn understood(&self) -> usize {
        self.columns.iter().flatten().count()
    }

    pub(super) fn finish(self) -> Result<Sheet, Words> {
        if self.columns.is_empty() {
            let en = format!("no row of headers with a name and a class is among the first {HEADER_WITHIN} rows");
            return Err(wrong(format!("前 {HEADER_WITHIN} 行中没有表头（名称、类别……）"), en));
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = self.columns.iter().flatten().find(|column| !seen.insert(**column)) {
            let (zh, en) = (twice.header(true), twice.header(false));
            return Err(wrong(format!("“{zh}”列重复"), format!("there are two columns \"{en}\"")));
        }
        Ok(Sheet { columns: self.columns, ignored: self.ignored, rows: self.rows })
    }
}

/// Lists that span several systems call the site a system; their "site" is a place within it.
fn with_system(mut columns: Vec<Option<Column>>, cells: &[String]) -> Vec<Option<Column>> {
    let is_system = |cell: &String| ["system", "系统", "所属系统"].contains(&cell.trim().to_lowercase().as_str());
    let Some(at) = cells.iter().position(is_system).filter(|at| *at < columns.len()) else { return columns };
    if let Some(site) = columns.iter_mut().find(|column| **column == Some(Column::Site)) {
        *site = Some(Column::Building);
    }
    columns[at] = Some(Column::Site);
    columns
}

/// The text of a file in one of the encodings that spreadsheets write.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Words> {
    let unreadable =
        || wrong("无法识别文件编码（支持 UTF-8、GB18030、UTF-16）", "the encoding is none of UTF-8, GB18030, UTF-16");
    let (encoding, rest) = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => (UTF_8, rest),
        [0xff, 0xfe, rest @ ..] => (UTF_16LE, rest),
        [0xfe, 0xff, rest @ ..] => (UTF_16BE, rest),
        bytes if std::str::from_utf8(bytes).is_ok() => (UTF_8, bytes),
        bytes => (GB18030, bytes),
    };
    encoding.decode_without_bom_handling_and_without_replacement(rest).ok_or_else(unreadable)
}

fn csv(bytes: &[u8]) -> Result<Sheet, Words> {
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(wrong("这是工作簿，请选择 xlsx 格式", "this is a workbook: use format=xlsx"));
    }
    let text = decode(bytes)?;
    let best = [b',', b'\t', b';', b'|'].into_iter().filter_map(|delimiter| {
        let mut gathering = Gathering::default();
        for record in reader(&text, delimiter).records().take(HEADER_WITHIN).flatten() {
            gathering.take(row(&record)).ok()?;
        }
        Some((gathering.understood(), delimiter))
    });
    // Of equals the first: a bar also stands within cells.
    let (_, delimiter) = best.reduce(|best, other| if other.0 > best.0 { other } else { best }).unwrap_or((0, b','));
    let mut gathering = Gathering::default();
    for record in reader(&text, delimiter).records() {
        let record = record
            .map_err(|error| wrong(format!("CSV 无法读取：{error}"), format!("the CSV does not read: {error}")))?;
        gathering.take(row(&record))?;
    }
    gathering.finish()
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes())
}

fn row(record: &csv::StringRecord) -> SheetRow {
    let number = record.position().map_or(0, |position| usize::try_from(position.line()).unwrap_or(usize::MAX));
    SheetRow { number, cells: record.iter().take(COLUMNS).map(unguarded).collect() }
}

/// Takes away what an export puts in front of a cell that a spreadsheet would take for a formula.
fn unguarded(cell: &str) -> String {
    let rest = cell.strip_prefix('\'').filter(|rest| rest.starts_with(super::super::export::FORMULA));
    rest.unwrap_or(cell).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_and_delimiters_are_recognised() {
        let text = "设备清单,,\n名称,设备类型,位置\n摄像机 1,摄像机,大厅\n";
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let with_bom = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        let gb = GB18030.encode(text).0.into_owned();
        let tabs = text.replace(',', "\t").into_bytes();
        let semicolons = text.replace(',', ";").into_bytes();
        for bytes in [text.as_bytes().to_vec(), with_bom, gb, utf16, tabs, semicolons] {
            let sheet = read(&bytes, Format::Csv).unwrap();
            assert_eq!(sheet.columns, [Some(Column::Name), Some(Column::Class), Some(Column::Area)]);
            assert_eq!((sheet.rows.len(), sheet.rows[0].number), (1, 3));
            assert_eq!(sheet.rows[0].cells, ["摄像机 1", "摄像机", "大厅"]);
        }
        assert!(read(b"a,b\n1,2\n", Format::Csv).is_err());
        assert!(read("名称,名称,类别\n".as_bytes(), Format::Csv).unwrap_err().en.contains("two columns"));
        assert!(read(&[0xff, 0xff, 0x00, 0x81], Format::Csv).is_err());
    }
}
