//! Why something could not be kept or found.

use std::path::{Path, PathBuf};

use rusqlite::ffi;

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
    /// Whether the file itself does not read: SQLite finds it damaged, or the disk does not give back a page.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = match self {
            Self::Sqlite { source, .. } => Some(source),
            Self::Migrate { source, .. } => Some(source.as_ref()),
            _ => None,
        };
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<rusqlite::Error>() {
                return is_broken(error);
            }
            cause = error.source();
        }
        false
    }

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

/// Result codes of SQLite (sqlite.org/rescode.html): damage, no database at all, and pages that the disk does not give.
fn is_broken(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, SystemIoFailure};
    let unread = [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_SHORT_READ, ffi::SQLITE_IOERR_CORRUPTFS];
    match error.sqlite_error() {
        Some(ffi::Error { code: DatabaseCorrupt | NotADatabase, .. }) => true,
        Some(ffi::Error { code: SystemIoFailure, extended_code }) => unread.contains(extended_code),
        _ => false,
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
