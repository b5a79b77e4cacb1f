//! `kind = "ydt1363"` in an agent's configuration.

use kouan_settings::{Section, both};

use super::dialect::{YdtDialect, YdtProfile};
use super::session::{Session, Unit};
use crate::configure::{ConfiguredDevice, ConfiguredLink, DeviceEntry};
use crate::driver::{Driver, DriverCx, DriverFuture};
use crate::link::timing::TimingKeys;
use crate::link::{LinkDevice, LinkSettings, Timing, run_link};
use crate::profile::{Description, ProfileStore};
use crate::registry::DriverKind;

/// The kind `ydt1363`.
#[derive(Debug)]
pub struct YdtKind;

/// Everything a driver needs, again for every start.
#[derive(Debug, Clone)]
struct YdtDriver {
    settings: LinkSettings,
    units: Vec<Unit>,
    devices: Vec<LinkDevice>,
}

impl Driver for YdtDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        let misses = self.settings.misses;
        Box::pin(run_link(Session::new(self.settings, self.units), self.devices, misses, cx))
    }
}

impl DriverKind for YdtKind {
    fn name(&self) -> &'static str {
        "ydt1363"
    }

    fn read_profile(&self, name: &str, profile: &mut Section<'_>) -> Option<Description> {
        Some(YdtProfile::read_section(&YdtDialect, name, profile)?.description(&YdtDialect))
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
                ("the device's number on the line, such as unit = 1", "设备在线路上的地址，如 unit = 1"),
            );
            // The standard keeps 0 and 255.
            let unit = entry.section.integer("unit", 1..=254).map(|unit| unit.unsigned_abs() as u8);
            let timing = TimingKeys::read(&mut entry.section).or(keys);
            let profile = YdtProfile::of_device(&YdtDialect, &mut entry, profiles);
            let (Some(unit), Some(profile)) = (unit, profile) else { continue };
            if let Some(other) = units.iter().position(|other| other.unit == unit) {
                let name = &configured[other].identity.key;
                entry.section.wrong(
                    "unit",
                    both!("unit {unit} of this link is already \"{name}\"", "这条线路的地址 {unit} 已是“{name}”"),
                );
            }
            configured.push(profile.configured(&entry));
            let timing = timing.or(profile.model.timing).complete(Timing::SERIAL);
            units.push(Unit { unit, timing, profile });
        }
        let devices = configured.iter().map(LinkDevice::of).collect();
        let driver = YdtDriver { settings: settings?, units, devices };
        let build = move || -> Box<dyn Driver> { Box::new(driver.clone()) };
        // The caller knows the link's name.
        Some(ConfiguredLink { name: "".into(), devices: configured, build: Box::new(build) })
    }
}
