//! Commands.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use kouan_protocol::{Field, FieldValue, Timestamp, limits};
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Caller, Id, Input, Params};
use super::page::{Page, Paging};
use super::{AppState, Problem, devices};
use crate::audit::{self, Actor, Deed};
use crate::auth::Scope;
use crate::commands::{self, CommandFilter, CommandRow, HistoryRow, NewCommand};
use crate::state::Device;
use crate::store::StoreError;

/// A request that a device do something.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// One of the device's actions.
    action: String,
    /// Its arguments by name: numbers, texts, true or false.
    #[serde(default)]
    #[schema(value_type = Object)]
    arguments: Map<String, Value>,
    /// Why, for the record.
    #[serde(default)]
    why: String,
    /// How long it may wait to be started; 30 seconds by default, at most a day.
    life_ms: Option<u64>,
}

/// A command with its history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CommandDetail {
    #[serde(flatten)]
    command: CommandRow,
    /// Its life so far.
    history: Vec<HistoryRow>,
}

/// Which commands.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Of this device.
    device: Option<String>,
    /// In this state.
    state: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// Queues a command. The header `Idempotency-Key` makes a repeated request the same command.
#[utoipa::path(post, path = "/api/v1/devices/{id}/commands", tag = "commands",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = Request,
    responses((status = 201, body = CommandDetail, description = "Queued"),
        (status = 200, body = CommandDetail, description = "The same request was made before"),
        (status = 422, content_type = "application/problem+json", body = Problem),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn create(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Input(request): Input<Request>,
) -> Result<(StatusCode, Json<CommandDetail>), Problem> {
    let device = devices::find(&shared, &caller.sites, &id)?;
    let idempotency = idempotency_key(&headers)?.map(|key| (caller.id.clone(), key));
    let new = check(device, request, &caller.name, idempotency)?;
    let agent = new.device.agent.clone();
    let (actor, now) = (caller.actor(), shared.clock.anchor());
    let created = shared.state.transact(move |transaction| {
        let (id, is_new) = commands::create(transaction, &new, &now)?;
        if is_new {
            let detail = json!({
                "device": new.device.id.as_str(),
                "action": new.action,
                "arguments": new.arguments,
                "why": new.why,
            });
            let deed = Deed::new("command-asked", &id).at(&new.device.site).with(detail);
            audit::record(transaction, &actor, &deed, now.wall)?;
        }
        Ok((id, is_new))
    });
    let (id, is_new) = created.await?;
    if is_new {
        shared.bells.ring(&agent);
    }
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, detail(State(shared), caller, Id(id)).await?))
}

fn check(
    device: Device,
    request: Request,
    requested_by: &str,
    idempotency: Option<(String, String)>,
) -> Result<NewCommand, Problem> {
    if device.binding.is_none() || !device.configured {
        return Err(Problem::conflict("no agent speaks to this device at present"));
    }
    let mut problems = Vec::new();
    if request.why.len() > limits::TEXT_BYTES {
        problems.push(format!("why has at most {} bytes", limits::TEXT_BYTES));
    }
    let life_ms = request.life_ms.unwrap_or(commands::DEFAULT_LIFE_MS);
    if !(1..=commands::MAX_LIFE_MS).contains(&life_ms) {
        problems.push(format!("life_ms is {life_ms}; it must be between 1 and {}", commands::MAX_LIFE_MS));
    }
    let mut arguments = Vec::new();
    for (name, value) in request.arguments {
        match field_value(&value) {
            Some(value) => arguments.push(Field::new(&name, value)),
            None => problems.push(format!("argument \"{name}\" must be a number, a text, true or false")),
        }
    }
    let moves = match device.spec.action(&request.action) {
        Some(action) => {
            let wrong = action.check(&arguments).err().unwrap_or_default();
            problems.extend(wrong.iter().map(ToString::to_string));
            action.moves
        }
        None => {
            let known: Vec<_> = device.spec.actions.iter().map(|action| action.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            problems.push(format!("\"{}\" is not an action of this device; it has {known}", request.action));
            false
        }
    };
    if !problems.is_empty() {
        return Err(Problem::invalid(problems));
    }
    let requested_by = requested_by.to_owned();
    Ok(NewCommand {
        device,
        action: request.action,
        arguments,
        moves,
        requested_by,
        why: request.why,
        life_ms,
        idempotency,
    })
}

fn field_value(value: &Value) -> Option<FieldValue> {
    match value {
        Value::Bool(flag) => Some(FieldValue::Flag(*flag)),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Some(FieldValue::Integer(integer)),
            None => number.as_f64().map(FieldValue::Number),
        },
        Value::String(text) => Some(FieldValue::Text(text.clone())),
        _ => None,
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= 200);
    let key = key.ok_or_else(|| Problem::invalid(vec!["Idempotency-Key has 1 to 200 ASCII characters".to_owned()]))?;
    Ok(Some(key.to_owned()))
}

