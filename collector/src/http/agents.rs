//! Agents.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kouan_protocol::AgentId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Caller, Id, Input, Params};
use super::page::{Page, Paging};
use super::{AppState, Problem, rfc3339};
use crate::audit::{self, Deed};
use crate::auth;

/// An agent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentView {
    /// Its name.
    id: String,
    /// Its site.
    site: String,
    /// Whether it made a request within the last minute.
    connected: bool,
    /// How long it has been silent; `null` if it has not spoken since the collector started.
    silent_ms: Option<u64>,
    /// Name and version of its program.
    software: String,
    /// The life of its data folder.
    incarnation: String,
    /// Hash of its configuration.
    config_hash: String,
    /// When it last said hello.
    hello: Option<String>,
    /// The same in milliseconds.
    hello_ms: Option<i64>,
    /// How far its clock was behind this one at that time.
    clock_offset_ms: Option<i64>,
    /// Whether its clock was synchronised.
    clock_trusted: Option<bool>,
    /// How many devices it speaks to.
    devices: usize,
}

/// Agents by name.
#[utoipa::path(get, path = "/api/v1/agents", tag = "agents", params(Paging),
    responses((status = 200, body = Page<AgentView>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<AgentView>>, Problem> {
    let (limit, after) = (paging.limit()?, paging.cursor.unwrap_or_default());
    let rows = shared.state_readers.read(move |conn| auth::agents(conn, &caller.sites, &after, limit + 1)).await?;
    let now = shared.clock.boot_time();
    let fleet = shared.fleet();
    let views = rows.into_iter().map(|row| AgentView {
        connected: shared.sessions.is_connected(&row.id, now),
        silent_ms: shared.sessions.silent_ms(&row.id, now),
        devices: fleet.of_agent(&row.id).filter(|device| device.binding.is_some()).count(),
        id: row.id.to_string(),
        site: row.site,
        software: row.software,
        incarnation: row.incarnation,
        config_hash: row.config_hash,
        hello: row.hello_ms.map(rfc3339),
        hello_ms: row.hello_ms,
        clock_offset_ms: row.clock_offset_ms,
        clock_trusted: row.clock_trusted,
    });
    Ok(Json(Page::cut(views.collect(), limit, |agent| agent.id.clone())))
}

/// An agent to enrol.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAgent {
    /// Its name.
    #[schema(value_type = String)]
    agent: AgentId,
    /// Its site, made if it is new.
    site: String,
}

/// An enrolled agent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Enrolled {
    /// Its name.
    agent: String,
    /// Its site.
    site: String,
    /// Its token, shown this once.
    token: String,
}

/// Enrols an agent. Its token is shown once.
#[utoipa::path(post, path = "/api/v1/agents", tag = "agents", request_body = NewAgent,
    responses((status = 201, body = Enrolled),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn enrol(
    State(shared): State<AppState>,
    caller: Caller,
    Input(new): Input<NewAgent>,
) -> Result<(StatusCode, Json<Enrolled>), Problem> {
    if !caller.sites.covers(&new.site) {
        return Err(Problem::forbidden(format!("you may not enrol agents at the site \"{}\"", new.site)));
    }
    let (agent, site, actor, now) = (new.agent.clone(), new.site.clone(), caller.actor(), shared.clock.wall());
    let added = shared.state.transact(move |transaction| {
        let added = auth::add_agent(transaction, &agent, &site, now)?;
        if added.is_ok() {
            audit::record(transaction, &actor, &Deed::new("agent-enrolled", agent.as_str()).at(site), now)?;
        }
        Ok(added)
    });
    let token = added.await??;
    let enrolled = Enrolled { agent: new.agent.to_string(), site: new.site, token: token.reveal().to_owned() };
    Ok((StatusCode::CREATED, Json(enrolled)))
}

/// Gives an agent another token, shown this once. The earlier one is refused from now on.
#[utoipa::path(post, path = "/api/v1/agents/{id}/token", tag = "agents", params(("id" = String, Path)),
    responses((status = 201, body = Enrolled),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn renew_token(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<(StatusCode, Json<Enrolled>), Problem> {
    let agent: AgentId = id.parse().map_err(|_| Problem::not_found("such agent"))?;
    let (actor, renewed, now) = (caller.actor(), agent.clone(), shared.clock.wall());
    let renewed = shared.state.transact(move |transaction| {
        let site = auth::site_of(transaction, &renewed)?;
        let token = auth::renew_agent_token(transaction, &caller.sites, &renewed)?;
        if token.is_ok() {
            audit::record(transaction, &actor, &Deed::new("agent-token-renewed", renewed.as_str()).at(&site), now)?;
        }
        Ok(token.map(|token| (token, site)))
    });
    let (token, site) = renewed.await??;
    end_access(&shared, &agent);
    let enrolled = Enrolled { agent: agent.to_string(), site, token: token.reveal().to_owned() };
    Ok((StatusCode::CREATED, Json(enrolled)))
}

/// Takes an agent's token back: it is refused from now on. What it stored stays.
#[utoipa::path(delete, path = "/api/v1/agents/{id}/token", tag = "agents", params(("id" = String, Path)),
    responses((status = 204, description = "It is refused"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn revoke(State(shared): State<AppState>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let agent: AgentId = id.parse().map_err(|_| Problem::not_found("such agent"))?;
    let (actor, taken, now) = (caller.actor(), agent.clone(), shared.clock.wall());
    let revoked = shared.state.transact(move |transaction| {
        let revoked = auth::revoke_agent(transaction, &caller.sites, &taken, now)?;
        if revoked.is_ok() {
            let site = auth::site_of(transaction, &taken)?;
            audit::record(transaction, &actor, &Deed::new("agent-revoked", taken.as_str()).at(site), now)?;
        }
        Ok(revoked)
    });
    revoked.await??;
    end_access(&shared, &agent);
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever has the earlier token is out at once, also out of a poll that waits.
fn end_access(shared: &AppState, agent: &AgentId) {
    shared.authenticator.forget();
    shared.sessions.end(agent);
    shared.bells.disturb(agent);
}
