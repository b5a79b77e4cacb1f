//! How the devices and assets of a site hang together, to be drawn.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use utoipa::ToSchema;

use super::topology::told_parent;
use super::{AssetId, Topology};
use crate::auth::Scope;
use crate::state::{Device, DeviceId, Fleet};

/// Something that is drawn.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Node {
    /// The asset's id, or the device's where there is no asset, or `line:AGENT/LINK`.
    pub id: String,
    /// Where.
    pub site: String,
    /// The asset.
    pub asset: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// Its name for people.
    pub label: String,
    /// Its class; `line` for a line that several devices share.
    pub class: String,
    /// Where it stands.
    pub area: String,
    /// The device's health; `null` without a device, `unknown` if nothing was said yet.
    pub health: Option<&'static str>,
    /// Whether that is so now; `false` while its agent is silent, `null` without a device.
    pub current: Option<bool>,
    /// How many alarms stand on the device.
    pub alarms: u64,
}

/// A connection that is drawn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct Edge {
    /// The node on which the other one depends, or one of two neighbours.
    pub from: String,
    /// The other one.
    pub to: String,
    /// `parent`, `line` or `neighbour`.
    pub kind: &'static str,
    /// The ports of neighbours, of `from` and of `to`.
    pub ports: Option<[String; 2]>,
}

/// Nodes and edges.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Graph {
    /// What is drawn.
    pub nodes: Vec<Node>,
    /// How it hangs together.
    pub edges: Vec<Edge>,
    /// There is more than is drawn: name a site.
    pub truncated: bool,
}

/// Most nodes of one graph.
const NODES: usize = 20_000;

/// The graph of a site, or of all sites of the scope. `is_current` says whether a device's agent is heard.
#[must_use]
pub fn graph(
    topology: &Topology,
    fleet: &Fleet,
    (scope, site): (&Scope, Option<&str>),
    alarms: impl Fn(&DeviceId) -> u64,
    is_current: impl Fn(&Device) -> bool,
) -> Graph {
    let covered = |at: &str| scope.covers(at) && site.is_none_or(|site| site == at);
    let mut graph = Graph::default();
    let node_of = |device: &DeviceId| match topology.asset_of(device) {
        Some(asset) => asset.to_string(),
        None => device.to_string(),
    };
    let mut edges: BTreeSet<Edge> = BTreeSet::new();
    for (id, asset) in topology.assets().filter(|(_, asset)| covered(&asset.site)) {
        let device_id = asset.device.as_deref().map(DeviceId::new);
        let device = device_id.as_ref().and_then(|device| fleet.get(device));
        graph.nodes.push(Node {
            id: id.to_string(),
            site: asset.site.clone(),
            asset: Some(id.to_string()),
            device: asset.device.clone(),
            label: asset.name.clone(),
            class: asset.class.clone(),
            area: asset.area.as_ref().map(|area| topology.area_text(area)).unwrap_or_default(),
            health: device.map(level),
            current: device.map(&is_current),
            alarms: device_id.as_ref().map_or(0, &alarms),
        });
        edges.extend(asset.parent.as_ref().map(|parent| edge(parent.to_string(), id.to_string(), "parent")));
        edges.extend(asset.neighbours.iter().map(|neighbour| {
            let here = (id.clone(), neighbour.port.clone());
            let there = (neighbour.asset.clone(), neighbour.their_port.clone());
            neighbours(here, there)
        }));
    }
    let mut lines: BTreeMap<(String, String), Vec<&Device>> = BTreeMap::new();
    for device in fleet.devices().filter(|device| covered(&device.site)) {
        let asset = topology.asset_of(&device.id).and_then(|asset| topology.asset(asset));
        if asset.is_none() {
            graph.nodes.push(Node {
                id: device.id.to_string(),
                site: device.site.clone(),
                asset: None,
                device: Some(device.id.to_string()),
                label: device.label().to_owned(),
                class: device.spec.class.clone(),
                area: device.area().to_owned(),
                health: Some(level(device)),
                current: Some(is_current(device)),
                alarms: alarms(&device.id),
            });
        }
        if asset.is_none_or(|asset| asset.parent.is_none()) {
            let parent = told_parent(fleet, device).filter(|parent| parent.id != device.id);
            edges.extend(parent.map(|parent| edge(node_of(&parent.id), node_of(&device.id), "parent")));
        }
        if device.binding.is_some() && !device.spec.link.is_empty() {
            lines.entry((device.agent.to_string(), device.spec.link.clone())).or_default().push(device);
        }
    }
    for ((agent, link), devices) in lines.into_iter().filter(|(_, devices)| devices.len() > 1) {
        let id = format!("line:{agent}/{link}");
        edges.extend(devices.iter().map(|device| edge(id.clone(), node_of(&device.id), "line")));
        graph.nodes.push(Node {
            id,
            site: devices[0].site.clone(),
            asset: None,
            device: None,
            label: format!("{agent} {link}"),
            class: "line".to_owned(),
            area: String::new(),
            health: None,
            current: None,
            alarms: 0,
        });
    }
    if graph.nodes.len() > NODES {
        graph.nodes.truncate(NODES);
        graph.truncated = true;
        let drawn: BTreeSet<&str> = graph.nodes.iter().map(|node| node.id.as_str()).collect();
        edges.retain(|edge| drawn.contains(edge.from.as_str()) && drawn.contains(edge.to.as_str()));
    }
    graph.edges = edges.into_iter().collect();
    graph
}

fn level(device: &Device) -> &'static str {
    device.health.as_ref().map_or("unknown", |health| health.level.as_str())
}

fn edge(from: String, to: String, kind: &'static str) -> Edge {
    Edge { from, to, kind, ports: None }
}

/// One edge for two neighbours that name each other.
fn neighbours(here: (AssetId, String), there: (AssetId, String)) -> Edge {
    let (from, to) = if here <= there { (here, there) } else { (there, here) };
    Edge { from: from.0.to_string(), to: to.0.to_string(), kind: "neighbour", ports: Some([from.1, to.1]) }
}
