//! What the simulated models are like: their tables, and how their values live.

use std::str::FromStr;
use std::time::Duration;

use super::unit::{Table, Tables};
use crate::modbus::codec::ReadFunction;
use crate::modbus::dialect::{ModbusDialect, ModbusProfile};
use crate::profile::{ProfileStore, built_in_names};

/// A simulated model. Its name is that of its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// 128 registers and bits in each table that do nothing.
    Plain,
    /// An APC Smart-UPS.
    ApcSmartUps,
    /// A temperature and humidity transmitter.
    XyMd02,
    /// An energy meter.
    Pzem016,
    /// A relay board with inputs.
    WaveshareRelay8ch,
    /// Whatever a shipped profile reads and writes, all zero until it is set: the name of the profile.
    OfProfile(&'static str),
}

/// There is no such model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no simulated model \"{0}\"; known are plain and the names of shipped profiles of kind modbus")]
pub struct UnknownModel(String);

impl Model {
    const ALL: [Self; 5] = [Self::Plain, Self::ApcSmartUps, Self::XyMd02, Self::Pzem016, Self::WaveshareRelay8ch];

    /// The model's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ApcSmartUps => "apc-smart-ups",
            Self::XyMd02 => "xy-md02",
            Self::Pzem016 => "pzem-016",
            Self::WaveshareRelay8ch => "waveshare-relay-8ch",
            Self::OfProfile(name) => name,
        }
    }

    /// The tables at power-on.
    pub(super) fn tables(self) -> Tables {
        use Table::{Coils, Holding, Input, Inputs};
        let mut tables = Tables::default();
        match self {
            Self::Plain => {
                for table in [Coils, Inputs, Holding, Input] {
                    tables.fill(table, 0..128, 0);
                }
            }
            Self::ApcSmartUps => {
                tables.fill(Holding, 0..27, 0);
                tables.fill(Holding, 128..172, 0);
                tables.fill(Holding, 516..596, 0);
                tables.fill(Holding, 596..604, 0);
                tables.fill(Holding, 1536..1544, 0);
                tables.put(Holding, 1, 0b10);
                tables.put(Holding, 2, 8);
                tables.put(Holding, 23, 0b100);
                tables.text(516, 8, "UPS 09.3");
                tables.text(532, 16, "Smart-UPS 1500");
                tables.text(564, 8, "AS0000000001");
                tables.text(596, 8, "checkpoint");
            }
            Self::XyMd02 => {
                tables.fill(Input, 1..3, 0);
                for (address, value) in [(0x0101, 1), (0x0102, 0), (0x0103, 0), (0x0104, 0)] {
                    tables.put(Holding, address, value);
                }
            }
            Self::Pzem016 => tables.fill(Input, 0..10, 0),
            Self::WaveshareRelay8ch => {
                tables.fill(Coils, 0..8, 0);
                tables.fill(Inputs, 0..8, 0);
                tables.fill(Holding, 0x1000..0x1008, 0);
            }
            Self::OfProfile(name) => fill_by_profile(&mut tables, name),
        }
        tables
    }

    /// Whether the model knows the function.
    pub(super) fn knows(self, function: u8) -> bool {
        match self {
            Self::Plain => matches!(function, 1..=6 | 15 | 16),
            Self::ApcSmartUps => matches!(function, 3 | 16),
            Self::XyMd02 => matches!(function, 3 | 4 | 6 | 16),
            Self::Pzem016 => matches!(function, 4 | 0x42),
            Self::WaveshareRelay8ch | Self::OfProfile(_) => matches!(function, 1..=6 | 15 | 16),
        }
    }

    /// Lets the values live: `age` since power-on.
    pub(super) fn live(self, tables: &mut Tables, age: Duration) {
        use Table::{Holding, Input};
        let seconds = age.as_secs_f64();
        // Slow waves of different lengths, so that no two values move alike.
        let wave = |period: f64| (seconds / period * std::f64::consts::TAU).sin();
        match self {
            Self::Plain | Self::WaveshareRelay8ch | Self::OfProfile(_) => {}
            Self::XyMd02 => {
                tables.live(Input, 1, (23.5 + 1.5 * wave(600.0)) * 10.0);
                tables.live(Input, 2, (45.0 + 8.0 * wave(900.0)) * 10.0);
            }
            Self::Pzem016 => {
                let (volt, watt) = (230.0 + 3.0 * wave(97.0), 450.0 + 120.0 * wave(240.0));
                tables.live(Input, 0, volt * 10.0);
                tables.live_long_low_first(Input, 1, watt / volt / 0.95 * 1000.0);
                tables.live_long_low_first(Input, 3, watt * 10.0);
                tables.live_long_low_first(Input, 5, 1_000.0 + seconds * 450.0 / 3600.0);
                tables.live(Input, 7, 500.0);
                tables.live(Input, 8, 95.0);
            }
            Self::ApcSmartUps => {
                let on_battery = tables.get(Holding, 1).unwrap_or(0) & 0b100 != 0;
                let load = 32.0 + 6.0 * wave(300.0);
                tables.live_long(Holding, 128, 3_600.0 * (1.0 - load / 100.0));
                tables.live(Holding, 130, 100.0 * 512.0);
                tables.live(Holding, 131, (27.2 + 0.1 * wave(60.0)) * 32.0);
                tables.live(Holding, 135, (26.0 + 2.0 * wave(1_200.0)) * 128.0);
                tables.live(Holding, 136, load * 256.0);
                tables.live(Holding, 138, load * 1.08 * 256.0);
                tables.live(Holding, 140, load * 1500.0 / 100.0 / 230.0 * 32.0);
                tables.live(Holding, 142, 230.0 * 64.0);
                tables.live(Holding, 144, 50.0 * 128.0);
                tables.live_long(Holding, 145, 120_000.0 + seconds * load * 15.0 / 3600.0);
                let input = if on_battery { 0.0 } else { 229.0 + 4.0 * wave(113.0) };
                tables.live(Holding, 151, input * 64.0);
                tables.live(Holding, 154, 94.0 * 128.0);
            }
        }
    }
}

