//! Queueing a command.

use kouan_protocol::{Anchor, CommandId, Field};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Reason, write_down};
use crate::state::Device;
use crate::store::{During as _, StoreError};

/// A checked request.
#[derive(Debug, Clone)]
pub struct NewCommand {
    /// Its device as it is bound now.
    pub device: Device,
    /// The action.
    pub action: String,
    /// Its checked arguments.
    pub arguments: Vec<Field>,
    /// Whether something moves.
    pub moves: bool,
    /// Who asked: the API key's name.
    pub requested_by: String,
    /// Why, in the words of who asked.
    pub why: String,
    /// How long it may wait.
    pub life_ms: u64,
    /// The API key's id and the request's idempotency key.
    pub idempotency: Option<(String, String)>,
}

/// Queues the command and returns its id; the id of the earlier one if the same request was made before.
///
/// # Errors
/// When it cannot be written.
pub fn create(transaction: &Transaction<'_>, new: &NewCommand, now: &Anchor) -> Result<(String, bool), StoreError> {
    if let Some((owner, key)) = &new.idempotency {
        let earlier: Option<String> = transaction
            .query_row(
                "SELECT id FROM commands WHERE idempotency_owner = ?1 AND idempotency_key = ?2",
                params![owner, key],
                |row| row.get(0),
            )
            .optional()
            .during("look for the same request")?;
        if let Some(id) = earlier {
            return Ok((id, false));
        }
    }
    let id = format!("c-{:016x}", rand::random::<u64>());
    debug_assert!(id.parse::<CommandId>().is_ok());
    let arguments = serde_json::to_string(&new.arguments).map_err(StoreError::damaged("a command's arguments"))?;
    transaction
        .execute(
            "INSERT INTO commands (id, site, device, binding, agent, key, action, arguments, moves, origin, requested_by,
                 why, state, life_ms, created_ms, created_boot, created_boot_ms, changed_ms, idempotency_owner,
                 idempotency_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'api', ?10, ?11, 'queued', ?12, ?13, ?14, ?15, ?13, ?16, ?17)",
            params![
                id,
                new.device.site,
                new.device.id.as_str(),
                new.device.binding,
                new.device.agent.as_str(),
                new.device.key.as_str(),
                new.action,
                arguments,
                new.moves,
                new.requested_by,
                new.why,
                i64::try_from(new.life_ms).unwrap_or(i64::MAX),
                now.wall.0,
                now.boot.to_string(),
                i64::try_from(now.boot_time.0).unwrap_or(i64::MAX),
                new.idempotency.as_ref().map(|(owner, _)| owner),
                new.idempotency.as_ref().map(|(_, key)| key),
            ],
        )
        .during("queue a command")?;
    let number = transaction.last_insert_rowid();
    write_down(transaction, number, "requested", now.wall.0, &new.requested_by, Reason::of_person(&new.why))?;
    write_down(transaction, number, "queued", now.wall.0, "collector", Reason::default())?;
    Ok((id, true))
}
