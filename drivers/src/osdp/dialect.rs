//! What an OSDP profile says besides the keys that every profile has.

use kouan_settings::{Bilingual, Problems, Section};

use super::codec::{command, reply};
use super::reply::{EVENTS, Identity};
use crate::link::timing::TimingKeys;
use crate::profile::{Dialect, Profile};
use crate::serial_line::place::{Place, read_place};
use crate::serial_line::template::{Codes, Template, check_arguments, read_codes};

/// The keys of `kind = "osdp"` profiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct OsdpDialect;

pub(super) type OsdpProfile = Profile<OsdpDialect>;

/// Settings of the whole model.
#[derive(Debug, Clone)]
pub(super) struct OsdpModel {
    pub(super) timing: TimingKeys,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) command: u8,
    pub(super) data: &'static [u8],
    pub(super) reply: u8,
    /// What happened meanwhile is fetched first.
    pub(super) events: bool,
}

/// Where a point stands in a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    Place(Place),
    Identity(Identity),
}

/// What is told.
#[derive(Debug, Clone)]
pub(super) struct Tell {
    pub(super) command: u8,
    pub(super) data: Template,
    pub(super) codes: Codes,
}

/// Longest reply that a point may stand in.
const LONGEST: usize = 128;

impl Dialect for OsdpDialect {
    type Model = OsdpModel;
    type Group = Ask;
    type Address = Address;
    type Action = Tell;

    fn kind(&self) -> &'static str {
        "osdp"
    }

    fn read_model(&self, profile: &mut Section<'_>) -> Option<OsdpModel> {
        Some(OsdpModel { timing: TimingKeys::read(profile) })
    }

    fn read_group(&self, _: &OsdpModel, group: &mut Section<'_>) -> Option<Ask> {
        group.require("ask", ("what is asked, such as ask = \"local-status\"", "询问什么，如 ask = \"local-status\""));
        let ask = |command, data, reply| Ask { command, data, reply, events: false };
        let asks = [
            ("identity", ask(command::ID, &[0][..], reply::ID)),
            ("local-status", ask(command::LOCAL_STATUS, &[], reply::LOCAL_STATUS)),
            ("input-status", ask(command::INPUT_STATUS, &[], reply::INPUT_STATUS)),
            ("output-status", ask(command::OUTPUT_STATUS, &[], reply::OUTPUT_STATUS)),
            ("reader-status", ask(command::READER_STATUS, &[], reply::READER_STATUS)),
        ];
        let events = group.bool_or("events", false);
        Some(Ask { events, ..group.choice("ask", &asks)? })
    }

    fn read_address(&self, _: &OsdpModel, ask: &Ask, point: &mut Section<'_>) -> Option<Address> {
        if point.has("identity") {
            if ask.command != command::ID {
                point.wrong(
                    "identity",
                    ("this stands in a group with ask = \"identity\"", "这一项只用于 ask = \"identity\" 的组"),
                );
            }
            return point.choice("identity", &Identity::WORDS).map(Address::Identity);
        }
        read_place(point, LONGEST).map(Address::Place)
    }

    fn shift(&self, address: &Address, steps: u32) -> Option<Address> {
        match address {
            Address::Place(place) => place.shifted(steps, LONGEST).map(Address::Place),
            Address::Identity(_) => None,
        }
    }

    fn bit(&self, address: &Address, bit: u8) -> Option<Address> {
        match address {
            Address::Place(place) => place.bit(bit).map(Address::Place),
            Address::Identity(_) => None,
        }
    }

    fn read_action(&self, _: &OsdpModel, action: &mut Section<'_>) -> Option<Tell> {
        let commands = [("output", command::OUTPUT), ("led", command::LED), ("buzzer", command::BUZZER)];
        action.require(
            "tell",
            ("what is told: \"output\", \"led\" or \"buzzer\"", "控制什么：\"output\"、\"led\" 或 \"buzzer\""),
        );
        let command = action.choice("tell", &commands);
        let codes = read_codes(action);
        let hint = (
            "what follows the command, such as data = \"00 05 {seconds*10:2le}\"",
            "命令之后的内容，如 data = \"00 05 {seconds*10:2le}\"",
        );
        let text = action.string_required("data", hint)?;
        let data = Template::read(&text).map_err(|error| action.wrong("data", error)).ok()?;
        Some(Tell { command: command?, data, codes })
    }

    fn events(&self, _: &OsdpModel) -> Vec<String> {
        EVENTS.map(str::to_owned).to_vec()
    }

    fn check(&self, profile: &OsdpProfile, problems: &Problems) {
        for group in profile.groups.iter().filter(|group| group.every.is_zero()) {
            problems.wrong(
                group.line,
                "group.every",
                ("such a device speaks only when asked; give an interval", "这种设备只在询问时应答；请写明间隔"),
            );
        }
        if profile.groups.iter().filter(|group| group.ask.events).count() != 1 {
            problems.wrong(
                1,
                "group.events",
                (
                    "one group, the one that is read most often, needs events = true",
                    "有一个组（读得最频繁的那个）需要 events = true",
                ),
            );
        }
        for action in &profile.actions {
            let add = |message: Bilingual| problems.wrong(action.line, "action.data", message);
            check_arguments(&action.speak.data, &action.speak.codes, &action.spec, add);
        }
    }
}
