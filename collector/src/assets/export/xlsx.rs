//! Assets as a workbook.

use rust_xlsxwriter::{Color, ExcelDateTime, Format, FormatBorder, Workbook, XlsxError};

use super::super::column::{Column, exported};
use super::super::{AssetRow, Topology};
use crate::store::StoreError;

/// The assets on a sheet with fixed headers and filters.
///
/// # Errors
/// When they cannot be written down.
pub fn xlsx_file(topology: &Topology, rows: &[AssetRow], chinese: bool) -> Result<Vec<u8>, StoreError> {
    build(topology, rows, chinese).map_err(StoreError::damaged("the workbook of assets"))
}

fn build(topology: &Topology, rows: &[AssetRow], chinese: bool) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name(if chinese { "资产" } else { "Assets" })?;
    let header =
        Format::new().set_bold().set_background_color(Color::RGB(0xE8_EEF4)).set_border_bottom(FormatBorder::Thin);
    let date = Format::new().set_num_format("yyyy-mm-dd");
    let last = exported().count().saturating_sub(1) as u16;
    for (at, column) in (0..).zip(exported()) {
        sheet.write_string_with_format(0, at, column.header(chinese), &header)?;
        sheet.set_column_width(at, width(column))?;
    }
    for (line, row) in (1..).zip(rows) {
        for (at, column) in (0..).zip(exported()) {
            let cell = column.cell(topology, row, chinese);
            if cell.is_empty() {
                continue;
            }
            // A workbook knows no day before 1900.
            let day = cell.parse::<jiff::civil::Date>().ok().filter(|day| column.is_date() && day.year() >= 1900);
            match (column, day) {
                (_, Some(day)) => {
                    let (year, month, day) = (day.year(), day.month(), day.day());
                    let day = ExcelDateTime::from_ymd(year.unsigned_abs(), month.unsigned_abs(), day.unsigned_abs())?;
                    sheet.write_datetime_with_format(line, at, &day, &date)?;
                }
                (Column::RackUnit | Column::HeightUnits, _) => {
                    sheet.write_number(line, at, cell.parse::<u16>().unwrap_or_default())?;
                }
                // A text is a text here, also where it begins like a formula.
                _ => drop(sheet.write_string(line, at, cell)?),
            }
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    sheet.autofilter(0, 0, u32::try_from(rows.len()).unwrap_or(u32::MAX), last)?;
    book.save_to_buffer()
}

fn width(column: Column) -> f64 {
    match column {
        Column::Id | Column::Device | Column::Parent => 18.0,
        Column::Name | Column::Area | Column::Address | Column::Documents | Column::Note => 32.0,
        Column::RackUnit | Column::HeightUnits => 9.0,
        _ => 15.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Asset, AssetId};
    use super::*;

    #[test]
    fn a_date_that_a_workbook_does_not_know_is_a_text() {
        let installed = Some("1899-12-31".to_owned());
        let asset = Asset { installed, ..Asset::default() };
        let (id, import_key) = (AssetId::from("t-1"), None);
        let row = AssetRow { id, asset, import_key, revision: 1, created_ms: 0, changed_ms: 0 };
        assert!(xlsx_file(&Topology::default(), &[row], true).is_ok());
    }
}
