//! Every change of health that was told.

use kouan_protocol::DeviceHealth;
use rusqlite::{Connection, Transaction, params};

use super::{Moment, Origin};
use crate::store::{During as _, StoreError};

/// Writes down a change. The boot and its clock name it: the record in the lane and every snapshot that repeats it are
/// one. A snapshot also says that it was so still.
pub(super) fn record(
    transaction: &Transaction<'_>,
    origin: &Origin,
    (device, site): (&str, &str),
    health: &DeviceHealth,
    moment: &Moment,
) -> Result<(), StoreError> {
    let said_ms = if origin.snapshot { origin.received.0.max(moment.time.0) } else { moment.time.0 };
    transaction
        .prepare_cached(
            "INSERT INTO health_log (device, boot, boot_ms, site, level, reason, time_ms, said_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (device, boot, boot_ms) DO UPDATE SET said_ms = max(said_ms, excluded.said_ms)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                device,
                moment.boot.to_string(),
                i64::try_from(moment.boot_time.0).unwrap_or(i64::MAX),
                site,
                health.level.as_str(),
                health.reason,
                moment.time.0,
                said_ms
            ])
        })
        .during("write down a device's health")?;
    Ok(())
}

/// A change by its device, and the boot and its clock that name it.
pub type HealthChange = (String, String, i64);

/// Some changes before `before_ms` that another one before it followed: the last one of each device says how it was from
/// then on.
///
/// # Errors
/// When they cannot be read.
pub fn old_health(conn: &Connection, before_ms: i64, most: usize) -> Result<Vec<HealthChange>, StoreError> {
    conn.prepare_cached(
        "SELECT device, boot, boot_ms FROM health_log AS own WHERE time_ms < ?1 AND EXISTS
             (SELECT 1 FROM health_log AS next
              WHERE next.device = own.device AND next.time_ms > own.time_ms AND next.time_ms <= ?1)
         LIMIT ?2",
    )
    .and_then(|mut statement| {
        let values = params![before_ms, i64::try_from(most).unwrap_or(i64::MAX)];
        statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
    })
    .during("look for old changes of health")
}

/// Removes those changes, and when agents recorded something before that time.
///
/// # Errors
/// When it cannot be written.
pub fn forget_health(
    transaction: &Transaction<'_>,
    changes: &[HealthChange],
    before_ms: i64,
) -> Result<(), StoreError> {
    for (device, boot, boot_ms) in changes {
        transaction
            .prepare_cached("DELETE FROM health_log WHERE device = ?1 AND boot = ?2 AND boot_ms = ?3")
            .and_then(|mut statement| statement.execute(params![device, boot, boot_ms]))
            .during("remove an old change of health")?;
    }
    transaction
        .execute("DELETE FROM recorded WHERE to_ms < ?1", [before_ms])
        .during("remove when agents recorded something")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{File, open_writable};

    #[test]
    fn the_last_change_before_the_limit_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = open_writable(&folder.path().join("state.db"), File::State).unwrap();
        let transaction = conn.transaction().unwrap();
        for (device, times) in [("d-1", vec![10, 20, 30, 40]), ("d-2", vec![5]), ("d-3", vec![50, 60])] {
            for time in times {
                transaction
                    .execute(
                        "INSERT INTO health_log VALUES (?1, 'b', ?2, 's', 'working', '', ?2, ?2)",
                        params![device, time],
                    )
                    .unwrap();
            }
        }
        transaction.execute_batch("INSERT INTO recorded VALUES ('a', 1, 34), ('a', 36, 90)").unwrap();
        let old = old_health(&transaction, 35, 100).unwrap();
        assert_eq!(
            old.iter().map(|(device, _, at)| (device.as_str(), *at)).collect::<Vec<_>>(),
            [("d-1", 10), ("d-1", 20)]
        );
        forget_health(&transaction, &old, 35).unwrap();
        let count = |sql| transaction.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((count("SELECT count(*) FROM health_log"), count("SELECT count(*) FROM recorded")), (5, 1));
        assert!(old_health(&transaction, 35, 100).unwrap().is_empty());
    }
}
