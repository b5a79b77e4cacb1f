//! What an agent's devices are called and what their points mean: sent once, then referred to by hash.

use serde::{Deserialize, Serialize};

use crate::argument::ArgumentProblem;
use crate::error::DecodeError;
use crate::event::wire_name;
use crate::field::{Field, FieldValue};
use crate::ids::{CatalogueHash, DeviceKey, Digest, PointName};
use crate::rows::GroupIndex;
use crate::value::PointKind;
use crate::{limits, wire};
use prost::Message as _;

/// Every device of an agent with its read groups and actions. Immutable: another configuration is another catalogue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Catalogue {
    /// The devices. Groups are numbered through all of them, in order: see [`Catalogue::group`].
    pub devices: Vec<DeviceSpec>,
}

/// A device as its agent knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceSpec {
    /// Its name in the agent's configuration.
    pub key: DeviceKey,
    /// Its name for people, in any script.
    pub label: String,
    /// What it is for: `ups`, `passenger-gate`.
    pub class: String,
    /// How this model speaks: `apc-smart-ups`.
    pub profile: String,
    /// Where it stands.
    pub area: String,
    /// The link it hangs on.
    pub link: String,
    /// The device whose failure hides this one.
    pub parent: Option<DeviceKey>,
    /// What is read together.
    pub groups: Vec<GroupSpec>,
    /// What it can be told to do.
    pub actions: Vec<ActionSpec>,
}

/// Points that are read together: one time, one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// The group's name within its device.
    pub name: String,
    /// How often it is read, in milliseconds; zero if the device speaks by itself.
    pub every_ms: u32,
    /// The longest time in which each point is sent at least once while it can be read, in milliseconds.
    pub heartbeat_ms: u32,
    /// The columns.
    pub points: Vec<PointSpec>,
}

/// One named value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointSpec {
    /// Its name, in the normalised vocabulary where there is one: `battery.charge`.
    pub name: PointName,
    /// What it is for.
    pub kind: PointKind,
    /// Its unit as people write it: `°C`, `%`, `V`; empty for states and texts.
    pub unit: String,
    /// Decimal places that its values usually have, 0 to 9; a hint to the encoding.
    pub decimals: u8,
    /// The words of a state. A value outside them is still valid.
    pub states: Vec<String>,
}

/// Something a device can be told to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionSpec {
    /// Its name: `relay.set`.
    pub name: String,
    /// Whether something moves or switches. Such an action is carried out at most once.
    pub moves: bool,
    /// What it takes.
    pub arguments: Vec<ArgumentSpec>,
}

/// An argument of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArgumentSpec {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ArgumentKind,
    /// Whether it must be given.
    pub required: bool,
    /// Least value of a number.
    pub min: Option<f64>,
    /// Greatest value of a number.
    pub max: Option<f64>,
    /// The words allowed; empty for any.
    pub choices: Vec<String>,
}

/// The type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArgumentKind {
    /// Any finite number.
    Number,
    /// A whole number.
    Integer,
    /// Text.
    Text,
    /// True or false.
    Flag,
}

impl ArgumentKind {
    const ALL: [Self; 4] = [Self::Number, Self::Integer, Self::Text, Self::Flag];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Text => "text",
            Self::Flag => "true or false",
        }
    }

    pub(crate) fn chinese(self) -> &'static str {
        match self {
            Self::Number => "数字",
            Self::Integer => "整数",
            Self::Text => "文字",
            Self::Flag => "true 或 false",
        }
    }
}

