//! Nobody says any more that a condition holds.

use kouan_protocol::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Source, Step, next_change, write_step};
use crate::alarms::settings::saved;
use crate::store::{During as _, StoreError};

/// A condition that somebody no longer says to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clear<'a> {
    /// Who said so.
    pub source: Source,
    /// What the condition is of, with it.
    pub subject: &'a str,
    /// Why, for people; empty when it is simply over.
    pub text: &'a str,
    /// Since when.
    pub time: Timestamp,
}

struct Open {
    id: String,
    site: String,
    raised_ms: i64,
    sources: i64,
    /// Nobody has to look at it: another alarm explains it, or somebody worked there, or it only told.
    needs_nobody: bool,
    /// Somebody looked at it.
    is_acknowledged: bool,
    /// Nobody wants to hear of it for now, nor of the next one like it: it stays open as long as that.
    is_shelved: bool,
}

/// Clears the alarm if nobody else says that it stands. What needs nobody's attention any more is closed at once.
/// Returns whether it was cleared.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn clear(transaction: &Transaction<'_>, clear: &Clear<'_>) -> Result<bool, StoreError> {
    let open = transaction
        .prepare_cached(
            "SELECT id, site, raised_ms, sources, hidden_by IS NOT NULL OR maintenance OR severity = 'info',
                 acknowledged_by IS NOT NULL, shelved_until_ms IS NOT NULL
             FROM alarms WHERE subject = ?1 AND state = 'raised'",
        )
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Open {
                    id: row.get(0)?,
                    site: row.get(1)?,
                    raised_ms: row.get(2)?,
                    sources: row.get(3)?,
                    needs_nobody: row.get(4)?,
                    is_acknowledged: row.get(5)?,
                    is_shelved: row.get(6)?,
                })
            };
            statement.query_row([clear.subject], read).optional()
        })
        .during("look for an alarm that stands")?;
    let Some(open) = open else { return Ok(false) };
    let left = open.sources & !clear.source.bit();
    if left == open.sources {
        return Ok(false);
    }
    if left != 0 {
        let change = next_change(transaction)?;
        transaction
            .prepare_cached(
                "UPDATE alarms SET sources = ?2, change = ?3, edge_held = edge_held AND ?2 & 1,
                     edge_over_ms = CASE WHEN ?2 & 1 THEN edge_over_ms END WHERE id = ?1",
            )
            .and_then(|mut statement| statement.execute(params![open.id, left, change]))
            .during("change an alarm")?;
        return Ok(false);
    }
    let change = next_change(transaction)?;
    transaction
        .prepare_cached(
            "UPDATE alarms SET state = 'cleared', sources = 0, cleared_ms = ?2, 
                 stood_ms = stood_ms + max(0, ?2 - last_raised_ms),
                 repair_ms = stood_ms + max(0, ?2 - last_raised_ms),
                 flapping = 0,
                 edge_held = 0, edge_over_ms = NULL, change = ?3 WHERE id = ?1",
        )
        .and_then(|mut statement| statement.execute(params![open.id, clear.time.0.max(open.raised_ms), change]))
        .during("clear an alarm")?;
    let step = Step { alarm: &open.id, site: &open.site, what: "cleared", by: "", text: clear.text };
    write_step(transaction, &step, clear.time)?;
    if open.is_shelved {
        return Ok(true);
    }
    if open.needs_nobody {
        close(transaction, (&open.id, &open.site), "", "", clear.time)?;
    } else if open.is_acknowledged {
        close_in_time(transaction, (&open.id, &open.site), "", clear.time)?;
    }
    Ok(true)
}

/// Closes an alarm that stayed open only because it was shelved.
pub(super) fn close_unshelved(
    transaction: &Transaction<'_>,
    alarm: (&str, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    let found: Option<(bool, bool)> = transaction
        .prepare_cached(
            "SELECT hidden_by IS NOT NULL OR maintenance OR severity = 'info', acknowledged_by IS NOT NULL FROM alarms
             WHERE id = ?1 AND state = 'cleared'",
        )
        .and_then(|mut statement| statement.query_row([alarm.0], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .during("look for an alarm that was shelved")?;
    match found {
        Some((true, _)) => close(transaction, alarm, "", "", now),
        Some((false, true)) => close_in_time(transaction, alarm, "", now),
        Some((false, false)) | None => Ok(()),
    }
}

/// Closes an alarm that cleared and that somebody acknowledged: at once, later or never, as the settings say.
pub(super) fn close_in_time(
    transaction: &Transaction<'_>,
    alarm: (&str, &str),
    by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    match saved(transaction)?.close_after_ms {
        None => Ok(()),
        Some(0) => close(transaction, alarm, by, "", now),
        Some(after) => {
            transaction
                .prepare_cached("UPDATE alarms SET close_ms = ?2 WHERE id = ?1")
                .and_then(|mut statement| statement.execute(params![alarm.0, now.0.saturating_add(after)]))
                .during("write when an alarm closes")?;
            Ok(())
        }
    }
}

/// Closes an alarm.
pub(in crate::alarms) fn close(
    transaction: &Transaction<'_>,
    (id, site): (&str, &str),
    by: &str,
    text: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let change = next_change(transaction)?;
    transaction
        .prepare_cached(
            "UPDATE alarms SET state = 'closed', closed_by = ?2, closed_ms = max(?3, raised_ms), shelved_until_ms = NULL,
                 close_ms = NULL, change = ?4 WHERE id = ?1",
        )
        .and_then(|mut statement| statement.execute(params![id, by, now.0, change]))
        .during("close an alarm")?;
    write_step(transaction, &Step { alarm: id, site, what: "closed", by, text }, now)
}
