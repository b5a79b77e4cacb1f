//! Sites: what they are called, where they are, how they are.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Caller, Id, Input, Params, said};
use super::page::Page;
use super::{AppState, Problem, Shared};
use crate::alarms;
use crate::assets::{self, Graph, MapPlace, SiteEdit, SiteProblem, SiteRow, Words};
use crate::auth::Scope;
use crate::state::Device;

/// Levels of health, the worst first.
const WORST_FIRST: [&str; 7] =
    ["unreachable", "reachable", "answering", "unknown", "maintenance", "working", "disabled"];

/// How devices of a silent agent are counted.
const NOT_CURRENT: &str = "not_current";

/// A site.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SiteView {
    #[serde(flatten)]
    row: SiteRow,
    /// How many devices it has.
    devices: usize,
    /// How many assets it has.
    assets: usize,
    /// How many devices have each level of health, as far as it was told. Those whose agent is silent are counted as
    /// `not_current` instead: how they are now is not known.
    #[schema(value_type = Object)]
    by_health: BTreeMap<&'static str, usize>,
    /// The worst level of them, with `not_current` as `unknown`; `null` without devices.
    worst: Option<&'static str>,
}

fn is_current(shared: &Shared, device: &Device) -> bool {
    shared.sessions.is_connected(&device.agent, shared.clock.boot_time())
}

fn view(shared: &Shared, row: SiteRow) -> SiteView {
    let level = |device: &Device| match device.health.as_ref().map_or("unknown", |health| health.level.as_str()) {
        // What people said of it, or that nothing was said, does not grow old.
        level @ ("unknown" | "maintenance" | "disabled") => level,
        _ if !is_current(shared, device) => NOT_CURRENT,
        level => level,
    };
    let mut by_health: BTreeMap<&'static str, usize> = BTreeMap::new();
    for device in shared.fleet().devices().filter(|device| device.site == row.id) {
        *by_health.entry(level(device)).or_default() += 1;
    }
    let has =
        |level: &&str| by_health.contains_key(level) || *level == "unknown" && by_health.contains_key(NOT_CURRENT);
    let worst = WORST_FIRST.into_iter().find(has);
    let topology = shared.topology.now();
    SiteView {
        devices: by_health.values().sum(),
        assets: topology.assets().filter(|(_, asset)| asset.site == row.id).count(),
        by_health,
        worst,
        row,
    }
}

/// The sites that the caller may see.
#[utoipa::path(get, path = "/api/v1/sites", tag = "agents", responses((status = 200, body = Page<SiteView>),
    (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(State(shared): State<AppState>, caller: Caller) -> Result<Json<Page<SiteView>>, Problem> {
    let rows = shared.state_readers.read(move |conn| assets::sites(conn, &caller.sites)).await?;
    Ok(Json(Page { items: rows.into_iter().map(|row| view(&shared, row)).collect(), next: None }))
}

/// What a site is called and where it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SiteInput {
    /// Its names for people; an empty one is the id; as they are when absent.
    name: Option<Names>,
    /// Its time zone; as it is when absent, which is `Asia/Shanghai` for a new site.
    zone: Option<String>,
    /// Degrees east of Greenwich; with `lat` or not at all; `null` for nowhere.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<f64>)]
    lon: Option<Option<f64>>,
    /// Degrees north of the equator.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<f64>)]
    lat: Option<Option<f64>>,
    /// Its place on a map that is no geographic one; `null` for none; as it is when absent.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<MapPlace>)]
    position: Option<Option<MapPlace>>,
    /// The revision that was looked at; refused if there is another one by now.
    revision: Option<String>,
}

/// Names for people.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SiteNames)]
pub(super) struct Names {
    /// Chinese.
    #[serde(default)]
    zh: String,
    /// English.
    #[serde(default)]
    en: String,
}

/// Makes a site, or says what it is called and where it is.
#[utoipa::path(put, path = "/api/v1/sites/{id}", tag = "agents", params(("id" = String, Path)), request_body = SiteInput,
    responses((status = 200, body = SiteView), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn put(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(input): Input<SiteInput>,
) -> Result<Json<SiteView>, Problem> {
    if !caller.sites.covers(&id) {
        return Err(Problem::not_found("such site"));
    }
    assets::check_site_id(&id).map_err(|problem| Problem::invalid(vec![problem]))?;
    let geographic = match (input.lon, input.lat) {
        (None, None) => None,
        (Some(None), Some(None)) => Some(None),
        (Some(Some(lon)), Some(Some(lat))) => Some(Some((lon, lat))),
        _ => {
            let problem = Problem::invalid(vec!["lon and lat go together".to_owned()]);
            return Err(problem.in_chinese("经度和纬度须同时给出"));
        }
    };
    let words = |name: Names| Words { zh: name.zh.trim().to_owned(), en: name.en.trim().to_owned() };
    let (name, zone, position) = (input.name.map(words), input.zone, input.position);
    let edit = SiteEdit { name, zone, geographic, position, revision: input.revision };
    let troubles = edit.troubles();
    if !troubles.is_empty() {
        return Err(assets::AssetProblem::Wrong(troubles).into());
    }
    let (actor, now, site) = (caller.actor(), shared.clock.wall(), id.clone());
    let put = shared.state.transact(move |transaction| assets::put_site(transaction, &site, &edit, (&actor, now)));
    put.await?.map_err(|SiteProblem::Outdated| Problem::from(assets::AssetProblem::Outdated))?;
    let only = Scope::Sites([id].into());
    let rows = shared.state_readers.read(move |conn| assets::sites(conn, &only)).await?;
    let row = rows.into_iter().next().ok_or_else(Problem::internal)?;
    Ok(Json(view(&shared, row)))
}

/// Which site.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfSite {
    /// Only this one.
    site: Option<String>,
}

/// How devices and assets hang together, to be drawn.
#[utoipa::path(get, path = "/api/v1/topology", tag = "assets", params(OfSite),
    responses((status = 200, body = Graph), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn topology(
    State(shared): State<AppState>,
    caller: Caller,
    Params(OfSite { site }): Params<OfSite>,
) -> Result<Json<Graph>, Problem> {
    let counts = shared.state_readers.read(alarms::count_by_device).await?;
    let topology = shared.topology.now();
    let alarms = |device: &crate::state::DeviceId| counts.get(device.as_str()).copied().unwrap_or_default();
    let is_current = |device: &Device| is_current(&shared, device);
    Ok(Json(assets::graph(&topology, &shared.fleet(), (&caller.sites, site.as_deref()), alarms, is_current)))
}

/// Where the code on an asset's label leads: the asset's page in the console, which asks who is there.
#[utoipa::path(get, path = "/q/{id}", tag = "assets", params(("id" = String, Path)), responses((status = 303)))]
pub(super) async fn label(Id(id): Id) -> axum::response::Redirect {
    let known = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let id: String = id.chars().filter(|letter| known(*letter)).take(32).collect();
    axum::response::Redirect::to(&format!("/assets/{id}"))
}
