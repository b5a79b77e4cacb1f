//! `kind = "rfid"` in an agent's configuration, and the talker behind it.

use std::sync::Arc;

use kouan_protocol::Field;
use kouan_settings::{Bilingual, Section, both};

use super::chafon;
use super::dialect::{Ask, Protocol, RfidDialect, RfidProfile};
use super::explain;
use super::heard::{Ended, Memory};
use super::network::NetworkReader;
use super::serial::{Reader, SerialReaders};
use crate::configure::{ConfiguredDevice, ConfiguredLink, DeviceEntry};
use crate::driver::{Driver, DriverCx, DriverFuture};
use crate::link::timing::TimingKeys;
use crate::link::trace::{self, Direction, Piece};
use crate::link::{
    ActError, Acted, LinkDevice, LinkSettings, Polled, TalkError, Talker, Timing, Turn, no_action, run_link,
};
use crate::profile::{Description, ProfileStore};
use crate::registry::DriverKind;

/// The kind `rfid`.
#[derive(Debug)]
pub struct RfidKind;

/// A reader of the link.
#[derive(Debug, Clone)]
struct Unit {
    unit: u8,
    timing: Timing,
    profile: Arc<RfidProfile>,
}

/// Everything a driver needs, again for every start.
#[derive(Debug, Clone)]
struct RfidDriver {
    settings: LinkSettings,
    units: Vec<Unit>,
    devices: Vec<LinkDevice>,
}

#[derive(Debug)]
struct Session {
    units: Vec<Unit>,
    memories: Vec<Memory>,
    line: Readers,
}

#[derive(Debug)]
enum Readers {
    Serial(SerialReaders),
    Network(NetworkReader),
}

impl Session {
    fn new(settings: LinkSettings, units: Vec<Unit>) -> Self {
        let memories = units.iter().map(|unit| Memory::new(unit.profile.model.missing_after)).collect();
        let is_llrp = units.iter().any(|unit| unit.profile.model.protocol.is_llrp());
        let line = if is_llrp {
            Readers::Network(NetworkReader::new(settings))
        } else {
            Readers::Serial(SerialReaders::new(settings))
        };
        Self { units, memories, line }
    }
}

impl Talker for Session {
    type Act = std::convert::Infallible;

    async fn open(&mut self) -> Result<(), TalkError> {
        match &mut self.line {
            Readers::Serial(line) => line.open().await,
            Readers::Network(reader) => {
                let Unit { profile, timing, .. } = &self.units[0];
                reader.open(&profile.model, timing.answer_timeout, &mut self.memories[0].facts).await
            }
        }
    }

    fn is_open(&self) -> bool {
        match &self.line {
            Readers::Serial(line) => line.is_open(),
            Readers::Network(reader) => reader.is_open(),
        }
    }

    fn close(&mut self) {
        match &mut self.line {
            Readers::Serial(line) => line.close(),
            Readers::Network(reader) => reader.close(),
        }
    }

    async fn poll(&mut self, device: usize, group: usize, turn: Turn<'_>) -> Polled {
        let Unit { unit, timing, profile } = self.units[device].clone();
        let (group, model) = (&profile.groups[group], &profile.model);
        let memory = &mut self.memories[device];
        let reader = Reader { unit, timing, model };
        let patience = timing.answer_timeout;
        let mut polled = Polled::default();
        match group.ask {
            Ask::Stock => {
                let Ended { pass, whole, trouble } = match (&mut self.line, model.protocol) {
                    (Readers::Network(reader), Protocol::Llrp { settled_after }) => {
                        reader.pass(model, settled_after, patience, &mut memory.facts, turn).await
                    }
                    (Readers::Network(_), _) => Ended::default(),
                    (Readers::Serial(line), _) => line.pass(reader, &mut memory.facts, turn).await,
                };
                polled.stock = Some(memory.end(pass, whole));
                polled.trouble = trouble;
            }
            Ask::Reader => {
                let looked = match &mut self.line {
                    Readers::Network(reader) => reader.look(patience, &mut memory.facts).await,
                    Readers::Serial(line) => line.look(reader, &mut memory.facts, turn).await,
                };
                polled.trouble = looked.err();
            }
        }
        if polled.trouble.is_none() {
            let cells = (0..).zip(&group.points).map(|(column, point)| (column, memory.show(point.address)));
            polled.cells = cells.collect();
        }
        polled
    }

