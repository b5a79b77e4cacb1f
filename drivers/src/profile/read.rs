//! Reading a profile: the common keys here, the protocol's own through a [`Dialect`].

use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::ActionSpec;
use kouan_settings::{Document, Problems, Section, both};

use super::about::{About, DescribedPoint, Description};
use super::action_keys::read_action;
use super::limits::{Limit, check_limits, read_limits};
use super::point::{GroupProfile, PointProfile};
use super::point_keys::{Naming, Notes, ReadPoint, read_bits, read_point};
use super::polarity::Polarity;
use super::store::{ProfileSource, ProfileStore};
use crate::configure::{ConfiguredDevice, DeviceEntry};

/// What a protocol adds to a profile.
pub trait Dialect: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// Settings of the whole model: timing, word order, framing.
    type Model: Clone + std::fmt::Debug + Send + Sync + 'static;
    /// How a group is asked for.
    type Group: Clone + std::fmt::Debug + Send + Sync + 'static;
    /// Where a point's raw value is found in the answer.
    type Address: Clone + std::fmt::Debug + Send + Sync + 'static;
    /// How an action is spoken.
    type Action: Clone + std::fmt::Debug + Send + Sync + 'static;

    /// The word in `kind = "…"`.
    fn kind(&self) -> &'static str;
    /// Reads the model's own keys from the top of the profile.
    fn read_model(&self, profile: &mut Section<'_>) -> Option<Self::Model>;
    /// Reads a group's own keys.
    fn read_group(&self, model: &Self::Model, group: &mut Section<'_>) -> Option<Self::Group>;
    /// Reads a point's own keys.
    fn read_address(&self, model: &Self::Model, group: &Self::Group, point: &mut Section<'_>) -> Option<Self::Address>;
    /// Reads an action's own keys.
    fn read_action(&self, model: &Self::Model, action: &mut Section<'_>) -> Option<Self::Action>;
    /// The place so many steps further on, for points that are repeated: the next register, coil or byte. `None` where
    /// the protocol has no such thing, or nothing lies there.
    fn shift(&self, address: &Self::Address, steps: u32) -> Option<Self::Address> {
        let _ = (address, steps);
        None
    }
    /// One bit of what lies at `address`, for bit maps. `None` where the protocol has no such thing, or no such bit.
    fn bit(&self, address: &Self::Address, bit: u8) -> Option<Self::Address> {
        let _ = (address, bit);
        None
    }
    /// Whether such a model is useful without any point, because it tells events.
    fn may_lack_groups(&self, model: &Self::Model) -> bool {
        let _ = model;
        false
    }
    /// The kinds of events that the model itself reports.
    fn events(&self, model: &Self::Model) -> Vec<String> {
        let _ = model;
        Vec::new()
    }
    /// Checks what only the whole profile shows, such as overlapping registers; reports with [`Problems::add`].
    fn check(&self, profile: &Profile<Self>, problems: &Problems)
    where
        Self: Sized;
}

/// A device model.
#[derive(Debug, Clone)]
pub struct Profile<D: Dialect> {
    /// Its name: the file name without `.toml`.
    pub name: String,
    /// What such a device is for.
    pub class: String,
    /// What people should know about the model.
    pub about: About,
    /// The protocol's settings of the whole model.
    pub model: D::Model,
    /// What is read together.
    pub groups: Vec<Group<D>>,
    /// What it can be told to do.
    pub actions: Vec<Action<D>>,
    /// Conditions that somebody must care about.
    pub limits: Vec<Limit>,
}

/// A read group.
#[derive(Debug, Clone)]
pub struct Group<D: Dialect> {
    /// Line in the profile.
    pub line: usize,
    /// The group's name.
    pub name: String,
    /// How often it is read.
    pub every: Duration,
    /// Each point is sent at least this often.
    pub heartbeat: Duration,
    /// How it is asked for.
    pub ask: D::Group,
    /// Its points.
    pub points: Vec<Point<D>>,
}

/// A point.
#[derive(Debug, Clone)]
pub struct Point<D: Dialect> {
    /// Line in the profile.
    pub line: usize,
    /// What becomes of its raw value.
    pub common: Arc<PointProfile>,
    /// What else is known about it.
    pub notes: Arc<Notes>,
    /// Where its raw value is found.
    pub address: D::Address,
}

/// An action.
#[derive(Debug, Clone)]
pub struct Action<D: Dialect> {
    /// Line in the profile.
    pub line: usize,
    /// Name and arguments.
    pub spec: ActionSpec,
    /// Only a device that names a reader of tags has it.
    pub needs_reader: bool,
    /// How it is spoken.
    pub speak: D::Action,
}

impl<D: Dialect> Profile<D> {
    /// Finds and reads the profile of a configured device. Problems go to the device's `profile` key. Devices of one
    /// model share it, unless they say which way round their inputs are wired.
    pub fn of_device(dialect: &D, device: &mut DeviceEntry<'_>, store: &ProfileStore) -> Option<Arc<Self>> {
        let polarity = Polarity::read(&mut device.section);
        let Some(name) = &device.profile else {
            device.section.problems().wrong(
                device.section.line(),
                format!("{}.profile", device.section.path()),
                (
                    "this is missing: the device's profile, such as profile = \"xy-md02\"",
                    "缺少这一项：设备的型号文件，如 profile = \"xy-md02\"",
                ),
            );
            return None;
        };
        let Some(source) = store.get(name) else {
            let known = store.names().collect::<Vec<_>>().join(", ");
            device.section.wrong(
                "profile",
                both!("there is no profile \"{name}\"; known are {known}", "没有型号文件 \"{name}\"；现有：{known}"),
            );
            return None;
        };
        let profile = match store.read_before(name) {
            Some(profile) => Ok(profile),
            None => Self::read(dialect, name, source).map(|profile| store.remember(name, profile)),
        };
        match profile {
            Ok(profile) => Some(polarity.apply(profile, &device.section)),
            Err(problems) => {
                let text = both!(
                    "the profile \"{name}\" has problems:\n{problems}",
                    "型号文件 \"{name}\" 有错误：\n{problems}"; problems
                );
                device.section.wrong("profile", text);
                None
            }
        }
    }

    /// Reads and checks a profile.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(dialect: &D, name: &str, source: &ProfileSource) -> Result<Self, Problems> {
        let document = Document::parse(&source.file, &source.text)?;
        let problems = Problems::new(&source.file, &source.text);
        let mut root = document.root(&problems);
        let profile = Self::read_section(dialect, name, &mut root);
        drop(root);
        match profile {
            Some(profile) => problems.into_result(profile),
            None => Err(problems),
        }
    }

    /// Reads and checks a profile whose file is open at `root`; problems go to its list.
    pub fn read_section(dialect: &D, name: &str, root: &mut Section<'_>) -> Option<Self> {
        let about = About::read(dialect.kind(), root);
        let Some(model) = dialect.read_model(root) else {
            root.ignore_rest();
            return None;
        };
        let mut groups: Vec<Group<D>> = Vec::new();
        for mut section in root.sections("group") {
            if let Some(group) = read_group(dialect, &model, &mut section) {
                if groups.iter().any(|earlier| earlier.name == group.name) {
                    let name = &group.name;
                    section.wrong("name", both!("there is already a group \"{name}\"", "已有名为“{name}”的组"));
                }
                groups.push(group);
            }
        }
        if groups.is_empty() && !dialect.may_lack_groups(&model) {
            root.wrong(
                "group",
                ("a profile needs at least one [[group]] with points", "型号文件至少要有一个带测点的 [[group]]"),
            );
        }
        let mut actions: Vec<Action<D>> = Vec::new();
        for mut section in root.sections("action") {
            if let Some(action) = read_action(dialect, &model, &mut section) {
                if actions.iter().any(|earlier| earlier.spec.name == action.spec.name) {
                    let name = &action.spec.name;
                    section.wrong("name", both!("there is already an action \"{name}\"", "已有名为“{name}”的操作"));
                }
                actions.push(action);
            }
        }
        let limits = read_limits(root);
        let about = about?;
        let profile = Self { name: name.to_owned(), class: about.class.clone(), about, model, groups, actions, limits };
        check_limits(&profile.limits, profile.common_points(), root.problems());
        check_names(&profile, root.problems());
        check_notes(&profile, root.problems());
        dialect.check(&profile, root.problems());
        Some(profile)
    }

    /// The point of that name, with its group and column.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(usize, u16, &Point<D>)> {
        let columns = |(group, at): (usize, &Group<D>)| {
            let column = at.points.iter().position(|point| point.common.spec.name.as_str() == name)?;
            Some((group, u16::try_from(column).ok()?, column))
        };
        let (group, column, at) = self.groups.iter().enumerate().find_map(columns)?;
        Some((group, column, &self.groups[group].points[at]))
    }

    fn common_points(&self) -> impl Iterator<Item = &PointProfile> + Clone {
        self.groups.iter().flat_map(|group| &group.points).map(|point| &*point.common)
    }

    /// What the model offers, without its protocol.
    #[must_use]
    pub fn description(&self, dialect: &D) -> Description {
        let points = self.groups.iter().flat_map(|group| {
            group.points.iter().map(|point| DescribedPoint {
                line: point.line,
                group: group.name.clone(),
                common: (*point.common).clone(),
                notes: (*point.notes).clone(),
            })
        });
        Description {
            name: self.name.clone(),
            about: self.about.clone(),
            groups: self.group_profiles(None),
            points: points.collect(),
            actions: self.action_specs(),
            events: dialect.events(&self.model),
            limits: self.limits.clone(),
        }
    }

    /// The device as the rest of the agent sees it.
    #[must_use]
    pub fn configured(&self, device: &DeviceEntry<'_>) -> ConfiguredDevice {
        ConfiguredDevice {
            identity: device.identity(&self.name, &self.class),
            groups: self.group_profiles(device.every),
            actions: self.actions_of(device.reader.is_some()),
            reader: device.reader.clone(),
            limits: device.limits(&self.limits, self.common_points()),
        }
    }

    /// The common part of the groups, with the device's own interval where it has one.
    #[must_use]
    pub fn group_profiles(&self, every: Option<Duration>) -> Vec<GroupProfile> {
        let group = |group: &Group<D>| GroupProfile {
            name: group.name.clone(),
            every: if group.every.is_zero() { group.every } else { every.unwrap_or(group.every) },
            heartbeat: group.heartbeat,
            points: group.points.iter().map(|point| Arc::clone(&point.common)).collect(),
        };
        self.groups.iter().map(group).collect()
    }

    fn actions_of(&self, has_reader: bool) -> Vec<ActionSpec> {
        let has = |action: &&Action<D>| has_reader || !action.needs_reader;
        self.actions.iter().filter(has).map(|action| action.spec.clone()).collect()
    }

    /// The actions with their arguments.
    #[must_use]
    pub fn action_specs(&self) -> Vec<ActionSpec> {
        self.actions.iter().map(|action| action.spec.clone()).collect()
    }
}

fn check_names<D: Dialect>(profile: &Profile<D>, problems: &Problems) {
    let mut seen = std::collections::HashMap::new();
    for point in profile.groups.iter().flat_map(|group| &group.points) {
        if let Some(line) = seen.insert(point.common.spec.name.clone(), point.line) {
            let name = &point.common.spec.name;
            let message =
                both!("point \"{name}\" is already defined on line {line}", "测点“{name}”在第 {line} 行已定义");
            problems.wrong(point.line, "point", message);
        }
    }
}

fn read_group<D: Dialect>(dialect: &D, model: &D::Model, section: &mut Section<'_>) -> Option<Group<D>> {
    let line = section.line();
    let name = section
        .string_required("name", ("the group's name, such as name = \"status\"", "组的名称，如 name = \"status\""));
    let day = Duration::from_secs(86_400);
    let every = section.duration_within("every", Duration::ZERO..=day, Duration::from_secs(5));
    let second = Duration::from_secs(1);
    let heartbeat = section.duration_within("heartbeat", second..=day, Duration::from_secs(300));
    let Some(ask) = dialect.read_group(model, section) else {
        section.ignore_rest();
        return None;
    };
    let mut points = Vec::new();
    for mut point in section.sections("point") {
        let read = read_point(&mut point);
        take_points(dialect, model, &ask, &mut point, read, &mut points);
    }
    for mut bits in section.sections("bits") {
        let read = read_bits(&mut bits);
        take_points(dialect, model, &ask, &mut bits, read, &mut points);
    }
    points.shrink_to_fit();
    if points.is_empty() {
        section.wrong("point", ("a group needs at least one [[group.point]]", "每个组至少要有一个 [[group.point]]"));
    }
    let limit = kouan_protocol::limits::GROUP_POINTS;
    if points.len() > limit {
        let count = points.len();
        section.wrong(
            "point",
            both!("a group has at most {limit} points, not {count}", "一个组最多 {limit} 个测点，这里有 {count} 个"),
        );
    }
    Some(Group { line, name: name?, every, heartbeat, ask, points })
}

/// Adds the point, its repetitions, or the points of its bits.
fn take_points<D: Dialect>(
    dialect: &D,
    model: &D::Model,
    ask: &D::Group,
    section: &mut Section<'_>,
    read: Option<ReadPoint>,
    points: &mut Vec<Point<D>>,
) {
    let line = section.line();
    let address = dialect.read_address(model, ask, section);
    let (Some(read), Some(address)) = (read, address) else {
        section.ignore_rest();
        return;
    };
    let notes = Arc::new(read.notes.clone());
    for (at, name) in read.names.iter().enumerate() {
        let found = match read.naming {
            Naming::One => Some(address.clone()),
            Naming::Steps(step) => dialect.shift(&address, at as u32 * step),
            Naming::Places(step) => dialect.shift(&address, u32::from(name.0) * step),
            Naming::Bits => dialect.bit(&address, name.0),
        };
        let Some(address) = found else {
            let name = &name.1;
            section.wrong("name", both!("there is no place for \"{name}\"", "没有“{name}”的位置"));
            return;
        };
        let mut common = read.common.clone();
        common.spec.name = name.1.clone();
        points.push(Point { line, common: Arc::new(common), notes: Arc::clone(&notes), address });
    }
}

/// Checks what the notes of points refer to.
fn check_notes<D: Dialect>(profile: &Profile<D>, problems: &Problems) {
    for point in profile.groups.iter().flat_map(|group| &group.points) {
        if let Some(action) = &point.notes.latched_until
            && !profile.actions.iter().any(|known| known.spec.name == *action)
        {
            problems.wrong(
                point.line,
                "point.latched_until",
                both!("there is no action \"{action}\"", "没有操作“{action}”"),
            );
        }
    }
}
