//! Devices: lists, details, latest values, names, bindings.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use kouan_protocol::{ActionSpec, AgentId, DeviceKey, PointKind, PointSpec, Quality, QualityReason, Timestamp, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::device_order::DeviceOrder;
use super::extract::{Caller, Id, Input, Params};
use super::overview::standing;
use super::page::{Page, Paging};
use super::{AppState, Problem, Shared, rfc3339};
use crate::alarms;
use crate::assets;
use crate::audit::{self, Deed};
use crate::auth::Scope;
use crate::state::{self, BindingRow, Device, DeviceId, MoveProblem, PointState};
use crate::store::log::TimeStatus;

/// The health of a device.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthView {
    /// `working`, `answering`, `reachable`, `unreachable`, `maintenance`, `disabled`, or `unknown`.
    level: &'static str,
    /// Why, as a code.
    reason: String,
    /// Why, for people.
    text: String,
    /// The same in Chinese; empty where there is none.
    text_zh: String,
    /// Since when; `null` if nothing was said yet.
    time: Option<String>,
    /// The same in milliseconds.
    time_ms: Option<i64>,
    /// Whether its agent is heard, so that this is how it is now.
    current: bool,
}

/// A device in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceView {
    /// Names it for ever.
    id: String,
    /// Where.
    site: String,
    /// Its name for people.
    label: String,
    /// What it is for.
    class: String,
    /// Which model it is.
    profile: String,
    /// Where it stands.
    area: String,
    /// The agent that speaks, or last spoke, to it.
    agent: String,
    /// Its name at that agent.
    key: String,
    /// The link that it hangs on.
    link: String,
    /// The device whose failure hides it, as its agent calls it.
    parent: Option<String>,
    /// Its asset.
    asset: Option<String>,
    /// Whether an agent speaks to it under that name.
    bound: bool,
    /// Whether its agent's configuration has it.
    configured: bool,
    /// How far it can be used.
    health: HealthView,
    /// How many alarms stand on it.
    alarms: u64,
}

/// The latest reading of a point.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PointView {
    /// The point's name.
    point: String,
    /// `measurement`, `state`, `counter` or `text`.
    #[schema(value_type = String)]
    kind: PointKind,
    /// The unit; empty for states and texts.
    unit: String,
    /// Decimal places that its values usually have.
    decimals: u8,
    /// The value: a number or a text; `null` if there is none.
    #[schema(value_type = Option<Object>)]
    value: Option<Value>,
    /// `good`, `uncertain` or `bad`; `null` before the first reading.
    #[schema(value_type = Option<String>)]
    quality: Option<Quality>,
    /// Why it is not good.
    #[schema(value_type = Option<String>)]
    reason: Option<QualityReason>,
    /// When it was read, corrected.
    time: Option<String>,
    /// The same in milliseconds.
    time_ms: Option<i64>,
    /// How long ago that was.
    age_ms: Option<i64>,
    /// How far the time may be believed.
    time_status: Option<TimeStatus>,
    /// Whether it is older than its agent promised to send it again.
    stale: bool,
}

/// A device with everything known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceDetail {
    #[serde(flatten)]
    device: DeviceView,
    /// Its points with their latest readings.
    points: Vec<PointView>,
    /// What it can be told to do.
    #[schema(value_type = Vec<Object>)]
    actions: Vec<ActionSpec>,
    /// Who spoke to it, and when.
    bindings: Vec<BindingRow>,
}

/// A latest reading in a list over devices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LatestView {
    /// The device.
    device: String,
    /// Where.
    site: String,
    /// The device's name for people.
    label: String,
    /// The agent.
    agent: String,
    /// The device's name there.
    key: String,
    #[serde(flatten)]
    point: PointView,
}

/// What changed of a device but its readings, as screens are told.
pub(super) fn change_view(shared: &Shared, device: &Device, alarms: &HashMap<String, u64>) -> impl Serialize + use<> {
    view(shared, device, alarms)
}

/// A reading as screens are told.
#[derive(Debug, Serialize)]
pub(super) struct PointChange {
    point: String,
    value: Option<Value>,
    quality: Quality,
    reason: QualityReason,
    time_ms: i64,
    age_ms: i64,
    time_status: TimeStatus,
}

