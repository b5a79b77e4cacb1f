//! Readings as files of any length, written while they are read. An answer that breaks off is not complete: a CSV file
//! then ends without the end of its transfer, and a Parquet file without its footer.

mod csv;
mod parquet;
mod range;
mod rows;
mod slots;
mod stream;

pub(super) use csv::{__path_csv, csv};
pub(super) use parquet::{__path_parquet, parquet};
pub use slots::ExportSlots;
