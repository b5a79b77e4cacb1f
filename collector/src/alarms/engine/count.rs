//! For how many devices of a site a condition holds.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::state::DeviceId;

/// The devices that a rule concerns at a site.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) concerned: HashSet<DeviceId>,
    pub(super) holding: HashSet<DeviceId>,
}

/// By rule and site.
#[derive(Default)]
pub(super) struct Counts {
    counts: BTreeMap<(Arc<str>, String), Count>,
}

impl Counts {
    /// Takes what was found of a device; `None`: that is not known, and what was known stays.
    pub(super) fn note(&mut self, rule: &Arc<str>, site: &str, device: &DeviceId, counts: bool, holds: Option<bool>) {
        let count = self.counts.entry((Arc::clone(rule), site.to_owned())).or_default();
        if counts {
            count.concerned.insert(device.clone());
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

    /// The sites at which a rule concerns anything, with how many it concerns and for how many it holds.
    pub(super) fn of_rule(&self, rule: &Arc<str>) -> Vec<(String, usize, usize)> {
        let from = (Arc::clone(rule), String::new());
        let of_rule = self.counts.range(from..).take_while(|((known, _), _)| known == rule);
        of_rule.map(|((_, site), count)| (site.clone(), count.concerned.len(), count.holding.len())).collect()
    }
}
