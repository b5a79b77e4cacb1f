//! Judging the rules that concern one device.

use std::sync::Arc;

use kouan_protocol::{Anchor, BootTime, Quality};

use super::estate::{Group, is_down, is_in_service};
use super::round::{Outcome, Raised, Ruled, State, boot_at};
use super::standing::{Key, What};
use super::view::Live;
use super::wording::{Words, fill};
use crate::alarms::judge::{Cause, Judged, Machine, Opening, Turn, judge, opening};
use crate::alarms::life::subject_of_device;
use crate::alarms::rule::{Pattern, Test, When};
use crate::assets::Topology;
use crate::state::{Device, Fleet};

/// The longest time for which an alarm is held until it is known whether something else explains it.
const HOLD_MS: i64 = 60_000;
/// How soon it is looked at again while it is held.
const HOLD_AGAIN_MS: u64 = 500;

impl State {
    /// Judges a device; with `whole` also rules that only its outline concerns.
    pub(super) fn judge_device(
        &mut self,
        fleet: &Fleet,
        topology: &Topology,
        device: &Device,
        whole: bool,
        now: &Anchor,
        outcomes: &mut Vec<Outcome>,
    ) {
        let rules = self.rules_of(device);
        let current_since = self.current_since(&device.agent);
        for at in rules.iter().copied() {
            let Some(ruled) = self.rules.get(at).map(Arc::clone) else { continue };
            if (ruled.outline_only && !whole) || !ruled.rule.matching.fits_name(device) {
                continue;
            }
            self.take_samples(&ruled, device, now);
            match &ruled.rule.when {
                When::Device(test) => {
                    for (place, only) in places(test, device) {
                        self.judge_one(
                            fleet,
                            topology,
                            &ruled,
                            test,
                            (device, place, only),
                            current_since,
                            now,
                            outcomes,
                        );
                    }
                }
                When::Count { test, .. } => {
                    let held = self.counts.holds(&ruled.id, &device.site, &device.id);
                    let judged = self.judged(&ruled, test, device, None, held, current_since, now);
                    if let Some(due) = judged.due_ms {
                        self.look_again(&device.id, boot_at(now, due));
                    }
                    // One that can never hold is known not to.
                    let holds = judged.holds.or_else(|| (!test.can_hold_for(&device.spec)).then_some(false));
                    if is_in_service(device) && self.known.contains(&device.agent) {
                        self.counts.note(&ruled.id, &device.site, &device.id, holds);
                    } else {
                        self.counts.leave_out(&ruled.id, &device.site, &device.id);
                    }
                }
                _ => {}
            }
        }
        if whole {
            self.drop_strays(device, &rules, outcomes);
        }
    }