/// The latest readings of a device.
pub(super) fn point_changes(device: &Device, now: Timestamp) -> Vec<PointChange> {
    let readings = device.spec.groups.iter().flat_map(|group| &group.points);
    let readings = readings.filter_map(|spec| Some((spec, device.points.get(&spec.name)?)));
    readings
        .map(|(spec, state)| PointChange {
            point: spec.name.to_string(),
            value: state.value.clone(),
            quality: state.quality,
            reason: state.reason,
            time_ms: state.time.0,
            age_ms: now.0.saturating_sub(state.time.0),
            time_status: state.time_status,
        })
        .collect()
}

/// Which devices.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeviceFilter {
    /// At this site.
    site: Option<String>,
    /// Of this class.
    class: Option<String>,
    /// In this area or a part of it: an area's id, or the path of its name such as `A / B`.
    area: Option<String>,
    /// Spoken to by this agent.
    agent: Option<String>,
    /// With this health now, or one of several separated by commas; `not_current`: those whose agent is silent, so that
    /// how they are is not known. They are not among the others.
    health: Option<String>,
    /// With this text in id, name, label, class or area.
    q: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

impl DeviceFilter {
    pub(super) fn matches(&self, shared: &Shared, scope: &Scope, device: &Device) -> bool {
        let equal = |wanted: &Option<String>, actual: &str| wanted.as_deref().is_none_or(|wanted| wanted == actual);
        let contains = |needle: &String| {
            let needle = needle.to_lowercase();
            let texts = [device.id.as_str(), device.key.as_str(), device.label(), &device.spec.class, device.area()];
            texts.iter().any(|text| text.to_lowercase().contains(&needle))
        };
        scope.covers(&device.site)
            && equal(&self.site, &device.site)
            && equal(&self.class, &device.spec.class)
            && assets::is_wanted(self.area.as_deref(), device.area())
            && equal(&self.agent, device.agent.as_str())
            && self.health.as_deref().is_none_or(|wanted| {
                let standing = standing(level_name(device), is_current(shared, device));
                wanted.split(',').any(|level| level == standing)
            })
            && self.q.as_ref().is_none_or(contains)
    }

    /// Finds the area that is meant by an id.
    pub(super) fn resolve(&mut self, shared: &Shared) {
        shared.resolve_area(&mut self.area);
    }

    /// The site, if only one is wanted.
    pub(super) fn site(&self) -> Option<&str> {
        self.site.as_deref()
    }

    fn paging(&self) -> Paging {
        Paging { cursor: self.cursor.clone(), limit: self.limit }
    }
}

fn is_current(shared: &Shared, device: &Device) -> bool {
    shared.sessions.is_connected(&device.agent, shared.clock.boot_time())
}

fn level_name(device: &Device) -> &'static str {
    device.health.as_ref().map_or("unknown", |health| health.level.as_str())
}

fn view(shared: &Shared, device: &Device, alarms: &HashMap<String, u64>) -> DeviceView {
    let health = device.health.as_ref();
    let parent = device.spec.parent.as_ref();
    DeviceView {
        id: device.id.to_string(),
        site: device.site.clone(),
        label: device.label().to_owned(),
        class: device.spec.class.clone(),
        profile: device.spec.profile.clone(),
        area: device.area().to_owned(),
        agent: device.agent.to_string(),
        key: device.key.to_string(),
        link: device.spec.link.clone(),
        parent: parent.map(ToString::to_string),
        asset: shared.topology.now().asset_of(&device.id).map(ToString::to_string),
        bound: device.binding.is_some(),
        configured: device.configured,
        health: HealthView {
            level: level_name(device),
            reason: health.map(|health| health.reason.clone()).unwrap_or_default(),
            text: health.map(|health| health.text.clone()).unwrap_or_default(),
            text_zh: health.map(|health| health.text_zh.clone()).unwrap_or_default(),
            time: health.map(|health| rfc3339(health.time.0)),
            time_ms: health.map(|health| health.time.0),
            current: is_current(shared, device),
        },
        alarms: alarms.get(device.id.as_str()).copied().unwrap_or(0),
    }
}