impl ActionSpec {
    /// Checks `arguments` against what the action takes.
    ///
    /// # Errors
    /// Every problem.
    pub fn check(&self, arguments: &[Field]) -> Result<(), Vec<ArgumentProblem>> {
        let mut problems = Vec::new();
        for (position, field) in arguments.iter().enumerate() {
            if arguments[..position].iter().any(|earlier| earlier.name == field.name) {
                problems.push(ArgumentProblem::Twice(field.name.clone()));
            } else if let Some(spec) = self.arguments.iter().find(|spec| spec.name == field.name) {
                problems.extend(spec.check(&field.value));
            } else {
                problems.push(ArgumentProblem::Unknown {
                    name: field.name.clone(),
                    action: self.name.clone(),
                    known: self.arguments.iter().map(|spec| spec.name.clone()).collect(),
                });
            }
        }
        for spec in self.arguments.iter().filter(|spec| spec.required) {
            if !arguments.iter().any(|field| field.name == spec.name) {
                problems.push(ArgumentProblem::Missing { name: spec.name.clone(), kind: spec.kind });
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

impl ArgumentSpec {
    fn check(&self, value: &FieldValue) -> Option<ArgumentProblem> {
        let fits = match (self.kind, value) {
            (ArgumentKind::Number, FieldValue::Number(_) | FieldValue::Integer(_))
            | (ArgumentKind::Integer, FieldValue::Integer(_))
            | (ArgumentKind::Flag, FieldValue::Flag(_)) => true,
            (ArgumentKind::Text, FieldValue::Text(text)) => {
                if !self.choices.is_empty() && !self.choices.contains(text) {
                    let (name, text, choices) = (self.name.clone(), text.clone(), self.choices.clone());
                    return Some(ArgumentProblem::Choice { name, text, choices });
                }
                text.len() <= limits::TEXT_BYTES
            }
            _ => false,
        };
        if !fits {
            return Some(ArgumentProblem::Kind { name: self.name.clone(), kind: self.kind });
        }
        let number = value.as_f64()?;
        let low = self.min.is_some_and(|min| number < min);
        let high = self.max.is_some_and(|max| number > max);
        let (name, min, max) = (self.name.clone(), self.min, self.max);
        (low || high).then_some(ArgumentProblem::Range { name, number, min, max })
    }
}

impl DeviceSpec {
    /// The action of that name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&ActionSpec> {
        self.actions.iter().find(|action| action.name == name)
    }
}

impl Catalogue {
    /// Every group with its index and device, in order of index.
    pub fn groups(&self) -> impl Iterator<Item = (GroupIndex, &DeviceSpec, &GroupSpec)> {
        self.devices
            .iter()
            .flat_map(|device| device.groups.iter().map(move |group| (device, group)))
            .zip(0_u32..)
            .map(|((device, group), index)| (GroupIndex(index), device, group))
    }

    /// The group with that index. For many look-ups collect [`Catalogue::groups`] once.
    #[must_use]
    pub fn group(&self, index: GroupIndex) -> Option<(&DeviceSpec, &GroupSpec)> {
        self.groups().nth(index.0 as usize).map(|(_, device, group)| (device, group))
    }

    /// The device of that name.
    #[must_use]
    pub fn device(&self, key: &DeviceKey) -> Option<&DeviceSpec> {
        self.devices.iter().find(|device| device.key == *key)
    }

    /// The bytes that travel and are hashed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::Catalogue { devices: self.devices.iter().map(device_to_wire).collect() }.encode_to_vec()
    }

    /// The hash of encoded bytes.
    #[must_use]
    pub fn hash_of(bytes: &[u8]) -> CatalogueHash {
        CatalogueHash(Digest::of(bytes).0)
    }

    /// Reads a catalogue.
    ///
    /// # Errors
    /// When it is too large, not readable, or names something twice.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        DecodeError::check_size("catalogue bytes", bytes.len(), limits::CATALOGUE_BYTES)?;
        let wire = wire::Catalogue::decode(bytes).map_err(DecodeError::malformed("catalogue"))?;
        DecodeError::check_size("catalogue devices", wire.devices.len(), limits::CATALOGUE_DEVICES)?;
        let devices = wire.devices.into_iter().map(device_from_wire).collect::<Result<Vec<_>, _>>()?;
        let points = devices.iter().flat_map(|device| &device.groups).map(|group| group.points.len()).sum();
        DecodeError::check_size("catalogue points", points, limits::CATALOGUE_POINTS)?;
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = devices.iter().find(|device| !seen.insert(&device.key)) {
            return Err(DecodeError::inconsistent("catalogue", format!("device \"{}\" appears twice", twice.key)));
        }
        Ok(Self { devices })
    }
}

fn device_to_wire(device: &DeviceSpec) -> wire::Device {
    let point = |point: &PointSpec| wire::Point {
        name: point.name.to_string(),
        kind: point.kind.number(),
        unit: point.unit.clone(),
        decimals: point.decimals.into(),
        states: point.states.clone(),
    };
    let group = |group: &GroupSpec| wire::Group {
        name: group.name.clone(),
        every_ms: group.every_ms,
        heartbeat_ms: group.heartbeat_ms,
        points: group.points.iter().map(point).collect(),
    };
    let argument = |argument: &ArgumentSpec| wire::Argument {
        name: argument.name.clone(),
        kind: argument.kind as u32,
        required: argument.required,
        min: argument.min,
        max: argument.max,
        choices: argument.choices.clone(),
    };
    let action = |action: &ActionSpec| wire::Action {
        name: action.name.clone(),
        moves: action.moves,
        arguments: action.arguments.iter().map(argument).collect(),
    };
    wire::Device {
        key: device.key.to_string(),
        label: device.label.clone(),
        class: device.class.clone(),
        profile: device.profile.clone(),
        area: device.area.clone(),
        link: device.link.clone(),
        parent: device.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        groups: device.groups.iter().map(group).collect(),
        actions: device.actions.iter().map(action).collect(),
    }
}

fn device_from_wire(device: wire::Device) -> Result<DeviceSpec, DecodeError> {
    for text in [&device.label, &device.class, &device.profile, &device.area, &device.link] {
        DecodeError::check_size("catalogue text bytes", text.len(), limits::TEXT_BYTES)?;
    }
    let parent = match device.parent.as_str() {
        "" => None,
        name => Some(wire_name(name, "catalogue")?),
    };
    Ok(DeviceSpec {
        key: wire_name(&device.key, "catalogue")?,
        label: device.label,
        class: device.class,
        profile: device.profile,
        area: device.area,
        link: device.link,
        parent,
        groups: device.groups.into_iter().map(group_from_wire).collect::<Result<_, _>>()?,
        actions: device.actions.into_iter().map(action_from_wire).collect::<Result<_, _>>()?,
    })
}

fn group_from_wire(group: wire::Group) -> Result<GroupSpec, DecodeError> {
    DecodeError::check_size("group name bytes", group.name.len(), limits::NAME_BYTES)?;
    DecodeError::check_size("group points", group.points.len(), limits::GROUP_POINTS)?;
    let mut points: Vec<PointSpec> = Vec::with_capacity(group.points.len());
    for point in group.points {
        DecodeError::check_size("unit bytes", point.unit.len(), limits::NAME_BYTES)?;
        let kind = PointKind::from_number(point.kind).ok_or_else(|| {
            DecodeError::inconsistent("catalogue", format!("point \"{}\" has unknown kind {}", point.name, point.kind))
        })?;
        let name: PointName = wire_name(&point.name, "catalogue")?;
        if points.iter().any(|earlier| earlier.name == name) {
            return Err(DecodeError::inconsistent("catalogue", format!("point \"{name}\" appears twice in a group")));
        }
        let decimals = u8::try_from(point.decimals).ok().filter(|decimals| *decimals <= 9).ok_or_else(|| {
            DecodeError::inconsistent("catalogue", format!("point \"{name}\" has {} decimals", point.decimals))
        })?;
        points.push(PointSpec { name, kind, unit: point.unit, decimals, states: point.states });
    }
    Ok(GroupSpec { name: group.name, every_ms: group.every_ms, heartbeat_ms: group.heartbeat_ms, points })
}

fn action_from_wire(action: wire::Action) -> Result<ActionSpec, DecodeError> {
    DecodeError::check_size("action bytes", action.name.len(), limits::NAME_BYTES)?;
    DecodeError::check_size("action arguments", action.arguments.len(), limits::FIELDS)?;
    let arguments = action.arguments.into_iter().map(|argument| {
        DecodeError::check_size("argument name bytes", argument.name.len(), limits::NAME_BYTES)?;
        let kind = ArgumentKind::ALL.get(argument.kind as usize).copied().ok_or_else(|| {
            DecodeError::inconsistent("catalogue", format!("argument kind {} is not known", argument.kind))
        })?;
        Ok(ArgumentSpec {
            name: argument.name,
            kind,
            required: argument.required,
            min: argument.min,
            max: argument.max,
            choices: argument.choices,
        })
    });
    Ok(ActionSpec { name: action.name, moves: action.moves, arguments: arguments.collect::<Result<_, DecodeError>>()? })
}
