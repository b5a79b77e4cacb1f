//! Which alarm explains which.
//!
//! That something cannot be reached is explained by the farthest thing that it hangs on and that cannot be reached either:
//! its agent, its site if that lost much at once, its link, a device that it depends on. Alarms about values are never
//! hidden: what was true when the line went down still has to be looked after.

use std::collections::HashMap;

use super::estate::{Group, Tally, is_down};
use super::round::{Cause, Outcome, State};
use super::standing::Key;
use crate::assets::Topology;
use crate::state::{Device, DeviceId, Fleet};

impl State {
    /// Looks for explanations of alarms: of all that stand if a cause came or went, else of the new ones.
    pub(super) fn explain(&mut self, fleet: &Fleet, topology: &Topology, outcomes: &mut Vec<Outcome>) {
        let new = std::mem::take(&mut self.unexplained);
        let subjects: Vec<String> = if std::mem::take(&mut self.causes_changed) {
            self.causes = self.find_causes(fleet);
            self.standing.keys().cloned().collect()
        } else {
            new
        };
        for subject in subjects {
            let Some(standing) = self.standing.get(&subject).filter(|standing| standing.is_about_reach) else {
                continue;
            };
            let root = match (&standing.device, &standing.group) {
                (Some(device), _) => fleet.get(device).and_then(|device| self.root(fleet, topology, device)),
                (None, Some(group)) => self.root_of_group(group),
                (None, None) => None,
            };
            let root = root.filter(|root| **root != subject).cloned();
            // What is back was explained by what it was, as long as that stands.
            let is_back = standing.device.as_ref().and_then(|id| fleet.get(id)).is_some_and(|device| !is_down(device));
            let keeps = root.is_none()
                && is_back
                && standing.hidden_by.as_ref().is_some_and(|by| self.standing.contains_key(by));
            if keeps {
                continue;
            }
            if standing.hidden_by != root {
                if let Some(standing) = self.standing.get_mut(&subject) {
                    standing.hidden_by.clone_from(&root);
                }
                outcomes.push(Outcome::Explain(subject, root));
            }
        }
    }

    fn find_causes(&self, fleet: &Fleet) -> HashMap<Cause, String> {
        let mut causes = HashMap::new();
        for (subject, standing) in self.standing.iter().filter(|(_, standing)| standing.is_about_reach) {
            let cause = match (&standing.device, &standing.group) {
                (Some(device), _) if fleet.get(device).is_some_and(is_down) => Cause::Device(device.clone()),
                (None, Some(group)) => Cause::Group(group.clone()),
                _ => continue,
            };
            causes.insert(cause, subject.clone());
        }
        causes
    }

    /// Whether an alarm that stands explains why the device cannot be reached.
    pub(super) fn is_explained(&self, fleet: &Fleet, topology: &Topology, device: &Device) -> bool {
        self.root(fleet, topology, device).is_some()
    }

    fn root(&self, fleet: &Fleet, topology: &Topology, device: &Device) -> Option<&String> {
        let site = Group::Site(device.site.clone());
        let link = Group::Link(device.agent.clone(), device.spec.link.clone());
        let of = |cause: Cause| self.causes.get(&cause);
        let ancestors = topology.ancestors_of(fleet, &device.id);
        let told = device.health.as_ref().map(|health| health.time.0);
        let lost_ms = self.estate.down_since(&device.id).or(told);
        of(Cause::Group(Group::Agent(device.agent.clone())))
            .or_else(|| of(Cause::Group(site.clone())).filter(|_| self.was_lost_with(&site, lost_ms)))
            // The farthest first: what is nearer is explained by it as well.
            .or_else(|| {
                let down = |id: &&DeviceId| self.causes.contains_key(&Cause::Device((*id).clone()));
                let farthest = ancestors.iter().rev().find(down)?;
                let farthest_link = fleet
                    .get(farthest)
                    .map(|found| Cause::Group(Group::Link(found.agent.clone(), found.spec.link.clone())));
                farthest_link.and_then(of).or_else(|| of(Cause::Device(farthest.clone())))
            })
            .or_else(|| of(Cause::Group(link)))
    }

    fn root_of_group(&self, group: &Group) -> Option<&String> {
        let Group::Link(agent, _) = group else { return None };
        let tally = self.estate.tally(group);
        let site = tally.map(|tally| Group::Site(tally.site.clone()));
        let site = site.filter(|site| self.was_lost_with(site, tally.and_then(Tally::last_lost_ms)));
        let agent_cause = self.causes.get(&Cause::Group(Group::Agent(agent.clone())));
        agent_cause.or_else(|| self.causes.get(&Cause::Group(site?)))
    }

    /// Whether what was lost then was lost together with much of the site. What is lost later has another reason.
    fn was_lost_with(&self, site: &Group, lost_ms: Option<i64>) -> bool {
        let stretches = self.lost.get(site).into_iter().flat_map(|rules| rules.values()).flatten();
        lost_ms.is_some_and(|lost| stretches.into_iter().any(|(from, to)| *from <= lost && lost <= *to))
    }

    /// The alarms that stand of a device, with who says so.
    pub(super) fn standing_of(&self, device: &DeviceId) -> Vec<(String, Key)> {
        let mut found = Vec::new();
        for subject in self.of_device.get(device).into_iter().flatten() {
            let by = self.standing.get(subject).map(|standing| &standing.by);
            found.extend(by.into_iter().flatten().map(|key| (subject.clone(), key.clone())));
        }
        found
    }
}
