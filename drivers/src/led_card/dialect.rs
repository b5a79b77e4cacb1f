//! What a profile of an LED card says besides the keys that every profile has.

use std::time::Duration;

use kouan_protocol::ArgumentKind;
use kouan_settings::{Bilingual, Problems, Section, both};

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
        profile.require(
            "protocol",
            ("what the card speaks: \"cpower\" or \"huidu\"", "控制卡的协议：\"cpower\" 或 \"huidu\""),
        );
        let protocol = profile.choice("protocol", &[("cpower", Protocol::CPower), ("huidu", Protocol::Huidu)])?;
        Some(LedModel { timing, late_window, protocol })
    }

    fn read_group(&self, _: &LedModel, group: &mut Section<'_>) -> Option<Ask> {
        group.require(
            "ask",
            (
                "what is asked: \"screen\", \"brightness\", \"clock\" or \"identity\"",
                "询问什么：\"screen\"、\"brightness\"、\"clock\" 或 \"identity\"",
            ),
        );
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
                point.require(
                    "shows",
                    ("what it shows: \"model\" or \"firmware\"", "显示什么：\"model\" 或 \"firmware\""),
                );
                point.choice("shows", &[("model", Shown::Model), ("firmware", Shown::Firmware)])
            }
        }
    }

    fn read_action(&self, model: &LedModel, action: &mut Section<'_>) -> Option<Tell> {
        action.require(
            "tell",
            (
                "what it does: \"screen\", \"brightness\", \"clock\" or \"text\"",
                "做什么：\"screen\"、\"brightness\"、\"clock\" 或 \"text\"",
            ),
        );
        let words =
            [("screen", Tell::Screen), ("brightness", Tell::Brightness), ("clock", Tell::Clock), ("text", Tell::Text)];
        let tell = action.choice("tell", &words)?;
        if model.protocol == Protocol::Huidu && matches!(tell, Tell::Brightness | Tell::Clock) {
            action.wrong(
                "tell",
                (
                    "on a Huidu card this changes settings that are not known here; it is not done",
                    "在灰度控制卡上这会改动这里不了解的设置；不支持",
                ),
            );
            return None;
        }
        Some(tell)
    }

    fn check(&self, profile: &LedProfile, problems: &Problems) {
        for group in profile.groups.iter().filter(|group| group.every.is_zero()) {
            problems.wrong(
                group.line,
                "group.every",
                ("a card speaks only when asked; give an interval", "控制卡只在询问时应答；请写明间隔"),
            );
        }
        for action in &profile.actions {
            let add = |message: Bilingual| problems.wrong(action.line, "action.argument", message);
            let known = action.speak.arguments();
            for (name, kind, needed) in known {
                match action.spec.arguments.iter().find(|spec| spec.name == *name) {
                    Some(spec) if spec.kind != *kind => {
                        add(both!("argument \"{name}\" must be {kind:?}", "参数“{name}”应为 {kind:?}"))
                    }
                    Some(spec) if *needed && !spec.required => {
                        add(both!("argument \"{name}\" must be required", "参数“{name}”应为必填"))
                    }
                    None if *needed => add(both!("argument \"{name}\" is missing", "缺少参数“{name}”")),
                    _ => {}
                }
            }
            for spec in action.spec.arguments.iter().filter(|spec| known.iter().all(|(name, ..)| *name != spec.name)) {
                let name = &spec.name;
                add(both!("argument \"{name}\" has no meaning here", "参数“{name}”在这里没有意义"));
            }
        }
    }
}
