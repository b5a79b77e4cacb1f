//! Importing a spreadsheet: what it would change is shown first, and then exactly that is done.

mod pending;
mod plan;
mod rows;
mod sheet;
mod workbook;

pub use pending::{ImportProblem, Imports};
pub use plan::{PlannedImport, Preview, RowChange, RowError, plan_import};
pub use sheet::{Format, SHEET_BYTES};