/// Everything that the profile reads, and where its actions write.
fn fill_by_profile(tables: &mut Tables, name: &str) {
    let Some(profile) = profile_of(name) else { return };
    let spans = profile.groups.iter().flat_map(|group| &group.points).flat_map(|point| {
        let scale = point.address.scale_by.map(|scale_by| scale_by.span);
        [Some(point.address.span), scale].into_iter().flatten()
    });
    for span in spans {
        let table = match span.function {
            ReadFunction::Coils => Table::Coils,
            ReadFunction::DiscreteInputs => Table::Inputs,
            ReadFunction::HoldingRegisters => Table::Holding,
            ReadFunction::InputRegisters => Table::Input,
        };
        tables.fill(table, span.address..span.address.saturating_add(span.width), 0);
    }
    for action in &profile.actions {
        let (coils, address, count) = action.speak.places();
        let table = if coils { Table::Coils } else { Table::Holding };
        tables.fill(table, address..address.saturating_add(count), 0);
    }
}

fn profile_of(name: &str) -> Option<ModbusProfile> {
    let store = ProfileStore::built_in();
    ModbusProfile::read(&ModbusDialect, name, store.get(name)?).ok()
}

impl FromStr for Model {
    type Err = UnknownModel;

    fn from_str(name: &str) -> Result<Self, UnknownModel> {
        let own = Self::ALL.into_iter().find(|model| model.as_str() == name);
        let of_profile = || built_in_names().find(|known| *known == name && profile_of(known).is_some());
        own.or_else(|| of_profile().map(Self::OfProfile)).ok_or_else(|| UnknownModel(name.to_owned()))
    }
}
