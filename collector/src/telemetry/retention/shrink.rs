//! Taking the classes that are kept no longer out of a file that holds others as well.
//!
//! One file for each class and day would be twenty thousand files a year at a site with sixty classes. Files that give
//! free pages back (`auto_vacuum = incremental`) are 0.1 % larger, and each loses a class once in its life.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};

use crate::store::{During as _, File, StoreError};
use crate::telemetry::partition::open_file;

/// Pages that are given back in one commit, so that the WAL stays short.
const PAGES: u32 = 4_096;

/// What goes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) classes: Vec<String>,
    pub(super) events: bool,
}

/// Deletes from the file of a day. What it accounts for stays the same.
pub(super) fn day(path: &Path, gone: &Gone) -> Result<(), StoreError> {
    let mut conn = open_file(path, File::Partition)?;
    let transaction =
        conn.transaction_with_behavior(TransactionBehavior::Immediate).during("begin deleting from a partition")?;
    for class in &gone.classes {
        transaction
            .execute("DELETE FROM chunks WHERE group_id IN (SELECT id FROM groups WHERE class = ?1)", [class])
            .and_then(|_| transaction.execute("DELETE FROM groups WHERE class = ?1", [class]))
            .during("delete a class from a partition")?;
    }
    if gone.events {
        transaction
            .execute(
                "INSERT INTO removed_events (agent, epoch, rows)
                 SELECT agent, epoch, count(*) FROM events WHERE true GROUP BY agent, epoch
                 ON CONFLICT DO UPDATE SET rows = rows + excluded.rows",
                [],
            )
            .and_then(|_| transaction.execute("DELETE FROM events", []))
            .during("delete the events of a partition")?;
    }
    transaction.commit().during("commit what was deleted from a partition")?;
    give_back(&conn)
}

/// Deletes classes from a file of sums.
pub(super) fn sums(path: &Path, classes: &[String]) -> Result<(), StoreError> {
    let mut conn = open_file(path, File::Rollup)?;
    let transaction =
        conn.transaction_with_behavior(TransactionBehavior::Immediate).during("begin deleting from sums")?;
    for class in classes {
        transaction
            .execute("DELETE FROM windows WHERE group_id IN (SELECT id FROM groups WHERE class = ?1)", params![class])
            .and_then(|_| transaction.execute("DELETE FROM groups WHERE class = ?1", params![class]))
            .during("delete a class from sums")?;
    }
    transaction.commit().during("commit what was deleted from sums")?;
    give_back(&conn)
}

/// Whether the file holds pages that nothing needs, as after a crash before they were given back.
pub(super) fn has_free_pages(conn: &Connection) -> Result<bool, StoreError> {
    let count = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).during("look for free pages");
    // A few stay for the next rows.
    Ok(count("freelist_count")? > 64 + count("page_count")? / 20)
}

/// Makes the file as short as what it holds.
fn give_back(conn: &Connection) -> Result<(), StoreError> {
    loop {
        let free: i64 =
            conn.pragma_query_value(None, "freelist_count", |row| row.get(0)).during("look for free pages")?;
        if free == 0 {
            break;
        }
        // It gives back a page for each step, so it must be asked until it has no more to say.
        conn.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))
            .and_then(|mut statement| {
                let mut steps = statement.query([])?;
                while steps.next()?.is_some() {}
                Ok(())
            })
            .during("give free pages back")?;
        let left: i64 =
            conn.pragma_query_value(None, "freelist_count", |row| row.get(0)).during("look for free pages")?;
        if left >= free {
            break;
        }
        checkpoint(conn)?;
    }
    checkpoint(conn)
}

/// Until then the pages stand in the WAL, and the file is as long as it was. A reader may be in the way; then a later
/// checkpoint does it.
fn checkpoint(conn: &Connection) -> Result<(), StoreError> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).during("checkpoint a file that became shorter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_goes_and_the_file_is_shorter_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2026-11-22.db");
        let conn = open_file(&path, File::Partition).unwrap();
        for (id, class) in [(1, "camera"), (2, "ups")] {
            let group = "INSERT INTO groups (id, agent, key, name, site, class) VALUES (?1, 'a', ?2, 'g', 's', ?2)";
            conn.execute(group, params![id, class]).unwrap();
            for rows in 0..500 {
                conn.execute(
                    "INSERT INTO chunks (group_id, layout_id, first_entry, t_min, t_max, rows, checksum, body)
                     VALUES (?1, 1, 1, 1, 2, ?2, 0, randomblob(8000))",
                    params![id, rows],
                )
                .unwrap();
            }
        }
        drop(conn);
        let length = || std::fs::metadata(&path).unwrap().len();
        let before = length();
        assert!(before > 8_000_000);
        let gone = Gone { classes: vec!["camera".to_owned()], events: true };
        day(&path, &gone).unwrap();
        assert!(length() < before * 55 / 100, "{} of {before}", length());
        let conn = open_file(&path, File::Partition).unwrap();
        let left: (i64, i64, i64, i64) = conn
            .query_row("SELECT count(*), sum(chunks), sum(rows), sum(bytes) FROM groups", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .unwrap();
        assert_eq!(left, (1, 500, 499 * 500 / 2, 4_000_000));
        assert!(!has_free_pages(&conn).unwrap());
        let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }
}
