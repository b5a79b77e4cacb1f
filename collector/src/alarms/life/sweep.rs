//! What time does to alarms.

use kouan_protocol::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::clear::close_unshelved;
use super::hold::end_holding;
use super::{Step, close, next_change, write_step};
use crate::alarms::settings::saved;
use crate::store::{During as _, StoreError};

/// Whether time has something to do.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn is_due(conn: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    let quiet = i64::try_from(saved(conn)?.edge_flap.quiet_ms).unwrap_or(i64::MAX);
    conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM alarms WHERE shelved_until_ms IS NOT NULL AND shelved_until_ms <= ?1)
             OR EXISTS (SELECT 1 FROM alarms WHERE close_ms IS NOT NULL AND close_ms <= ?1
                     AND shelved_until_ms IS NULL)
             OR EXISTS (SELECT 1 FROM alarms WHERE edge_over_ms IS NOT NULL AND edge_over_ms <= ?2)",
    )
    .and_then(|mut statement| statement.query_row([now.0, now.0.saturating_sub(quiet)], |row| row.get(0)))
    .during("look for alarms that time changes")
}

/// Does what time does to alarms: shelving ends, what was held and is quiet clears, what waited for it closes.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn sweep(transaction: &Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    end_shelving(transaction, now)?;
    end_holding(transaction, now)?;
    close_due(transaction, now)
}

fn close_due(transaction: &Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    let due: Vec<(String, String)> = transaction
        .prepare_cached(
            "SELECT id, site FROM alarms WHERE close_ms IS NOT NULL AND close_ms <= ?1 AND state = 'cleared'
                 AND shelved_until_ms IS NULL",
        )
        .and_then(|mut statement| statement.query_map([now.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .during("look for alarms that close by themselves")?;
    due.iter().try_for_each(|(id, site)| close(transaction, (id, site), "", "", now))
}

/// Brings alarms back that were shelved until now.
fn end_shelving(transaction: &Transaction<'_>, now: Timestamp) -> Result<(), StoreError> {
    let due: Vec<(String, String)> = transaction
        .prepare_cached(
            "SELECT id, site FROM alarms WHERE shelved_until_ms IS NOT NULL AND shelved_until_ms <= ?1 AND state <> 'closed'",
        )
        .and_then(|mut statement| statement.query_map([now.0], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .during("look for alarms that were shelved")?;
    for (id, site) in &due {
        let change = next_change(transaction)?;
        transaction
            .execute(
                "UPDATE alarms SET shelved_until_ms = NULL, shelved_by = NULL, shelve_reason = NULL, change = ?2
                 WHERE id = ?1",
                params![id, change],
            )
            .during("bring a shelved alarm back")?;
        write_step(transaction, &Step { alarm: id, site, what: "unshelved", by: "", text: "" }, now)?;
        close_unshelved(transaction, (id, site), now)?;
    }
    Ok(())
}