/// Commands, newest first.
#[utoipa::path(get, path = "/api/v1/commands", tag = "commands", params(Filter),
    responses((status = 200, body = Page<CommandRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<CommandRow>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let filter = CommandFilter { device: filter.device, state: filter.state, before: paging.cursor()? };
    let rows = shared.state_readers.read(move |conn| commands::list(conn, &caller.sites, &filter, limit + 1)).await?;
    Ok(Json(Page::cut(rows, limit, |row| row.number.to_string())))
}

/// A command with its history.
#[utoipa::path(get, path = "/api/v1/commands/{id}", tag = "commands", params(("id" = String, Path)),
    responses((status = 200, body = CommandDetail),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn detail(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<CommandDetail>, Problem> {
    let found = shared.state_readers.read(move |conn| {
        let Some(command) = commands::find(conn, &caller.sites, &id)? else { return Ok(None) };
        let history = commands::history(conn, command.number)?;
        Ok(Some(CommandDetail { command, history }))
    });
    found.await?.map(Json).ok_or_else(|| Problem::not_found("such command"))
}

/// Why a person decided so.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    /// For the record.
    #[serde(default)]
    why: String,
}

impl Decision {
    fn check(self) -> Result<String, Problem> {
        if self.why.len() > limits::TEXT_BYTES {
            return Err(Problem::invalid(vec![format!("why has at most {} bytes", limits::TEXT_BYTES)]));
        }
        Ok(self.why)
    }
}

fn note_decision(
    transaction: &Transaction<'_>,
    actor: &Actor,
    action: &'static str,
    command: &str,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let site = commands::find(transaction, &Scope::All, command)?.map(|command| command.site).unwrap_or_default();
    audit::record(transaction, actor, &Deed::new(action, command).at(site).with(json!({ "why": why })), now)
}

/// Puts a held command back into the queue.
#[utoipa::path(post, path = "/api/v1/commands/{id}/release", tag = "commands", params(("id" = String, Path)),
    request_body = Decision,
    responses((status = 200, body = CommandDetail),
        (status = 409, content_type = "application/problem+json", body = Problem, description = "It is not held, its \
            life has ended, or the agent's journal was replaced"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn release(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(decision): Input<Decision>,
) -> Result<Json<CommandDetail>, Problem> {
    let (why, now, command) = (decision.check()?, shared.clock.anchor(), id.clone());
    let (sites, actor) = (caller.sites.clone(), caller.actor());
    let released = shared.state.transact(move |transaction| {
        let released = commands::release(transaction, &sites, &command, &actor.name, &why, &now)?;
        if released.is_ok() {
            note_decision(transaction, &actor, "command-released", &command, &why, now.wall)?;
        }
        Ok(released)
    });
    let released = released.await?;
    shared.bells.ring(&released?);
    detail(State(shared), caller, Id(id)).await
}

/// Gives up a command that is held, or that was not handed out.
#[utoipa::path(post, path = "/api/v1/commands/{id}/cancel", tag = "commands", params(("id" = String, Path)),
    request_body = Decision,
    responses((status = 200, body = CommandDetail),
        (status = 409, content_type = "application/problem+json", body = Problem, description = "The agent may be at it"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn cancel(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(decision): Input<Decision>,
) -> Result<Json<CommandDetail>, Problem> {
    let (why, now, command) = (decision.check()?, shared.clock.anchor(), id.clone());
    let (sites, actor) = (caller.sites.clone(), caller.actor());
    let cancelled = shared.state.transact(move |transaction| {
        let cancelled = commands::cancel(transaction, &sites, &command, &actor.name, &why, &now)?;
        if cancelled.is_ok() {
            note_decision(transaction, &actor, "command-cancelled", &command, &why, now.wall)?;
        }
        Ok(cancelled)
    });
    let cancelled = cancelled.await?;
    cancelled?;
    detail(State(shared), caller, Id(id)).await
}
