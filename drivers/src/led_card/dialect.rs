//! What a profile of an LED card says besides the keys that every profile has.

use std::time::Duration;

use kouan_protocol::ArgumentKind;
use kouan_settings::{Problems, Section};

use crate::link::timing::TimingKeys;
use crate::profile::{Dialect, Profile};

/// The keys of `kind = "led-card"` profiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct LedDialect;

pub(super) type LedProfile = Profile<LedDialect>;

/// What the card speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    CPower,
    Huidu,
}

/// Settings of the whole model.
#[derive(Debug, Clone)]
pub(super) struct LedModel {
    pub(super) timing: TimingKeys,
    pub(super) late_window: Duration,
    pub(super) protocol: Protocol,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Screen,
    Brightness,
    Clock,
    Identity,
}

/// What a point shows of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    On,
    Percent,
    Offset,
    Model,
    Firmware,
}

/// What an action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    Screen,
    Brightness,
    Clock,
    Text,
}

impl Tell {
    /// The arguments that it needs, and those that may be left out.
    fn arguments(self) -> &'static [(&'static str, ArgumentKind, bool)] {
        match self {
            Self::Screen => &[("on", ArgumentKind::Flag, true)],
            Self::Brightness => &[("percent", ArgumentKind::Integer, true)],
            Self::Clock => &[],
            Self::Text => &[
                ("text", ArgumentKind::Text, true),
                ("colour", ArgumentKind::Text, false),
                ("size", ArgumentKind::Integer, false),
            ],
        }
    }
}

impl Dialect for LedDialect {
    type Model = LedModel;
    type Group = Ask;
    type Address = Shown;
    type Action = Tell;

    fn kind(&self) -> &'static str {
        "led-card"
    }

    fn read_model(&self, profile: &mut Section<'_>) -> Option<LedModel> {
        let timing = TimingKeys::read(profile);
        let range = Duration::from_millis(100)..=Duration::from_secs(10);
        let late_window = profile.duration_within("late_window", range, Duration::from_secs(2));
        profile.require("protocol", "what the card speaks: \"cpower\" or \"huidu\"");
        let protocol = profile.choice("protocol", &[("cpower", Protocol::CPower), ("huidu", Protocol::Huidu)])?;
        Some(LedModel { timing, late_window, protocol })
    }

    fn read_group(&self, _: &LedModel, group: &mut Section<'_>) -> Option<Ask> {
        group.require("ask", "what is asked: \"screen\", \"brightness\", \"clock\" or \"identity\"");
        let words = [
            ("screen", Ask::Screen),
            ("brightness", Ask::Brightness),
            ("clock", Ask::Clock),
            ("identity", Ask::Identity),
        ];
        group.choice("ask", &words)
    }

    fn read_address(&self, _: &LedModel, ask: &Ask, point: &mut Section<'_>) -> Option<Shown> {
        match ask {
            Ask::Screen => Some(Shown::On),
            Ask::Brightness => Some(Shown::Percent),
            Ask::Clock => Some(Shown::Offset),
            Ask::Identity => {
                point.require("shows", "what it shows: \"model\" or \"firmware\"");
                point.choice("shows", &[("model", Shown::Model), ("firmware", Shown::Firmware)])
            }
        }
    }

    fn read_action(&self, model: &LedModel, action: &mut Section<'_>) -> Option<Tell> {
        action.require("tell", "what it does: \"screen\", \"brightness\", \"clock\" or \"text\"");
        let words =
            [("screen", Tell::Screen), ("brightness", Tell::Brightness), ("clock", Tell::Clock), ("text", Tell::Text)];
        let tell = action.choice("tell", &words)?;
        if model.protocol == Protocol::Huidu && matches!(tell, Tell::Brightness | Tell::Clock) {
            action.problem("tell", "on a Huidu card this changes settings that are not known here; it is not done");
            return None;
        }
        Some(tell)
    }

    fn check(&self, profile: &LedProfile, problems: &Problems) {
        for group in profile.groups.iter().filter(|group| group.every.is_zero()) {
            problems.add(group.line, "group.every", "a card speaks only when asked; give an interval");
        }
        for action in &profile.actions {
            let add = |message: String| problems.add(action.line, "action.argument", message);
            let known = action.speak.arguments();
            for (name, kind, needed) in known {
                match action.spec.arguments.iter().find(|spec| spec.name == *name) {
                    Some(spec) if spec.kind != *kind => add(format!("argument \"{name}\" must be {kind:?}")),
                    Some(spec) if *needed && !spec.required => add(format!("argument \"{name}\" must be required")),
                    None if *needed => add(format!("argument \"{name}\" is missing")),
                    _ => {}
                }
            }
            for spec in action.spec.arguments.iter().filter(|spec| known.iter().all(|(name, ..)| *name != spec.name)) {
                add(format!("argument \"{}\" has no meaning here", spec.name));
            }
        }
    }
}
