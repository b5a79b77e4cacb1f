//! Assets: entering, changing, removing them; which device is which.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Caller, Id, Input, Params};
use super::page::{Page, Paging};
use super::{AppState, Problem, Shared};
use crate::assets::{self, Asset, AssetId, AssetProblem, AssetRow, Suggestion, Topology, Working};
use crate::audit::{self, AuditFilter, AuditRow};
use crate::auth::Scope;
use crate::state::DeviceId;
use crate::store::StoreError;

/// What somebody is told who was too slow.
pub(super) const OUTDATED: &str = "其他人已修改，请刷新后重试";
/// Most assets that one request changes.
const AT_ONCE: usize = 1000;

/// An asset as it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetView {
    #[serde(flatten)]
    row: AssetRow,
    /// The names of its area and of those that this is part of, outermost first.
    area_path: Vec<String>,
    /// The name of its parent.
    parent_name: Option<String>,
}

pub(super) fn view(topology: &Topology, row: AssetRow) -> AssetView {
    let area_path = row.asset.area.as_ref().map(|area| topology.area_path(area)).unwrap_or_default();
    let parent = row.asset.parent.as_ref().and_then(|parent| topology.asset(parent));
    AssetView { parent_name: parent.map(|parent| parent.name.clone()), area_path, row }
}

impl From<AssetProblem> for Problem {
    fn from(problem: AssetProblem) -> Self {
        match problem {
            AssetProblem::None => Self::not_found("such asset, area or device").in_chinese("没有这个资产、区域或设备"),
            AssetProblem::Changed(revision) => {
                Self::conflict(format!("somebody changed it meanwhile; its revision is {revision} now"))
                    .in_chinese(OUTDATED)
            }
            AssetProblem::Outdated => Self::conflict("somebody changed it meanwhile; look again").in_chinese(OUTDATED),
            AssetProblem::Wrong(troubles) => {
                let chinese: Vec<&str> = troubles.iter().map(|trouble| trouble.text.zh.as_str()).collect();
                let chinese = chinese.join("；");
                Self::invalid(troubles.iter().map(assets::Trouble::english).collect()).in_chinese(chinese)
            }
            AssetProblem::Conflict(detail) => Self::conflict(detail.en).in_chinese(detail.zh),
        }
    }
}

/// Changes assets and areas in one transaction, which memory then follows.
pub(super) async fn change<T: Send + 'static>(
    shared: &Shared,
    caller: &Caller,
    work: impl FnOnce(&mut Working<'_>, &Scope) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let (topology, fleet) = (shared.topology.clone(), shared.fleet.clone());
    let (published, published_fleet) = (topology.clone(), fleet.clone());
    let (by, scope) = ((caller.actor(), shared.clock.wall()), caller.sites.clone());
    let changed = shared.state.transact_then(
        move |transaction| {
            let mut working = Working::new(transaction, &topology, &fleet, by);
            let outcome = work(&mut working, &scope)?;
            Ok((outcome, working.finish()?))
        },
        move |(outcome, done)| {
            done.publish(&published, &published_fleet);
            outcome
        },
    );
    Ok(changed.await?)
}

