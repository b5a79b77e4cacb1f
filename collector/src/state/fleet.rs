//! Devices, their latest values and their health, in memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, RwLock};

use kouan_protocol::{
    AgentId, BootId, BootTime, CatalogueHash, DeviceKey, DeviceSpec, HealthLevel, PointName, Quality, QualityReason,
    Timestamp, Value,
};
use serde::{Deserialize, Serialize};

use super::Known;
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

/// The latest reading of a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Whether it was read after `other`, in the same boot.
    pub(super) fn is_after(&self, other: &Self) -> bool {
        self.boot_time > other.boot_time
    }

    fn moment(&self) -> Known {
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
    pub points: BTreeMap<PointName, PointState>,
    /// Changed since the last checkpoint.
    pub dirty: bool,
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

    /// Takes a reading, unless a newer one is known. `current` is the boot that the agent is in.
    fn take(&mut self, name: &PointName, state: PointState, current: Option<BootId>) {
        match self.points.get_mut(name) {
            Some(known) if !state.moment().follows(&known.moment(), current) => return,
            Some(known) => *known = state,
            None => {
                self.points.insert(name.clone(), state);
            }
        }
        self.dirty = true;
    }
}

/// All devices.
#[derive(Debug, Default)]
pub struct Fleet {
    devices: BTreeMap<DeviceId, Device>,
    bound: HashMap<(AgentId, DeviceKey), DeviceId>,
    catalogues: HashMap<AgentId, CatalogueHash>,
    boots: HashMap<AgentId, BootId>,
}

/// The fleet as readers, handlers and the state's writer share it. Only the thread that writes `state.db` changes
/// devices, after its commits, so that memory follows the file in order.
pub type SharedFleet = Arc<RwLock<Fleet>>;

impl Fleet {
    /// All devices by id.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// Devices with ids after `id`.
    pub fn devices_after(&self, id: &DeviceId) -> impl Iterator<Item = &Device> {
        use std::ops::Bound;
        self.devices.range((Bound::Excluded(id.clone()), Bound::Unbounded)).map(|(_, device)| device)
    }

    /// The device of that id.
    #[must_use]
    pub fn get(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.get(id)
    }

    /// The device that the agent calls `key` now.
    #[must_use]
    pub fn bound(&self, agent: &AgentId, key: &DeviceKey) -> Option<&Device> {
        // The pair is cheap to clone: names are shared.
        self.devices.get(self.bound.get(&(agent.clone(), key.clone()))?)
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
        if let Some(old) = self.devices.get(&device.id) {
            let old = (old.agent.clone(), old.key.clone());
            if self.bound.get(&old) == Some(&device.id) {
                self.bound.remove(&old);
            }
        }
        if device.binding.is_some() {
            self.bound.insert((device.agent.clone(), device.key.clone()), device.id.clone());
        }
        self.devices.insert(device.id.clone(), device);
    }

    /// Remembers which boot the agent named in its latest hello.
    pub fn set_boot(&mut self, agent: &AgentId, boot: BootId) {
        self.boots.insert(agent.clone(), boot);
    }

    /// Takes readings of a device, unless newer ones are known.
    pub fn take(&mut self, id: &DeviceId, points: Vec<(PointName, PointState)>) {
        let Some(device) = self.devices.get_mut(id) else { return };
        let current = self.boots.get(&device.agent).copied();
        for (name, state) in points {
            device.take(&name, state, current);
        }
    }

    /// Takes the devices that changed since the last call, as (device, site, points).
    pub fn take_dirty(&mut self) -> Vec<(DeviceId, String, BTreeMap<PointName, PointState>)> {
        let dirty = self.devices.values_mut().filter(|device| device.dirty);
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
