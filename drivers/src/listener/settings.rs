//! `kind = "listener"` in an agent's configuration.

use std::sync::Arc;

use kouan_settings::{Section, both};

use super::device::ListenerDevice;
use super::dialect::{ListenerDialect, ListenerProfile};
use super::driver::ListenerDriver;
use crate::configure::{ConfiguredDevice, ConfiguredLink, DeviceEntry};
use crate::driver::Driver;
use crate::link::LinkSettings;
use crate::profile::{Description, ProfileStore};
use crate::registry::DriverKind;

/// The kind `listener`.
#[derive(Debug)]
pub struct ListenerKind;

impl DriverKind for ListenerKind {
    fn name(&self) -> &'static str {
        "listener"
    }

    fn read_profile(&self, name: &str, profile: &mut Section<'_>) -> Option<Description> {
        Some(ListenerProfile::read_section(&ListenerDialect, name, profile)?.description(&ListenerDialect))
    }

    fn configure(
        &self,
        link: &mut Section<'_>,
        devices: Vec<DeviceEntry<'_>>,
        profiles: &ProfileStore,
    ) -> Option<ConfiguredLink> {
        let settings = LinkSettings::read(link);
        let mut listened: Vec<ListenerDevice> = Vec::new();
        let mut configured: Vec<ConfiguredDevice> = Vec::new();
        for mut entry in devices {
            let unit = entry.section.integer("unit", 0..=255).map(|unit| unit.unsigned_abs() as u8);
            let profile = ListenerProfile::of_device(&ListenerDialect, &mut entry, profiles);
            let Some(profile) = profile else { continue };
            match (profile.model.frame.unit_at, unit) {
                (Some(_), None) => {
                    entry.section.wrong(
                        "unit",
                        ("this is missing: the device's number in its frames", "缺少这一项：设备在帧中的编号"),
                    );
                }
                (None, Some(_)) => {
                    entry.section.wrong(
                        "unit",
                        (
                            "frames of this model do not say whose they are; remove this",
                            "这种型号的帧不写明是谁的；请去掉这一项",
                        ),
                    );
                }
                _ => {}
            }
            if let Some(first) = listened.first()
                && first.profile.model.frame != profile.model.frame
            {
                let name = &first.key;
                let message = both!(
                    "frames of this model look otherwise than those of \"{name}\" on the same link",
                    "这个型号的帧与同一线路上“{name}”的帧不同"
                );
                entry.section.wrong("profile", message);
            }
            if let Some(other) = listened.iter().find(|other| other.unit == unit) {
                let name = &other.key;
                entry.section.wrong(
                    "unit",
                    both!(
                        "nothing tells this device from \"{name}\" on the same link",
                        "在同一条线路上无法把这个设备与“{name}”区分开"
                    ),
                );
            }
            configured.push(profile.configured(&entry));
            listened.push(ListenerDevice { key: entry.key.clone(), unit, profile });
        }
        let model = &listened.first()?.profile.model;
        let (frame, pause) = (model.frame.clone(), model.pause);
        let driver = ListenerDriver { settings: settings?, frame, pause, devices: Arc::from(listened) };
        let build = move || -> Box<dyn Driver> { Box::new(driver.clone()) };
        // The caller knows the link's name.
        Some(ConfiguredLink { name: "".into(), devices: configured, build: Box::new(build) })
    }
}

/// What frames of a shipped profile look like; for its simulator.
#[cfg(feature = "simulators")]
pub(crate) fn frame_of(name: &str) -> Result<crate::serial_line::FrameFormat, String> {
    let store = ProfileStore::built_in();
    let source = store.get(name).ok_or_else(|| format!("there is no profile \"{name}\""))?;
    let profile = ListenerProfile::read(&ListenerDialect, name, source);
    profile.map(|profile| profile.model.frame.clone()).map_err(|problems| problems.to_string())
}
