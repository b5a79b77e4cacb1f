//! Copies of single files, on disk when they return.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::store::{During as _, StoreError, open_read_only};

/// Pages of one step.
const PAGES: i32 = 4_096;

/// Copies a database as it is at one instant, also while others write to it.
///
/// SQLite begins a copy again whenever another connection has written between two steps, unless a read transaction
/// stands over all of them: in WAL mode that keeps its snapshot, and neither waits for writers nor holds them up
/// (sqlite.org/wal.html, "Concurrency"; `sqlite3_backup_step` uses a transaction that is open). Meanwhile the WAL
/// grows by what is written.
pub(super) fn database(from: &Path, to: &Path) -> Result<(), StoreError> {
    let source = open_read_only(from)?;
    let snapshot = source.unchecked_transaction().during("begin to copy a database")?;
    // A transaction has its snapshot from the first page it reads.
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).during("begin to copy a database")?;
    let mut copy = Connection::open(to).during("make the copy of a database")?;
    // A copy that was not finished is of no use, so nothing protects it until it is synced as a whole.
    copy.pragma_update(None, "journal_mode", "off").during("set journal_mode")?;
    copy.pragma_update(None, "synchronous", "off").during("set synchronous")?;
    {
        let backup = Backup::new(&snapshot, &mut copy).during("begin to copy a database")?;
        loop {
            match backup.step(PAGES).during("copy a database")? {
                StepResult::Done => break,
                StepResult::More => {}
                // Nobody else knows the copy, and a reader of a WAL waits for nobody.
                _ => return Err(StoreError::Damaged { what: "a database", problem: "it is locked".to_owned() }),
            }
        }
    }
    // One file that can be read from anywhere: no WAL beside it until a collector opens it again.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).during("end the WAL of a copy")?;
    copy.close().map_err(|(_, error)| error).during("close a copy")?;
    sync(to)
}

/// Copies a file that nobody writes to.
pub(super) fn plain(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::copy(from, to).map_err(StoreError::io("copy", from))?;
    sync(to)
}

pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", path))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;
    use crate::store::{File, open_writable};

    /// Each commit moves a number from one table to the other: a copy of two instants would lose or double some.
    #[test]
    fn a_copy_is_of_one_instant_and_ends_while_others_write_all_the_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ingest.db");
        let mut conn = open_writable(&path, File::Ingest).unwrap();
        conn.execute_batch(
            "CREATE TABLE a (n INTEGER PRIMARY KEY, filler BLOB); CREATE TABLE b (n INTEGER PRIMARY KEY, filler BLOB);
             WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 20000)
             INSERT INTO a SELECT n, zeroblob(2000) FROM up;",
        )
        .unwrap();
        let (stop, commits) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                conn.pragma_update(None, "synchronous", "off").unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let transaction = conn.transaction().unwrap();
                    transaction.execute("INSERT INTO b SELECT * FROM a LIMIT 1", []).unwrap();
                    transaction.execute("DELETE FROM a WHERE n IN (SELECT n FROM b)", []).unwrap();
                    transaction.commit().unwrap();
                    commits.fetch_add(1, Ordering::Relaxed);
                }
            });
            for round in 0..3 {
                let copy = folder.path().join(format!("copy-{round}.db"));
                let before = commits.load(Ordering::Relaxed);
                while commits.load(Ordering::Relaxed) == before {
                    std::thread::yield_now();
                }
                database(&path, &copy).unwrap();
                assert!(!folder.path().join(format!("copy-{round}.db-wal")).exists());
                let copied = open_read_only(&copy).unwrap();
                let (both, sound): (i64, String) = copied
                    .query_row(
                        "SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b), (SELECT * FROM pragma_quick_check)",
                        [],
                        |row| Ok((row.get(0)?, row.get(1)?)),
                    )
                    .unwrap();
                assert_eq!((both, sound.as_str()), (20_000, "ok"));
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(commits.load(Ordering::Relaxed) > 3);
    }
}
