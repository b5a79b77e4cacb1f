//! A checked rule.

use std::collections::BTreeSet;

use kouan_protocol::{DeviceSpec, HealthLevel, Severity};

use crate::availability::Repeat;
use crate::state::Device;

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// When an alarm that comes and goes is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flap {
    /// After so many raises; 0: never.
    pub raises: usize,
    /// Within this time.
    pub within_ms: u64,
    /// Until the condition did not hold for so long.
    pub quiet_ms: u64,
}

/// A name of points: one, or with `.*` in it all that have a place there; `door.*` is also the bare `door`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    name: String,
    with_places: bool,
    /// What stands behind the place, with its dot; empty for nothing.
    behind: String,
}

impl Pattern {
    /// Reads `temperature.room`, `temperature.*` or `disk.*.used`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text.split_once(".*") {
            Some((name, behind)) => Self { name: name.to_owned(), with_places: true, behind: behind.to_owned() },
            None => Self { name: text.to_owned(), with_places: false, behind: String::new() },
        }
    }

    /// The name before its places.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may stand for several points.
    #[must_use]
    pub fn has_places(&self) -> bool {
        self.with_places
    }

    /// The place of the point, if it is one of these: empty for the bare name.
    #[must_use]
    pub fn place<'n>(&self, point: &'n str) -> Option<&'n str> {
        let rest = point.strip_prefix(self.name.as_str())?;
        if !self.with_places {
            return rest.is_empty().then_some("");
        }
        if self.behind.is_empty() && rest.is_empty() {
            return Some("");
        }
        rest.strip_prefix('.')?.strip_suffix(self.behind.as_str()).filter(|place| !place.is_empty())
    }
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Is {
    /// More than the limit; once raised until it is no longer more than `clear`.
    Above {
        /// The limit.
        limit: f64,
        /// Where it ends.
        clear: f64,
    },
    /// Less than the limit; once raised until it is no longer less than `clear`.
    Below {
        /// The limit.
        limit: f64,
        /// Where it ends.
        clear: f64,
    },
    /// Farther from zero than the limit, either way.
    Beyond {
        /// The limit.
        limit: f64,
        /// Where it ends.
        clear: f64,
    },
    /// One of these words.
    OneOf(Vec<String>),
    /// None of these words.
    NoneOf(Vec<String>),
}

/// What is asked of a device.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The latest value of a point.
    Point {
        /// Which.
        name: Pattern,
        /// What it must be.
        is: Is,
    },
    /// Its health is that level or worse.
    Health(HealthLevel),
    /// A number rose at least by that much within the time.
    Rises {
        /// Which point.
        name: Pattern,
        /// By how much; negative: it fell.
        by: f64,
        /// Within which time.
        within_ms: i64,
    },
    /// A number rose by less than that within the time.
    RisesLess {
        /// Which point.
        name: Pattern,
        /// Than what.
        than: f64,
        /// Within which time.
        within_ms: i64,
    },
    /// Nothing was read for so long.
    NoReading {
        /// Of these points; `None`: of any.
        name: Option<Pattern>,
        /// For how long.
        for_ms: i64,
    },
    /// Nothing of that kind happened for so long.
    NoEvent {
        /// What.
        kind: String,
        /// For how long.
        for_ms: i64,
    },
    /// All of these.
    All(Vec<Self>),
    /// Any of these.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
}

impl Test {
    /// Whether it can ever hold for a device with the points that its agent describes.
    #[must_use]
    pub fn can_hold_for(&self, spec: &DeviceSpec) -> bool {
        let has = |pattern: &Pattern| {
            let mut points = spec.groups.iter().flat_map(|group| &group.points);
            points.any(|point| pattern.place(point.name.as_str()).is_some())
        };
        match self {
            Self::Point { name, .. } | Self::Rises { name, .. } | Self::RisesLess { name, .. } => has(name),
            Self::NoReading { name, .. } => name.as_ref().is_none_or(has),
            Self::Health(_) | Self::NoEvent { .. } => true,
            Self::All(tests) => tests.iter().all(|test| test.can_hold_for(spec)),
            Self::Any(tests) => tests.iter().any(|test| test.can_hold_for(spec)),
            Self::Not(test) => test.can_hold_for(spec),
        }
    }

    /// Whether it asks only whether the device can be reached: then what explains that hides the alarm.
    #[must_use]
    pub fn is_about_reach(&self) -> bool {
        match self {
            Self::Health(_) | Self::NoReading { .. } | Self::NoEvent { .. } => true,
            Self::All(tests) | Self::Any(tests) => tests.iter().all(Self::is_about_reach),
            Self::Not(test) => test.is_about_reach(),
            Self::Point { .. } | Self::Rises { .. } | Self::RisesLess { .. } => false,
        }
    }

