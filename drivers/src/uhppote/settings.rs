//! `kind = "uhppote"` in an agent's configuration.

use kouan_settings::{Section, both};

use super::dialect::{UhppoteDialect, UhppoteProfile};
use super::session::{Session, Unit};
use crate::configure::{ConfiguredDevice, ConfiguredLink, DeviceEntry};
use crate::device_clock::DeviceZone;
use crate::driver::{Driver, DriverCx, DriverFuture};
use crate::link::timing::TimingKeys;
use crate::link::{LinkDevice, Timing, run_link};
use crate::profile::{Description, ProfileStore};
use crate::registry::DriverKind;

/// The kind `uhppote`.
#[derive(Debug)]
pub struct UhppoteKind;

/// Everything a driver needs, again for every start.
#[derive(Debug, Clone)]
struct UhppoteDriver {
    misses: u32,
    units: Vec<Unit>,
    devices: Vec<LinkDevice>,
}

impl Driver for UhppoteDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        let session = Session::new(self.units, std::sync::Arc::clone(&cx.clock));
        Box::pin(run_link(session, self.devices, self.misses, cx))
    }
}

/// `host`, or `host:port`.
fn read_address(section: &mut Section<'_>) -> Option<String> {
    let hint = (
        "where the controller is, such as address = \"192.168.1.100\"",
        "控制器的地址，如 address = \"192.168.1.100\"",
    );
    let address = section.string_required("address", hint)?;
    let (host, port) = address.rsplit_once(':').unwrap_or((&address, "60000"));
    match port.parse::<u16>() {
        Ok(1..) if !host.is_empty() => Some(format!("{host}:{port}")),
        _ => {
            section.wrong(
                "address",
                both!("\"{address}\" must be host or host:port", "\"{address}\" 应当是 主机 或 主机:端口"),
            );
            None
        }
    }
}

impl DriverKind for UhppoteKind {
    fn name(&self) -> &'static str {
        "uhppote"
    }

    fn read_profile(&self, name: &str, profile: &mut Section<'_>) -> Option<Description> {
        Some(UhppoteProfile::read_section(&UhppoteDialect, name, profile)?.description(&UhppoteDialect))
    }

    fn configure(
        &self,
        link: &mut Section<'_>,
        devices: Vec<DeviceEntry<'_>>,
        profiles: &ProfileStore,
    ) -> Option<ConfiguredLink> {
        let misses = link.integer_or("misses", 1..=10, 2).unsigned_abs() as u32;
        let keys = TimingKeys::read(link);
        let mut units: Vec<Unit> = Vec::new();
        let mut configured: Vec<ConfiguredDevice> = Vec::new();
        for mut entry in devices {
            entry.section.require(
                "controller",
                (
                    "the number on the controller, such as controller = 405419896",
                    "控制器上的编号，如 controller = 405419896",
                ),
            );
            let controller = entry.section.integer("controller", 1..=i64::from(u32::MAX));
            let address = read_address(&mut entry.section);
            let zone = DeviceZone::read(&mut entry.section);
            let take_events = entry.section.bool_or("take_events", true);
            let timing = TimingKeys::read(&mut entry.section).or(keys);
            let profile = UhppoteProfile::of_device(&UhppoteDialect, &mut entry, profiles);
            let (Some(controller), Some(address), Some(profile)) = (controller, address, profile) else { continue };
            let controller = controller.unsigned_abs() as u32;
            if let Some(other) = units.iter().position(|other| other.controller == controller) {
                let name = &configured[other].identity.key;
                entry.section.wrong(
                    "controller",
                    both!("controller {controller} is already \"{name}\"", "控制器 {controller} 已是“{name}”"),
                );
            }
            configured.push(profile.configured(&entry));
            let timing = timing.or(profile.model.timing).complete(Timing::TCP);
            units.push(Unit { controller, address, timing, zone, take_events, profile });
        }
        let devices = configured.iter().map(LinkDevice::of).collect();
        let driver = UhppoteDriver { misses, units, devices };
        let build = move || -> Box<dyn Driver> { Box::new(driver.clone()) };
        // The caller knows the link's name.
        Some(ConfiguredLink { name: "".into(), devices: configured, build: Box::new(build) })
    }
}
