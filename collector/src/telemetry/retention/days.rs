//! Deleting whole days. What a day accounts for is kept, so that every number still is accounted for.

use std::path::Path;

use kouan_protocol::Lane;
use rusqlite::{Connection, TransactionBehavior, params};

use crate::store::{During as _, StoreError};
use crate::telemetry::partition::delete_file;
use crate::telemetry::partition_path;

/// Deletes files whose deletion had begun when the program ended.
pub(in crate::telemetry) fn finish(index: &mut Connection, folder: &Path) -> Result<(), StoreError> {
    let days: Vec<i64> = index
        .prepare("SELECT day FROM removing")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .during("look for days that are being deleted")?;
    days.into_iter().try_for_each(|day| finish_one(index, folder, day))
}

/// Deletes the file of a day that [`note`] has noted.
pub(super) fn finish_one(index: &Connection, folder: &Path, day: i64) -> Result<(), StoreError> {
    delete_file(&partition_path(folder, day))?;
    index.execute("DELETE FROM removing WHERE day = ?1", [day]).during("note that a day is deleted")?;
    Ok(())
}

/// How many numbers of an agent, an epoch and a lane.
pub(super) type Counts = Vec<(String, String, u32, i64)>;

/// What the file of a day accounts for.
pub(super) fn counts(conn: &Connection) -> Result<Counts, StoreError> {
    let mut found = Vec::new();
    let readings = "SELECT agent, epoch, rows FROM counts";
    let events = "SELECT agent, epoch, count(*) FROM events GROUP BY agent, epoch
                  UNION ALL SELECT agent, epoch, rows FROM removed_events";
    for (sql, lane) in [(readings, Lane::Readings), (events, Lane::Events)] {
        let mut statement = conn.prepare(sql).during("count a day's rows")?;
        let rows: Vec<(String, String, i64)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .and_then(Iterator::collect)
            .during("count a day's rows")?;
        found.extend(rows.into_iter().map(|(agent, epoch, rows)| (agent, epoch, lane.number(), rows)));
    }
    Ok(found)
}

/// Notes that the day goes and what it accounts for, in one step: from here on it counts here and no longer by itself.
pub(super) fn note(index: &mut Connection, day: i64, counts: &Counts) -> Result<(), StoreError> {
    let transaction =
        index.transaction_with_behavior(TransactionBehavior::Immediate).during("begin noting a deletion")?;
    for (agent, epoch, lane, rows) in counts {
        transaction
            .prepare_cached(
                "INSERT INTO removed (agent, epoch, lane, rows) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET rows = rows + excluded.rows",
            )
            .and_then(|mut statement| statement.execute(params![agent, epoch, lane, rows]))
            .during("note what a deleted day accounts for")?;
    }
    transaction.execute("INSERT OR IGNORE INTO removing (day) VALUES (?1)", [day]).during("note a deletion")?;
    transaction.commit().during("commit a deletion")
}
