//! What a UHPPOTE profile says besides the keys that every profile has.

use kouan_settings::{Bilingual, Problems, Section};

use super::codec::{LENGTH, function};
use super::events::KINDS;
use crate::link::timing::TimingKeys;
use crate::profile::{Dialect, Profile};
use crate::serial_line::place::{Place, read_place};
use crate::serial_line::template::{Codes, Template, check_arguments, read_codes};

/// The keys of `kind = "uhppote"` profiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct UhppoteDialect;

pub(super) type UhppoteProfile = Profile<UhppoteDialect>;

/// Settings of the whole model.
#[derive(Debug, Clone)]
pub(super) struct UhppoteModel {
    pub(super) timing: TimingKeys,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The status, and the events.
    Status,
    /// How a door is controlled.
    Door(u8),
}

impl Ask {
    /// The function that asks it.
    pub(super) fn function(self) -> u8 {
        match self {
            Self::Status => function::STATUS,
            Self::Door(_) => function::GET_DOOR,
        }
    }
}

/// Where a point stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    Place(Place),
    /// How far the controller's clock is ahead.
    Clock,
}

/// What is told.
#[derive(Debug, Clone)]
pub(super) struct Tell {
    pub(super) function: u8,
    pub(super) data: Template,
    pub(super) codes: Codes,
    /// The answer repeats what was told; otherwise its first byte is 1.
    pub(super) repeats: bool,
}

impl Dialect for UhppoteDialect {
    type Model = UhppoteModel;
    type Group = Ask;
    type Address = Address;
    type Action = Tell;

    fn kind(&self) -> &'static str {
        "uhppote"
    }

    fn read_model(&self, profile: &mut Section<'_>) -> Option<UhppoteModel> {
        Some(UhppoteModel { timing: TimingKeys::read(profile) })
    }

    fn read_group(&self, _: &UhppoteModel, group: &mut Section<'_>) -> Option<Ask> {
        group.require(
            "ask",
            ("what is asked: ask = \"status\" or ask = \"door\"", "询问什么：ask = \"status\" 或 ask = \"door\""),
        );
        let door = group.integer("door", 1..=4).map(|door| door.unsigned_abs() as u8);
        match (group.choice("ask", &[("status", false), ("door", true)])?, door) {
            (false, None) => Some(Ask::Status),
            (true, Some(door)) => Some(Ask::Door(door)),
            (false, Some(_)) => {
                group.wrong("door", ("a status is that of the whole controller", "状态是整个控制器的，不分门"));
                None
            }
            (true, None) => {
                group.wrong(
                    "door",
                    ("this is missing: which door, such as door = 1", "缺少这一项：哪个门，如 door = 1"),
                );
                None
            }
        }
    }

    fn read_address(&self, _: &UhppoteModel, ask: &Ask, point: &mut Section<'_>) -> Option<Address> {
        if point.bool_or("clock", false) {
            if *ask != Ask::Status {
                point.wrong("clock", ("the clock stands in the status", "时钟在状态（status）中"));
            }
            return Some(Address::Clock);
        }
        read_place(point, LENGTH).map(Address::Place)
    }

    fn shift(&self, address: &Address, steps: u32) -> Option<Address> {
        match address {
            Address::Place(place) => place.shifted(steps, LENGTH).map(Address::Place),
            Address::Clock => None,
        }
    }

    fn bit(&self, address: &Address, bit: u8) -> Option<Address> {
        match address {
            Address::Place(place) => place.bit(bit).map(Address::Place),
            Address::Clock => None,
        }
    }

    fn read_action(&self, _: &UhppoteModel, action: &mut Section<'_>) -> Option<Tell> {
        action.require(
            "tell",
            ("what is told: \"open-door\" or \"set-door\"", "执行什么：\"open-door\" 或 \"set-door\""),
        );
        let tells = [("open-door", (function::OPEN_DOOR, false)), ("set-door", (function::SET_DOOR, true))];
        let tell = action.choice("tell", &tells);
        let codes = read_codes(action);
        let text = action.string_required(
            "data",
            ("what follows from byte 8 on, such as data = \"{door}\"", "第 8 个字节起的内容，如 data = \"{door}\""),
        )?;
        let data = Template::read(&text).map_err(|error| action.wrong("data", error)).ok()?;
        let (function, repeats) = tell?;
        Some(Tell { function, data, codes, repeats })
    }

    fn events(&self, _: &UhppoteModel) -> Vec<String> {
        KINDS.map(str::to_owned).to_vec()
    }

    fn check(&self, profile: &UhppoteProfile, problems: &Problems) {
        for group in profile.groups.iter().filter(|group| group.every.is_zero()) {
            problems.wrong(
                group.line,
                "group.every",
                ("such a device speaks only when asked; give an interval", "这种设备只在询问时应答；请写明间隔"),
            );
        }
        for action in &profile.actions {
            let add = |message: Bilingual| problems.wrong(action.line, "action.data", message);
            check_arguments(&action.speak.data, &action.speak.codes, &action.spec, add);
        }
    }
}
