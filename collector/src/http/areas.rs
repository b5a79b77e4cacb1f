//! Areas of sites.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::assets::change;
use super::extract::{Caller, Id, Input, Params, said};
use super::page::{Page, Paging};
use super::{AppState, Problem, Shared};
use crate::assets::{self, Area, AreaDraft, AreaEdit, AreaId, AreaRow};
use crate::auth::Scope;

/// Which areas.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// At this site.
    site: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

async fn rows(shared: &Shared, scope: &Scope, wanted: impl Fn(&Area) -> bool) -> Result<Vec<AreaRow>, Problem> {
    let plans = shared.state_readers.read(assets::with_plans).await?;
    let topology = shared.topology.now();
    let counts = assets::asset_counts(&topology);
    let found = topology.areas().filter(|area| scope.covers(&area.site) && wanted(area));
    let row = |area: &Area| AreaRow {
        plan: plans.contains(area.id.as_str()),
        path: topology.area_path(&area.id),
        assets: counts.get(&area.id).copied().unwrap_or_default(),
        id: area.id.clone(),
        site: area.site.clone(),
        parent: area.parent.clone(),
        name: area.name.clone(),
        order: area.order,
        revision: area.revision(),
    };
    Ok(found.map(row).collect())
}

async fn one(shared: &Shared, scope: &Scope, id: &AreaId) -> Result<AreaRow, Problem> {
    let found = rows(shared, scope, |area| area.id == *id).await?;
    found.into_iter().next().ok_or_else(|| Problem::not_found("such area"))
}

/// Areas by id. They are a tree: `parent`, and `order` among neighbours.
#[utoipa::path(get, path = "/api/v1/areas", tag = "assets", params(Filter),
    responses((status = 200, body = Page<AreaRow>), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<AreaRow>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let (limit, after) = (paging.limit()?, AreaId::from(paging.cursor.unwrap_or_default()));
    let wanted = |area: &Area| area.id > after && filter.site.as_ref().is_none_or(|site| *site == area.site);
    let mut found = rows(&shared, &caller.sites, wanted).await?;
    found.truncate(limit + 1);
    Ok(Json(Page::cut(found, limit, |row| row.id.to_string())))
}

/// An area.
#[utoipa::path(get, path = "/api/v1/areas/{id}", tag = "assets", params(("id" = String, Path)),
    responses((status = 200, body = AreaRow), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn detail(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<AreaRow>, Problem> {
    Ok(Json(one(&shared, &caller.sites, &id.into()).await?))
}

/// An area to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewArea {
    /// Where.
    site: String,
    /// The area that it is a part of.
    #[schema(value_type = Option<String>)]
    parent: Option<AreaId>,
    /// Its name; without `/`.
    name: String,
    /// Its place among its neighbours.
    #[serde(default)]
    order: i64,
}

/// Makes an area.
#[utoipa::path(post, path = "/api/v1/areas", tag = "assets", request_body = NewArea,
    responses((status = 201, body = AreaRow), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn create(
    State(shared): State<AppState>,
    caller: Caller,
    Input(new): Input<NewArea>,
) -> Result<(StatusCode, Json<AreaRow>), Problem> {
    let draft = AreaDraft { parent: new.parent, name: new.name, order: new.order };
    let id = change(&shared, &caller, move |working, scope| working.add_area(scope, &new.site, draft)).await??;
    Ok((StatusCode::CREATED, Json(one(&shared, &caller.sites, &id).await?)))
}

/// What an area is from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedArea {
    /// The area that it is a part of; `null` for none; as it is when absent.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    parent: Option<Option<AreaId>>,
    /// Its name.
    name: String,
    /// Its place among its neighbours; as it is when absent.
    order: Option<i64>,
    /// The revision that was looked at; refused if there is another one by now.
    revision: Option<String>,
}

/// Names, moves or orders an area. The devices in it get their new area at once.
#[utoipa::path(put, path = "/api/v1/areas/{id}", tag = "assets", params(("id" = String, Path)), request_body = ChangedArea,
    responses((status = 200, body = AreaRow), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn put(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(changed): Input<ChangedArea>,
) -> Result<Json<AreaRow>, Problem> {
    let id = AreaId::from(id);
    let ChangedArea { parent, name, order, revision } = changed;
    let (edit, changed_id) = (AreaEdit { parent, name, order, revision }, id.clone());
    change(&shared, &caller, move |working, scope| working.change_area(scope, &changed_id, edit)).await??;
    Ok(Json(one(&shared, &caller.sites, &id).await?))
}

/// Removes an area in which nothing is, with its plan.
#[utoipa::path(delete, path = "/api/v1/areas/{id}", tag = "assets", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn remove(State(shared): State<AppState>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let id = AreaId::from(id);
    change(&shared, &caller, move |working, scope| working.remove_area(scope, &id)).await??;
    Ok(StatusCode::NO_CONTENT)
}
