//! The agent's evidence.

use kouan_protocol::{CommandProgress, CommandState, Timestamp};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::sweep::give_up;
use super::{Reason, change};
use crate::state::{DeviceId, Origin};
use crate::store::{During as _, StoreError};

fn rank(state: &str) -> u32 {
    match state {
        "queued" | "held" => 0,
        "delivered" => 1,
        "started" => 2,
        _ => 3,
    }
}

/// Moves a command by what the agent says of it. States never go back; but what this side could only guess
/// (`unknown`, `expired`) gives way to how the command ended.
///
/// A journal that the agent no longer has says nothing after what is under way here. Its late records still count
/// when they tell an end; a state in between would stand for ever.
///
/// # Errors
/// When it cannot be written.
pub fn take_progress(
    transaction: &Transaction<'_>,
    origin: &Origin,
    local_device: Option<&DeviceId>,
    progress: &CommandProgress,
    time: Timestamp,
) -> Result<(), StoreError> {
    let found: Option<(i64, String, bool)> = transaction
        .query_row(
            "SELECT number, state, evidence FROM commands WHERE agent = ?1 AND id = ?2",
            params![origin.agent.as_str(), progress.command.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()
        .during("look for a command")?;
    let is_new = found.is_none();
    let (number, state, evidence) = match found {
        Some(found) => found,
        None => (insert_of_agent(transaction, origin, local_device, progress, time)?, "queued".to_owned(), true),
    };
    let guessed = !evidence && rank(&state) == 3;
    if !guessed && rank(progress.state.as_str()) <= rank(&state) {
        return Ok(());
    }
    let abandoned = !progress.state.is_final() && !is_current(transaction, origin, progress)?;
    if (guessed && !progress.state.is_final()) || (abandoned && !is_new) {
        return Ok(());
    }
    let agent = format!("agent {}", origin.agent);
    change(
        transaction,
        number,
        progress.state.as_str(),
        time.0,
        &agent,
        Reason::new(&progress.reason, &progress.reason_zh),
    )?;
    let results = serde_json::to_string(&progress.results).map_err(StoreError::damaged("a command's results"))?;
    transaction
        .execute("UPDATE commands SET evidence = 1, results = ?2 WHERE number = ?1", params![number, results])
        .during("keep a command's results")?;
    if abandoned {
        give_up(transaction, number, time)?;
    }
    Ok(())
}

/// Whether the journal that speaks is the one that the agent named in its latest hello.
fn is_current(transaction: &Transaction<'_>, origin: &Origin, progress: &CommandProgress) -> Result<bool, StoreError> {
    let journal: Option<String> = transaction
        .query_row("SELECT journal FROM agents WHERE id = ?1", [origin.agent.as_str()], |row| row.get(0))
        .optional()
        .during("read which journal the agent has")?;
    Ok(journal.is_some_and(|journal| journal == progress.journal.to_string()))
}

/// A command that this side did not ask for: somebody at the agent did, or this side has lost it.
fn insert_of_agent(
    transaction: &Transaction<'_>,
    origin: &Origin,
    local_device: Option<&DeviceId>,
    progress: &CommandProgress,
    time: Timestamp,
) -> Result<i64, StoreError> {
    let local = progress.local.as_ref();
    let arguments = local.map(|local| local.arguments.as_slice()).unwrap_or_default();
    let arguments = serde_json::to_string(arguments).map_err(StoreError::damaged("a command's arguments"))?;
    debug_assert!(CommandState::from_number(progress.state.number()).is_some());
    transaction
        .execute(
            "INSERT INTO commands (id, site, device, agent, key, action, arguments, moves, origin, requested_by, why, state,
                 life_ms, created_ms, created_boot, created_boot_ms, changed_ms, offered_journal, evidence)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, 'agent', ?8, '', 'queued', 0, ?9, '', 0, ?9, ?10, 1)",
            params![
                progress.command.as_str(),
                origin.site,
                local_device.map(DeviceId::as_str).unwrap_or_default(),
                origin.agent.as_str(),
                local.map(|local| local.device.as_str()).unwrap_or_default(),
                local.map(|local| local.action.as_str()).unwrap_or_default(),
                arguments,
                local.map(|local| local.by.as_str()).unwrap_or_default(),
                time.0,
                progress.journal.to_string()
            ],
        )
        .during("record a command of an agent")?;
    Ok(transaction.last_insert_rowid())
}
