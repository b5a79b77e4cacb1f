//! Devices, their latest values and their health, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, RwLock};

use kouan_protocol::{
    AgentId, BootId, BootTime, CatalogueHash, DeviceKey, DeviceSpec, GroupRows, HealthLevel, Quality, QualityReason,
    Timestamp, Value,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Known;
use super::changes::Changes;
use super::latest::{LatestCell, LatestReadings, Timed};
use super::points::{ABSENT, Points};
use crate::store::log::TimeStatus;

/// Names a device for ever, whatever agent speaks to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(Arc<str>);

impl DeviceId {
    /// A new id: `d-` and twelve random letters and digits.
    #[must_use]
    pub fn random() -> Self {
        // Base 32 of RFC 4648 in lower case: nothing in it is mistaken for another when read aloud.
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut bits = rand::random::<u64>();
        let mut id = String::from("d-");
        for _ in 0..12 {
            id.push(char::from(ALPHABET[(bits & 31) as usize]));
            bits >>= 5;
        }
        Self(id.into())
    }

    /// The id with that text, if there is such a device.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The latest reading of a point. Each lies in one line of the processor's cache: a batch brings new ones of hundreds of
/// devices, and memory is what that waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[repr(align(64))]
pub struct PointState {
    /// The value; `None` exactly when the quality is bad.
    pub value: Option<Value>,
    /// How far it may be believed.
    pub quality: Quality,
    /// Why it is not good.
    pub reason: QualityReason,
    /// When it was read, corrected.
    pub time: Timestamp,
    /// How far that time may be believed.
    pub time_status: TimeStatus,
    /// When it arrived here.
    pub received: Timestamp,
    /// Which boot of the agent's machine read it.
    pub boot: BootId,
    /// When, on that boot's clock.
    pub boot_time: BootTime,
}

impl PointState {
    pub(super) fn moment(&self) -> Known {
        Known { boot: Some(self.boot), boot_time: self.boot_time, time: self.time }
    }
}

/// The latest health of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Where it stands.
    pub level: HealthLevel,
    /// Why, as a code.
    pub reason: String,
    /// Why, for a person.
    pub text: String,
    /// The same in Chinese, empty where there is none.
    pub text_zh: String,
    /// Since when, corrected.
    pub time: Timestamp,
    /// The same by the agent's boot clock, to tell the later word.
    pub since: Known,
}

/// A device as it is now.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its name for ever.
    pub id: DeviceId,
    /// Where it is.
    pub site: String,
    /// The agent that speaks, or last spoke, to it.
    pub agent: AgentId,
    /// Its name at that agent.
    pub key: DeviceKey,
    /// The open binding; `None` when no agent speaks to it.
    pub binding: Option<i64>,
    /// What its agent says of it.
    pub spec: Arc<DeviceSpec>,
    /// Whether the agent's present configuration has it.
    pub configured: bool,
    /// A label given here, which wins over the agent's.
    pub own_label: Option<String>,
    /// An area given here, which wins over the agent's.
    pub own_area: Option<String>,
    /// Its health, once known.
    pub health: Option<Health>,
    /// Latest readings.
    pub points: Points,
    /// When an event of each kind happened last, as far as that was told since the start.
    pub events: Vec<(Arc<str>, Timestamp)>,
    /// Changed since the last checkpoint.
    pub dirty: bool,
    /// The step of the fleet that changed anything of it last; set by the fleet.
    pub change: u64,
    /// The step that changed anything but readings last: its health, its description, its names; set by the fleet.
    pub outline_change: u64,
}

