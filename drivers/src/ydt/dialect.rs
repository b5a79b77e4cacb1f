//! What a YD/T 1363 profile says besides the keys that every profile has.

use std::time::Duration;

use kouan_settings::{Bilingual, Problems, Section};

use super::codec::LONGEST_INFO;
use crate::link::timing::TimingKeys;
use crate::profile::{Dialect, Profile};
use crate::serial_line::place::{Place, read_place};
use crate::serial_line::template::{Codes, Template, check_arguments, read_codes};

/// The keys of `kind = "ydt1363"` profiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct YdtDialect;

pub(super) type YdtProfile = Profile<YdtDialect>;

/// Settings of the whole model.
#[derive(Debug, Clone)]
pub(super) struct YdtModel {
    pub(super) timing: TimingKeys,
    pub(super) late_window: Duration,
    pub(super) version: u8,
    pub(super) cid1: u8,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) cid2: u8,
    pub(super) info: Option<Template>,
}

/// What is told.
#[derive(Debug, Clone)]
pub(super) struct Tell {
    pub(super) ask: Ask,
    pub(super) codes: Codes,
}

impl Dialect for YdtDialect {
    type Model = YdtModel;
    type Group = Ask;
    type Address = Place;
    type Action = Tell;

    fn kind(&self) -> &'static str {
        "ydt1363"
    }

    fn read_model(&self, profile: &mut Section<'_>) -> Option<YdtModel> {
        let timing = TimingKeys::read(profile);
        let range = Duration::from_millis(100)..=Duration::from_secs(10);
        let late_window = profile.duration_within("late_window", range, Duration::from_secs(2));
        let version = profile.integer_or("version", 0..=255, 0x21).unsigned_abs() as u8;
        profile.require(
            "cid1",
            ("the kind of equipment, such as cid1 = 0x2A for a UPS", "设备类型，如 UPS 为 cid1 = 0x2A"),
        );
        let cid1 = profile.integer("cid1", 0..=255)?.unsigned_abs() as u8;
        Some(YdtModel { timing, late_window, version, cid1 })
    }

    fn read_group(&self, _: &YdtModel, group: &mut Section<'_>) -> Option<Ask> {
        let ask = read_ask(group)?;
        if ask.info.as_ref().is_some_and(|info| info.arguments().next().is_some()) {
            group.wrong("info", ("a group has no arguments", "组没有参数"));
        }
        Some(ask)
    }

    fn read_address(&self, _: &YdtModel, _: &Ask, point: &mut Section<'_>) -> Option<Place> {
        read_place(point, LONGEST_INFO)
    }

    fn shift(&self, address: &Place, steps: u32) -> Option<Place> {
        address.shifted(steps, LONGEST_INFO)
    }

    fn bit(&self, address: &Place, bit: u8) -> Option<Place> {
        address.bit(bit)
    }

    fn read_action(&self, _: &YdtModel, action: &mut Section<'_>) -> Option<Tell> {
        let codes = read_codes(action);
        Some(Tell { ask: read_ask(action)?, codes })
    }

    fn check(&self, profile: &YdtProfile, problems: &Problems) {
        for group in profile.groups.iter().filter(|group| group.every.is_zero()) {
            problems.wrong(
                group.line,
                "group.every",
                ("such a device speaks only when asked; give an interval", "这种设备只在询问时应答；请写明间隔"),
            );
        }
        for action in &profile.actions {
            if let Some(info) = &action.speak.ask.info {
                let add = |message: Bilingual| problems.wrong(action.line, "action.info", message);
                check_arguments(info, &action.speak.codes, &action.spec, add);
            }
        }
    }
}

fn read_ask(section: &mut Section<'_>) -> Option<Ask> {
    section.require("cid2", ("what is asked, such as cid2 = 0x42", "询问什么，如 cid2 = 0x42"));
    let cid2 = section.integer("cid2", 0..=255);
    let info = section
        .string("info")
        .and_then(|text| Template::read(&text).map_err(|error| section.wrong("info", error)).ok());
    Some(Ask { cid2: cid2?.unsigned_abs() as u8, info })
}
