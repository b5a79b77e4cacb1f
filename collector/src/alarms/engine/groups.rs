//! Judging rules about links, agents, sites and numbers of devices.

use std::sync::Arc;

use kouan_protocol::{Anchor, Value};

use super::count::Held;
use super::devices::since_start;
use super::estate::{Group, Stretch};
use super::round::{Outcome, Raised, Ruled, State};
use super::standing::{Key, What};
use super::wording::{Words, fill};
use crate::alarms::judge::{Cause, Turn};
use crate::alarms::life::{subject_of_agent, subject_of_site};
use crate::alarms::rule::{Matching, When};
use crate::ingest::Sessions;
use crate::state::Fleet;

/// A group and what was found of it.
struct Finding {
    group: Group,
    site: String,
    /// `None`: nothing is known.
    holds: Option<bool>,
    count: usize,
    /// Silence explains why nothing is known of devices, so it counts as their reach.
    is_about_reach: bool,
}

impl State {
    pub(super) fn judge_groups(
        &mut self,
        fleet: &Fleet,
        sessions: &Sessions,
        now: &Anchor,
        outcomes: &mut Vec<Outcome>,
    ) {
        let mut touched = self.estate.take_touched();
        // Groups whose delays have passed, and those whose alarms stand, are looked at again.
        while let Some((at, _)) = self.due_groups.first()
            && *at <= now.boot_time.0
        {
            if let Some((_, Key { what: What::Group(group), .. })) = self.due_groups.pop_first() {
                touched.insert(group);
            }
        }
        for at in 0..self.rules.len() {
            let Some(ruled) = self.rules.get(at).map(Arc::clone) else { continue };
            let rule = Arc::clone(&ruled.rule);
            let matching = &rule.matching;
            let findings: Vec<Finding> = match &rule.when {
                When::Device(_) => continue,
                When::AgentSilent { after_ms } => {
                    self.silent_agents(matching, sessions, after_ms.unwrap_or(self.silent_ms), now)
                }
                When::LinkDead { devices } => {
                    let links = touched.iter().filter(|group| matches!(group, Group::Link(..)));
                    links.filter_map(|group| self.dead_link(matching, group, *devices)).collect()
                }
                When::LostTogether { devices, share } => {
                    let sites: Vec<&Group> = touched.iter().filter(|group| matches!(group, Group::Site(_))).collect();
                    let mut findings = Vec::new();
                    for group in sites {
                        if let Some((finding, stretches)) = self.lost_together(&ruled, group, *devices, *share) {
                            self.note_lost(&ruled.id, group, stretches);
                            findings.push(finding);
                        }
                    }
                    findings
                }
                When::Count { devices, share, .. } => {
                    let id = Arc::clone(&ruled.id);
                    let enough = |concerned: usize, holding: usize| {
                        holding >= *devices && holding as f64 >= *share * concerned as f64
                    };
                    let of_site = |held: Held| {
                        let holds = enough(held.concerned, held.holding);
                        // What was not heard of since the start neither raises nor clears.
                        let may_hold = enough(held.concerned, held.holding + held.unknown);
                        Finding {
                            group: Group::Site(held.site.clone()),
                            site: held.site,
                            holds: (holds || !may_hold).then_some(holds),
                            count: held.holding,
                            is_about_reach: false,
                        }
                    };
                    self.counts.of_rule(&id).into_iter().map(of_site).collect()
                }
            };
            for finding in findings {
                self.judge_group(fleet, at, finding, now, outcomes);
            }
        }
    }

    fn silent_agents(&self, matching: &Matching, sessions: &Sessions, after_ms: u64, now: &Anchor) -> Vec<Finding> {
        let known = self.surroundings.agents.iter().filter(|known| matching.fits_kind("", "", &known.site, ""));
        known
            .map(|known| {
                let silent = sessions.silent_ms(&known.agent, now.boot_time);
                // What was never heard of since the start may be on its way.
                let silent_for = silent.unwrap_or_else(|| since_start(self.started, now));
                let holds = (silent.is_some() || silent_for >= after_ms).then_some(silent_for >= after_ms);
                Finding {
                    group: Group::Agent(known.agent.clone()),
                    site: known.site.clone(),
                    holds,
                    count: 0,
                    is_about_reach: true,
                }
            })
            .collect()
    }

    fn dead_link(&self, matching: &Matching, group: &Group, devices: usize) -> Option<Finding> {
        let Group::Link(agent, _) = group else { return None };
        let tally = self.estate.tally(group).filter(|tally| matching.fits_kind("", "", &tally.site, ""))?;
        let all = tally.devices.len();
        let holds = all >= devices && tally.down == all;
        let known = self.current.contains_key(agent);
        let site = tally.site.clone();
        Some(Finding { group: group.clone(), site, holds: known.then_some(holds), count: all, is_about_reach: true })
    }

