//! Reading commands.

use kouan_protocol::Field;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::auth::Scope;
use crate::http::rfc3339;
use crate::store::{During as _, StoreError};

/// A command as people see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CommandRow {
    /// Its place in the list.
    #[serde(skip)]
    pub number: i64,
    /// Names it for ever.
    pub id: String,
    /// Where.
    pub site: String,
    /// The device; empty if the agent named none.
    pub device: String,
    /// The agent that carries it out.
    pub agent: String,
    /// The device's name at the agent.
    pub key: String,
    /// The action.
    pub action: String,
    /// Its arguments by name.
    #[schema(value_type = Object)]
    pub arguments: Value,
    /// Whether something moves.
    pub moves: bool,
    /// `api`, or `agent` if it was asked for at the agent itself.
    pub origin: String,
    /// Who asked.
    pub requested_by: String,
    /// Why, in their words.
    pub why: String,
    /// `queued`, `held`, `delivered`, `started`, `succeeded`, `failed`, `expired`, `rejected` or `unknown`.
    pub state: String,
    /// Whether nothing can follow.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Whether it left for the agent.
    pub handed_out: bool,
    /// Why it is in that state; empty when there is nothing to explain.
    pub reason: String,
    /// The same in Chinese; empty where there is none.
    pub reason_zh: String,
    /// What the device answered, by name.
    #[schema(value_type = Object)]
    pub results: Value,
    /// How long it may wait to be started.
    pub life_ms: i64,
    /// When it was asked for.
    pub created: String,
    /// The same in milliseconds.
    pub created_ms: i64,
    /// When its state changed.
    pub changed: String,
    /// The same in milliseconds.
    pub changed_ms: i64,
}

/// A step in a command's life.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HistoryRow {
    /// The state that it entered.
    pub state: String,
    /// When.
    pub time: String,
    /// The same in milliseconds.
    pub time_ms: i64,
    /// Who moved it there: an API key, `collector`, or an agent.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// The same in Chinese; empty where there is none.
    pub reason_zh: String,
}

const COLUMNS: &str =
    "number, id, site, device, agent, key, action, arguments, moves, origin, requested_by, why, state,
     offered_journal IS NOT NULL, reason, results, life_ms, created_ms, changed_ms, reason_zh";

fn by_name(fields: &str) -> Value {
    let fields: Vec<Field> = serde_json::from_str(fields).unwrap_or_default();
    let fields = fields.into_iter().map(|field| (field.name, serde_json::json!(field.value)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn read(row: &Row<'_>) -> rusqlite::Result<CommandRow> {
    let state: String = row.get(12)?;
    let (created_ms, changed_ms) = (row.get(17)?, row.get(18)?);
    Ok(CommandRow {
        number: row.get(0)?,
        id: row.get(1)?,
        site: row.get(2)?,
        device: row.get(3)?,
        agent: row.get(4)?,
        key: row.get(5)?,
        action: row.get(6)?,
        arguments: by_name(&row.get::<_, String>(7)?),
        moves: row.get(8)?,
        origin: row.get(9)?,
        requested_by: row.get(10)?,
        why: row.get(11)?,
        is_final: !matches!(state.as_str(), "queued" | "held" | "delivered" | "started"),
        state,
        handed_out: row.get(13)?,
        reason: row.get(14)?,
        reason_zh: row.get(19)?,
        results: by_name(&row.get::<_, String>(15)?),
        life_ms: row.get(16)?,
        created: rfc3339(created_ms),
        created_ms,
        changed: rfc3339(changed_ms),
        changed_ms,
    })
}

/// Which commands.
#[derive(Debug, Clone, Default)]
pub struct CommandFilter {
    /// Of this device.
    pub device: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// Older than this place in the list.
    pub before: Option<i64>,
}

/// Commands, newest first.
///
/// # Errors
/// When they cannot be read.
pub fn list(
    conn: &Connection,
    scope: &Scope,
    filter: &CommandFilter,
    limit: usize,
) -> Result<Vec<CommandRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM commands
         WHERE number < ?1 AND (?2 IS NULL OR site IN (SELECT value FROM json_each(?2)))
           AND (?3 IS NULL OR device = ?3) AND (?4 IS NULL OR state = ?4)
         ORDER BY number DESC LIMIT ?5"
    );
    conn.prepare_cached(&sql)
        .and_then(|mut statement| {
            let before = filter.before.unwrap_or(i64::MAX);
            let values = params![before, scope.to_sql(), filter.device, filter.state, limit as i64];
            statement.query_map(values, read)?.collect()
        })
        .during("read commands")
}

/// The command of that id, if the scope covers its site.
///
/// # Errors
/// When it cannot be read.
pub fn find(conn: &Connection, scope: &Scope, id: &str) -> Result<Option<CommandRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM commands
         WHERE id = ?1 AND (?2 IS NULL OR site IN (SELECT value FROM json_each(?2)))
         ORDER BY origin = 'api' DESC, number DESC LIMIT 1"
    );
    conn.prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row(params![id, scope.to_sql()], read).optional())
        .during("read a command")
}

/// Commands that moved on after the step `after`, in that order, each with the number of its step.
///
/// # Errors
/// When they cannot be read.
pub fn changed_after(conn: &Connection, after: i64, limit: usize) -> Result<Vec<(i64, CommandRow)>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, steps.step FROM
             (SELECT command, max(id) AS step FROM
                 (SELECT id, command FROM command_history WHERE id > ?1 ORDER BY id LIMIT ?2) GROUP BY command) AS steps
         JOIN commands ON commands.number = steps.command ORDER BY steps.step"
    );
    conn.prepare_cached(&sql)
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| Ok((row.get("step")?, read(row)?));
            statement.query_map(params![after, limit as i64], read)?.collect()
        })
        .during("read what changed of commands")
}

/// The number of the newest step of any command.
///
/// # Errors
/// When it cannot be read.
pub fn newest_change(conn: &Connection) -> Result<i64, StoreError> {
    conn.query_row("SELECT coalesce(max(id), 0) FROM command_history", [], |row| row.get(0))
        .during("read how far commands have come")
}

/// The life of a command so far.
///
/// # Errors
/// When it cannot be read.
pub fn history(conn: &Connection, number: i64) -> Result<Vec<HistoryRow>, StoreError> {
    conn.prepare_cached(
        "SELECT state, time_ms, actor, reason, reason_zh FROM command_history WHERE command = ?1 ORDER BY id",
    )
    .and_then(|mut statement| {
        let read = |row: &Row<'_>| {
            let time_ms = row.get(1)?;
            Ok(HistoryRow {
                state: row.get(0)?,
                time: rfc3339(time_ms),
                time_ms,
                actor: row.get(2)?,
                reason: row.get(3)?,
                reason_zh: row.get(4)?,
            })
        };
        statement.query_map([number], read)?.collect()
    })
    .during("read a command's history")
}
