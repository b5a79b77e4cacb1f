//! `kind = "serial-line"` in an agent's configuration.

use kouan_settings::{Section, both};

use super::dialect::{SerialDialect, SerialProfile};
use super::session::{Session, Unit};
use crate::configure::{ConfiguredDevice, ConfiguredLink, DeviceEntry};
use crate::driver::{Driver, DriverCx, DriverFuture};
use crate::link::timing::TimingKeys;
use crate::link::{LinkDevice, LinkSettings, Timing, run_link};
use crate::profile::{Description, ProfileStore};
use crate::registry::DriverKind;

/// The kind `serial-line`.
#[derive(Debug)]
pub struct SerialLineKind;

/// Everything a driver needs, again for every start.
#[derive(Debug, Clone)]
struct SerialDriver {
    settings: LinkSettings,
    units: Vec<Unit>,
    devices: Vec<LinkDevice>,
}

/// Whether the model is told or tells a number on the line.
fn names_unit(profile: &SerialProfile) -> bool {
    profile.groups.iter().any(|group| group.ask.request.names_unit() || group.ask.answer.format.unit_at.is_some())
        || profile.actions.iter().any(|action| action.speak.request.names_unit())
}

impl Driver for SerialDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        let misses = self.settings.misses;
        Box::pin(run_link(Session::new(self.settings, self.units), self.devices, misses, cx))
    }
}

impl DriverKind for SerialLineKind {
    fn name(&self) -> &'static str {
        "serial-line"
    }

    fn read_profile(&self, name: &str, profile: &mut Section<'_>) -> Option<Description> {
        Some(SerialProfile::read_section(&SerialDialect, name, profile)?.description(&SerialDialect))
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
            let given = entry.section.has("unit");
            let unit = entry.section.integer("unit", 0..=255).map(|unit| unit.unsigned_abs() as u8);
            let timing = TimingKeys::read(&mut entry.section).or(keys);
            let profile = SerialProfile::of_device(&SerialDialect, &mut entry, profiles);
            let Some(profile) = profile else { continue };
            if !given && names_unit(&profile) {
                entry.section.wrong(
                    "unit",
                    (
                        "this is missing: the device's number on the line, such as unit = 1",
                        "缺少这一项：设备在线路上的地址，如 unit = 1",
                    ),
                );
                continue;
            }
            let unit = unit.unwrap_or(0);
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
        let driver = SerialDriver { settings: settings?, units, devices };
        let build = move || -> Box<dyn Driver> { Box::new(driver.clone()) };
        // The caller knows the link's name.
        Some(ConfiguredLink { name: "".into(), devices: configured, build: Box::new(build) })
    }
}
