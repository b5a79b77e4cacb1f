//! Assets as comma-separated values.

use super::super::column::exported;
use super::super::{AssetRow, Topology};
use crate::store::StoreError;

/// What makes a spreadsheet take a cell for a formula, and what stands in front of it then (OWASP, CSV injection).
pub(in super::super) const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

fn guarded(cell: String) -> String {
    if cell.starts_with(FORMULA) { format!("'{cell}") } else { cell }
}

/// The assets, with a mark by which spreadsheets know UTF-8.
///
/// # Errors
/// When they cannot be written down.
pub fn csv_text(topology: &Topology, rows: &[AssetRow], chinese: bool) -> Result<Vec<u8>, StoreError> {
    let mut writer =
        ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::from(*b"\xef\xbb\xbf"));
    let damaged = StoreError::damaged::<::csv::Error>;
    writer.write_record(exported().map(|column| column.header(chinese))).map_err(damaged("the list of assets"))?;
    for row in rows {
        let cells = exported().map(|column| guarded(column.cell(topology, row, chinese)));
        writer.write_record(cells).map_err(damaged("the list of assets"))?;
    }
    writer.into_inner().map_err(StoreError::damaged("the list of assets"))
}
