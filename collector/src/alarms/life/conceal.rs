//! Alarms that another one explains, and alarms of what is being worked on.

use kouan_protocol::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Step, next_change, write_step};
use crate::store::{During as _, StoreError};

/// For so long an alarm that another one explains may have asked somebody before that was known, and counts as one that
/// asked nobody.
const EXPLAINED_MS: i64 = 5 * 60_000;

/// Hides an alarm behind the one that explains it. Returns whether anything changed.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn conceal(transaction: &Transaction<'_>, id: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
    let change = next_change(transaction)?;
    let site: Option<String> = transaction
        .prepare_cached(
            "UPDATE alarms SET hidden_by = ?2, change = ?3,
                 asked_ms = CASE WHEN acknowledged_by IS NULL AND asked_ms > ?4 THEN NULL ELSE asked_ms END
             WHERE id = ?1 AND state = 'raised' AND hidden_by IS NOT ?2
             RETURNING site",
        )
        .and_then(|mut statement| {
            let values = params![id, by, change, now.0.saturating_sub(EXPLAINED_MS)];
            statement.query_row(values, |row| row.get(0)).optional()
        })
        .during("hide an alarm")?;
    let Some(site) = site else { return Ok(false) };
    write_step(transaction, &Step { alarm: id, site: &site, what: "hidden", by: "", text: by }, now)?;
    Ok(true)
}

/// Shows an alarm again that nothing explains any more. Returns whether anything changed.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn reveal(transaction: &Transaction<'_>, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let change = next_change(transaction)?;
    let site: Option<String> = transaction
        .prepare_cached(
            "UPDATE alarms SET hidden_by = NULL, change = ?2,
                 asked_ms = coalesce(asked_ms, CASE WHEN maintenance THEN NULL ELSE ?3 END)
             WHERE id = ?1 AND state = 'raised' AND hidden_by IS NOT NULL
             RETURNING site",
        )
        .and_then(|mut statement| statement.query_row(params![id, change, now.0], |row| row.get(0)).optional())
        .during("show an alarm")?;
    let Some(site) = site else { return Ok(false) };
    write_step(transaction, &Step { alarm: id, site: &site, what: "shown", by: "", text: "" }, now)?;
    Ok(true)
}

/// Counts anew how many standing alarms this one hides.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn count_hidden(transaction: &Transaction<'_>, id: &str) -> Result<(), StoreError> {
    let hides: i64 = transaction
        .prepare_cached("SELECT count(*) FROM alarms WHERE hidden_by = ?1 AND state = 'raised'")
        .and_then(|mut statement| statement.query_row([id], |row| row.get(0)))
        .during("count hidden alarms")?;
    let change = next_change(transaction)?;
    transaction
        .prepare_cached("UPDATE alarms SET hides = ?2, change = ?3 WHERE id = ?1 AND hides <> ?2")
        .and_then(|mut statement| statement.execute(params![id, hides, change]))
        .during("count hidden alarms")?;
    Ok(())
}

/// Marks an alarm as one of something that is being worked on, or no longer. Work that begins answers the alarm; from
/// the end of it on an alarm that still stands asks somebody.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn mark_maintenance(
    transaction: &Transaction<'_>,
    id: &str,
    maintenance: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let change = next_change(transaction)?;
    transaction
        .prepare_cached(
            "UPDATE alarms SET maintenance = ?2, change = ?3,
                 response_ms = CASE WHEN ?2 THEN coalesce(response_ms, max(0, ?4 - asked_ms)) ELSE response_ms END,
                 asked_ms = CASE WHEN ?2 OR hidden_by IS NOT NULL THEN asked_ms ELSE coalesce(asked_ms, ?4) END
             WHERE id = ?1 AND maintenance <> ?2",
        )
        .and_then(|mut statement| statement.execute(params![id, maintenance, change, now.0]))
        .during("mark an alarm of what is worked on")?;
    Ok(())
}
