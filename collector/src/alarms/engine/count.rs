//! For how many devices of a site a condition holds.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::state::DeviceId;

/// The devices that a rule concerns at a site.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) concerned: HashSet<DeviceId>,
    pub(super) holding: HashSet<DeviceId>,
    /// Those of which nothing was ever known: they may hold or not.
    pub(super) unknown: HashSet<DeviceId>,
}

/// For how many devices of a site a rule's condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) site: String,
    /// How many the rule concerns.
    pub(super) concerned: usize,
    /// For how many it holds.
    pub(super) holding: usize,
    /// Of how many it is not known.
    pub(super) unknown: usize,
}

impl Count {
    fn forget(&mut self, device: &DeviceId) {
        self.concerned.remove(device);
        self.holding.remove(device);
        self.unknown.remove(device);
    }
}

/// A rule and a site.
type Of = (Arc<str>, String);

/// By rule and site.
#[derive(Default)]
pub(super) struct Counts {
    counts: BTreeMap<Of, Count>,
    /// Where a device is counted.
    of_device: HashMap<DeviceId, BTreeSet<Of>>,
}

impl Counts {
    /// Takes what was found of a device that counts; `None`: that is not known, and what was known stays.
    pub(super) fn note(&mut self, rule: &Arc<str>, site: &str, device: &DeviceId, holds: Option<bool>) {
        let of = (Arc::clone(rule), site.to_owned());
        let count = self.counts.entry(of.clone()).or_default();
        let is_new = count.concerned.insert(device.clone());
        if is_new {
            self.of_device.entry(device.clone()).or_default().insert(of);
        }
        match holds {
            Some(holds) => {
                count.unknown.remove(device);
                if holds {
                    count.holding.insert(device.clone());
                } else {
                    count.holding.remove(device);
                }
            }
            None if is_new => drop(count.unknown.insert(device.clone())),
            None => {}
        }
    }

    /// The device counts no longer.
    pub(super) fn leave_out(&mut self, rule: &Arc<str>, site: &str, device: &DeviceId) {
        self.counts.entry((Arc::clone(rule), site.to_owned())).or_default().forget(device);
    }

    /// The device is counted only at that site, and only by rules that `still` names.
    pub(super) fn keep(&mut self, device: &DeviceId, site: &str, still: impl Fn(&Arc<str>) -> bool) {
        let Some(known) = self.of_device.get_mut(device) else { return };
        known.retain(|of| {
            let stays = of.1 == site && still(&of.0);
            if !stays && let Some(count) = self.counts.get_mut(of) {
                count.forget(device);
            }
            stays
        });
        if known.is_empty() {
            self.of_device.remove(device);
        }
    }

    /// Forgets what other rules counted.
    pub(super) fn keep_rules(&mut self, is_kept: impl Fn(&Arc<str>) -> bool) {
        self.counts.retain(|(rule, _), _| is_kept(rule));
        self.of_device.values_mut().for_each(|of| of.retain(|(rule, _)| is_kept(rule)));
    }

    /// Whether the condition held for the device when that was known last.
    pub(super) fn holds(&self, rule: &Arc<str>, site: &str, device: &DeviceId) -> bool {
        let count = self.counts.get(&(Arc::clone(rule), site.to_owned()));
        count.is_some_and(|count| count.holding.contains(device))
    }

    /// Whether anything was ever counted there.
    pub(super) fn knows(&self, rule: &Arc<str>, site: &str) -> bool {
        self.counts.contains_key(&(Arc::clone(rule), site.to_owned()))
    }

    /// The sites at which a rule concerns anything.
    pub(super) fn of_rule(&self, rule: &Arc<str>) -> Vec<Held> {
        let from = (Arc::clone(rule), String::new());
        let of_rule = self.counts.range(from..).take_while(|((known, _), _)| known == rule);
        let held = |((_, site), count): (&Of, &Count)| Held {
            site: site.clone(),
            concerned: count.concerned.len(),
            holding: count.holding.len(),
            unknown: count.unknown.len(),
        };
        of_rule.map(held).collect()
    }
}