    /// Calls `visit` for it and everything in it.
    pub fn visit(&self, visit: &mut dyn FnMut(&Self)) {
        visit(self);
        match self {
            Self::All(tests) | Self::Any(tests) => tests.iter().for_each(|test| test.visit(visit)),
            Self::Not(test) => test.visit(visit),
            _ => {}
        }
    }
}

/// What the alarm is about.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// One device.
    Device(Test),
    /// So many devices of a site at once.
    Count {
        /// What holds for each.
        test: Test,
        /// How many.
        devices: usize,
        /// At least that share of those that the rule matches.
        share: f64,
    },
    /// An agent is not heard of.
    AgentSilent {
        /// For how long; `None`: as long as the settings say.
        after_ms: Option<u64>,
    },
    /// Nothing on a link can be reached.
    LinkDead {
        /// If there are at least so many devices on it.
        devices: usize,
    },
    /// Many devices of a site cannot be reached at once, whatever they hang on.
    LostTogether {
        /// At least so many.
        devices: usize,
        /// At least that share of the site's.
        share: f64,
    },
}

/// What a rule concerns; an empty list is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matching {
    /// Of these classes.
    pub classes: BTreeSet<String>,
    /// Not of these classes.
    pub except_classes: BTreeSet<String>,
    /// Of these profiles.
    pub profiles: BTreeSet<String>,
    /// These devices, by id or `agent/key`.
    pub devices: BTreeSet<String>,
    /// At these sites.
    pub sites: BTreeSet<String>,
    /// In these areas, or in areas within them.
    pub areas: BTreeSet<String>,
}

impl Matching {
    /// Whether class, profile and place fit. Names of devices are another matter.
    #[must_use]
    pub fn fits_kind(&self, class: &str, profile: &str, site: &str, area: &str) -> bool {
        let listed = |list: &BTreeSet<String>, word: &str| list.is_empty() || list.contains(word);
        let within = |wanted: &String| crate::assets::is_within(wanted, area);
        listed(&self.classes, class)
            && !self.except_classes.contains(class)
            && listed(&self.profiles, profile)
            && listed(&self.sites, site)
            && (self.areas.is_empty() || self.areas.iter().any(within))
    }

    /// Whether the device is one of those that are named, if any are.
    #[must_use]
    pub fn fits_name(&self, device: &Device) -> bool {
        self.devices.is_empty()
            || self.devices.contains(device.id.as_str())
            || self.devices.contains(&format!("{}/{}", device.agent, device.key))
    }

    /// Whether the device is concerned.
    #[must_use]
    pub fn fits(&self, device: &Device) -> bool {
        self.fits_kind(&device.spec.class, &device.spec.profile, &device.site, device.area()) && self.fits_name(device)
    }
}

/// A rule that can be judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Names it.
    pub id: String,
    /// Whether it is judged.
    pub enabled: bool,
    /// For people.
    pub name: Text,
    /// What the alarm says; with `{device}`, `{value}` and others in it.
    pub text: Text,
    /// How much it matters.
    pub severity: Severity,
    /// The name of the alarm's condition.
    pub condition: String,
    /// How long the condition must hold.
    pub raise_after_ms: u64,
    /// How long it must not hold.
    pub clear_after_ms: u64,
    /// When it is held.
    pub flap: Flap,
    /// What it concerns.
    pub matching: Matching,
    /// The condition.
    pub when: When,
    /// Only at these times, by the clock at the site; empty: always.
    pub during: Vec<Repeat>,
}

impl Rule {
    /// Whether it may ever raise an alarm because of the device; `false` for rules about agents, links and sites.
    #[must_use]
    pub fn concerns(&self, device: &Device) -> bool {
        let (When::Device(test) | When::Count { test, .. }) = &self.when else { return false };
        self.matching.fits(device) && test.can_hold_for(&device.spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_one_point_or_its_places() {
        let bare = Pattern::new("door");
        assert_eq!([bare.place("door"), bare.place("door.1"), bare.place("doors")], [Some(""), None, None]);
        let places = Pattern::new("door.*");
        assert_eq!([places.place("door"), places.place("door.1"), places.place("doors")], [Some(""), Some("1"), None]);
        let within = Pattern::new("disk.*.used");
        let found = ["disk.root.used", "disk.used", "disk.root.free", "disk..used"].map(|name| within.place(name));
        assert_eq!(found, [Some("root"), None, None, None]);
    }
}
