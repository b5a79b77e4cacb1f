//! `kind = "led-card"` in an agent's configuration.

use std::sync::Arc;

use kouan_settings::{Section, both};

use super::cpower::ANYBODY;
use super::dialect::{LedDialect, LedProfile, Protocol};
use super::session::{Session, Unit};
use crate::configure::{ConfiguredDevice, ConfiguredLink, DeviceEntry};
use crate::device_clock::DeviceZone;
use crate::driver::{Driver, DriverCx, DriverFuture};
use crate::link::timing::TimingKeys;
use crate::link::{LinkDevice, LinkSettings, Timing, run_link};
use crate::profile::{Description, ProfileStore};
use crate::registry::DriverKind;

/// The kind `led-card`.
#[derive(Debug)]
pub struct LedCardKind;

/// Everything a driver needs, again for every start.
#[derive(Debug, Clone)]
struct LedDriver {
    settings: LinkSettings,
    units: Vec<Unit>,
    devices: Vec<LinkDevice>,
}

impl Driver for LedDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        let misses = self.settings.misses;
        let session = Session::new(self.settings, self.units, Arc::clone(&cx.clock));
        Box::pin(run_link(session, self.devices, misses, cx))
    }
}

impl DriverKind for LedCardKind {
    fn name(&self) -> &'static str {
        "led-card"
    }

    fn read_profile(&self, name: &str, profile: &mut Section<'_>) -> Option<Description> {
        Some(LedProfile::read_section(&LedDialect, name, profile)?.description(&LedDialect))
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
            let card = entry.section.integer_or("unit", 1..=254, 1).unsigned_abs() as u8;
            let identification = entry.section.integer_or("identification", 0..=ANYBODY.into(), ANYBODY.into());
            let pixels = |section: &mut Section<'_>, key: &str, usual: i64| {
                u16::try_from(section.integer_or(key, 8..=8192, usual)).unwrap_or(u16::MAX)
            };
            let size = (pixels(&mut entry.section, "width", 64), pixels(&mut entry.section, "height", 32));
            let zone = DeviceZone::read(&mut entry.section);
            let timing = TimingKeys::read(&mut entry.section).or(keys);
            let Some(profile) = LedProfile::of_device(&LedDialect, &mut entry, profiles) else { continue };
            let protocol = profile.model.protocol;
            let is_serial = settings.as_ref().is_some_and(|settings| settings.endpoint.is_serial());
            if protocol == Protocol::Huidu && is_serial {
                entry.section.wrong(
                    "profile",
                    (
                        "such a card is spoken to over TCP: tcp = \"host:10001\"",
                        "这种控制卡走 TCP：tcp = \"host:10001\"",
                    ),
                );
            }
            let others = units.first().map(|unit| unit.profile.model.protocol);
            if others.is_some_and(|other| other != protocol || protocol == Protocol::Huidu) {
                entry.section.wrong("profile", ("such a card has a link of its own", "这种控制卡要独占一条线路"));
            }
            if let Some(other) = units.iter().position(|other| other.card == card) {
                let name = &configured[other].identity.key;
                entry.section.wrong(
                    "unit",
                    both!("unit {card} of this link is already \"{name}\"", "这条线路的地址 {card} 已是“{name}”"),
                );
            }
            configured.push(profile.configured(&entry));
            let timing = timing.or(profile.model.timing).complete(Timing::SERIAL);
            let identification = identification.unsigned_abs() as u32;
            units.push(Unit { card, identification, size, zone, timing, profile });
        }
        let devices = configured.iter().map(LinkDevice::of).collect();
        let driver = LedDriver { settings: settings?, units, devices };
        let build = move || -> Box<dyn Driver> { Box::new(driver.clone()) };
        // The caller knows the link's name.
        Some(ConfiguredLink { name: "".into(), devices: configured, build: Box::new(build) })
    }
}
