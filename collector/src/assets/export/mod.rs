//! Assets as a spreadsheet.

mod csv;
mod xlsx;

pub(super) use self::csv::FORMULA;
pub use self::csv::csv_text;
pub use self::xlsx::xlsx_file;
