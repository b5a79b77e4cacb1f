//! `kind = "host"` in an agent's configuration.

use std::sync::Arc;

use kouan_settings::{Section, both};

use super::driver::HostDriver;
use super::inventory::{Choice, groups};
use super::reader::HostReader;
use crate::configure::{ConfiguredDevice, ConfiguredLink, DeviceEntry};
use crate::profile::{Description, ProfileStore};
use crate::registry::DriverKind;

/// The kind `host`.
#[derive(Debug)]
pub struct HostKind;

impl DriverKind for HostKind {
    fn name(&self) -> &'static str {
        "host"
    }

    fn read_profile(&self, _: &str, profile: &mut Section<'_>) -> Option<Description> {
        profile.wrong("kind", ("this machine needs no profile", "本机不需要型号文件"));
        profile.ignore_rest();
        None
    }

    fn configure(
        &self,
        link: &mut Section<'_>,
        devices: Vec<DeviceEntry<'_>>,
        _: &ProfileStore,
    ) -> Option<ConfiguredLink> {
        let count = devices.len();
        let mut devices = devices.into_iter();
        let mut entry = devices.next()?;
        if count > 1 {
            link.wrong(
                "device",
                both!("there is one such machine, but {count} devices", "本机只有一台，却写了 {count} 个设备"),
            );
        }
        for mut more in devices {
            more.section.ignore_rest();
        }
        if entry.profile.is_some() {
            entry
                .section
                .wrong("profile", ("this machine needs no profile; remove this", "本机不需要型号文件；请去掉这一项"));
        }
        let choice = Choice {
            every: entry.every,
            processes: entry.section.strings("processes"),
            interfaces: entry.section.strings("interfaces"),
            mounts: entry.section.strings("mounts"),
        };
        let reader = match HostReader::new() {
            Ok(reader) => reader,
            Err(error) => {
                link.wrong(
                    "kind",
                    both!("this machine's figures cannot be read: {error}", "读不到本机的数据：{error}"),
                );
                return None;
            }
        };
        let groups: Arc<[_]> = groups(&reader, &choice).into();
        let identity = entry.identity("host", "server");
        let key = identity.key.clone();
        let device = ConfiguredDevice {
            identity,
            groups: groups.iter().map(|group| group.profile.clone()).collect(),
            actions: Vec::new(),
            reader: None,
            limits: entry.limits(&[], groups.iter().flat_map(|group| &group.profile.points).map(|point| &**point)),
        };
        let build = move || -> Box<dyn crate::driver::Driver> {
            Box::new(HostDriver { device: key.clone(), groups: Arc::clone(&groups) })
        };
        // The caller knows the link's name.
        Some(ConfiguredLink { name: "".into(), devices: vec![device], build: Box::new(build) })
    }
}