    fn explain(&self, device: usize, _group: usize, pieces: &mut [Piece]) {
        let protocol = self.units[device].profile.model.protocol;
        trace::explain_pieces(pieces, |direction, bytes| match protocol {
            Protocol::M100 => explain::m100(bytes),
            Protocol::Chafon { .. } => explain::chafon(bytes, direction == Direction::Received),
            Protocol::Llrp { .. } => explain::llrp(bytes),
        });
    }

    fn prepare(&mut self, _: usize, action: &str, _: &[Field]) -> Result<Self::Act, Bilingual> {
        Err(no_action(action))
    }

    async fn settle(&mut self, _: usize) -> Result<(), TalkError> {
        Ok(())
    }

    async fn act(&mut self, _: usize, act: Self::Act) -> Result<Acted, ActError> {
        match act {}
    }
}

impl Driver for RfidDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        let misses = self.settings.misses;
        Box::pin(run_link(Session::new(self.settings, self.units), self.devices, misses, cx))
    }
}

impl DriverKind for RfidKind {
    fn name(&self) -> &'static str {
        "rfid"
    }

    fn read_profile(&self, name: &str, profile: &mut Section<'_>) -> Option<Description> {
        Some(RfidProfile::read_section(&RfidDialect, name, profile)?.description(&RfidDialect))
    }

    fn configure(
        &self,
        link: &mut Section<'_>,
        devices: Vec<DeviceEntry<'_>>,
        profiles: &ProfileStore,
    ) -> Option<ConfiguredLink> {
        let settings = LinkSettings::read(link);
        let keys = TimingKeys::read(link);
        let mut units: Vec<Unit> = Vec::new();
        let mut configured: Vec<ConfiguredDevice> = Vec::new();
        for mut entry in devices {
            let unit = entry.section.integer_or("unit", 0..=255, 0).unsigned_abs() as u8;
            let timing = TimingKeys::read(&mut entry.section).or(keys);
            let Some(profile) = RfidProfile::of_device(&RfidDialect, &mut entry, profiles) else { continue };
            let protocol = profile.model.protocol;
            let is_serial = settings.as_ref().is_some_and(|settings| settings.endpoint.is_serial());
            if protocol.is_llrp() && is_serial {
                entry.section.wrong(
                    "profile",
                    (
                        "LLRP is spoken over TCP: give the link tcp = \"host:5084\"",
                        "LLRP 走 TCP：请给线路写 tcp = \"host:5084\"",
                    ),
                );
            }
            if let Some(first) = units.first() {
                let several = matches!(protocol, Protocol::Chafon { .. });
                if !several
                    || std::mem::discriminant(&first.profile.model.protocol) != std::mem::discriminant(&protocol)
                {
                    entry.section.wrong("profile", ("such a reader has a link of its own", "这种读写器要独占一条线路"));
                }
            }
            if let Some(other) = units.iter().position(|other| other.unit == unit) {
                let name = &configured[other].identity.key;
                entry.section.wrong(
                    "unit",
                    both!("unit {unit} of this link is already \"{name}\"", "这条线路的地址 {unit} 已是“{name}”"),
                );
            }
            let any = |unit: u8, protocol| unit == chafon::ANY && matches!(protocol, Protocol::Chafon { .. });
            let first = units.first().map(|first| any(first.unit, first.profile.model.protocol));
            if first == Some(true) || first.is_some() && any(unit, protocol) {
                entry.section.wrong(
                    "unit",
                    (
                        "every reader answers to 255: on a line with several readers each needs its own unit",
                        "地址 255 时每个读写器都会应答：同一条线上有多个读写器时，请各用自己的地址",
                    ),
                );
            }
            configured.push(profile.configured(&entry));
            let usual = if protocol.is_llrp() { Timing::TCP } else { Timing::SERIAL };
            let timing = timing.or(profile.model.timing).complete(usual);
            units.push(Unit { unit, timing, profile });
        }
        let devices = configured.iter().map(LinkDevice::of).collect();
        let driver = RfidDriver { settings: settings?, units, devices };
        let build = move || -> Box<dyn Driver> { Box::new(driver.clone()) };
        // The caller knows the link's name.
        Some(ConfiguredLink { name: "".into(), devices: configured, build: Box::new(build) })
    }
}