    fn take_samples(&mut self, ruled: &Ruled, device: &Device, now: &Anchor) {
        for points in &ruled.absent {
            self.last_read.take(device, points);
        }
        for (pattern, within_ms) in &ruled.sampled {
            for (name, state) in device.points.iter() {
                if let Some(value) = &state.value
                    && state.quality == Quality::Good
                    && pattern.place(name.as_str()).is_some()
                {
                    let times = (state.time.0, now.wall.0, *within_ms);
                    self.samples.take(&device.id, name.as_str(), value, times);
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of it is what one judgement is about")]
    fn judged(
        &self,
        ruled: &Ruled,
        test: &Test,
        device: &Device,
        only: Option<&str>,
        raised: bool,
        current_since: Option<i64>,
        now: &Anchor,
    ) -> Judged {
        if !device.configured || device.binding.is_none() {
            return Judged { holds: Some(false), ..Judged::default() };
        }
        if !is_in_service(device) && !ruled.is_about_reach {
            return Judged::default();
        }
        let Some(current_since) = current_since else { return Judged::default() };
        // Nearly no rule has a calendar, and to look for a zone costs more than all the rest.
        let opening = match ruled.rule.during.as_slice() {
            [] => Opening::ALWAYS,
            during => opening(during, &self.surroundings.zone(&device.site), now.wall.0),
        };
        let Some(open_since) = opening.since_ms else {
            return Judged { holds: Some(false), due_ms: opening.until_ms, ..Judged::default() };
        };
        let view = Live {
            device,
            samples: &self.samples,
            last_read: &self.last_read,
            now_ms: now.wall.0,
            watched_since_ms: current_since.max(open_since),
        };
        let mut judged = judge(test, &view, raised, only);
        judged.due_ms = match (judged.due_ms, opening.until_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        judged
    }

    #[expect(clippy::too_many_arguments, reason = "all of it is what one judgement is about")]
    fn judge_one(
        &mut self,
        fleet: &Fleet,
        topology: &Topology,
        ruled: &Ruled,
        test: &Test,
        (device, place, only): (&Device, Box<str>, Option<String>),
        current_since: Option<i64>,
        now: &Anchor,
        outcomes: &mut Vec<Outcome>,
    ) {
        let key = Key { rule: Arc::clone(&ruled.id), what: What::Device(device.id.clone(), place.clone()) };
        let known = self.machines.get(&key).map(|machine| machine.raised);
        let raised = known == Some(true);
        let judged = self.judged(ruled, test, device, only.as_deref(), raised, current_since, now);
        if let Some(due) = judged.due_ms {
            self.look_again(&device.id, boot_at(now, due));
        }
        if judged.holds != Some(true) && known.is_none() {
            return;
        }
        let mut machine = self.machines.remove(&key).unwrap_or_default();
        let (mut turn, due) = machine.step(judged.holds, now.boot_time.0, &ruled.delays);
        if turn == Some(Turn::Raise) && ruled.is_about_reach && self.must_wait(fleet, topology, device, now) {
            machine.postpone(now.boot_time.0.saturating_sub(ruled.delays.raise_ms));
            self.look_again(&device.id, now.boot_time.0 + HOLD_AGAIN_MS);
            turn = None;
        }
        if let Some(due) = due {
            self.look_again(&device.id, due);
        }
        let condition = condition(&ruled.rule.condition, &place);
        match turn {
            Some(Turn::Raise) => {
                outcomes.push(Outcome::Raise(Box::new(self.raised(
                    ruled,
                    device,
                    (&condition, &place),
                    &judged.cause,
                    &machine,
                ))));
                self.stands(&subject_of_device(device.id.as_str(), &condition), key.clone(), ruled.is_about_reach);
            }
            Some(Turn::Clear) => {
                let subject = subject_of_device(device.id.as_str(), &condition);
                self.stands_no_more(&subject, &key, "", outcomes);
            }
            None => {}
        }
        if !machine.is_idle(now.boot_time.0, &ruled.delays.flap) {
            self.machines.insert(key, machine);
        }
    }

    /// Whether something else may still explain that the device cannot be reached: what it hangs on was not heard of since,
    /// or is down itself and its alarm not yet raised.
    fn must_wait(&self, fleet: &Fleet, topology: &Topology, device: &Device, now: &Anchor) -> bool {
        let since = device.health.as_ref().map_or(now.wall.0, |health| health.time.0);
        // A clock that is ahead must not hold an alarm for ever.
        if now.wall.0.saturating_sub(since) > HOLD_MS || since > now.wall.0 || !is_down(device) {
            return false;
        }
        if self.is_explained(fleet, topology, device) {
            return false;
        }
        let heard_since = |other: &Device| {
            let newest = other.points.iter().map(|(_, state)| state.time.0).max();
            newest.is_some_and(|time| time > since)
                || other.health.as_ref().is_some_and(|health| !is_down(other) && health.time.0 >= since)
        };
        let ancestors = topology.ancestors_of(fleet, &device.id);
        if ancestors.iter().filter_map(|id| fleet.get(id)).any(|parent| is_in_service(parent) && !heard_since(parent)) {
            return true;
        }
        let link = Group::Link(device.agent.clone(), device.spec.link.clone());
        let Some(tally) = self.estate.tally(&link).filter(|tally| tally.devices.len() > 1) else { return false };
        // As long as nobody on the link was heard of since, it may be the link.
        let others = tally.devices.iter().filter(|id| **id != device.id).filter_map(|id| fleet.get(id));
        let mut others = others.filter(|other| !is_down(other)).peekable();
        others.peek().is_some() && !others.any(heard_since)
    }
}

/// The instances of a test: one for each point where its pattern stands for several, otherwise one.
fn places(test: &Test, device: &Device) -> Vec<(Box<str>, Option<String>)> {
    let pattern: Option<&Pattern> = match test {
        Test::Point { name, .. } | Test::Rises { name, .. } | Test::RisesLess { name, .. } => Some(name),
        _ => None,
    };
    match pattern.filter(|pattern| pattern.has_places()) {
        None => vec![("".into(), None)],
        Some(pattern) => {
            let place = |name: &str| Some((pattern.place(name)?.into(), Some(name.to_owned())));
            device.points.iter().filter_map(|(name, _)| place(name.as_str())).collect()
        }
    }
}

/// The name of a condition at a place.
pub(super) fn condition(name: &str, place: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{name}.{place}") }
}

impl State {
    fn raised(
        &self,
        ruled: &Ruled,
        device: &Device,
        (condition, place): (&str, &str),
        cause: &Cause,
        machine: &Machine,
    ) -> Raised {
        let words = Words {
            device: device.label(),
            area: device.area(),
            agent: device.agent.as_str(),
            link: &device.spec.link,
            site: &device.site,
            site_names: self.surroundings.site_names.get(&device.site),
            place,
            count: 1,
        };
        Raised {
            subject: subject_of_device(device.id.as_str(), condition),
            rule: Arc::clone(&ruled.id),
            site: device.site.clone(),
            area: device.area().to_owned(),
            agent: device.agent.to_string(),
            device: device.id.to_string(),
            label: device.label().to_owned(),
            class: device.spec.class.clone(),
            condition: condition.to_owned(),
            point: cause.point.clone(),
            severity: ruled.rule.severity,
            text: fill(&ruled.rule.text, &words, cause),
            value: cause.value.as_ref().map(|value| serde_json::json!(value)),
            unit: cause.unit.clone(),
            flapping: machine.flapping,
        }
    }
}

/// Milliseconds since the engine began, for what was never heard of.
pub(super) fn since_start(started: BootTime, now: &Anchor) -> u64 {
    now.boot_time.since_ms(started)
}
