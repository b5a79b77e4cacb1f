//! Routes: which alarms are told to whom, and after how long.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::extract::{Caller, Id, Input};
use super::notif_channels::read_wanted;
use super::page::Page;
use super::{AppState, Problem};
use crate::audit::{self, Deed};
use crate::notify::{self, Route, RouteSettings};

/// A route about one site is a deed at that site.
fn deed(action: &'static str, route: &Route) -> Deed {
    let detail = json!({ "name": route.settings.name, "enabled": route.settings.enabled,
        "match": route.settings.matches, "steps": route.settings.steps, "quiet": route.settings.quiet,
        "repeat_minutes": route.settings.repeat_minutes });
    let deed = Deed::new(action, &route.id).with(detail);
    match route.settings.matches.sites.as_slice() {
        [site] => deed.at(site),
        _ => deed,
    }
}

fn may(caller: &Caller, settings: &RouteSettings) -> Result<(), Problem> {
    if caller.sites.covers_all_of(&settings.scope()) {
        return Ok(());
    }
    Err(Problem::forbidden("a route tells of alarms at sites that you may configure: name them in match.sites"))
}

async fn find(shared: &AppState, caller: &Caller, id: String) -> Result<Route, Problem> {
    let found = shared.state_readers.read(move |conn| notify::route(conn, &id)).await?;
    found.filter(|route| may(caller, &route.settings).is_ok()).ok_or_else(|| Problem::not_found("such route"))
}

/// Routes by name: those that tell of nothing but the caller's sites.
#[utoipa::path(get, path = "/api/v1/notification-routes", tag = "notifications",
    responses((status = 200, body = Page<Route>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(State(shared): State<AppState>, caller: Caller) -> Result<Json<Page<Route>>, Problem> {
    // There are at most 200.
    let routes = shared.state_readers.read(notify::routes).await?;
    let items = routes.into_iter().filter(|route| may(&caller, &route.settings).is_ok()).collect();
    Ok(Json(Page { items, next: None }))
}

/// A route.
#[utoipa::path(get, path = "/api/v1/notification-routes/{id}", tag = "notifications", params(("id" = String, Path)),
    responses((status = 200, body = Route),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn detail(State(shared): State<AppState>, caller: Caller, Id(id): Id) -> Result<Json<Route>, Problem> {
    find(&shared, &caller, id).await.map(Json)
}

/// Makes a route. It tells of alarms that are raised from then on.
#[utoipa::path(post, path = "/api/v1/notification-routes", tag = "notifications", request_body = RouteSettings,
    responses((status = 201, body = Route),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn create(
    State(shared): State<AppState>,
    caller: Caller,
    Input(body): Input<Value>,
) -> Result<(StatusCode, Json<Route>), Problem> {
    let route = put(&shared, &caller, None, body, "notification-route-made").await?;
    Ok((StatusCode::CREATED, Json(route)))
}

/// Changes a route. With `revision`, only if nobody else did meanwhile.
#[utoipa::path(put, path = "/api/v1/notification-routes/{id}", tag = "notifications", params(("id" = String, Path)),
    request_body = RouteSettings, responses((status = 200, body = Route),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn change(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(body): Input<Value>,
) -> Result<Json<Route>, Problem> {
    find(&shared, &caller, id.clone()).await?;
    put(&shared, &caller, Some(id), body, "notification-route-changed").await.map(Json)
}

async fn put(
    shared: &AppState,
    caller: &Caller,
    id: Option<String>,
    body: Value,
    action: &'static str,
) -> Result<Route, Problem> {
    let (wanted, revision) = read_wanted::<RouteSettings>(body)?;
    may(caller, &wanted)?;
    let (actor, now) = (caller.actor(), shared.clock.wall());
    let written = shared.state.transact(move |transaction| {
        let known = id.as_deref().map(|id| (id, revision));
        let written = notify::put_route(transaction, known, &wanted, now)?;
        if let Ok(route) = &written {
            audit::record(transaction, &actor, &deed(action, route), now)?;
        }
        Ok(written)
    });
    Ok(written.await??)
}

/// Removes a route. Whoever was told by it is not told how it ends.
#[utoipa::path(delete, path = "/api/v1/notification-routes/{id}", tag = "notifications",
    params(("id" = String, Path)), responses((status = 204),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn remove(State(shared): State<AppState>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let route = find(&shared, &caller, id).await?;
    let (actor, now) = (caller.actor(), shared.clock.wall());
    let removed = shared.state.transact(move |transaction| {
        let removed = notify::remove_route(transaction, &route.id)?;
        if removed {
            audit::record(transaction, &actor, &deed("notification-route-removed", &route), now)?;
        }
        Ok(removed)
    });
    if removed.await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("such route")) }
}
