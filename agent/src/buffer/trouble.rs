//! What an error of SQLite means for the file it came from.

use rusqlite::{Error, ErrorCode, ffi};

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The disk is full. It may have space again later.
    Full,
    /// The disk refuses, or could not make sure of what it was given. A second fsync would report success for pages
    /// that the kernel has thrown away, so the file is given up for as long as this process lives.
    Refused,
    /// What stands in the file contradicts itself.
    Damaged,
    /// It may work when tried again.
    Passing,
}

impl Trouble {
    /// Judges an error.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::SqliteFailure(failure, _) => Self::of_code(failure.code, failure.extended_code),
            Error::SqlInputError { error, .. } => Self::of_code(error.code, error.extended_code),
            // A column of another type, a row that must be there and is not.
            _ => Self::Damaged,
        }
    }

    fn of_code(code: ErrorCode, extended: i32) -> Self {
        match code {
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::OperationAborted
            | ErrorCode::SchemaChanged
            | ErrorCode::FileLockingProtocolFailed => Self::Passing,
            ErrorCode::SystemIoFailure => match extended {
                ffi::SQLITE_IOERR_NOMEM | ffi::SQLITE_IOERR_BLOCKED => Self::Passing,
                ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_DATA => Self::Damaged,
                _ => Self::Refused,
            },
            ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied => Self::Refused,
            _ => Self::Damaged,
        }
    }
}

/// The error of a disk without space.
pub(crate) fn disk_full() -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), Some("the disk has no space for another page".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        let trouble = |code| Trouble::of(&Error::SqliteFailure(ffi::Error::new(code), None));
        assert_eq!(trouble(ffi::SQLITE_FULL), Trouble::Full);
        assert_eq!(trouble(ffi::SQLITE_IOERR_FSYNC), Trouble::Refused);
        assert_eq!(trouble(ffi::SQLITE_IOERR_WRITE), Trouble::Refused);
        assert_eq!(trouble(ffi::SQLITE_READONLY_DIRECTORY), Trouble::Refused);
        assert_eq!(trouble(ffi::SQLITE_CORRUPT), Trouble::Damaged);
        assert_eq!(trouble(ffi::SQLITE_NOTADB), Trouble::Damaged);
        assert_eq!(trouble(ffi::SQLITE_BUSY), Trouble::Passing);
        assert_eq!(Trouble::of(&Error::QueryReturnedNoRows), Trouble::Damaged);
    }
}
