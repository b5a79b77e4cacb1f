//! How everything stands, in one look.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use kouan_protocol::Value;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Caller, Params};
use super::{AppState, Problem};
use crate::alarms;
use crate::state::Device;

/// The lanes of an agent.
const LANES: [&str; 3] = ["urgent", "events", "readings"];

/// Which part.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// At this site.
    site: Option<String>,
}

/// How many devices have which health. Those whose agent is silent are counted by `not_current` instead: how they are
/// now is not known.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Levels {
    /// All of them.
    total: usize,
    working: usize,
    answering: usize,
    reachable: usize,
    unreachable: usize,
    maintenance: usize,
    disabled: usize,
    /// Nothing was said of them yet.
    unknown: usize,
    /// Their agent is silent.
    not_current: usize,
    /// Alarms that are open on them.
    alarms: u64,
}

/// Where a device counts: at its level, or at `not_current` if that is only how it was when its agent was last heard.
pub(super) fn standing(level: &'static str, current: bool) -> &'static str {
    match level {
        "maintenance" | "disabled" | "unknown" => level,
        _ if !current => "not_current",
        _ => level,
    }
}

impl Levels {
    fn count(&mut self, level: &'static str, current: bool, alarms: u64) {
        self.total += 1;
        self.alarms += alarms;
        let place = match standing(level, current) {
            "maintenance" => &mut self.maintenance,
            "disabled" => &mut self.disabled,
            "unknown" => &mut self.unknown,
            "not_current" => &mut self.not_current,
            "working" => &mut self.working,
            "answering" => &mut self.answering,
            "reachable" => &mut self.reachable,
            _ => &mut self.unreachable,
        };
        *place += 1;
    }
}

/// A site or a class.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Group {
    /// The site's or the class's id.
    id: String,
    #[serde(flatten)]
    levels: Levels,
}

/// What waits in a lane of an agent, by its own words.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LaneView {
    /// `urgent`, `events` or `readings`.
    lane: &'static str,
    /// Records or rows that wait; `null` if it is not known.
    waiting: Option<f64>,
    /// How old the oldest of them is, in seconds.
    age_seconds: Option<f64>,
    /// How many were lost so far.
    lost: Option<f64>,
}

/// An agent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentLine {
    /// Its name.
    id: String,
    /// Its site.
    site: String,
    /// Whether it is heard.
    connected: bool,
    /// How long it has been silent; `null` if it has not spoken since the collector started.
    silent_ms: Option<u64>,
    /// How many devices it speaks to.
    devices: usize,
    /// Whether its buffer is on disk: `durable`, `paused` or `volatile`; `null` if it is not known.
    buffer: Option<String>,
    /// Its lanes.
    lanes: Vec<LaneView>,
}

/// How everything stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Overview {
    /// The collector's clock, in milliseconds.
    now_ms: i64,
    /// All devices.
    devices: Levels,
    /// By site.
    sites: Vec<Group>,
    /// By class; devices without one under the empty name.
    classes: Vec<Group>,
    /// The agents.
    agents: Vec<AgentLine>,
}

/// How many devices are how, by site and class, and how the agents stand.
#[utoipa::path(get, path = "/api/v1/overview", tag = "devices", params(Part),
    responses((status = 200, body = Overview),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn of_everything(
    State(shared): State<AppState>,
    caller: Caller,
    Params(part): Params<Part>,
) -> Result<Json<Overview>, Problem> {
    let open = shared.state_readers.read(alarms::count_by_device).await?;
    let (now, wall) = (shared.clock.boot_time(), shared.clock.wall());
    let fleet = shared.fleet();
    let connected: BTreeMap<_, _> =
        fleet.agents().map(|(agent, _)| (agent, shared.sessions.is_connected(agent, now))).collect();
    let mut all = Levels::default();
    let (mut sites, mut classes): (BTreeMap<&str, Levels>, BTreeMap<&str, Levels>) = Default::default();
    let mut agents: BTreeMap<&str, AgentLine> = BTreeMap::new();
    let wanted = |site: &str| part.site.as_deref().is_none_or(|wanted| wanted == site) && caller.sites.covers(site);
    for device in fleet.devices().filter(|device| wanted(&device.site)) {
        let level = device.health.as_ref().map_or("unknown", |health| health.level.as_str());
        let current = connected.get(&device.agent).copied().unwrap_or(false);
        let alarms = open.get(device.id.as_str()).copied().unwrap_or(0);
        for levels in [&mut all, sites.entry(&device.site).or_default(), classes.entry(&device.spec.class).or_default()]
        {
            levels.count(level, current, alarms);
        }
        let line = agents.entry(device.agent.as_str()).or_insert_with(|| AgentLine {
            id: device.agent.to_string(),
            site: device.site.clone(),
            connected: current,
            silent_ms: shared.sessions.silent_ms(&device.agent, now),
            devices: 0,
            buffer: None,
            lanes: Vec::new(),
        });
        line.devices += usize::from(device.binding.is_some());
        if device.spec.class == "agent" {
            line.buffer = match value(device, "buffer.state") {
                Some(Value::Text(state)) => Some(state.to_string()),
                _ => None,
            };
            line.lanes = LANES.iter().map(|lane| lane_view(device, lane)).collect();
        }
    }
    let groups = |groups: BTreeMap<&str, Levels>| {
        groups.into_iter().map(|(id, levels)| Group { id: id.to_owned(), levels }).collect()
    };
    Ok(Json(Overview {
        now_ms: wall.0,
        devices: all,
        sites: groups(sites),
        classes: groups(classes),
        agents: agents.into_values().collect(),
    }))
}

fn lane_view(device: &Device, lane: &'static str) -> LaneView {
    let number = |what: &str| match value(device, &format!("lane.{lane}.{what}"))? {
        Value::Integer(number) => Some(number as f64),
        Value::Number(number) => Some(number),
        Value::Text(_) => None,
    };
    LaneView { lane, waiting: number("waiting"), age_seconds: number("age"), lost: number("lost") }
}

fn value(device: &Device, point: &str) -> Option<Value> {
    device.points.get(&point.parse().ok()?)?.value.clone()
}