    fn lost_together(
        &self,
        ruled: &Ruled,
        group: &Group,
        devices: usize,
        share: f64,
    ) -> Option<(Finding, Vec<Stretch>)> {
        let fits = |site: &str| ruled.rule.matching.fits_kind("", "", site, "");
        let tally = self.estate.tally(group).filter(|tally| fits(&tally.site))?;
        let key = Key { rule: Arc::clone(&ruled.id), what: What::Group(group.clone()) };
        let is_raised = self.machines.get(&key).is_some_and(|machine| machine.raised);
        // Once raised it stands until only half as many are lost.
        let (devices, share) = if is_raised { (devices.div_ceil(2), share / 2.0) } else { (devices, share) };
        // A share is between 0 and 1, so that this is no more than there are devices.
        let need = devices.max((share * tally.devices.len() as f64).ceil() as usize);
        let (stretches, count) = tally.lost_together(need);
        let (holds, site) = (Some(!stretches.is_empty()), tally.site.clone());
        Some((Finding { group: group.clone(), site, holds, count, is_about_reach: true }, stretches))
    }

    /// Notes when what a site lost together was lost: only that is explained by it.
    fn note_lost(&mut self, rule: &Arc<str>, group: &Group, stretches: Vec<Stretch>) {
        // What comes back clears after its delay and the site after its own; until then the one explains the other.
        let key = Key { rule: Arc::clone(rule), what: What::Group(group.clone()) };
        if stretches.is_empty() && self.machines.get(&key).is_some_and(|machine| machine.raised) {
            return;
        }
        let of_site = self.lost.entry(group.clone()).or_default();
        if of_site.get(rule).map(Vec::as_slice).unwrap_or_default() != stretches.as_slice() {
            of_site.insert(Arc::clone(rule), stretches);
            self.causes_changed = true;
        }
    }

    fn judge_group(&mut self, fleet: &Fleet, at: usize, finding: Finding, now: &Anchor, outcomes: &mut Vec<Outcome>) {
        let Some(ruled) = self.rules.get(at) else { return };
        let (rule, id, delays) = (Arc::clone(&ruled.rule), Arc::clone(&ruled.id), ruled.delays);
        let key = Key { rule: Arc::clone(&id), what: What::Group(finding.group.clone()) };
        if finding.holds != Some(true) && !self.machines.contains_key(&key) {
            return;
        }
        let mut machine = self.machines.remove(&key).unwrap_or_default();
        let (turn, due) = machine.step(finding.holds, now.boot_time.0, &delays);
        if let Some(due) = due {
            self.due_groups.insert((due, key.clone()));
        }
        let subject = subject_of_group(&finding.group, &rule.condition);
        let (agent, link) = match &finding.group {
            Group::Link(agent, link) => (agent.to_string(), link.clone()),
            Group::Agent(agent) => (agent.to_string(), String::new()),
            Group::Site(_) => (String::new(), String::new()),
        };
        match turn {
            Some(Turn::Raise) => {
                let count = match &finding.group {
                    Group::Agent(agent) => fleet.of_agent(agent).count(),
                    _ => finding.count,
                };
                let words = Words {
                    agent: &agent,
                    link: &link,
                    site: &finding.site,
                    count,
                    site_names: self.surroundings.site_names.get(&finding.site),
                    ..Words::default()
                };
                let text = fill(&rule.text, &words, &Cause::default());
                let number = Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
                let raised = Raised {
                    subject: subject.clone(),
                    rule: Arc::clone(&id),
                    site: finding.site,
                    area: String::new(),
                    agent,
                    device: String::new(),
                    label: String::new(),
                    class: String::new(),
                    condition: rule.condition.clone(),
                    point: link,
                    severity: rule.severity,
                    text,
                    value: Some(serde_json::json!(number)),
                    unit: String::new(),
                    flapping: machine.flapping,
                };
                outcomes.push(Outcome::Raise(Box::new(raised)));
                self.stands(&subject, key.clone(), finding.is_about_reach);
            }
            Some(Turn::Clear) => self.stands_no_more(&subject, &key, "", outcomes),
            None => {}
        }
        if !machine.is_idle(now.boot_time.0, &delays.flap) {
            self.machines.insert(key, machine);
        }
    }
}

/// What names the alarm of a group.
pub(super) fn subject_of_group(group: &Group, condition: &str) -> String {
    match group {
        Group::Link(agent, link) => subject_of_agent(agent.as_str(), &format!("{condition}.{link}")),
        Group::Agent(agent) => subject_of_agent(agent.as_str(), condition),
        Group::Site(site) => subject_of_site(site, condition),
    }
}
