//! What can go wrong with the buffer.

use std::path::PathBuf;

use super::trouble::Trouble;

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
    /// A damaged file could not be moved aside.
    #[error("moving the damaged file {file} aside failed: {cause}")]
    MoveAside {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
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
    /// What the error means for the file.
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            Self::Sqlite { cause, .. } => Trouble::of(cause),
            Self::Migration { cause, .. } => match cause.kind() {
                refinery::error::Kind::Connection(_, source) => {
                    source.downcast_ref::<rusqlite::Error>().map_or(Trouble::Passing, Trouble::of)
                }
                // A newer version's tables, say: no reason to put the file away.
                _ => Trouble::Passing,
            },
            Self::MoveAside { .. } => Trouble::Refused,
            Self::Thread { .. } | Self::Stopped { .. } => Trouble::Passing,
        }
    }
}