fn point_view(spec: &PointSpec, heartbeat_ms: u32, state: Option<&PointState>, now: Timestamp) -> PointView {
    let age_ms = state.map(|state| now.0.saturating_sub(state.time.0));
    // Two heartbeats and some: one may be on its way.
    let patience = i64::from(heartbeat_ms) * 2 + 10_000;
    PointView {
        point: spec.name.to_string(),
        kind: spec.kind,
        unit: spec.unit.clone(),
        decimals: spec.decimals,
        value: state.and_then(|state| state.value.clone()),
        quality: state.map(|state| state.quality),
        reason: state.map(|state| state.reason),
        time: state.map(|state| rfc3339(state.time.0)),
        time_ms: state.map(|state| state.time.0),
        age_ms,
        time_status: state.map(|state| state.time_status),
        stale: heartbeat_ms > 0 && age_ms.is_none_or(|age| age > patience),
    }
}

fn points(device: &Device, now: Timestamp) -> Vec<PointView> {
    let groups = device.spec.groups.iter();
    groups
        .flat_map(|group| {
            group.points.iter().map(|spec| point_view(spec, group.heartbeat_ms, device.points.get(&spec.name), now))
        })
        .collect()
}

/// The device, if it exists within the caller's sites.
pub(super) fn find(shared: &Shared, scope: &Scope, id: &str) -> Result<Device, Problem> {
    let device = shared.fleet().get(&DeviceId::new(id)).filter(|device| scope.covers(&device.site)).cloned();
    device.ok_or_else(|| Problem::not_found("such device"))
}

/// Devices on a page.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DevicePage {
    /// The devices.
    items: Vec<DeviceView>,
    /// Give it as `cursor` to get the next page; `null` on the last one.
    next: Option<String>,
    /// How many there are on all pages.
    total: usize,
}

/// In which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Sorting {
    /// `id` (the default), `label`, `health` (the worst first), `area`, `class`, `site`, `agent`, `alarms` (the most
    /// first) or `since` (the latest change of health first); with `-` in front the other way round.
    sort: Option<String>,
}

/// Devices, in any order.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices", params(DeviceFilter, Sorting),
    responses((status = 200, body = DevicePage),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(mut filter): Params<DeviceFilter>,
    Params(sorting): Params<Sorting>,
) -> Result<Json<DevicePage>, Problem> {
    filter.resolve(&shared);
    let (paging, order) = (filter.paging(), DeviceOrder::named(sorting.sort.as_deref())?);
    let limit = paging.limit()?;
    let alarms = shared.state_readers.read(alarms::count_by_device).await?;
    let fleet = shared.fleet();
    let first = DeviceId::new("");
    let found = fleet.devices_of_after(filter.site(), &first);
    let found = found.filter(|device| filter.matches(&shared, &caller.sites, device));
    let page = order.page(found, &alarms, paging.cursor.as_deref(), limit)?;
    let items = page.rows.into_iter().map(|device| view(&shared, device, &alarms)).collect();
    Ok(Json(DevicePage { items, next: page.next, total: page.total }))
}

