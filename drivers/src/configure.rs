//! `[[link]]` and `[[link.device]]` of an agent's configuration.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::{ActionSpec, Catalogue, DeviceKey, DeviceSpec, GroupSpec, NameError};
use kouan_settings::{Section, both};

use crate::driver::Driver;
use crate::profile::limits::{check_limits, read_limits};
use crate::profile::{GroupProfile, Limit, PointProfile, ProfileStore};
use crate::registry;

/// A checked link: what its devices offer, and how to make a driver for it, as often as needed.
pub struct ConfiguredLink {
    /// The link's name.
    pub name: Arc<str>,
    /// Its devices.
    pub devices: Vec<ConfiguredDevice>,
    /// Makes a driver.
    pub build: Box<dyn Fn() -> Box<dyn Driver> + Send + Sync>,
}

/// A checked device as the rest of the agent sees it.
#[derive(Debug, Clone)]
pub struct ConfiguredDevice {
    /// Name, label, class and place.
    pub identity: DeviceIdentity,
    /// What is read together. Their order is that of [`crate::driver::RawRow::group`].
    pub groups: Vec<GroupProfile>,
    /// What it can be told to do.
    pub actions: Vec<ActionSpec>,
    /// Conditions that somebody must care about: the profile's and the device's own.
    pub limits: Vec<Limit>,
    /// The reader that sees what lies in it.
    pub reader: Option<StockReader>,
}

/// The reader of tags that sees what is laid into a cabinet and what is taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockReader {
    /// Line in the configuration.
    pub line: usize,
    /// The reader.
    pub device: DeviceKey,
    /// For how long after the slot was shut its passes are waited for.
    pub within: Duration,
    /// The antenna of each slot, from slot 1 on; empty where any antenna may see it.
    pub antennas: Vec<u16>,
}

/// Who a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// Name within the agent.
    pub key: DeviceKey,
    /// Name for people; the key where none is given.
    pub label: String,
    /// What it is for; from the profile unless the device says otherwise.
    pub class: String,
    /// The profile's name, or the kind's where a kind needs no profile.
    pub profile: String,
    /// Where it stands.
    pub area: String,
    /// The device whose failure hides this one.
    pub parent: Option<DeviceKey>,
}

/// A `[[link.device]]` whose common keys were read; the kind reads the rest from `section`.
pub struct DeviceEntry<'p> {
    /// Name within the agent.
    pub key: DeviceKey,
    /// Name for people.
    pub label: Option<String>,
    /// Class, where the device overrides its profile.
    pub class: Option<String>,
    /// The profile's name.
    pub profile: Option<String>,
    /// Where it stands.
    pub area: String,
    /// The device whose failure hides this one.
    pub parent: Option<DeviceKey>,
    /// Replaces the profile's interval for every group.
    pub every: Option<Duration>,
    /// Alarms of its own; one with the name of an alarm of its profile stands in for that.
    pub alarms: Vec<Limit>,
    /// Names of alarms of its profile that are not wanted here.
    pub alarms_off: Vec<String>,
    /// The reader that sees what lies in it.
    pub reader: Option<StockReader>,
    /// What is left for the kind: `unit`, `topic`.
    pub section: Section<'p>,
}

impl DeviceEntry<'_> {
    /// The identity, with the class and profile name of the profile.
    #[must_use]
    pub fn identity(&self, profile: &str, class: &str) -> DeviceIdentity {
        DeviceIdentity {
            key: self.key.clone(),
            label: self.label.clone().unwrap_or_else(|| self.key.to_string()),
            class: self.class.clone().unwrap_or_else(|| class.to_owned()),
            profile: profile.to_owned(),
            area: self.area.clone(),
            parent: self.parent.clone(),
        }
    }
}

impl DeviceEntry<'_> {
    /// The alarms of its profile as this device has them, and its own.
    #[must_use]
    pub fn limits<'g>(
        &self,
        of_profile: &[Limit],
        points: impl Iterator<Item = &'g PointProfile> + Clone,
    ) -> Vec<Limit> {
        for name in &self.alarms_off {
            if !of_profile.iter().any(|limit| limit.condition == *name) {
                let known: Vec<_> = of_profile.iter().map(|limit| limit.condition.as_str()).collect();
                let known = known.join(", ");
                let text = if known.is_empty() {
                    both!(
                        "the profile has no [[alarm]] \"{name}\"; it has none",
                        "型号文件没有 [[alarm]] \"{name}\"；一条也没有"
                    )
                } else {
                    both!(
                        "the profile has no [[alarm]] \"{name}\"; {known}",
                        "型号文件没有 [[alarm]] \"{name}\"；有 {known}"
                    )
                };
                self.section.wrong("alarms_off", text);
            }
        }
        check_limits(&self.alarms, points, self.section.problems());
        let wanted = |limit: &&Limit| {
            let replaced = self.alarms.iter().any(|own| own.condition == limit.condition);
            !replaced && !self.alarms_off.contains(&limit.condition)
        };
        of_profile.iter().filter(wanted).chain(&self.alarms).cloned().collect()
    }
}

/// The agent itself is a device, and a link, of this name.
const AGENT: &str = "agent";

