//! How many devices of each link, agent and site cannot be reached, kept up to date device by device.

use std::collections::{BTreeSet, HashMap, HashSet};

use kouan_protocol::{AgentId, HealthLevel};

use crate::state::{Device, DeviceId};

/// What devices have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Group {
    /// A link of an agent.
    Link(AgentId, String),
    /// An agent.
    Agent(AgentId),
    /// A site.
    Site(String),
}

/// What is known of the devices of a group.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Those that are in service.
    pub(super) devices: BTreeSet<DeviceId>,
    /// How many of them cannot be reached.
    pub(super) down: usize,
    /// The site.
    pub(super) site: String,
}

struct Member {
    groups: [Group; 3],
    down: bool,
}

/// All groups.
#[derive(Default)]
pub(super) struct Estate {
    members: HashMap<DeviceId, Member>,
    groups: HashMap<Group, Tally>,
    /// Groups whose numbers changed since they were asked for.
    touched: HashSet<Group>,
}

/// Whether nothing is heard of the device at all.
pub(super) fn is_down(device: &Device) -> bool {
    let level = device.health.as_ref().map(|health| health.level);
    matches!(level, Some(HealthLevel::Unreachable | HealthLevel::Reachable))
}

/// Whether the device counts: some agent speaks to it, and it is meant to work.
pub(super) fn is_in_service(device: &Device) -> bool {
    let level = device.health.as_ref().map(|health| health.level);
    device.configured
        && device.binding.is_some()
        && !matches!(level, Some(HealthLevel::Disabled | HealthLevel::Maintenance))
}

impl Estate {
    /// Forgets a device that nobody watches any more.
    pub(super) fn remove(&mut self, device: &DeviceId) {
        let Some(known) = self.members.remove(device) else { return };
        for group in known.groups {
            if let Some(tally) = self.groups.get_mut(&group) {
                tally.devices.remove(device);
                tally.down -= usize::from(known.down);
            }
            self.touched.insert(group);
        }
    }

    /// Takes a device as it is now.
    pub(super) fn update(&mut self, device: &Device) {
        let now = is_in_service(device).then(|| Member {
            groups: [
                Group::Link(device.agent.clone(), device.spec.link.clone()),
                Group::Agent(device.agent.clone()),
                Group::Site(device.site.clone()),
            ],
            down: is_down(device),
        });
        if let (Some(known), Some(now)) = (self.members.get(&device.id), &now)
            && now.groups == known.groups
            && now.down == known.down
        {
            return;
        }
        self.remove(&device.id);
        let Some(now) = now else { return };
        for group in &now.groups {
            let tally = self.groups.entry(group.clone()).or_default();
            tally.devices.insert(device.id.clone());
            tally.down += usize::from(now.down);
            if tally.site.is_empty() {
                tally.site.clone_from(&device.site);
            }
            self.touched.insert(group.clone());
        }
        self.members.insert(device.id.clone(), now);
    }

    /// The groups of the device are looked at again.
    pub(super) fn touch(&mut self, device: &DeviceId) {
        let groups = self.members.get(device).map(|member| member.groups.clone());
        self.touched.extend(groups.into_iter().flatten());
    }

    /// What is known of a group.
    pub(super) fn tally(&self, group: &Group) -> Option<&Tally> {
        self.groups.get(group)
    }

    /// The groups whose numbers changed since the last call.
    pub(super) fn take_touched(&mut self) -> HashSet<Group> {
        std::mem::take(&mut self.touched)
    }
}