/// A device with its points, actions and bindings.
#[utoipa::path(get, path = "/api/v1/devices/{id}", tag = "devices", params(("id" = String, Path)),
    responses((status = 200, body = DeviceDetail),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn detail(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<DeviceDetail>, Problem> {
    let device = find(&shared, &caller.sites, &id)?;
    let (alarms, bindings) = shared
        .state_readers
        .read(move |conn| Ok((alarms::count_by_device(conn)?, state::bindings(conn, Some(&id))?)))
        .await?;
    Ok(Json(DeviceDetail {
        device: view(&shared, &device, &alarms),
        points: points(&device, shared.clock.wall()),
        actions: device.spec.actions.clone(),
        bindings,
    }))
}

/// The latest readings of all devices.
#[utoipa::path(get, path = "/api/v1/latest", tag = "devices", params(DeviceFilter),
    responses((status = 200, body = Page<LatestView>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn latest(
    State(shared): State<AppState>,
    caller: Caller,
    Params(mut filter): Params<DeviceFilter>,
) -> Result<Json<Page<LatestView>>, Problem> {
    filter.resolve(&shared);
    let paging = filter.paging();
    let limit = paging.limit()?;
    let cursor = paging.cursor.unwrap_or_default();
    let (after_device, after_point) = cursor.split_once('.').unwrap_or((cursor.as_str(), ""));
    let now = shared.clock.wall();
    let fleet = shared.fleet();
    let after = DeviceId::new(after_device);
    let devices = fleet.get(&after).into_iter().chain(fleet.devices_of_after(filter.site(), &after));
    let mut rows = Vec::new();
    for device in devices.filter(|device| filter.matches(&shared, &caller.sites, device)) {
        let mut of_device = points(device, now);
        of_device.sort_by(|a, b| a.point.cmp(&b.point));
        let wanted = of_device.into_iter().filter(|point| point.time_ms.is_some());
        let wanted = wanted.filter(|point| device.id.as_str() != after_device || point.point.as_str() > after_point);
        rows.extend(wanted.map(|point| LatestView {
            device: device.id.to_string(),
            site: device.site.clone(),
            label: device.label().to_owned(),
            agent: device.agent.to_string(),
            key: device.key.to_string(),
            point,
        }));
        if rows.len() > limit {
            break;
        }
    }
    Ok(Json(Page::cut(rows, limit, |row| format!("{}.{}", row.device, row.point.point))))
}

/// A device's names.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    /// Its label; an empty text takes back the agent's own.
    label: Option<String>,
    /// Its area; an empty text takes back the agent's own.
    area: Option<String>,
}

/// Gives a device a label or an area.
#[utoipa::path(put, path = "/api/v1/devices/{id}", tag = "devices", params(("id" = String, Path)),
    request_body = Names, responses((status = 200, body = DeviceDetail),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn rename(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(names): Input<Names>,
) -> Result<Json<DeviceDetail>, Problem> {
    let device = find(&shared, &caller.sites, &id)?;
    let limit = kouan_protocol::limits::TEXT_BYTES;
    let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > limit);
    if long(&names.label) || long(&names.area) {
        return Err(Problem::invalid(vec![format!("label and area have at most {limit} bytes")]));
    }
    let topology = shared.topology.now();
    let asset = topology.asset_of(&device.id).filter(|_| names.area.is_some());
    if let Some(asset) = asset.filter(|asset| topology.asset(asset).is_some_and(|asset| asset.area.is_some())) {
        return Err(Problem::conflict(format!("the device stands where its asset {asset} does: change that")));
    }
    let (fleet, published) = (shared.fleet.clone(), shared.fleet.clone());
    let (actor, now) = (caller.actor(), shared.clock.wall());
    shared
        .state
        .transact_then(
            move |transaction| {
                let detail = json!({ "label": names.label, "area": names.area });
                let deed = Deed::new("device-renamed", device.id.as_str()).at(device.site).with(detail);
                audit::record(transaction, &actor, &deed, now)?;
                state::relabel(transaction, &fleet, &device.id, names.label, names.area)
            },
            move |changed| changed.publish(&published),
        )
        .await?;
    detail(State(shared), caller, Id(id)).await
}

/// Who speaks to a device from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBinding {
    /// The agent.
    #[schema(value_type = String)]
    agent: AgentId,
    /// The device's name there.
    #[schema(value_type = String)]
    key: DeviceKey,
}

/// Moves a device to another agent or another name. Commands that were not handed out are rejected.
#[utoipa::path(post, path = "/api/v1/devices/{id}/binding", tag = "devices", params(("id" = String, Path)),
    request_body = NewBinding, responses((status = 200, body = DeviceDetail),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn bind(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(to): Input<NewBinding>,
) -> Result<Json<DeviceDetail>, Problem> {
    let device = find(&shared, &caller.sites, &id)?;
    let (fleet, published, now) = (shared.fleet.clone(), shared.fleet.clone(), shared.clock.wall());
    let actor = caller.actor();
    let moved = shared.state.transact_then(
        move |transaction| {
            let moved = state::move_binding(transaction, &fleet, &device.id, &to.agent, &to.key, now)?;
            if moved.is_ok() {
                let detail = json!({ "agent": to.agent.as_str(), "key": to.key.as_str() });
                let deed = Deed::new("device-moved", device.id.as_str()).at(device.site).with(detail);
                audit::record(transaction, &actor, &deed, now)?;
            }
            Ok(moved)
        },
        move |moved| moved.map(|changed| changed.publish(&published)),
    );
    moved.await?.map_err(|problem: MoveProblem| Problem::conflict(problem.to_string()))?;
    detail(State(shared), caller, Id(id)).await
}
