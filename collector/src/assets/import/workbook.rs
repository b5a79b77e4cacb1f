//! Rows of a workbook, read within bounds.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use calamine::{DataRef, Reader as _, Xlsx};

use super::super::trouble::Words;
use super::sheet::{CELL_BYTES, COLUMNS, Gathering, ROWS, Sheet, SheetRow, wrong};

/// Most bytes of all parts of a workbook when they are unpacked.
const UNPACKED: u64 = 128 << 20;
/// Most parts of a workbook.
const PARTS: usize = 2000;
/// Most shared strings of a workbook.
const STRINGS: usize = 2_000_000;
/// Sheets that are looked at for headers.
const SHEETS: usize = 10;

/// Unpacks every part once, so that a small file that unpacks to a huge one is refused before anything is built of it.
fn check_size(bytes: &[u8]) -> Result<(), Words> {
    let broken =
        |error: &dyn std::fmt::Display| wrong("不是有效的 xlsx 文件", format!("this is no xlsx workbook: {error}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let large =
        || wrong("解压后的工作簿过大", format!("the workbook has more than {} MiB when unpacked", UNPACKED >> 20));
    if archive.len() > PARTS {
        return Err(large());
    }
    let mut left = UNPACKED;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|error| broken(&error))?;
        let name = part.name().map_err(|error| broken(&error))?.to_ascii_lowercase();
        let has_strings = name.ends_with("sharedstrings.xml");
        let mut strings = Vec::new();
        // What the directory says of its length is not believed.
        let mut part = part.take(left + 1);
        let length = if has_strings {
            part.read_to_end(&mut strings).map(|length| length as u64)
        } else {
            std::io::copy(&mut part, &mut std::io::sink())
        };
        left = left.checked_sub(length.map_err(|error| broken(&error))?).ok_or_else(large)?;
        if !are_few(strings) {
            let en = format!("the workbook has, or says that it has, more than {STRINGS} shared strings");
            return Err(wrong(format!("工作簿的共享字符串超过 {STRINGS} 个"), en));
        }
    }
    Ok(())
}

/// Whether shared strings are as few as they may be, both those that are there and those that are said to be:
/// for the latter the reader takes memory before it has seen one.
fn are_few(mut strings: Vec<u8>) -> bool {
    let is_utf16 = strings.starts_with(b"\xff\xfe") || strings.starts_with(b"\xfe\xff");
    // No XML has the byte with which some encodings shift between alphabets, so that a word looks like none.
    if !is_utf16 && strings.contains(&0x1b) {
        return false;
    }
    // What remains of UTF-16 reads like ASCII.
    strings.retain(|byte| *byte != 0);
    let said = positions(&strings, b"uniqueCount").map(|at| {
        let rest = strings[at + "uniqueCount".len()..].iter();
        let digits = rest.skip_while(|byte| byte.is_ascii_whitespace() || b"='\"+".contains(*byte));
        digits
            .take_while(|byte| byte.is_ascii_digit())
            .fold(0usize, |number, digit| number.saturating_mul(10).saturating_add(usize::from(*digit - b'0')))
    });
    let is_item = |at: &usize| {
        let before = at.checked_sub(1).map(|before| strings[before]);
        matches!(before, Some(b'<' | b':')) && strings.get(at + 2).is_none_or(|next| !next.is_ascii_alphanumeric())
    };
    let items = positions(&strings, b"si").filter(is_item).count();
    items <= STRINGS && said.max().unwrap_or_default() <= STRINGS
}

/// Where the word stands.
fn positions(text: &[u8], word: &[u8]) -> impl Iterator<Item = usize> {
    text.windows(word.len()).enumerate().filter(move |(_, found)| *found == word).map(|(at, _)| at)
}

