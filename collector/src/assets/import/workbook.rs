//! Rows of a workbook, read within bounds.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use calamine::{DataRef, Reader as _, Xlsx};

use super::super::trouble::Words;
use super::sheet::{COLUMNS, Gathering, ROWS, Sheet, SheetRow, wrong};

/// Most bytes of all parts of a workbook when they are unpacked.
const UNPACKED: u64 = 128 << 20;
/// Most parts of a workbook.
const PARTS: usize = 2000;
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
        // What the directory says of its length is not believed.
        let length = std::io::copy(&mut part.take(left + 1), &mut std::io::sink()).map_err(|error| broken(&error))?;
        left = left.checked_sub(length).ok_or_else(large)?;
    }
    Ok(())
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
        let ((row, column), text) = (cell.get_position(), text(cell.get_value()));
        if column as usize >= COLUMNS {
            continue;
        }
        if row as usize > ROWS * 2 {
            return Err(wrong(format!("超过 {ROWS} 行"), format!("there are more than {ROWS} rows")));
        }
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
