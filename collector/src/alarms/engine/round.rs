//! One round of the engine: from what changed to what becomes of alarms.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kouan_protocol::{AgentId, Anchor, BootTime, DeviceSpec, Severity};

use super::count::Counts;
use super::estate::{Estate, Group, Stretch};
use super::last_read::{LastRead, Points};
use super::samples::Samples;
use super::standing::{AllStanding, Found, Key, Standing, What};
use super::surroundings::Surroundings;
use crate::alarms::AlarmSettings;
use crate::alarms::judge::{Delays, Machine};
use crate::alarms::rule::{Rule, RuleSet, Test, When};
use crate::assets::Topology;
use crate::ingest::Sessions;
use crate::state::{DeviceId, Fleet};

/// What becomes of an alarm.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// It is raised.
    Raise(Box<Raised>),
    /// It is cleared; with a word why.
    Clear(String, &'static str),
    /// The alarm of the first subject is explained by that of the second, or by none any more.
    Explain(String, Option<String>),
}

/// An alarm to raise.
#[derive(Debug, Clone)]
pub(super) struct Raised {
    pub(super) subject: String,
    pub(super) rule: Arc<str>,
    pub(super) site: String,
    pub(super) area: String,
    pub(super) agent: String,
    pub(super) device: String,
    pub(super) label: String,
    pub(super) class: String,
    pub(super) condition: String,
    pub(super) point: String,
    pub(super) severity: Severity,
    pub(super) text: (String, String),
    pub(super) value: Option<serde_json::Value>,
    pub(super) unit: String,
    pub(super) flapping: bool,
}

/// A rule, and which devices it may concern.
pub(super) struct Ruled {
    pub(super) rule: Arc<Rule>,
    pub(super) id: Arc<str>,
    pub(super) delays: Delays,
    /// Only changes of a device's outline can change what it says.
    pub(super) outline_only: bool,
    pub(super) is_about_reach: bool,
    /// Points whose numbers are kept, and for how long.
    pub(super) sampled: Vec<(crate::alarms::rule::Pattern, i64)>,
    /// Points of which it matters when they were read last.
    pub(super) absent: Vec<Points>,
}

impl Ruled {
    fn new(id: &str, rule: &Arc<Rule>) -> Self {
        let (mut sampled, mut absent) = (Vec::new(), Vec::new());
        let (mut outline_only, mut is_about_reach) = (true, true);
        if let When::Device(test) | When::Count { test, .. } = &rule.when {
            is_about_reach = test.is_about_reach();
            test.visit(&mut |test| match test {
                Test::Rises { name, within_ms, .. } | Test::RisesLess { name, within_ms, .. } => {
                    sampled.push((name.clone(), *within_ms));
                    outline_only = false;
                }
                Test::NoReading { name, .. } => {
                    absent.push(name.clone());
                    outline_only = false;
                }
                Test::Point { .. } | Test::NoEvent { .. } => outline_only = false,
                Test::Health(_) | Test::All(_) | Test::Any(_) | Test::Not(_) => {}
            });
        }
        let delays = Delays { raise_ms: rule.raise_after_ms, clear_ms: rule.clear_after_ms, flap: rule.flap };
        Self { rule: Arc::clone(rule), id: id.into(), delays, outline_only, is_about_reach, sampled, absent }
    }
}

/// What rules concern, by class, profile, site and area.
type Kind = (String, String, String, String);

/// The rules of a device, and what they were found by.
struct OfKind {
    spec: Arc<DeviceSpec>,
    site: String,
    own_area: Option<String>,
    rules: Arc<[usize]>,
}

