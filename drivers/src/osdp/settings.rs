//! `kind = "osdp"` in an agent's configuration.

use std::path::PathBuf;

use kouan_settings::{Section, both};

use super::codec::{BROADCAST, Check};
use super::dialect::{OsdpDialect, OsdpProfile};
use super::session::{Protection, Session, Unit};
use crate::configure::{ConfiguredDevice, ConfiguredLink, DeviceEntry};
use crate::driver::{Driver, DriverCx, DriverFuture};
use crate::link::timing::TimingKeys;
use crate::link::{LinkDevice, LinkSettings, Timing, run_link};
use crate::profile::{Description, ProfileStore};
use crate::registry::DriverKind;

/// The kind `osdp`.
#[derive(Debug)]
pub struct OsdpKind;

/// Everything a driver needs, again for every start.
#[derive(Debug, Clone)]
struct OsdpDriver {
    settings: LinkSettings,
    units: Vec<Unit>,
    devices: Vec<LinkDevice>,
}

impl Driver for OsdpDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        let misses = self.settings.misses;
        let session = Session::new(self.settings, self.units, cx.purpose);
        Box::pin(run_link(session, self.devices, misses, cx))
    }
}

/// `key_file` or `default_key`; without either the device is spoken to in clear.
fn read_protection(section: &mut Section<'_>) -> Protection {
    let file = section.string("key_file").map(PathBuf::from);
    let default_key = section.bool_or("default_key", false);
    if section.has("key") {
        section.wrong(
            "key",
            (
                "a key does not belong into this file; put it into a file of its own, readable by the agent alone, and \
                 name that in key_file",
                "密钥不应写在这个文件里；请放进单独的、只有代理能读的文件，并写进 key_file",
            ),
        );
        section.secret("key");
    }
    match (file, default_key) {
        (Some(_), true) => {
            section.wrong(
                "default_key",
                (
                    "the device has either its own key or the one that everybody knows",
                    "设备要么用自己的密钥，要么用众所周知的默认密钥",
                ),
            );
            Protection::None
        }
        (Some(file), false) => Protection::KeyFile(file),
        (None, true) => Protection::DefaultKey,
        (None, false) => Protection::None,
    }
}

impl DriverKind for OsdpKind {
    fn name(&self) -> &'static str {
        "osdp"
    }

    fn read_profile(&self, name: &str, profile: &mut Section<'_>) -> Option<Description> {
        Some(OsdpProfile::read_section(&OsdpDialect, name, profile)?.description(&OsdpDialect))
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
            entry.section.require(
                "unit",
                ("the device's address on the bus, such as unit = 0", "设备在总线上的地址，如 unit = 0"),
            );
            let unit = entry.section.integer("unit", 0..=i64::from(BROADCAST) - 1);
            let check = entry.section.choice("check", &[("crc", Check::Crc), ("sum", Check::Sum)]).unwrap_or_default();
            let protection = read_protection(&mut entry.section);
            let timing = TimingKeys::read(&mut entry.section).or(keys);
            let profile = OsdpProfile::of_device(&OsdpDialect, &mut entry, profiles);
            let (Some(unit), Some(profile)) = (unit, profile) else { continue };
            let address = unit.unsigned_abs() as u8;
            if let Some(other) = units.iter().position(|other| other.address == address) {
                let name = &configured[other].identity.key;
                entry.section.wrong(
                    "unit",
                    both!("unit {unit} of this link is already \"{name}\"", "这条线路的地址 {unit} 已是“{name}”"),
                );
            }
            configured.push(profile.configured(&entry));
            let timing = timing.or(profile.model.timing).complete(Timing::SERIAL);
            units.push(Unit { address, check, protection, timing, profile });
        }
        let devices = configured.iter().map(LinkDevice::of).collect();
        let driver = OsdpDriver { settings: settings?, units, devices };
        let build = move || -> Box<dyn Driver> { Box::new(driver.clone()) };
        // The caller knows the link's name.
        Some(ConfiguredLink { name: "".into(), devices: configured, build: Box::new(build) })
    }
}
