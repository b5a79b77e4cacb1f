//! Why something could not be kept or found.

use std::path::{Path, PathBuf};

/// A failure of the store. Each names the operation and keeps the cause.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("could not {operation}: {source}")]
    Sqlite {
        /// What was being done.
        operation: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A file or folder could not be used.
    #[error("could not {operation} {}: {source}", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The schema could not be brought up to date.
    #[error("could not bring {} to the schema of this version: {source}", path.display())]
    Migrate {
        /// Which file.
        path: PathBuf,
        /// What went wrong.
        source: Box<refinery::Error>,
    },
    /// Another collector runs on the same folder.
    #[error(
        "the data folder {} is in use by another kouan-collector{}; stop it first, or choose another folder with --data",
        path.display(),
        if holder.is_empty() { String::new() } else { format!(" (process {holder})") }
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The other's process id, if it is known.
        holder: String,
    },
    /// No collector may run on the folder.
    #[error("{} is no data folder to run on: {why}", path.display())]
    NotToRun {
        /// The folder.
        path: PathBuf,
        /// What it is, and what to do.
        why: &'static str,
    },
    /// A stored value does not read.
    #[error("{what} in the store does not read: {problem}")]
    Damaged {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The writer has stopped, because the program stops or because its thread failed.
    #[error("the store is closing")]
    Closed,
}

impl StoreError {
    /// Wraps an I/O error about `path`.
    pub fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }

    /// A stored value that does not parse.
    pub fn damaged<E: ToString>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |problem| Self::Damaged { what, problem: problem.to_string() }
    }
}

/// Names the operation that a SQLite error interrupted.
pub trait During<T> {
    /// Wraps the error with `operation`, a phrase that follows "could not".
    ///
    /// # Errors
    /// The wrapped error.
    fn during(self, operation: &'static str) -> Result<T, StoreError>;
}

impl<T> During<T> for Result<T, rusqlite::Error> {
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Sqlite { operation, source })
    }
}