/// Everything that the engine remembers from one round to the next.
pub(super) struct State {
    pub(super) rules: Vec<Arc<Ruled>>,
    by_kind: HashMap<Kind, Arc<[usize]>>,
    /// The same by device, as long as it is what it was.
    of_kind: HashMap<DeviceId, OfKind>,
    pub(super) machines: HashMap<Key, Machine>,
    pub(super) standing: AllStanding,
    /// The subjects of alarms that stand of each device.
    pub(super) of_device: HashMap<DeviceId, BTreeSet<String>>,
    pub(super) estate: Estate,
    pub(super) counts: Counts,
    pub(super) samples: Samples,
    pub(super) last_read: LastRead,
    pub(super) surroundings: Surroundings,
    /// Agents that are heard of, and since when: both clocks.
    pub(super) current: HashMap<AgentId, i64>,
    /// Agents that are watched at all.
    pub(super) known: HashSet<AgentId>,
    /// What is around was looked at: something may be gone.
    pub(super) look_for_strays: bool,
    pub(super) due: BTreeSet<(u64, DeviceId)>,
    pub(super) due_of: HashMap<DeviceId, u64>,
    /// Groups to look at by time.
    pub(super) due_groups: BTreeSet<(u64, Key)>,
    seen: u64,
    pub(super) started: BootTime,
    /// When what a site lost together was lost, by site and rule.
    pub(super) lost: HashMap<Group, BTreeMap<Arc<str>, Vec<Stretch>>>,
    /// An agent counts as heard of for this long; then nothing is known of its devices.
    current_ms: u64,
    /// After this long an agent is silent, where a rule says no time of its own.
    pub(super) silent_ms: u64,
    /// What may explain others came or went.
    pub(super) causes_changed: bool,
    /// Alarms to look for an explanation of.
    pub(super) unexplained: Vec<String>,
    /// Alarms that stand by a rule that is judged no longer, or of a device that is gone.
    orphans: Vec<(String, Key)>,
    /// The subjects of alarms that may explain others.
    pub(super) causes: HashMap<Cause, String>,
}

/// What may explain that something cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    /// A device cannot be reached.
    Device(DeviceId),
    /// An agent is silent, a link is dead, a site has lost much.
    Group(Group),
}

impl State {
    pub(super) fn new(rules: &RuleSet, found: Vec<Found>, started: BootTime, settings: &AlarmSettings) -> Self {
        let enabled = rules.rules.iter().filter(|(_, stored)| stored.rule.enabled);
        let mut state = Self {
            rules: enabled.map(|(id, stored)| Arc::new(Ruled::new(id, &stored.rule))).collect(),
            by_kind: HashMap::new(),
            machines: HashMap::new(),
            standing: HashMap::new(),
            of_device: HashMap::new(),
            orphans: Vec::new(),
            estate: Estate::default(),
            counts: Counts::default(),
            samples: Samples::default(),
            last_read: LastRead::default(),
            surroundings: Surroundings::default(),
            current: HashMap::new(),
            known: HashSet::new(),
            look_for_strays: true,
            due: BTreeSet::new(),
            due_of: HashMap::new(),
            due_groups: BTreeSet::new(),
            seen: 0,
            started,
            lost: HashMap::new(),
            of_kind: HashMap::new(),
            current_ms: settings.current_ms(),
            silent_ms: settings.silent_ms(),
            causes_changed: true,
            unexplained: Vec::new(),
            causes: HashMap::new(),
        };
        for found in found {
            let rule = state.rules.iter().find(|ruled| ruled.id == found.key.rule);
            let is_about_reach = rule.is_some_and(|ruled| ruled.is_about_reach);
            if rule.is_none() {
                state.orphans.push((found.subject.clone(), found.key.clone()));
            }
            let (device, group) = match &found.key.what {
                What::Device(device, _) => (Some(device.clone()), None),
                What::Group(group) => (None, Some(group.clone())),
            };
            state.machines.insert(found.key.clone(), Machine::standing(found.flapping));
            if let Some(device) = &device {
                state.of_device.entry(device.clone()).or_default().insert(found.subject.clone());
            }
            let by = BTreeSet::from([found.key]);
            let standing = Standing { by, device, group, is_about_reach, hidden_by: found.hidden_by };
            state.standing.insert(found.subject, standing);
        }
        state
    }

    /// The rules that may concern a device of that kind.
    pub(super) fn rules_of(&mut self, device: &crate::state::Device) -> Arc<[usize]> {
        let spec = &device.spec;
        if let Some(known) = self.of_kind.get(&device.id)
            && Arc::ptr_eq(&known.spec, spec)
            && known.site == device.site
            && known.own_area == device.own_area
        {
            return Arc::clone(&known.rules);
        }
        let rules = self.rules_of_kind(device);
        let (spec, site, own_area) = (Arc::clone(spec), device.site.clone(), device.own_area.clone());
        self.of_kind.insert(device.id.clone(), OfKind { spec, site, own_area, rules: Arc::clone(&rules) });
        rules
    }

