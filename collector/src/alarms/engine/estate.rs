//! How many devices of each link, agent and site cannot be reached, kept up to date device by device.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

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
    /// How many of those have not been reached since when, in milliseconds.
    since: BTreeMap<i64, usize>,
    /// The site.
    pub(super) site: String,
}

struct Member {
    groups: [Group; 3],
    /// Since when it cannot be reached.
    down_since: Option<i64>,
}

/// What is lost within this time of each other may have one cause.
const TOGETHER_MS: i64 = 5 * 60_000;

/// A time, both ends within.
pub(super) type Stretch = (i64, i64);

impl Tally {
    /// The times within which at least `need` devices were lost together, and how many were lost in them.
    pub(super) fn lost_together(&self, need: usize) -> (Vec<Stretch>, usize) {
        let times: Vec<(i64, usize)> = self.since.iter().map(|(time, count)| (*time, *count)).collect();
        let (mut stretches, mut end, mut within): (Vec<Stretch>, usize, usize) = (Vec::new(), 0, 0);
        for (from, count) in &times {
            while let Some((_, more)) = times.get(end).filter(|(time, _)| *time <= from.saturating_add(TOGETHER_MS)) {
                within += more;
                end += 1;
            }
            if within >= need.max(1)
                && let Some((to, _)) = end.checked_sub(1).and_then(|last| times.get(last))
            {
                match stretches.last_mut().filter(|stretch| stretch.1 >= *from) {
                    Some(stretch) => stretch.1 = *to,
                    None => stretches.push((*from, *to)),
                }
            }
            within -= count;
        }
        let lost = |stretch: &Stretch| self.since.range(stretch.0..=stretch.1).map(|(_, count)| count).sum::<usize>();
        let lost = stretches.iter().map(lost).sum();
        (stretches, lost)
    }

    /// When the last of those that cannot be reached was lost.
    pub(super) fn last_lost_ms(&self) -> Option<i64> {
        self.since.last_key_value().map(|(time, _)| *time)
    }

    fn lose(&mut self, since: i64) {
        self.down += 1;
        *self.since.entry(since).or_default() += 1;
    }

    fn find(&mut self, since: i64) {
        self.down -= 1;
        if let Some(count) = self.since.get_mut(&since) {
            *count -= 1;
            if *count == 0 {
                self.since.remove(&since);
            }
        }
    }
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
                if let Some(since) = known.down_since {
                    tally.find(since);
                }
            }
            self.touched.insert(group);
        }
    }

    /// Takes a device as it is now.
    pub(super) fn update(&mut self, device: &Device) {
        // What changes its word without coming back has been down since before.
        let before = self.members.get(&device.id).and_then(|known| known.down_since);
        let told = device.health.as_ref().map_or(0, |health| health.time.0);
        let now = is_in_service(device).then(|| Member {
            groups: [
                Group::Link(device.agent.clone(), device.spec.link.clone()),
                Group::Agent(device.agent.clone()),
                Group::Site(device.site.clone()),
            ],
            down_since: is_down(device).then(|| before.unwrap_or(told)),
        });
        if let (Some(known), Some(now)) = (self.members.get(&device.id), &now)
            && now.groups == known.groups
            && now.down_since == known.down_since
        {
            return;
        }
        self.remove(&device.id);
        let Some(now) = now else { return };
        for group in &now.groups {
            let tally = self.groups.entry(group.clone()).or_default();
            tally.devices.insert(device.id.clone());
            if let Some(since) = now.down_since {
                tally.lose(since);
            }
            if tally.site.is_empty() {
                tally.site.clone_from(&device.site);
            }
            self.touched.insert(group.clone());
        }
        self.members.insert(device.id.clone(), now);
    }

    /// Since when the device cannot be reached.
    pub(super) fn down_since(&self, device: &DeviceId) -> Option<i64> {
        self.members.get(device)?.down_since
    }

    /// All groups are looked at again.
    pub(super) fn touch_all(&mut self) {
        self.touched.extend(self.groups.keys().cloned());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_lost_within_minutes_is_lost_together() {
        let mut tally = Tally::default();
        let minute = 60_000;
        for at in [0, 1, 2, 4, 60, 61, 100] {
            tally.lose(at * minute);
        }
        assert_eq!(tally.lost_together(4), (vec![(0, 4 * minute)], 4));
        assert_eq!(tally.lost_together(2), (vec![(0, 4 * minute), (60 * minute, 61 * minute)], 6));
        assert_eq!(tally.lost_together(5), (Vec::new(), 0));
        tally.find(2 * minute);
        assert_eq!(tally.lost_together(4), (Vec::new(), 0));
        assert_eq!((tally.down, tally.last_lost_ms()), (6, Some(100 * minute)));
        // One after the other, always enough within five minutes: one stretch.
        let mut slowly = Tally::default();
        (0..20).for_each(|at| slowly.lose(at * minute));
        assert_eq!(slowly.lost_together(6), (vec![(0, 19 * minute)], 20));
    }
}