/// An asset.
#[utoipa::path(get, path = "/api/v1/assets/{id}", tag = "assets", params(("id" = String, Path)),
    responses((status = 200, body = AssetView), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn detail(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<AssetView>, Problem> {
    let found = shared.state_readers.read(move |conn| assets::find(conn, &id.as_str().into())).await?;
    let found = found.filter(|row| caller.sites.covers(&row.asset.site));
    let row = found.ok_or_else(|| Problem::not_found("such asset"))?;
    Ok(Json(view(&shared.topology.now(), row)))
}

/// Adds an asset. `site`, `name` and `class` are needed.
#[utoipa::path(post, path = "/api/v1/assets", tag = "assets", request_body = Asset,
    responses((status = 201, body = AssetView), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn create(
    State(shared): State<AppState>,
    caller: Caller,
    Input(fields): Input<Map<String, Value>>,
) -> Result<(StatusCode, Json<AssetView>), Problem> {
    let row = change(&shared, &caller, move |working, scope| working.add(scope, fields)).await??;
    Ok((StatusCode::CREATED, Json(view(&shared.topology.now(), row))))
}

/// Changes the fields that are named. With `revision`, only if nobody else changed the asset meanwhile.
#[utoipa::path(patch, path = "/api/v1/assets/{id}", tag = "assets", params(("id" = String, Path)), request_body = Asset,
    responses((status = 200, body = AssetView), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn patch(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(mut fields): Input<Map<String, Value>>,
) -> Result<Json<AssetView>, Problem> {
    let revision = match fields.remove("revision") {
        None | Some(Value::Null) => None,
        Some(revision) => {
            let number = revision.as_i64();
            Some(number.ok_or_else(|| Problem::invalid(vec!["revision must be a number".to_owned()]))?)
        }
    };
    let id = AssetId::from(id);
    let row = change(&shared, &caller, move |working, scope| working.change(scope, &id, revision, fields)).await??;
    Ok(Json(view(&shared.topology.now(), row)))
}

/// Removes an asset. Its device stays; what hung on it hangs on nothing then.
#[utoipa::path(delete, path = "/api/v1/assets/{id}", tag = "assets", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn remove(State(shared): State<AppState>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let id = AssetId::from(id);
    change(&shared, &caller, move |working, scope| working.remove(scope, &id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// The same change of several assets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssetAct {
    /// Which, at most 1000.
    #[schema(value_type = Vec<String>)]
    ids: Vec<AssetId>,
    /// The fields that they get.
    #[schema(value_type = Object)]
    set: Map<String, Value>,
}

/// What became of one of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Acted {
    /// Which.
    #[schema(value_type = String)]
    id: AssetId,
    /// Whether it was done.
    done: bool,
    /// Why not.
    problem: Option<String>,
}

/// What became of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AllActed {
    /// Of each, in the order of the request.
    results: Vec<Acted>,
}

/// Changes the same fields of several assets. Those that cannot be changed are told and stay as they are.
#[utoipa::path(post, path = "/api/v1/assets/act", tag = "assets", request_body = AssetAct,
    responses((status = 200, body = AllActed), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn act(
    State(shared): State<AppState>,
    caller: Caller,
    Input(AssetAct { ids, set }): Input<AssetAct>,
) -> Result<Json<AllActed>, Problem> {
    if ids.is_empty() || ids.len() > AT_ONCE || set.is_empty() {
        return Err(Problem::invalid(vec![format!("name 1 to {AT_ONCE} assets and what to set")]));
    }
    let named = ids.clone();
    let outcomes = change(&shared, &caller, move |working, scope| working.change_each(scope, &named, &set)).await?;
    let acted = |(id, outcome): (AssetId, Result<(), AssetProblem>)| {
        let problem = outcome.err().map(|problem| Problem::from(problem).detail().to_owned());
        Acted { id, done: problem.is_none(), problem }
    };
    Ok(Json(AllActed { results: ids.into_iter().zip(outcomes).map(acted).collect() }))
}

/// What was done to an asset, newest first.
#[utoipa::path(get, path = "/api/v1/assets/{id}/changes", tag = "assets", params(("id" = String, Path), Paging),
    responses((status = 200, body = Page<AuditRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn changes(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<AuditRow>>, Problem> {
    let limit = paging.limit()?;
    let filter = AuditFilter { target: Some(id), before: paging.cursor()?, ..AuditFilter::default() };
    let rows = shared.state_readers.read(move |conn| audit::list(conn, &caller.sites, &filter, limit + 1)).await?;
    let rows: Vec<AuditRow> = rows.into_iter().filter(|row| row.action.starts_with("asset-")).collect();
    Ok(Json(Page::cut(rows, limit, |row| row.id.to_string())))
}

/// To which asset a device belongs from now on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Adoption {
    /// One that is there; without it an asset is made out of what the agent says of the device.
    #[schema(value_type = Option<String>)]
    asset: Option<AssetId>,
}

/// Makes the asset of a device, or gives the device to one that is there.
#[utoipa::path(post, path = "/api/v1/devices/{id}/asset", tag = "assets", params(("id" = String, Path)),
    request_body = Adoption, responses((status = 200, body = AssetView),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn adopt(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(Adoption { asset }): Input<Adoption>,
) -> Result<Json<AssetView>, Problem> {
    let device = DeviceId::new(&id);
    let row = change(&shared, &caller, move |working, scope| working.adopt(scope, &device, asset.as_ref())).await??;
    Ok(Json(view(&shared.topology.now(), row)))
}

/// Takes a device from its asset. Both stay.
#[utoipa::path(delete, path = "/api/v1/devices/{id}/asset", tag = "assets", params(("id" = String, Path)),
    responses((status = 200, body = AssetView), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn release(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<AssetView>, Problem> {
    let device = DeviceId::new(&id);
    let row = change(&shared, &caller, move |working, scope| working.release(scope, &device)).await??;
    Ok(Json(view(&shared.topology.now(), row)))
}

/// Where to look.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Where {
    /// At this site.
    site: Option<String>,
    /// `asset` of the last row of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// Assets without a device beside devices without an asset that seem to be the same.
#[utoipa::path(get, path = "/api/v1/asset-suggestions", tag = "assets", params(Where),
    responses((status = 200, body = Page<Suggestion>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn suggestions(
    State(shared): State<AppState>,
    caller: Caller,
    Params(wanted): Params<Where>,
) -> Result<Json<Page<Suggestion>>, Problem> {
    let paging = Paging { cursor: wanted.cursor, limit: wanted.limit };
    let (limit, after) = (paging.limit()?, AssetId::from(paging.cursor.unwrap_or_default()));
    let topology = shared.topology.now();
    let all = assets::suggestions(&topology, &shared.fleet(), &caller.sites, wanted.site.as_deref());
    let rows = all.into_iter().filter(|row| row.asset > after).take(limit + 1).collect();
    Ok(Json(Page::cut(rows, limit, |row: &Suggestion| row.asset.to_string())))
}