    fn rules_of_kind(&mut self, device: &crate::state::Device) -> Arc<[usize]> {
        let spec = &device.spec;
        let kind = (spec.class.clone(), spec.profile.clone(), device.site.clone(), device.area().to_owned());
        if let Some(rules) = self.by_kind.get(&kind) {
            return Arc::clone(rules);
        }
        let of_devices = |ruled: &Ruled| matches!(ruled.rule.when, When::Device(_) | When::Count { .. });
        let fits = |ruled: &Ruled| ruled.rule.matching.fits_kind(&kind.0, &kind.1, &kind.2, &kind.3);
        let all = self.rules.iter().enumerate().filter(|(_, ruled)| of_devices(ruled) && fits(ruled));
        let rules: Arc<[usize]> = all.map(|(at, _)| at).collect();
        self.by_kind.insert(kind, Arc::clone(&rules));
        rules
    }

    /// Goes on from what another set of rules had come to: what was seen, and how far the rules had come that are the same.
    pub(super) fn go_on_from(&mut self, before: Self) {
        let rule_of = |rules: &[Arc<Ruled>], id: &Arc<str>| rules.iter().find(|ruled| ruled.id == *id).cloned();
        let is_same = |id: &Arc<str>| {
            let (now, then) = (rule_of(&self.rules, id), rule_of(&before.rules, id));
            now.zip(then).is_some_and(|(now, then)| now.rule == then.rule)
        };
        let same: HashSet<Arc<str>> = self.rules.iter().map(|ruled| Arc::clone(&ruled.id)).filter(is_same).collect();
        // What stands by the store is so; a machine that says otherwise has not been written.
        for (key, machine) in before.machines {
            let stands = self.machines.contains_key(&key);
            if same.contains(&key.rule) && machine.raised == stands {
                self.machines.insert(key, machine);
            }
        }
        self.counts = before.counts;
        self.counts.keep_rules(|rule| same.contains(rule));
        self.due_groups = before.due_groups.into_iter().filter(|(_, key)| same.contains(&key.rule)).collect();
        self.estate = before.estate;
        self.estate.touch_all();
        self.lost = before.lost;
        self.lost.values_mut().for_each(|rules| rules.retain(|rule, _| same.contains(rule)));
        self.samples = before.samples;
        self.last_read = before.last_read;
        self.current = before.current;
        self.known = before.known;
        (self.due, self.due_of) = (before.due, before.due_of);
        self.surroundings = before.surroundings;
    }

    /// Looks at the device again then.
    pub(super) fn look_again(&mut self, device: &DeviceId, at: u64) {
        if let Some(known) = self.due_of.get(device) {
            if *known <= at {
                return;
            }
            self.due.remove(&(*known, device.clone()));
        }
        self.due_of.insert(device.clone(), at);
        self.due.insert((at, device.clone()));
    }