impl Device {
    /// Its name for people.
    #[must_use]
    pub fn label(&self) -> &str {
        match self.own_label.as_deref() {
            Some(label) => label,
            None if self.spec.label.is_empty() => self.key.as_str(),
            None => &self.spec.label,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn area(&self) -> &str {
        self.own_area.as_deref().unwrap_or(&self.spec.area)
    }

    /// Whether all but the readings is the same.
    fn has_outline_of(&self, other: &Self) -> bool {
        self.health == other.health
            && (Arc::ptr_eq(&self.spec, &other.spec) || self.spec == other.spec)
            && (&self.site, &self.agent, &self.key, self.binding)
                == (&other.site, &other.agent, &other.key, other.binding)
            && (&self.own_label, &self.own_area, self.configured)
                == (&other.own_label, &other.own_area, other.configured)
    }
}

/// Which column of a group goes to which place of a device's latest readings.
#[derive(Debug, Clone)]
struct Route {
    device: usize,
    version: u32,
    columns: Box<[u32]>,
}

/// The routes of a catalogue's groups, found as they are needed.
type Routes = Vec<Option<Route>>;

/// Kinds of events of one device that are remembered.
const EVENT_KINDS: usize = 32;
/// Catalogues of one agent whose routes are kept.
const CATALOGUES: usize = 4;

/// All devices.
#[derive(Debug, Default)]
pub struct Fleet {
    devices: Vec<Device>,
    by_id: BTreeMap<DeviceId, usize>,
    bound: HashMap<(AgentId, DeviceKey), DeviceId>,
    catalogues: HashMap<AgentId, CatalogueHash>,
    boots: HashMap<AgentId, BootId>,
    of_agent: HashMap<AgentId, BTreeSet<usize>>,
    of_site: HashMap<String, BTreeMap<DeviceId, usize>>,
    most_devices: Option<usize>,
    /// Forgotten when devices of the agent come, go elsewhere, or are called otherwise.
    routes: HashMap<AgentId, HashMap<CatalogueHash, Routes>>,
    changes: Changes,
}

/// The fleet as readers, handlers and the state's writer share it. Only the thread that writes `state.db` changes
/// devices, after its commits, so that memory follows the file in order.
pub type SharedFleet = Arc<RwLock<Fleet>>;

impl Fleet {
    /// Sets how many devices one agent may name.
    pub fn limit_devices(&mut self, most: usize) {
        self.most_devices = Some(most);
    }

    /// How many devices one agent may name.
    pub fn most_devices(&self) -> usize {
        self.most_devices.unwrap_or(usize::MAX)
    }

    /// All devices by id.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.by_id.values().map(|at| &self.devices[*at])
    }

    /// Devices with ids after `id`, of one site or of all.
    pub fn devices_of_after(&self, site: Option<&str>, id: &DeviceId) -> impl Iterator<Item = &Device> {
        use std::ops::Bound;
        let devices = match site {
            Some(site) => self.of_site.get(site),
            None => Some(&self.by_id),
        };
        let after = (Bound::Excluded(id.clone()), Bound::Unbounded);
        devices.into_iter().flat_map(move |devices| devices.range(after.clone())).map(|(_, at)| &self.devices[*at])
    }

    /// The device of that id.
    #[must_use]
    pub fn get(&self, id: &DeviceId) -> Option<&Device> {
        Some(&self.devices[*self.by_id.get(id)?])
    }

    /// The device that the agent calls `key` now.
    #[must_use]
    pub fn bound(&self, agent: &AgentId, key: &DeviceKey) -> Option<&Device> {
        // The pair is cheap to clone: names are shared.
        self.get(self.bound.get(&(agent.clone(), key.clone()))?)
    }

    /// The devices that the agent speaks, or last spoke, to.
    pub fn of_agent(&self, agent: &AgentId) -> impl Iterator<Item = &Device> {
        self.of_agent.get(agent).into_iter().flatten().map(|at| &self.devices[*at])
    }

    /// The number of the last step that changed devices, to be awaited. Whoever is woken asks [`Fleet::changed_after`].
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Devices that changed in a step after `after`, in the order of their last change; all that ever changed since
    /// the start, loading included, for 0.
    pub fn changed_after(&self, after: u64) -> impl Iterator<Item = &Device> {
        self.changes.after(after).filter_map(|at| self.devices.get(at))
    }

    /// The number of the last step that changed anything.
    #[must_use]
    pub fn newest_change(&self) -> u64 {
        self.changes.current() - 1
    }

    /// The agents that speak, or last spoke, to any device, each with its site.
    pub fn agents(&self) -> impl Iterator<Item = (&AgentId, &str)> {
        let first = |places: &BTreeSet<usize>| self.devices.get(*places.first()?).map(|device| device.site.as_str());
        self.of_agent.iter().filter_map(move |(agent, places)| Some((agent, first(places)?)))
    }

    /// A step is over: whoever follows the changes is woken.
    pub(crate) fn tell_changes(&mut self) {
        self.changes.tell();
    }

    /// The catalogue by which the agent's devices were last described.
    #[must_use]
    pub fn catalogue(&self, agent: &AgentId) -> Option<CatalogueHash> {
        self.catalogues.get(agent).copied()
    }

    /// Remembers by which catalogue the agent's devices are described.
    pub fn set_catalogue(&mut self, agent: &AgentId, hash: CatalogueHash) {
        self.catalogues.insert(agent.clone(), hash);
    }

    /// Adds a device or replaces what is known of it.
    pub fn put(&mut self, device: Device) {
        let at = self.by_id.get(&device.id).copied().unwrap_or(self.devices.len());
        let place = |device: &Device| (device.agent.clone(), device.key.clone(), device.binding);
        let (old, new) = (self.devices.get(at).map(place), place(&device));
        if old.as_ref() != Some(&new) {
            if let Some((agent, key, _)) = old {
                self.routes.remove(&agent);
                if let Some(others) = self.of_agent.get_mut(&agent) {
                    others.remove(&at);
                }
                if self.bound.get(&(agent.clone(), key.clone())) == Some(&device.id) {
                    self.bound.remove(&(agent, key));
                }
            }
            let (agent, key, binding) = new;
            self.routes.remove(&agent);
            self.of_agent.entry(agent.clone()).or_default().insert(at);
            if binding.is_some() {
                self.bound.insert((agent, key), device.id.clone());
            }
        }
        let mut device = device;
        let known = self.devices.get(at);
        let (change, outline_change) = known.map_or((0, 0), |known| (known.change, known.outline_change));
        let outline_stays = known.is_some_and(|known| known.has_outline_of(&device));
        let points_stay = known.is_some_and(|known| known.points.is_same_as(&device.points));
        device.change =
            if outline_stays && points_stay { change } else { self.changes.touch(at, self.changes.current()) };
        device.outline_change = if outline_stays { outline_change } else { device.change };
        let old_site = self.devices.get(at).map(|old| old.site.as_str());
        if old_site != Some(&device.site) {
            if let Some(others) = old_site.and_then(|site| self.of_site.get_mut(site)) {
                others.remove(&device.id);
            }
            self.of_site.entry(device.site.clone()).or_default().insert(device.id.clone(), at);
        }
        match self.devices.get_mut(at) {
            Some(place) => *place = device,
            None => {
                self.by_id.insert(device.id.clone(), at);
                self.devices.push(device);
            }
        }
    }

    /// Remembers which boot the agent named in its latest hello.
    pub fn set_boot(&mut self, agent: &AgentId, boot: BootId) {
        self.boots.insert(agent.clone(), boot);
    }

    /// Whether every group of these readings has a device.
    pub(super) fn knows(&self, agent: &AgentId, readings: &LatestReadings) -> bool {
        let known = self.routes.get(agent).and_then(|routes| routes.get(&readings.hash));
        let routed = |index: usize| known.is_some_and(|routes| routes.get(index).is_some_and(Option::is_some));
        readings.groups().iter().map(GroupRows::group).all(|index| {
            routed(index.0 as usize)
                || readings.catalogue.at(index).is_none_or(|(device, _)| self.bound(agent, &device.key).is_some())
        })
    }

    /// Takes readings, each unless a newer one is known.
    pub(super) fn take(&mut self, agent: &AgentId, readings: &LatestReadings) {
        let current = self.boots.get(agent).copied();
        let (by_id, bound, devices, changes) = (&self.by_id, &self.bound, &mut self.devices, &mut self.changes);
        let catalogues = self.routes.entry(agent.clone()).or_default();
        if catalogues.len() >= CATALOGUES && !catalogues.contains_key(&readings.hash) {
            catalogues.clear();
        }
        let routes = catalogues.entry(readings.hash).or_default();
        routes.resize(readings.catalogue.group_count(), None);
        let mut times = Vec::new();
        let step = changes.current();
        for rows in readings.groups() {
            let index = rows.group();
            let (Some(route), Some((spec, group))) = (routes.get_mut(index.0 as usize), readings.catalogue.at(index))
            else {
                continue;
            };
            if route.is_none() {
                let at = bound.get(&(agent.clone(), spec.key.clone())).and_then(|id| by_id.get(id));
                // No version of any device: the columns are looked for below.
                *route = at.map(|device| Route { device: *device, version: 0, columns: Box::default() });
            }
            let Some(route) = route else { continue };
            let Some(device) = devices.get_mut(route.device) else { continue };
            if readings.times(rows, &mut times).is_err() {
                continue;
            }
            let mut changed = false;
            let take = |column: usize, cell: &LatestCell<'_>| {
                if route.version != device.points.version {
                    (route.columns, route.version) = (device.points.columns(group), device.points.version);
                }
                let place = route.columns.get(column).copied().unwrap_or(ABSENT);
                changed |= match device.points.states.get_mut(place as usize) {
                    Some(known) => readings.update(known, cell, current),
                    None => match group.points.get(column) {
                        Some(point) => {
                            device.points.insert(point.name.clone(), readings.state(cell, None));
                            true
                        }
                        None => false,
                    },
                };
            };
            // The rows were checked before they came here.
            let _ = rows.visit(group, &mut Timed { times: &times, take });
            if changed {
                device.dirty = true;
                device.change = changes.touch(route.device, step);
            }
        }
    }

    /// Something of that kind happened at a device.
    pub(super) fn saw(&mut self, id: &DeviceId, kind: &str, time: Timestamp) {
        let Some(at) = self.by_id.get(id).copied() else { return };
        let Some(device) = self.devices.get_mut(at) else { return };
        let has_room = device.events.len() < EVENT_KINDS;
        match device.events.iter_mut().find(|(known, _)| **known == *kind) {
            Some((_, latest)) if *latest >= time => return,
            Some((_, latest)) => *latest = time,
            None if has_room => device.events.push((kind.into(), time)),
            None => return,
        }
        device.change = self.changes.touch(at, self.changes.current());
    }

    /// Takes the devices that changed since the last call, as (device, site, points).
    pub fn take_dirty(&mut self) -> Vec<(DeviceId, String, Points)> {
        let dirty = self.devices.iter_mut().filter(|device| device.dirty);
        dirty
            .map(|device| {
                device.dirty = false;
                (device.id.clone(), device.site.clone(), device.points.clone())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain() {
        let id = DeviceId::random();
        assert_eq!(id.as_str().len(), 14);
        assert!(id.as_str().parse::<DeviceKey>().is_ok());
    }
}
