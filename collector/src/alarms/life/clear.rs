//! Nobody says any more that a condition holds.

use kouan_protocol::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Source, Step, next_change, write_step};
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
    /// Nobody has to look at it: somebody did, or another alarm explains it, or somebody worked there, or it only told.
    needs_nobody: bool,
}

/// Clears the alarm if nobody else says that it stands. What needs nobody's attention any more is closed at once.
/// Returns whether it was cleared.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn clear(transaction: &Transaction<'_>, clear: &Clear<'_>) -> Result<bool, StoreError> {
    let open = transaction
        .prepare_cached(
            "SELECT id, site, raised_ms, sources, acknowledged_by IS NOT NULL OR hidden_by IS NOT NULL OR maintenance
                 OR severity = 'info'
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
            .prepare_cached("UPDATE alarms SET sources = ?2, change = ?3 WHERE id = ?1")
            .and_then(|mut statement| statement.execute(params![open.id, left, change]))
            .during("change an alarm")?;
        return Ok(false);
    }
    let change = next_change(transaction)?;
    transaction
        .prepare_cached(
            "UPDATE alarms SET state = 'cleared', sources = 0, cleared_ms = ?2, repair_ms = max(0, ?2 - raised_ms),
                 flapping = 0, change = ?3 WHERE id = ?1",
        )
        .and_then(|mut statement| statement.execute(params![open.id, clear.time.0.max(open.raised_ms), change]))
        .during("clear an alarm")?;
    let step = Step { alarm: &open.id, site: &open.site, what: "cleared", by: "", text: clear.text };
    write_step(transaction, &step, clear.time)?;
    if open.needs_nobody {
        close(transaction, (&open.id, &open.site), "", "", clear.time)?;
    }
    Ok(true)
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
                 change = ?4 WHERE id = ?1",
        )
        .and_then(|mut statement| statement.execute(params![id, by, now.0, change]))
        .during("close an alarm")?;
    write_step(transaction, &Step { alarm: id, site, what: "closed", by, text }, now)
}
