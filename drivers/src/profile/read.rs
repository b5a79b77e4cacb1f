//! Reading a profile: the common keys here, the protocol's own through a [`Dialect`].

use std::time::Duration;

use kouan_protocol::{ActionSpec, ArgumentKind, ArgumentSpec, Field, FieldValue, PointKind, PointName, PointSpec};
use kouan_settings::{Document, Problems, Section};

use super::point::{CounterEvent, GroupProfile, PointProfile, Scale};
use super::store::{ProfileSource, ProfileStore};
use crate::configure::{ConfiguredDevice, DeviceEntry};

/// What a protocol adds to a profile.
pub trait Dialect: Clone + std::fmt::Debug {
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
    /// Maker, for people.
    pub maker: String,
    /// Model, for people.
    pub model_name: String,
    /// The protocol's settings of the whole model.
    pub model: D::Model,
    /// What is read together.
    pub groups: Vec<Group<D>>,
    /// What it can be told to do.
    pub actions: Vec<Action<D>>,
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
    pub common: PointProfile,
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
    /// How it is spoken.
    pub speak: D::Action,
}

impl<D: Dialect> Profile<D> {
    /// Finds and reads the profile of a configured device. Problems go to the device's `profile` key.
    pub fn of_device(dialect: &D, device: &DeviceEntry<'_>, store: &ProfileStore) -> Option<Self> {
        let Some(name) = &device.profile else {
            device.section.problems().add(
                device.section.line(),
                format!("{}.profile", device.section.path()),
                "this is missing: the device's profile, such as profile = \"xy-md02\"",
            );
            return None;
        };
        let Some(source) = store.get(name) else {
            let known: Vec<_> = store.names().collect();
            device
                .section
                .problem("profile", format!("there is no profile \"{name}\"; known are {}", known.join(", ")));
            return None;
        };
        match Self::read(dialect, name, source) {
            Ok(profile) => Some(profile),
            Err(problems) => {
                device.section.problem("profile", format!("the profile \"{name}\" has problems:\n{problems}"));
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
        root.require("kind", &format!("the protocol, such as kind = \"{}\"", dialect.kind()));
        root.choice("kind", &[(dialect.kind(), ())]);
        let class = root.string_required("class", "what the device is for, such as class = \"ups\"");
        let maker = root.string("maker").unwrap_or_default();
        let model_name = root.string("model").unwrap_or_default();
        root.require("evidence", "how far the facts are proved: \"solid\", \"medium\" or \"uncertain\"");
        root.choice("evidence", &[("solid", ()), ("medium", ()), ("uncertain", ())]);
        root.string_required("source", "where the facts come from");
        root.strings("doubts");
        let Some(model) = dialect.read_model(root) else {
            root.ignore_rest();
            return None;
        };
        let mut groups: Vec<Group<D>> = Vec::new();
        for mut section in root.sections("group") {
            if let Some(group) = read_group(dialect, &model, &mut section) {
                if groups.iter().any(|earlier| earlier.name == group.name) {
                    section.problem("name", format!("there is already a group \"{}\"", group.name));
                }
                groups.push(group);
            }
        }
        if groups.is_empty() {
            root.problem("group", "a profile needs at least one [[group]] with points");
        }
        let mut actions: Vec<Action<D>> = Vec::new();
        for mut section in root.sections("action") {
            if let Some(action) = read_action(dialect, &model, &mut section) {
                if actions.iter().any(|earlier| earlier.spec.name == action.spec.name) {
                    section.problem("name", format!("there is already an action \"{}\"", action.spec.name));
                }
                actions.push(action);
            }
        }
        let profile = Self { name: name.to_owned(), class: class?, maker, model_name, model, groups, actions };
        check_names(&profile, root.problems());
        dialect.check(&profile, root.problems());
        Some(profile)
    }

    /// The device as the rest of the agent sees it.
    #[must_use]
    pub fn configured(&self, device: &DeviceEntry<'_>) -> ConfiguredDevice {
        ConfiguredDevice {
            identity: device.identity(&self.name, &self.class),
            groups: self.group_profiles(device.every),
            actions: self.action_specs(),
        }
    }

    /// The common part of the groups, with the device's own interval where it has one.
    #[must_use]
    pub fn group_profiles(&self, every: Option<Duration>) -> Vec<GroupProfile> {
        let group = |group: &Group<D>| GroupProfile {
            name: group.name.clone(),
            every: if group.every.is_zero() { group.every } else { every.unwrap_or(group.every) },
            heartbeat: group.heartbeat,
            points: group.points.iter().map(|point| point.common.clone()).collect(),
        };
        self.groups.iter().map(group).collect()
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
            let message = format!("point \"{}\" is already defined on line {line}", point.common.spec.name);
            problems.add(point.line, "point", message);
        }
    }
}

fn read_group<D: Dialect>(dialect: &D, model: &D::Model, section: &mut Section<'_>) -> Option<Group<D>> {
    let line = section.line();
    let name = section.string_required("name", "the group's name, such as name = \"status\"");
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
        let line = point.line();
        let common = read_point(&mut point);
        let address = dialect.read_address(model, &ask, &mut point);
        match (common, address) {
            (Some(common), Some(address)) => points.push(Point { line, common, address }),
            _ => point.ignore_rest(),
        }
    }
    if points.is_empty() {
        section.problem("point", "a group needs at least one [[group.point]]");
    }
    let limit = kouan_protocol::limits::GROUP_POINTS;
    if points.len() > limit {
        section.problem("point", format!("a group has at most {limit} points, not {}", points.len()));
    }
    Some(Group { line, name: name?, every, heartbeat, ask, points })
}

