//! For how many devices of a site a condition holds.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::state::DeviceId;

/// The devices that a rule concerns at a site.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) concerned: HashSet<DeviceId>,
    pub(super) holding: HashSet<DeviceId>,
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
    /// Takes what was found of a device; `None`: that is not known, and what was known stays.
    pub(super) fn note(&mut self, rule: &Arc<str>, site: &str, device: &DeviceId, counts: bool, holds: Option<bool>) {
        let of = (Arc::clone(rule), site.to_owned());
        let count = self.counts.entry(of.clone()).or_default();
        if counts {
            if count.concerned.insert(device.clone()) {
                self.of_device.entry(device.clone()).or_default().insert(of);
            }
        } else {
            count.concerned.remove(device);
            count.holding.remove(device);
        }
        match holds {
            Some(true) => drop(count.holding.insert(device.clone())),
            Some(false) => drop(count.holding.remove(device)),
            None => {}
        }
    }

    /// The device is counted only at that site, and only by rules that `still` names.
    pub(super) fn keep(&mut self, device: &DeviceId, site: &str, still: impl Fn(&Arc<str>) -> bool) {
        let Some(known) = self.of_device.get_mut(device) else { return };
        known.retain(|of| {
            let stays = of.1 == site && still(&of.0);
            if !stays && let Some(count) = self.counts.get_mut(of) {
                count.concerned.remove(device);
                count.holding.remove(device);
            }
            stays
        });
        if known.is_empty() {
            self.of_device.remove(device);
        }
    }

    /// Whether anything was ever counted there.
    pub(super) fn knows(&self, rule: &Arc<str>, site: &str) -> bool {
        self.counts.contains_key(&(Arc::clone(rule), site.to_owned()))
    }

    /// The sites at which a rule concerns anything, with how many it concerns and for how many it holds.
    pub(super) fn of_rule(&self, rule: &Arc<str>) -> Vec<(String, usize, usize)> {
        let from = (Arc::clone(rule), String::new());
        let of_rule = self.counts.range(from..).take_while(|((known, _), _)| known == rule);
        of_rule.map(|((_, site), count)| (site.clone(), count.concerned.len(), count.holding.len())).collect()
    }
}