    /// Judges what changed and what is due.
    pub(super) fn round(
        &mut self,
        fleet: &Fleet,
        topology: &Topology,
        sessions: &Sessions,
        now: &Anchor,
    ) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for (subject, key) in std::mem::take(&mut self.orphans) {
            self.machines.remove(&key);
            self.stands_no_more(&subject, &key, "the rule is judged no longer", &mut outcomes);
        }
        self.follow_surroundings(fleet);
        let newest = fleet.newest_change();
        let mut devices: Vec<(&crate::state::Device, bool)> = Vec::new();
        let mut places: HashMap<&DeviceId, usize> = HashMap::new();
        for device in fleet.changed_after(self.seen) {
            let outline = device.outline_change > self.seen;
            if outline && self.known.contains(&device.agent) {
                self.estate.update(device);
            } else if outline {
                self.estate.remove(&device.id);
            }
            places.insert(&device.id, devices.len());
            devices.push((device, outline));
        }
        self.seen = newest;
        let mut again = self.follow_agents(fleet, sessions, now);
        while let Some((_, id)) = self.due.pop_first_if(now.boot_time.0) {
            self.due_of.remove(&id);
            again.push(id);
        }
        for id in &again {
            let Some(device) = fleet.get(id) else { continue };
            match places.get(&device.id) {
                Some(place) => devices[*place].1 = true,
                None => {
                    places.insert(&device.id, devices.len());
                    devices.push((device, true));
                }
            }
        }
        for (device, whole) in devices {
            self.judge_device(fleet, topology, device, whole, now, &mut outcomes);
        }
        self.find_strays(fleet, &mut outcomes);
        self.judge_groups(fleet, sessions, now, &mut outcomes);
        self.explain(fleet, topology, &mut outcomes);
        outcomes
    }

    /// Finds agents that are heard of again or no longer; the devices of the former must be judged anew.
    fn follow_agents(&mut self, fleet: &Fleet, sessions: &Sessions, now: &Anchor) -> Vec<DeviceId> {
        let mut again = Vec::new();
        for known in &self.surroundings.agents {
            let silent = sessions.silent_ms(&known.agent, now.boot_time);
            let is_current = silent.is_some_and(|silent| silent < self.current_ms);
            match (is_current, self.current.contains_key(&known.agent)) {
                (true, false) => {
                    self.current.insert(known.agent.clone(), now.wall.0);
                    for device in fleet.of_agent(&known.agent) {
                        self.samples.forget(&device.id);
                        self.estate.update(device);
                        self.estate.touch(&device.id);
                        again.push(device.id.clone());
                    }
                }
                (false, true) => drop(self.current.remove(&known.agent)),
                _ => {}
            }
        }
        again
    }

    /// A rule says that an alarm stands.
    pub(super) fn stands(&mut self, subject: &str, key: Key, is_about_reach: bool) {
        let (device, group) = match &key.what {
            What::Device(device, _) => (Some(device.clone()), None),
            What::Group(group) => (None, Some(group.clone())),
        };
        if let Some(device) = &device {
            self.of_device.entry(device.clone()).or_default().insert(subject.to_owned());
        }
        let standing = self.standing.entry(subject.to_owned()).or_insert_with(|| Standing {
            by: BTreeSet::new(),
            device,
            group,
            is_about_reach,
            hidden_by: None,
        });
        standing.by.insert(key);
        standing.is_about_reach |= is_about_reach;
        if standing.is_about_reach {
            self.causes_changed = true;
        }
        self.unexplained.push(subject.to_owned());
    }

    /// A rule says no longer that an alarm stands.
    pub(super) fn stands_no_more(&mut self, subject: &str, key: &Key, why: &'static str, outcomes: &mut Vec<Outcome>) {
        let Some(standing) = self.standing.get_mut(subject) else { return };
        standing.by.remove(key);
        if standing.by.is_empty() {
            if standing.is_about_reach {
                self.causes_changed = true;
            }
            if let Some(device) = standing.device.clone().as_ref()
                && let Some(subjects) = self.of_device.get_mut(device)
            {
                subjects.remove(subject);
                if subjects.is_empty() {
                    self.of_device.remove(device);
                }
            }
            self.standing.remove(subject);
            outcomes.push(Outcome::Clear(subject.to_owned(), why));
        }
    }

    /// Whether what is judged here is known: the agent is heard of.
    pub(super) fn current_since(&self, agent: &AgentId) -> Option<i64> {
        self.current.get(agent).copied()
    }
}

/// Milliseconds of the boot clock at a wall time, as both stand now.
pub(super) fn boot_at(now: &Anchor, wall_ms: i64) -> u64 {
    let ahead = wall_ms.saturating_sub(now.wall.0).max(0).unsigned_abs();
    now.boot_time.0.saturating_add(ahead).max(now.boot_time.0 + 1)
}

/// Takes the first one off that is due.
trait PopDue {
    fn pop_first_if(&mut self, now: u64) -> Option<(u64, DeviceId)>;
}

impl PopDue for BTreeSet<(u64, DeviceId)> {
    fn pop_first_if(&mut self, now: u64) -> Option<(u64, DeviceId)> {
        if self.first()?.0 > now {
            return None;
        }
        self.pop_first()
    }
}
