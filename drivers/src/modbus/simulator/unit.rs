//! One simulated unit: tables, pulses, counts, misbehaviour.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::model::Model;
use crate::modbus::codec::Exception;
use crate::modbus::codec::pdu::{pack, unpack};

/// The step of the relay board's pulses.
const PULSE_STEP: Duration = Duration::from_millis(100);

/// One of the four tables of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Outputs of one bit (functions 1, 5, 15).
    Coils,
    /// Inputs of one bit (function 2).
    Inputs,
    /// Registers that may be written (functions 3, 6, 16).
    Holding,
    /// Registers that may only be read (function 4).
    Input,
}

/// What is wrong with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Misbehaviour {
    /// Nothing.
    #[default]
    None,
    /// It gets and executes requests and never answers.
    Silent,
    /// It is unplugged: it gets nothing and answers nothing.
    Gone,
    /// It executes at once and answers so much later.
    Late(Duration),
    /// Its answers are damaged. On TCP, which has no checksum, the data is cut short.
    BadChecksum,
    /// It answers in another unit's name.
    WrongUnit,
    /// It refuses everything with this exception.
    Exception(u8),
}

/// Registers and bits.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    values: BTreeMap<(Table, u16), u16>,
    pinned: BTreeSet<(Table, u16)>,
}

impl Tables {
    pub(super) fn fill(&mut self, table: Table, addresses: Range<u16>, value: u16) {
        self.values.extend(addresses.map(|address| ((table, address), value)));
    }

    pub(super) fn put(&mut self, table: Table, address: u16, value: u16) {
        self.values.insert((table, address), value);
    }

    pub(super) fn text(&mut self, address: u16, registers: u16, text: &str) {
        let mut letters = text.bytes().chain(std::iter::repeat(b' '));
        for register in 0..registers {
            let pair = [letters.next().unwrap_or(b' '), letters.next().unwrap_or(b' ')];
            self.put(Table::Holding, address + register, u16::from_be_bytes(pair));
        }
    }

    pub(super) fn get(&self, table: Table, address: u16) -> Option<u16> {
        self.values.get(&(table, address)).copied()
    }

    /// Sets a value that lives, unless somebody pinned it.
    pub(super) fn live(&mut self, table: Table, address: u16, value: f64) {
        if !self.pinned.contains(&(table, address)) {
            self.put(table, address, value.round() as i64 as u16);
        }
    }

    /// Two registers, high word first.
    pub(super) fn live_long(&mut self, table: Table, address: u16, value: f64) {
        let value = value.round() as u32;
        self.live(table, address, f64::from(value >> 16));
        self.live(table, address + 1, f64::from(value & 0xFFFF));
    }

    /// Two registers, low word first.
    pub(super) fn live_long_low_first(&mut self, table: Table, address: u16, value: f64) {
        let value = value.round() as u32;
        self.live(table, address, f64::from(value & 0xFFFF));
        self.live(table, address + 1, f64::from(value >> 16));
    }
}

#[derive(Debug)]
pub(super) struct Unit {
    model: Model,
    tables: Tables,
    since: Instant,
    pulses: BTreeMap<u16, (Instant, bool)>,
    pub(super) misbehaviour: Misbehaviour,
    coil_writes: BTreeMap<u16, u64>,
    writes: u64,
    pub(super) requests: u64,
}

impl Unit {
    pub(super) fn new(model: Model, now: Instant) -> Self {
        Self {
            model,
            tables: model.tables(),
            since: now,
            pulses: BTreeMap::new(),
            misbehaviour: Misbehaviour::None,
            coil_writes: BTreeMap::new(),
            writes: 0,
            requests: 0,
        }
    }

    pub(super) fn restart(&mut self, now: Instant) {
        let pinned = std::mem::take(&mut self.tables.pinned);
        let kept: Vec<_> = pinned.iter().filter_map(|place| Some((*place, *self.tables.values.get(place)?))).collect();
        self.tables = self.model.tables();
        self.tables.values.extend(kept);
        self.tables.pinned = pinned;
        self.since = now;
        self.pulses.clear();
    }

    /// Lets time pass: pulses end, values move.
    pub(super) fn live(&mut self, now: Instant) {
        let ended: Vec<_> =
            self.pulses.iter().filter(|(_, (end, _))| *end <= now).map(|(coil, p)| (*coil, p.1)).collect();
        for (coil, after) in ended {
            self.pulses.remove(&coil);
            self.tables.put(Table::Coils, coil, after.into());
        }
        self.model.live(&mut self.tables, now.saturating_duration_since(self.since));
    }

    pub(super) fn get(&self, table: Table, address: u16) -> Option<u16> {
        self.tables.get(table, address)
    }

    pub(super) fn set(&mut self, table: Table, address: u16, value: u16) {
        self.tables.put(table, address, value);
        self.tables.pinned.insert((table, address));
    }

    pub(super) fn coil_writes(&self, coil: u16) -> u64 {
        self.coil_writes.get(&coil).copied().unwrap_or(0)
    }

