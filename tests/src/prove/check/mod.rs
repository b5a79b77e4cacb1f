//! Comparing what the devices said and did with what the collector has.

mod commands;
mod events;
mod lanes;
mod readings;

use serde_json::Value;

use super::asking::Asked;
use super::drive::Outages;
use super::line::Promises;
use super::site::{Site, key};
use super::stored::Stored;
use super::tally::Tally;

/// Everything that is compared.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) site: &'a Site,
    pub(super) outages: &'a Outages,
    pub(super) asked: &'a [Asked],
    pub(super) stored: &'a Stored,
    /// The commands as the collector's API shows them.
    pub(super) commands: &'a [Value],
    /// By device, the numbers that the collector's history shows at the API.
    pub(super) history: &'a [Vec<u64>],
    /// Whether the agent's disk refused, or its files were damaged, at any time.
    pub(super) disk_broke: bool,
}

impl Evidence<'_> {
    /// Compares.
    pub(super) fn compare(&self) -> Tally {
        let mut tally = Tally::default();
        for (index, device) in self.site.devices.iter().enumerate() {
            let key = key(index);
            readings::compare(&mut tally, &key, &device.said(), self);
            readings::compare_history(&mut tally, &key, &self.history[index], self.stored);
            events::compare(&mut tally, &key, device.passages(), self.stored);
        }
        lanes::compare(&mut tally, self.promises(), self.stored);
        commands::compare(&mut tally, self);
        tally.ended = self.outages.ended;
        for gap in &self.stored.gaps {
            *tally.gaps.entry(gap.reason.clone()).or_default() += 1;
        }
        tally
    }

    fn promises(&self) -> &Promises {
        self.site.line.promises()
    }
}
