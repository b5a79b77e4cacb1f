//! What readers of every make can say, whatever they speak.

use std::collections::BTreeMap;

use kouan_protocol::QualityReason;

use super::stock::{Pass, StockTaking};
use crate::driver::{RawValue, Stock};
use crate::link::TalkError;

/// A value that a point can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// How many tags are there.
    Present,
    /// How many tags answered in the last pass.
    Read,
    /// The reader's firmware.
    Firmware,
    /// The reader's model.
    Model,
    /// The power it sends with, in dBm.
    Power,
    /// Whether an antenna is connected; the first is 1.
    Antenna(u16),
}

/// What a reader is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) firmware: Option<String>,
    pub(super) model: Option<String>,
    pub(super) power_dbm: Option<i64>,
    /// Whether each antenna is connected, where the reader says so.
    pub(super) antennas: BTreeMap<u16, bool>,
}

/// How a pass ended.
#[derive(Debug, Default)]
pub(super) struct Ended {
    pub(super) pass: Pass,
    /// It went on until no new tag answered any more.
    pub(super) whole: bool,
    pub(super) trouble: Option<TalkError>,
}

/// What is remembered of one reader.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) facts: Facts,
    taking: StockTaking,
    present: usize,
    read: usize,
}

impl Memory {
    pub(super) fn new(missing_after: u32) -> Self {
        Self { facts: Facts::default(), taking: StockTaking::new(missing_after), present: 0, read: 0 }
    }

    /// A pass has ended.
    pub(super) fn end(&mut self, pass: Pass, whole: bool) -> Stock {
        self.read = pass.count();
        let stock = self.taking.end(pass, whole);
        self.present = stock.present.len();
        stock
    }

    pub(super) fn show(&self, shown: Shown) -> Result<RawValue, QualityReason> {
        let text = |text: &Option<String>| text.clone().map(RawValue::Text);
        let count = |count: usize| Some(RawValue::Integer(i64::try_from(count).unwrap_or(i64::MAX)));
        let value = match shown {
            Shown::Present => count(self.present),
            Shown::Read => count(self.read),
            Shown::Firmware => text(&self.facts.firmware),
            Shown::Model => text(&self.facts.model),
            Shown::Power => self.facts.power_dbm.map(RawValue::Integer),
            Shown::Antenna(antenna) => {
                self.facts.antennas.get(&antenna).map(|connected| RawValue::Integer((*connected).into()))
            }
        };
        value.ok_or(QualityReason::NotAvailable)
    }
}
