//! What time does to alarms.

use kouan_protocol::Timestamp;
use rusqlite::{Transaction, params};

use super::{Step, next_change, write_step};
use crate::store::{During as _, StoreError};

/// Brings alarms back that were shelved until now. Returns how many.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn end_shelving(transaction: &Transaction<'_>, now: Timestamp) -> Result<usize, StoreError> {
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
    }
    Ok(due.len())
}
