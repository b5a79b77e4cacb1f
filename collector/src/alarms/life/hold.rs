//! Holding an agent's alarm that comes and goes, as the rules' machine holds theirs: it stays raised until the agent did
//! not say for long enough that the condition holds.

use kouan_protocol::Timestamp;
use rusqlite::{Transaction, params};

use super::{Clear, Source, clear, next_change};
use crate::alarms::settings::saved;
use crate::store::{During as _, StoreError};

/// What an agent says of a condition of a device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeWord<'a> {
    /// What the condition is of, with it.
    pub subject: &'a str,
    /// The device's id.
    pub device: &'a str,
    /// The condition.
    pub condition: &'a str,
    /// When it changed.
    pub time: Timestamp,
    /// When that was heard of.
    pub received: Timestamp,
}

/// The agent has raised it: marks the alarm as one that comes and goes, if it went often enough of late.
///
/// What went counts, not what came: an agent that starts anew says again what still holds.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn note_raise(transaction: &Transaction<'_>, word: &EdgeWord<'_>) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE alarms SET edge_over_ms = NULL
             WHERE subject = ?1 AND state = 'raised' AND edge_over_ms IS NOT NULL",
        )
        .and_then(|mut statement| statement.execute([word.subject]))
        .during("hold an alarm")?;
    let flap = saved(transaction)?.edge_flap;
    let Some(ends) = flap.raises.checked_sub(1) else { return Ok(()) };
    let within = i64::try_from(flap.within_ms).unwrap_or(i64::MAX);
    let ended: i64 = transaction
        .prepare_cached(
            "SELECT count(*) FROM alarm_log WHERE device = ?1 AND time_ms > ?2 AND time_ms <= ?3 AND condition = ?4
                 AND state = 'cleared' AND NOT late",
        )
        .and_then(|mut statement| {
            let since = word.time.0.saturating_sub(within);
            statement.query_row(params![word.device, since, word.time.0, word.condition], |row| row.get(0))
        })
        .during("count how often an alarm came and went")?;
    if usize::try_from(ended).unwrap_or(0) < ends {
        return Ok(());
    }
    let change = next_change(transaction)?;
    transaction
        .prepare_cached(
            "UPDATE alarms SET flapping = 1, edge_held = 1, change = ?2
             WHERE subject = ?1 AND state = 'raised' AND NOT edge_held",
        )
        .and_then(|mut statement| statement.execute(params![word.subject, change]))
        .during("mark an alarm that comes and goes")?;
    Ok(())
}

/// The agent says that it is over: clears the alarm, unless it is held.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn clear_or_hold(transaction: &Transaction<'_>, word: &EdgeWord<'_>, text: &str) -> Result<(), StoreError> {
    let held = transaction
        .prepare_cached(
            "UPDATE alarms SET edge_over_ms = ?2 WHERE subject = ?1 AND state = 'raised' AND edge_held AND sources & 1",
        )
        .and_then(|mut statement| statement.execute(params![word.subject, word.received.0]))
        .during("hold an alarm")?;
    if held == 0 {
        clear(transaction, &Clear { source: Source::Edge, subject: word.subject, text, time: word.time })?;
    }
    Ok(())
}

/// Clears alarms that were held and have been quiet for long enough. Returns how many.
///
/// # Errors
/// When it cannot be written.
pub(super) fn end_holding(transaction: &Transaction<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let quiet = i64::try_from(saved(transaction)?.edge_flap.quiet_ms).unwrap_or(i64::MAX);
    let due: Vec<String> = transaction
        .prepare_cached("SELECT subject FROM alarms WHERE edge_over_ms IS NOT NULL AND edge_over_ms <= ?1")
        .and_then(|mut statement| statement.query_map([now.0.saturating_sub(quiet)], |row| row.get(0))?.collect())
        .during("look for alarms that were held")?;
    for subject in &due {
        clear(transaction, &Clear { source: Source::Edge, subject, text: "", time: now })?;
    }
    Ok(due.len())
}
