//! What SQLite offers only through its C interface: growth in chunks, space ahead of need, the length of the WAL.
#![allow(unsafe_code)]

use std::ffi::c_int;

use rusqlite::{Connection, Error, ffi};

/// The file's size is always a multiple of `bytes`, so that SQLite does not give space back that was obtained ahead.
pub(super) fn grow_in_chunks(connection: &Connection, bytes: c_int) -> rusqlite::Result<()> {
    let mut bytes = bytes;
    file_control(connection, ffi::SQLITE_FCNTL_CHUNK_SIZE, (&raw mut bytes).cast())
}

/// Obtains real space from the disk for a file of `bytes`, rounded up to a chunk.
pub(super) fn obtain_space(connection: &Connection, bytes: i64) -> rusqlite::Result<()> {
    let mut bytes = bytes;
    file_control(connection, ffi::SQLITE_FCNTL_SIZE_HINT, (&raw mut bytes).cast())
}

fn file_control(connection: &Connection, operation: c_int, argument: *mut std::ffi::c_void) -> rusqlite::Result<()> {
    // SAFETY: the handle lives as long as `connection`; the name ends with a zero byte; both operations read one
    // number of the type that `argument` points to, and it lives for the call.
    let code = unsafe { ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), operation, argument) };
    result(code)
}

/// Frames in the WAL, and how many of them are in the file too.
pub(super) fn wal_frames(connection: &Connection) -> rusqlite::Result<(u32, u32)> {
    checkpoint_call(connection, ffi::SQLITE_CHECKPOINT_NOOP)
}

/// Copies the WAL into the file, as far as no reader needs the old pages, and makes sure of both.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<(u32, u32)> {
    checkpoint_call(connection, ffi::SQLITE_CHECKPOINT_PASSIVE)
}

fn checkpoint_call(connection: &Connection, mode: c_int) -> rusqlite::Result<(u32, u32)> {
    let (mut frames, mut copied) = (0, 0);
    // SAFETY: as above; the two numbers live for the call.
    let code = unsafe {
        ffi::sqlite3_wal_checkpoint_v2(connection.handle(), c"main".as_ptr(), mode, &raw mut frames, &raw mut copied)
    };
    result(code)?;
    Ok((frames.max(0).unsigned_abs(), copied.max(0).unsigned_abs()))
}

fn result(code: c_int) -> rusqlite::Result<()> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(Error::SqliteFailure(ffi::Error::new(code), None)) }
}
