//! Alarms that nothing judges any more: their device, agent, point, line or rule is gone or otherwise.

use std::collections::HashSet;

use kouan_protocol::AgentId;

use super::devices::condition;
use super::estate::Group;
use super::groups::subject_of_group;
use super::round::{Outcome, Ruled, State};
use super::standing::{Key, What};
use crate::alarms::life::subject_of_device;
use crate::alarms::rule::{Matching, Pattern, Test, When};
use crate::state::{Device, Fleet};

/// What is said when a rule no longer concerns something.
const NO_LONGER: &str = "the rule no longer concerns it";
/// What is said when the thing itself is gone.
const GONE: &str = "it is no longer watched";

impl State {
    /// Takes what was found around: agents that are known no longer are forgotten with their devices.
    pub(super) fn follow_surroundings(&mut self, fleet: &Fleet) {
        let known: HashSet<AgentId> = self.surroundings.agents.iter().map(|known| known.agent.clone()).collect();
        if known == self.known {
            return;
        }
        let before = std::mem::replace(&mut self.known, known);
        self.current.retain(|agent, _| self.known.contains(agent));
        for agent in before.difference(&self.known) {
            for device in fleet.of_agent(agent) {
                self.estate.remove(&device.id);
                self.counts.keep(&device.id, "", |_| false);
                self.samples.forget(&device.id);
                self.last_read.forget(&device.id);
            }
        }
        self.look_for_strays = true;
    }

    /// Clears alarms of devices, agents, lines and sites that no rule looks at any more.
    pub(super) fn find_strays(&mut self, fleet: &Fleet, outcomes: &mut Vec<Outcome>) {
        if !std::mem::take(&mut self.look_for_strays) {
            return;
        }
        let all =
            self.standing.iter().flat_map(|(subject, standing)| standing.by.iter().map(move |key| (subject, key)));
        let strays: Vec<(String, Key)> = all
            .filter(|(subject, key)| match &key.what {
                What::Device(device, _) => !fleet.get(device).is_some_and(|device| self.known.contains(&device.agent)),
                What::Group(group) => !self.looks_at(group, key, subject),
            })
            .map(|(subject, key)| (subject.clone(), key.clone()))
            .collect();
        for (subject, key) in strays {
            self.machines.remove(&key);
            self.stands_no_more(&subject, &key, GONE, outcomes);
        }
    }

    /// Whether the rule of the key judges the group, and by that subject.
    fn looks_at(&self, group: &Group, key: &Key, subject: &str) -> bool {
        let Some(ruled) = self.rules.iter().find(|ruled| ruled.id == key.rule) else { return false };
        let fits = |matching: &Matching, site: &str| matching.fits_kind("", "", site, "");
        let matching = &ruled.rule.matching;
        let tally_fits = || self.estate.tally(group).is_some_and(|tally| fits(matching, &tally.site));
        let is_judged = match (group, &ruled.rule.when) {
            (Group::Agent(agent), When::AgentSilent { .. }) => {
                let mut agents = self.surroundings.agents.iter();
                agents.any(|known| known.agent == *agent && fits(matching, &known.site))
            }
            (Group::Link(agent, _), When::LinkDead { .. }) => self.known.contains(agent) && tally_fits(),
            (Group::Site(_), When::LostTogether { .. }) => tally_fits(),
            (Group::Site(site), When::Count { .. }) => self.counts.knows(&ruled.id, site),
            _ => false,
        };
        is_judged && subject_of_group(group, &ruled.rule.condition) == subject
    }

    /// Clears alarms of rules that no longer concern the device, or its point, or that are otherwise now.
    pub(super) fn drop_strays(&mut self, device: &Device, rules: &[usize], outcomes: &mut Vec<Outcome>) {
        let fitting = || {
            let rules = rules.iter().filter_map(|at| self.rules.get(*at));
            rules.filter(|ruled| ruled.rule.matching.fits_name(device))
        };
        let concerned = |subject: &str, key: &Key| {
            let What::Device(_, place) = &key.what else { return false };
            fitting().any(|ruled| {
                ruled.id == key.rule
                    && is_of(ruled, device, place)
                    && subject_of_device(device.id.as_str(), &condition(&ruled.rule.condition, place)) == subject
            })
        };
        let of_device = self.standing_of(&device.id).into_iter();
        let strays: Vec<(String, Key)> = of_device.filter(|(subject, key)| !concerned(subject, key)).collect();
        let counting: Vec<_> = fitting().map(|ruled| std::sync::Arc::clone(&ruled.id)).collect();
        self.counts.keep(&device.id, &device.site, |rule| counting.contains(rule));
        for (subject, key) in strays {
            self.machines.remove(&key);
            self.stands_no_more(&subject, &key, NO_LONGER, outcomes);
        }
    }
}

/// Whether the rule judges that place of the device.
fn is_of(ruled: &Ruled, device: &Device, place: &str) -> bool {
    let When::Device(test) = &ruled.rule.when else { return false };
    let has = |pattern: &Pattern| {
        let mut described = device.spec.groups.iter().flat_map(|group| &group.points).map(|point| &point.name);
        let mut read = device.points.iter().map(|(name, _)| name.as_str());
        described.any(|name| pattern.place(name.as_str()) == Some(place))
            || read.any(|name| pattern.place(name) == Some(place))
    };
    match test {
        Test::Point { name, .. } | Test::Rises { name, .. } | Test::RisesLess { name, .. } => has(name),
        _ => place.is_empty(),
    }
}
