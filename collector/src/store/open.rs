//! Opening SQLite files with the settings that everything else relies on.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{During as _, StoreError};

/// The kinds of SQLite files, each with its own schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// `ingest.db`
    Ingest,
    /// `state.db`
    State,
    /// `history/index.db`
    HistoryIndex,
    /// `history/YYYY-MM-DD.db`
    Partition,
    /// `history/hours-YYYY.db` and `history/minutes-YYYY-MM.db`
    Rollup,
    /// `history/events-YYYY-MM.db`
    EventIndex,
}

mod ingest {
    refinery::embed_migrations!("migrations/ingest");
}
mod state {
    refinery::embed_migrations!("migrations/state");
}
mod history {
    refinery::embed_migrations!("migrations/history");
}
mod partition {
    refinery::embed_migrations!("migrations/partition");
}
mod rollup {
    refinery::embed_migrations!("migrations/rollup");
}
mod event_index {
    refinery::embed_migrations!("migrations/event_index");
}

/// How long a connection waits for another process (`agent add` beside a running collector) before it gives up.
const BUSY: Duration = Duration::from_secs(5);

/// Opens `path` for its writer, made and migrated if needed.
///
/// # Errors
/// When the file cannot be opened, is damaged, or comes from a newer version.
pub fn open_writable(path: &Path, file: File) -> Result<Connection, StoreError> {
    let mut conn = Connection::open(path).during("open a database file")?;
    conn.busy_timeout(BUSY).during("set the busy timeout")?;
    plan_once(&conn)?;
    if file == File::Partition {
        // A chunk is some kilobytes: of pages as small as that much would stay empty. Only a new file takes it.
        conn.pragma_update(None, "page_size", 16_384).during("set page_size")?;
    }
    if matches!(file, File::Partition | File::Rollup) {
        // What is deleted from them gives its pages back. It must be said before there is a page.
        conn.pragma_update(None, "auto_vacuum", "incremental").during("set auto_vacuum")?;
    }
    conn.pragma_update(None, "journal_mode", "wal").during("switch a database to WAL")?;
    // FULL fsyncs every commit: an acknowledgement may leave only after it (SQLite documentation, PRAGMA synchronous).
    conn.pragma_update(None, "synchronous", "full").during("set synchronous")?;
    conn.pragma_update(None, "foreign_keys", true).during("set foreign_keys")?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20).during("set journal_size_limit")?;
    let runner = match file {
        File::Ingest => ingest::migrations::runner(),
        File::State => state::migrations::runner(),
        File::HistoryIndex => history::migrations::runner(),
        File::Partition => partition::migrations::runner(),
        File::Rollup => rollup::migrations::runner(),
        File::EventIndex => event_index::migrations::runner(),
    };
    // In one transaction: by itself refinery notes a migration in another one than its statements, and a program that is
    // killed in between never opens the file again.
    runner
        .set_grouped(true)
        .run(&mut conn)
        .map_err(|source| StoreError::Migrate { path: path.to_owned(), source: Box::new(source) })?;
    sync_wal(path)?;
    Ok(conn)
}

/// A process that was killed may have left commits in the WAL which it had written and not synced. From now on SQLite
/// takes them for committed, so they must be on disk before anybody builds on them: otherwise a reader of the log can
/// have on disk what the log then loses with the power. SQLite holds no locks on this file that closing it could drop.
fn sync_wal(path: &Path) -> Result<(), StoreError> {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    match std::fs::File::open(&wal).and_then(|wal| wal.sync_all()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("sync the WAL of", path)(error))
        }
        _ => Ok(()),
    }
}

/// Opens `path` for reading only.
///
/// # Errors
/// When the file does not exist or cannot be opened.
pub fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    // SQLite says only that it is "unable to open database file". The file must not be opened here to find out:
    // closing it would drop SQLite's locks on it (sqlite.org/howtocorrupt.html, 2.2).
    std::fs::metadata(path).map_err(StoreError::io("open", path))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).during("open a database file for reading")?;
    conn.busy_timeout(BUSY).during("set the busy timeout")?;
    plan_once(&conn)?;
    Ok(conn)
}

/// Opens `path` for reading only, without locks and without looking for changes, if no WAL with anything in it lies
/// beside it; `None` if one does. Nobody may write the file as long as the connection lives.
///
/// # Errors
/// When the file does not exist or cannot be opened.
pub fn open_resting(path: &Path) -> Result<Option<Connection>, StoreError> {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    if std::fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0) {
        return Ok(None);
    }
    std::fs::metadata(path).map_err(StoreError::io("open", path))?;
    // A URI (sqlite.org/uri.html): whatever has a meaning in one is written as its number.
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(uri, flags).during("open a database file at rest")?;
    plan_once(&conn)?;
    Ok(Some(conn))
}

/// A prepared statement keeps its plan. Otherwise SQLite may plan anew for each value that is bound, which costs more
/// than what most statements here do (sqlite.org/c3ref/c_dbconfig_defensive.html, SQLITE_DBCONFIG_ENABLE_QPSG).
fn plan_once(conn: &Connection) -> Result<(), StoreError> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).during("keep the plans of statements").map(drop)
}