const KINDS: [(&str, PointKind); 4] = [
    ("measurement", PointKind::Measurement),
    ("state", PointKind::State),
    ("counter", PointKind::Counter),
    ("text", PointKind::Text),
];

/// Reads the part of a point that every protocol shares.
pub(crate) fn read_point(section: &mut Section<'_>) -> Option<PointProfile> {
    let name: Option<PointName> = section.parse_required("name", "the point's name, such as name = \"battery.charge\"");
    let kind = section.choice("is", &KINDS).unwrap_or(PointKind::Measurement);
    let unit = section.string("unit").unwrap_or_default();
    let scale = read_scale(section);
    let stated = section.integer("decimals", 0..=9).map(|decimals| decimals as u8);
    let exact = exact_decimals(scale);
    let decimals = stated.or(exact).unwrap_or(2);
    let round = match (stated, exact) {
        (Some(stated), exact) if exact != Some(stated) => Some(stated),
        (None, None) => Some(decimals),
        _ => None,
    };
    let scale = Scale { round, ..scale };
    let words = read_words(section);
    let any_word = section.bool_or("any_word", false);
    if kind == PointKind::State && words.is_empty() && !any_word {
        section.problem("words", "a state needs its words, such as words = { 0 = \"closed\", 1 = \"open\" }");
    }
    if kind == PointKind::Measurement && unit.is_empty() {
        section
            .problem("unit", "a measurement needs a unit, such as unit = \"°C\"; write unit = \"1\" for a bare number");
    }
    let range = section.numbers::<2>("range");
    if range.is_some_and(|[low, high]| low >= high) {
        section.problem("range", "the first number must be less than the second");
    }
    let counts = read_counter_event(section);
    if counts.is_some() && kind != PointKind::Counter {
        section.problem("counts", "only a counter can count events; add is = \"counter\"");
    }
    let mut states: Vec<String> = Vec::new();
    for (_, word) in &words {
        if !states.contains(word) {
            states.push(word.clone());
        }
    }
    Some(PointProfile {
        spec: PointSpec { name: name?, kind, unit, decimals, states },
        scale,
        not_available: section.integers("not_available", i64::MIN..=i64::MAX),
        range: range.map(|[low, high]| (low, high)),
        words,
        dead_band: section.number("dead_band").unwrap_or(0.0),
        wraps_at: section.integer("wraps_at", 1..=i64::MAX).map(i64::unsigned_abs),
        counts,
    })
}

