//! The log of what happened to alarms, and the number that grows with each change.

use kouan_protocol::Timestamp;
use rusqlite::{Transaction, params};

use crate::store::{During as _, StoreError};

/// What happened to an alarm.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The alarm.
    pub alarm: &'a str,
    /// Its site.
    pub site: &'a str,
    /// A word: `raised`, `renewed`, `cleared`, `acknowledged`, `assigned`, `comment`, `shelved`, `unshelved`, `hidden`,
    /// `shown`, `escalated` or `closed`.
    pub what: &'a str,
    /// Who did it; empty for the collector itself.
    pub by: &'a str,
    /// More about it.
    pub text: &'a str,
}

/// Writes it down.
///
/// # Errors
/// When it cannot be written.
pub fn write_step(transaction: &Transaction<'_>, step: &Step<'_>, now: Timestamp) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO alarm_steps (alarm, site, time_ms, what, by, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut statement| {
            statement.execute(params![step.alarm, step.site, now.0, step.what, step.by, step.text])
        })
        .during("write down what happened to an alarm")?;
    Ok(())
}

/// The number of the change that is about to be made.
pub(crate) fn next_change(transaction: &Transaction<'_>) -> Result<i64, StoreError> {
    transaction
        .prepare_cached("SELECT coalesce(max(change), 0) + 1 FROM alarms")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .during("number a change of an alarm")
}