/// Reads every `[[link]]` of `root`. Names must be unique over all links.
pub fn read_links(root: &mut Section<'_>, profiles: &ProfileStore) -> Vec<ConfiguredLink> {
    let mut links: Vec<ConfiguredLink> = Vec::new();
    let mut owners: HashMap<DeviceKey, String> = HashMap::new();
    for mut section in root.sections("link") {
        if let Some(link) = read_link(&mut section, profiles, &mut owners) {
            if &*link.name == AGENT {
                section.wrong(
                    "name",
                    (
                        "\"agent\" is the agent itself; give this link another name",
                        "\"agent\" 指代理本身；请给这条线路换个名称",
                    ),
                );
            }
            if links.iter().any(|earlier| earlier.name == link.name) {
                let name = &link.name;
                section.wrong("name", both!("there is already a link named \"{name}\"", "已有名为“{name}”的线路"));
            }
            links.push(link);
        }
    }
    let devices = || links.iter().flat_map(|link| &link.devices);
    for device in devices() {
        let Some(reader) = &device.reader else { continue };
        let reads_tags = |of: &ConfiguredDevice| {
            of.groups.iter().flat_map(|group| &group.points).any(|point| point.spec.name.as_str() == "tags.present")
        };
        if !devices().any(|other| other.identity.key == reader.device && reads_tags(other)) {
            let name = &reader.device;
            let message = both!("there is no device \"{name}\" here that reads tags", "这里没有能读标签的设备“{name}”");
            root.problems().wrong(reader.line, format!("{}.reader", device.identity.key), message);
        }
    }
    links
}

/// `reader = "shelf"` of a cabinet.
fn read_reader(device: &mut Section<'_>) -> Option<StockReader> {
    let line = device.line();
    let given = ["reader_within", "reader_antennas"].into_iter().find(|key| device.has(key));
    let second = Duration::from_secs(1);
    let within = device.duration_within("reader_within", second..=second * 3600, second * 60);
    let antennas = device.integers("reader_antennas", 0..=i64::from(u16::MAX));
    let reader = device.parse_with::<DeviceKey>("reader", NameError::chinese);
    if let (None, Some(key)) = (&reader, given) {
        device.wrong(
            key,
            (
                "this is about the reader named by reader; there is no reader",
                "这一项与 reader 所指读写器有关；这里没有 reader",
            ),
        );
    }
    let antennas = antennas.into_iter().map(|antenna| antenna.unsigned_abs() as u16).collect();
    Some(StockReader { line, device: reader?, within, antennas })
}

fn read_link(
    section: &mut Section<'_>,
    profiles: &ProfileStore,
    owners: &mut HashMap<DeviceKey, String>,
) -> Option<ConfiguredLink> {
    let name = section
        .string_required("name", ("the link's name, such as name = \"line-1\"", "线路的名称，如 name = \"line-1\""));
    let kinds: Vec<_> = registry::KINDS.iter().map(|kind| (kind.name(), *kind)).collect();
    section.require(
        "kind",
        ("the protocol that is spoken, such as kind = \"modbus\"", "使用的协议，如 kind = \"modbus\""),
    );
    let kind = section.choice("kind", &kinds);
    let mut devices = Vec::new();
    for mut device in section.sections("device") {
        device.require("name", ("the device's name, such as name = \"ups-1\"", "设备的名称，如 name = \"ups-1\""));
        let Some(key) = device.parse_with::<DeviceKey>("name", NameError::chinese) else {
            device.ignore_rest();
            continue;
        };
        if key.as_str() == AGENT {
            device.wrong(
                "name",
                (
                    "\"agent\" is the agent itself, whose points say how it stands; choose another name",
                    "\"agent\" 指代理本身，它的测点说明代理的状况；请换个名称",
                ),
            );
        }
        if let Some(other) = owners.insert(key.clone(), device.path().to_owned()) {
            device.wrong("name", both!("\"{key}\" is already the name of {other}", "\"{key}\" 已是 {other} 的名称"));
        }
        devices.push(DeviceEntry {
            label: device.string("label"),
            class: device.string("class"),
            profile: device.string("profile"),
            area: device.string("area").unwrap_or_default(),
            parent: device.parse_with("parent", NameError::chinese),
            every: device.duration("every"),
            alarms: read_limits(&mut device),
            alarms_off: device.strings("alarms_off"),
            reader: read_reader(&mut device),
            key,
            section: device,
        });
    }
    if devices.is_empty() && kind.is_some() {
        section.wrong(
            "device",
            ("this link has no device; add one as [[link.device]]", "这条线路没有设备，请用 [[link.device]] 添加"),
        );
    }
    let (Some(name), Some(kind)) = (name, kind) else {
        for mut device in devices {
            device.section.ignore_rest();
        }
        section.ignore_rest();
        return None;
    };
    let mut link = kind.configure(section, devices, profiles)?;
    link.name = name.into();
    Some(link)
}

/// The catalogue of all links. Group indices follow the order of links, devices and groups.
#[must_use]
pub fn catalogue(links: &[ConfiguredLink]) -> Catalogue {
    let devices = links.iter().flat_map(|link| {
        link.devices.iter().map(|device| DeviceSpec {
            key: device.identity.key.clone(),
            label: device.identity.label.clone(),
            class: device.identity.class.clone(),
            profile: device.identity.profile.clone(),
            area: device.identity.area.clone(),
            link: link.name.to_string(),
            parent: device.identity.parent.clone(),
            groups: device.groups.iter().map(group_spec).collect(),
            actions: device.actions.clone(),
        })
    });
    Catalogue { devices: devices.collect() }
}

fn group_spec(group: &GroupProfile) -> GroupSpec {
    let milliseconds = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    GroupSpec {
        name: group.name.clone(),
        every_ms: milliseconds(group.every),
        heartbeat_ms: milliseconds(group.heartbeat),
        points: group.points.iter().map(|point| point.spec.clone()).collect(),
    }
}

impl fmt::Debug for ConfiguredLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredLink")
            .field("name", &self.name)
            .field("devices", &self.devices)
            .finish_non_exhaustive()
    }
}