/// `scale = "1/10"` or `scale = 0.5`, and `add = -40`.
fn read_scale(section: &mut Section<'_>) -> Scale {
    let add = section.number("add").unwrap_or(0.0);
    let text = section.string("scale");
    let Some(text) = text else { return Scale { add, ..Scale::NONE } };
    let parts: Vec<Option<f64>> = text.split('/').map(|part| part.trim().parse().ok()).collect();
    let (multiply, divide) = match parts.as_slice() {
        [Some(multiply)] => (*multiply, 1.0),
        [Some(multiply), Some(divide)] => (*multiply, *divide),
        _ => (f64::NAN, 1.0),
    };
    if !multiply.is_finite() || !divide.is_finite() || multiply == 0.0 || divide == 0.0 {
        section.problem("scale", format!("\"{text}\" is not a scale; write \"1/10\", \"1/512\" or \"0.5\""));
        return Scale { add, ..Scale::NONE };
    }
    Scale { multiply, divide, add, round: None }
}

/// As many decimals as a power-of-ten scale gives its values; `None` for any other scale.
fn exact_decimals(scale: Scale) -> Option<u8> {
    (0..=9_u8).find(|decimals| scale.divide == 10_f64.powi(i32::from(*decimals)) && scale.multiply.fract() == 0.0)
}

fn read_words(section: &mut Section<'_>) -> Vec<(i64, String)> {
    let Some(mut table) = section.section("words") else { return Vec::new() };
    let mut words = Vec::new();
    for key in table.remaining_keys() {
        let word = table.string(&key);
        match key.parse::<i64>() {
            Ok(raw) => words.extend(word.map(|word| (raw, word))),
            Err(_) => table.problem(&key, "the key must be the raw whole number that the word stands for"),
        }
    }
    words.sort();
    words
}

fn read_counter_event(section: &mut Section<'_>) -> Option<CounterEvent> {
    let mut table = section.section("counts")?;
    let kind = table.string_required("event", "the event that each step stands for, such as event = \"passage\"")?;
    let fields = table.remaining_keys().into_iter().filter_map(|name| {
        let value = FieldValue::Text(table.string(&name)?);
        Some(Field::new(&name, value))
    });
    let fields = fields.collect();
    Some(CounterEvent { kind, fields })
}

fn read_action<D: Dialect>(dialect: &D, model: &D::Model, section: &mut Section<'_>) -> Option<Action<D>> {
    let line = section.line();
    let name = section.string_required("name", "the action's name, such as name = \"relay.set\"");
    let moves = section.bool_or("moves", true);
    let mut arguments = Vec::new();
    for mut argument in section.sections("argument") {
        let kinds = [
            ("number", ArgumentKind::Number),
            ("integer", ArgumentKind::Integer),
            ("text", ArgumentKind::Text),
            ("flag", ArgumentKind::Flag),
        ];
        let name = argument.string_required("name", "the argument's name");
        argument.require("is", "its type: \"number\", \"integer\", \"text\" or \"flag\"");
        let kind = argument.choice("is", &kinds);
        let (Some(name), Some(kind)) = (name, kind) else {
            argument.ignore_rest();
            continue;
        };
        arguments.push(ArgumentSpec {
            name,
            kind,
            required: argument.bool_or("required", true),
            min: argument.number("min"),
            max: argument.number("max"),
            choices: argument.strings("choices"),
        });
    }
    let Some(speak) = dialect.read_action(model, section) else {
        section.ignore_rest();
        return None;
    };
    Some(Action { line, spec: ActionSpec { name: name?, moves, arguments }, speak })
}
