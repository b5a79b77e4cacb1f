//! How long notifications stay on record.

use rusqlite::{Connection, Transaction, params};

use crate::store::{During as _, StoreError};

/// The oldest notifications that were settled before a time, at most `limit`. What waits is never among them.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn settled_before(conn: &Connection, before_ms: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
    conn.prepare_cached(
        "SELECT number FROM notifications WHERE time_ms < ?1 AND state <> 'waiting' AND coalesce(settled_ms, 0) < ?1
         ORDER BY time_ms, number LIMIT ?2",
    )
    .and_then(|mut statement| {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        statement.query_map(params![before_ms, limit], |row| row.get(0))?.collect()
    })
    .during("look for old notifications")
}

/// Takes these notifications off the record.
///
/// # Errors
/// When they cannot be removed.
pub(crate) fn forget(transaction: &Transaction<'_>, numbers: &[i64]) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM notification_alarms WHERE notification = ?1",
        "DELETE FROM notifications WHERE number = ?1 AND state <> 'waiting'",
    ] {
        let mut statement = transaction.prepare_cached(sql).during("forget an old notification")?;
        for number in numbers {
            statement.execute([number]).during("forget an old notification")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{File, open_writable};

    const NOW: i64 = 1_795_312_800_000;

    fn put(conn: &Connection, id: &str, time_ms: i64, state: &str, settled_ms: Option<i64>) {
        conn.execute(
            "INSERT INTO notifications (id, time_ms, channel, user_id, route, step, kind, language, recipient, subject,
                 text, alarms, sites, state, settled_ms)
             VALUES (?1, ?2, 'c', '', 'r', 0, 'raise', 'zh', 'noc', '', '', '[]', '[]', ?3, ?4)",
            params![id, time_ms, state, settled_ms],
        )
        .unwrap();
        conn.execute("INSERT INTO notification_alarms VALUES ('a-1', ?1)", [conn.last_insert_rowid()]).unwrap();
    }

    #[test]
    fn what_is_old_and_settled_goes_and_what_waits_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = open_writable(&folder.path().join("state.db"), File::State).unwrap();
        put(&conn, "old", NOW - 10, "sent", Some(NOW - 9));
        put(&conn, "waits", NOW - 10, "waiting", None);
        put(&conn, "sent late", NOW - 10, "sent", Some(NOW + 1));
        put(&conn, "refused", NOW - 5, "failed", Some(NOW - 5));
        put(&conn, "new", NOW, "sent", Some(NOW));
        assert_eq!(settled_before(&conn, NOW, 1).unwrap().len(), 1, "a few at a time");
        let old = settled_before(&conn, NOW, 10).unwrap();
        let transaction = conn.transaction().unwrap();
        forget(&transaction, &old).unwrap();
        transaction.commit().unwrap();
        let mut statement = conn.prepare("SELECT id FROM notifications ORDER BY number").unwrap();
        let left: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(left, ["waits", "sent late", "new"]);
        let alarms: i64 = conn.query_row("SELECT count(*) FROM notification_alarms", [], |row| row.get(0)).unwrap();
        assert_eq!(alarms, 3);
    }
}