    pub(super) fn show(&self, address: u8) -> serde_json::Value {
        let table = |wanted: Table| {
            let entries = self.tables.values.iter().filter(|((table, _), _)| *table == wanted);
            let entries = entries.map(|((_, address), value)| (address.to_string(), json!(value)));
            serde_json::Value::Object(entries.collect())
        };
        let coil_writes: serde_json::Map<_, _> =
            self.coil_writes.iter().map(|(coil, count)| (coil.to_string(), json!(count))).collect();
        json!({
            "unit": address,
            "model": self.model.as_str(),
            "misbehaviour": format!("{:?}", self.misbehaviour),
            "requests": self.requests,
            "writes": self.writes,
            "coil_writes": coil_writes,
            "coils": table(Table::Coils),
            "inputs": table(Table::Inputs),
            "holding": table(Table::Holding),
            "input": table(Table::Input),
        })
    }

    /// Carries out a request (function code and data) and answers it in the same form.
    pub(super) fn execute(&mut self, pdu: &[u8], now: Instant) -> Vec<u8> {
        self.requests += 1;
        self.live(now);
        let code = pdu.first().copied().unwrap_or(0);
        let result = match self.misbehaviour {
            Misbehaviour::Exception(exception) => Err(Exception(exception)),
            _ if !self.model.knows(code) => Err(Exception::ILLEGAL_FUNCTION),
            _ => self.try_execute(code, &pdu[1..], now),
        };
        result.unwrap_or_else(|exception| vec![code | 0x80, exception.0])
    }

    fn try_execute(&mut self, code: u8, data: &[u8], now: Instant) -> Result<Vec<u8>, Exception> {
        let word = |at: usize| {
            let pair = data.get(at..at + 2).ok_or(Exception::ILLEGAL_VALUE)?;
            Ok(u16::from_be_bytes([pair[0], pair[1]]))
        };
        if code == 0x42 {
            // The meter's own function: energy begins at zero again.
            self.since = now;
            return Ok(vec![code]);
        }
        let (address, second) = (word(0)?, word(2)?);
        match code {
            1 | 2 => {
                let table = if code == 1 { Table::Coils } else { Table::Inputs };
                let bits: Vec<bool> = self.range(table, address, second, 2000)?.iter().map(|bit| *bit != 0).collect();
                let bytes = pack(&bits);
                Ok([vec![code, bytes.len() as u8], bytes].concat())
            }
            3 | 4 => {
                let table = if code == 3 { Table::Holding } else { Table::Input };
                let values = self.range(table, address, second, 125)?;
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
                Ok([vec![code, bytes.len() as u8], bytes].concat())
            }
            5 => {
                self.write_coil(address, second, now)?;
                Ok([&[code], &data[..4]].concat())
            }
            6 => {
                self.write_register(address, second)?;
                Ok([&[code], &data[..4]].concat())
            }
            15 | 16 => {
                let table = if code == 15 { Table::Coils } else { Table::Holding };
                let bytes = data.get(5..).unwrap_or_default();
                let values: Vec<u16> = if code == 15 {
                    unpack(bytes, usize::from(second)).into_iter().map(u16::from).collect()
                } else {
                    crate::modbus::codec::pdu::registers(bytes)
                };
                if values.len() != usize::from(second) {
                    return Err(Exception::ILLEGAL_VALUE);
                }
                self.range(table, address, second, 1968)?;
                for (at, value) in (address..).zip(values) {
                    if code == 15 {
                        self.write_coil(at, if value == 0 { 0 } else { 0xFF00 }, now)?;
                    } else {
                        self.write_register(at, value)?;
                    }
                }
                Ok([&[code], &data[..4]].concat())
            }
            _ => Err(Exception::ILLEGAL_FUNCTION),
        }
    }

    fn range(&self, table: Table, address: u16, count: u16, most: u16) -> Result<Vec<u16>, Exception> {
        if count == 0 || count > most {
            return Err(Exception::ILLEGAL_VALUE);
        }
        let addresses = u32::from(address)..u32::from(address) + u32::from(count);
        let value = |address: u32| u16::try_from(address).ok().and_then(|address| self.get(table, address));
        addresses.map(|address| value(address).ok_or(Exception::ILLEGAL_ADDRESS)).collect()
    }

    fn write_register(&mut self, address: u16, value: u16) -> Result<(), Exception> {
        self.get(Table::Holding, address).ok_or(Exception::ILLEGAL_ADDRESS)?;
        self.tables.put(Table::Holding, address, value);
        self.writes += 1;
        Ok(())
    }

    fn write_coil(&mut self, address: u16, value: u16, now: Instant) -> Result<(), Exception> {
        let board = matches!(
            self.model,
            Model::WaveshareRelay8ch | Model::OfProfile("barrier-waveshare" | "waveshare-relay-8ch-plain")
        );
        let (first, last, pulse) = match address {
            0x00FF if board => (0, 7, None),
            0x0200..=0x0207 if board => (address - 0x0200, address - 0x0200, Some(true)),
            0x0400..=0x0407 if board => (address - 0x0400, address - 0x0400, Some(false)),
            _ => (address, address, None),
        };
        for coil in first..=last {
            let old = self.get(Table::Coils, coil).ok_or(Exception::ILLEGAL_ADDRESS)? != 0;
            let new = match (pulse, value) {
                (Some(during), _) => during,
                (None, 0xFF00) => true,
                (None, 0) => false,
                (None, 0x5500) if board => !old,
                _ => return Err(Exception::ILLEGAL_VALUE),
            };
            self.pulses.remove(&coil);
            if let Some(during) = pulse {
                self.pulses.insert(coil, (now + PULSE_STEP * u32::from(value), !during));
            }
            self.tables.put(Table::Coils, coil, new.into());
            *self.coil_writes.entry(coil).or_default() += 1;
        }
        self.writes += 1;
        Ok(())
    }
}