pub(super) fn read(bytes: &[u8]) -> Result<Sheet, Words> {
    check_size(bytes)?;
    let broken = |error: calamine::XlsxError| wrong("工作簿无法读取", format!("the workbook does not read: {error}"));
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let mut first = None;
    for name in book.sheet_names().into_iter().take(SHEETS) {
        match read_sheet(&mut book, &name) {
            Ok(sheet) => return Ok(sheet),
            // What is wrong with the first one is what most likely concerns people.
            Err(why) => first = first.or(Some(why)),
        }
    }
    Err(first.unwrap_or_else(|| wrong("工作簿没有工作表", "the workbook has no sheet")))
}

/// The rows of a cell's merged region, so that a value that stands once for several rows counts for each.
type Merged = HashMap<(u32, u32), u32>;

fn merged(book: &mut Xlsx<Cursor<&[u8]>>, name: &str) -> Merged {
    let regions = book.merge_cells_by_sheet_name(name).unwrap_or_default();
    let vertical = regions.into_iter().filter(|region| region.start.1 == region.end.1 && region.end.0 > region.start.0);
    vertical.map(|region| (region.start, region.end.0)).collect()
}

fn read_sheet(book: &mut Xlsx<Cursor<&[u8]>>, name: &str) -> Result<Sheet, Words> {
    let broken = |error: calamine::XlsxError| wrong("工作表无法读取", format!("a sheet does not read: {error}"));
    let merged = merged(book, name);
    let mut cells = book.worksheet_cells_reader(name).map_err(broken)?;
    let mut gathering = Gathering::default();
    let mut current: Option<(u32, Vec<String>)> = None;
    // Values that go on into rows below: column to last row and value.
    let mut lasting: HashMap<u32, (u32, String)> = HashMap::new();
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (row, column) = cell.get_position();
        if column as usize >= COLUMNS {
            continue;
        }
        if row as usize > ROWS * 2 {
            return Err(wrong(format!("超过 {ROWS} 行"), format!("there are more than {ROWS} rows")));
        }
        // Before it is copied: many cells may name one long string.
        if length(cell.get_value()) > CELL_BYTES {
            let number = row + 1;
            let en = format!("row {number} has a cell that is too long");
            return Err(wrong(format!("第 {number} 行有单元格过长"), en));
        }
        let text = text(cell.get_value());
        if current.as_ref().is_none_or(|(number, _)| *number != row) {
            if let Some((number, cells)) = current.take() {
                gathering.take(finished(number, cells, &lasting))?;
            }
            lasting.retain(|_, (last, _)| *last >= row);
            current = Some((row, Vec::new()));
        }
        if let Some(last) = merged.get(&(row, column)) {
            lasting.insert(column, (*last, text.clone()));
        }
        if let Some((_, cells)) = &mut current {
            if cells.len() <= column as usize {
                cells.resize(column as usize + 1, String::new());
            }
            cells[column as usize] = text;
        }
    }
    if let Some((number, cells)) = current {
        gathering.take(finished(number, cells, &lasting))?;
    }
    gathering.finish()
}

fn finished(row: u32, mut cells: Vec<String>, lasting: &HashMap<u32, (u32, String)>) -> SheetRow {
    // A row in which nothing else stands is empty, whatever region spans it.
    if cells.iter().any(|cell| !cell.trim().is_empty()) {
        for (column, (last, value)) in lasting {
            let at = *column as usize;
            if cells.len() <= at {
                cells.resize(at + 1, String::new());
            }
            if row <= *last && cells[at].trim().is_empty() {
                cells[at].clone_from(value);
            }
        }
    }
    SheetRow { number: row as usize + 1, cells }
}

fn length(value: &DataRef<'_>) -> usize {
    match value {
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.len(),
        DataRef::SharedString(text) => text.len(),
        _ => 0,
    }
}

fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(flag) => flag.to_string(),
        DataRef::DateTime(time) if time.is_datetime() => {
            let (year, month, day, ..) = time.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        DataRef::DateTime(time) => time.as_f64().to_string(),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(_) | DataRef::Empty => String::new(),
    }
}
