//! Why a copy was not made or not put back.

use std::path::PathBuf;

use crate::store::StoreError;

/// A failure to make a copy or to put one back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is something where the copy would go.
    #[error("{} is not empty; name a folder that does not exist or is empty", .0.display())]
    NotEmpty(PathBuf),
    /// There is a data folder where the copy would go.
    #[error("{} holds data of a collector; move it away first, it is not overwritten", .0.display())]
    Used(PathBuf),
    /// No complete copy.
    #[error("{} is no complete backup: {problem}", path.display())]
    Incomplete {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
    /// A file of the copy is not what was written.
    #[error("{} is damaged: its SHA-256 is not the one that SHA256SUMS names; nothing may be started from this backup", .0.display())]
    Damaged(PathBuf),
}
