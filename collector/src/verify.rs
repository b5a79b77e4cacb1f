//! The proof that nothing was lost or doubled: positions, runs of numbers, the log, the state's count and the
//! history's rows are kept by different code and must agree.
//!
//! It only reads, and works while a collector runs: what the readers have not taken yet is allowed for.

mod chain;
mod evidence;
mod report;

pub use report::{LaneReport, LogReport, Report};

use crate::store::{DataFolder, StoreError};

/// Checks a data folder.
///
/// # Errors
/// When a file cannot be read.
pub fn verify(folder: &DataFolder) -> Result<Report, StoreError> {
    // The readers' outputs are read before the log that they follow: they can only have grown in between, and how
    // much the log has grown is known exactly.
    let state = evidence::State::read(folder)?;
    let history = evidence::History::read(folder)?;
    let ingest = evidence::Ingest::read(folder)?;
    Ok(report::compare(&ingest, &state, &history))
}
