//! A data folder that was put back from a backup.
//!
//! Two things tell: a person, who runs `kouan-collector restored` after putting it back, and readers that have seen
//! entries which the log does not have. Agents tell the rest when they say hello (`store::log`).

use kouan_protocol::{Incarnation, Timestamp};
use rusqlite::{Connection, TransactionBehavior};

use crate::commands;
use crate::store::log::{IngestLog as _, SqliteLog};
use crate::store::{During as _, StoreError};

/// What was done about a restored folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// The life that began.
    pub incarnation: Incarnation,
    /// Commands that a person must release or cancel.
    pub held: usize,
}

/// Begins another life of the folder: holds every command that waits, and lets the log go on behind what `history` and
/// the readers in `state.db` have seen. Nothing else may write to the folder meanwhile. To do it twice does no harm.
///
/// # Errors
/// When a file cannot be written. What waits is held first.
pub fn begin_again(
    log: &mut SqliteLog,
    state: &mut Connection,
    history: i64,
    now: Timestamp,
) -> Result<Restored, StoreError> {
    let seen = last_seen(state, history)?;
    let transaction =
        state.transaction_with_behavior(TransactionBehavior::Immediate).during("begin to hold commands")?;
    let held = commands::hold(&transaction, None, commands::RESTORED, now)?;
    transaction.commit().during("hold commands")?;
    Ok(Restored { incarnation: log.begin_again(seen)?, held })
}

/// Begins another life if a reader has seen entries that the log does not have: the log is older than its readers.
///
/// New entries would otherwise bear ids that the readers have passed, and nobody would ever read them.
///
/// # Errors
/// When a file cannot be read or written.
pub fn notice(
    log: &mut SqliteLog,
    state: &mut Connection,
    history: i64,
    now: Timestamp,
) -> Result<Option<Restored>, StoreError> {
    if last_seen(state, history)? <= log.head()? {
        return Ok(None);
    }
    begin_again(log, state, history, now).map(Some)
}

fn last_seen(state: &Connection, history: i64) -> Result<i64, StoreError> {
    let seen: Option<i64> = state
        .query_row("SELECT max(log_id) FROM cursors", [], |row| row.get(0))
        .during("read how far the readers are")?;
    Ok(seen.unwrap_or(0).max(history))
}
