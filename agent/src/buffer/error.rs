//! What can go wrong with the buffer.

use std::path::PathBuf;

/// An operation on the buffer failed.
#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    /// SQLite refused.
    #[error("{operation} in {file} failed: {cause}")]
    Sqlite {
        /// What was being done.
        operation: &'static str,
        /// In which file.
        file: PathBuf,
        /// What SQLite said.
        #[source]
        cause: rusqlite::Error,
    },
    /// The schema could not be brought up to date.
    #[error("preparing the tables of {file} failed: {cause}")]
    Migration {
        /// In which file.
        file: PathBuf,
        /// What the migration said.
        #[source]
        cause: Box<refinery::Error>,
    },
    /// The thread of a file could not be started.
    #[error("starting the writer of {file} failed: {cause}")]
    Thread {
        /// For which file.
        file: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The writer has stopped; the agent is going down.
    #[error("the writer of {file} has stopped or refused; the log before this says why")]
    Stopped {
        /// For which file.
        file: PathBuf,
    },
}

impl BufferError {
    /// Whether the disk is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let Self::Sqlite { cause, .. } = self else { return false };
        cause.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
    }
}
