//! `kind = "zkteco-c3"` in an agent's configuration.

use std::path::PathBuf;
use std::sync::Arc;

use kouan_settings::Section;

use super::dialect::{ZktecoDialect, ZktecoProfile};
use super::session::{Session, Unit};
use crate::configure::{ConfiguredDevice, ConfiguredLink, DeviceEntry};
use crate::device_clock::DeviceZone;
use crate::driver::{Driver, DriverCx, DriverFuture};
use crate::link::timing::TimingKeys;
use crate::link::{LinkDevice, LinkSettings, Timing, run_link};
use crate::profile::{Description, ProfileStore};
use crate::registry::DriverKind;

/// The kind `zkteco-c3`.
#[derive(Debug)]
pub struct ZktecoKind;

/// Everything a driver needs, again for every start.
#[derive(Debug, Clone)]
struct ZktecoDriver {
    settings: LinkSettings,
    unit: Unit,
    devices: Vec<LinkDevice>,
}

impl Driver for ZktecoDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        let misses = self.settings.misses;
        let session = Session::new(self.settings, self.unit, Arc::clone(&cx.clock), cx.purpose);
        Box::pin(run_link(session, self.devices, misses, cx))
    }
}

fn read_unit(
    entry: &mut DeviceEntry<'_>,
    keys: TimingKeys,
    profiles: &ProfileStore,
) -> Option<(Unit, ConfiguredDevice)> {
    let zone = DeviceZone::read(&mut entry.section);
    let password_file = entry.section.string("password_file").map(PathBuf::from);
    if entry.section.has("password") {
        entry.section.wrong(
            "password",
            (
                "a password does not belong into this file; put it into a file of its own, readable by the agent alone, \
                 and name that in password_file",
                "密码不应写在这个文件里；请放进单独的、只有代理能读的文件，并写进 password_file",
            ),
        );
        entry.section.secret("password");
    }
    let timing = TimingKeys::read(&mut entry.section).or(keys);
    let profile = ZktecoProfile::of_device(&ZktecoDialect, entry, profiles)?;
    let timing = timing.or(profile.model.timing).complete(Timing::TCP);
    let configured = profile.configured(entry);
    Some((Unit { timing, zone, password_file, profile }, configured))
}

impl DriverKind for ZktecoKind {
    fn name(&self) -> &'static str {
        "zkteco-c3"
    }

    fn read_profile(&self, name: &str, profile: &mut Section<'_>) -> Option<Description> {
        Some(ZktecoProfile::read_section(&ZktecoDialect, name, profile)?.description(&ZktecoDialect))
    }

    fn configure(
        &self,
        link: &mut Section<'_>,
        devices: Vec<DeviceEntry<'_>>,
        profiles: &ProfileStore,
    ) -> Option<ConfiguredLink> {
        let settings = LinkSettings::read(link);
        let keys = TimingKeys::read(link);
        let mut read: Vec<(Unit, ConfiguredDevice)> = Vec::new();
        for mut entry in devices {
            if !read.is_empty() {
                entry.section.wrong(
                    "name",
                    (
                        "a connection leads to one controller; give this one a link of its own",
                        "一个连接只通一个控制器；请给它单独的线路",
                    ),
                );
            }
            read.extend(read_unit(&mut entry, keys, profiles));
        }
        let settings = settings?;
        if settings.endpoint.is_serial() {
            link.wrong(
                "serial",
                (
                    "such a controller is reached over TCP: tcp = \"192.168.1.201:4370\"",
                    "这种控制器走 TCP：tcp = \"192.168.1.201:4370\"",
                ),
            );
            return None;
        }
        let (unit, configured) = read.into_iter().next()?;
        let devices = vec![LinkDevice::of(&configured)];
        let driver = ZktecoDriver { settings, unit, devices };
        let build = move || -> Box<dyn Driver> { Box::new(driver.clone()) };
        // The caller knows the link's name.
        Some(ConfiguredLink { name: "".into(), devices: vec![configured], build: Box::new(build) })
    }
}
