//! What an RFID profile says besides the keys that every profile has.

use std::time::Duration;

use kouan_settings::{Problems, Section};

use super::chafon::Layout;
use super::heard::Shown;
use crate::link::timing::TimingKeys;
use crate::profile::{Dialect, Profile};

/// The keys of `kind = "rfid"` profiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct RfidDialect;

pub(super) type RfidProfile = Profile<RfidDialect>;

/// What a reader speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    M100,
    Chafon {
        layout: Layout,
        /// How many antennas are asked one after the other.
        antennas: u8,
        session: u8,
    },
    Llrp {
        /// A pass has ended once no new tag has answered for so long.
        settled_after: Duration,
    },
}

impl Protocol {
    pub(super) fn is_llrp(self) -> bool {
        matches!(self, Self::Llrp { .. })
    }
}

/// Settings of the whole model.
#[derive(Debug, Clone)]
pub(super) struct RfidModel {
    pub(super) timing: TimingKeys,
    pub(super) protocol: Protocol,
    /// Whole passes in a row that must not have seen a tag before it is missing.
    pub(super) missing_after: u32,
    /// Rounds in a row without a new tag that end a pass.
    pub(super) settled_rounds: u32,
    /// A pass that has not settled by then is cut off.
    pub(super) longest_pass: Duration,
}

/// What a group is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// A pass.
    Stock,
    /// What the reader is.
    Reader,
}

/// There are no actions; a reader moves nothing.
#[derive(Debug, Clone)]
pub(super) enum Never {}

impl Dialect for RfidDialect {
    type Model = RfidModel;
    type Group = Ask;
    type Address = Shown;
    type Action = Never;

    fn kind(&self) -> &'static str {
        "rfid"
    }

    fn read_model(&self, profile: &mut Section<'_>) -> Option<RfidModel> {
        let timing = TimingKeys::read(profile);
        profile.require(
            "protocol",
            (
                "what the reader speaks: \"llrp\", \"m100\", \"chafon-18\" or \"chafon-288m\"",
                "读写器的协议：\"llrp\"、\"m100\"、\"chafon-18\" 或 \"chafon-288m\"",
            ),
        );
        let words = [("llrp", 0_u8), ("m100", 1), ("chafon-18", 2), ("chafon-288m", 3)];
        let word = profile.choice("protocol", &words);
        let missing_after = profile.integer_or("missing_after", 1..=20, 3).unsigned_abs() as u32;
        let second = Duration::from_secs(1);
        let longest_pass = profile.duration_within("longest_pass", second..=second * 300, second * 20);
        let rounds = |profile: &mut Section<'_>| profile.integer_or("settled_rounds", 1..=20, 2).unsigned_abs() as u32;
        let mut settled_rounds = 2;
        let protocol = match word? {
            0 => {
                let range = Duration::from_millis(100)..=Duration::from_secs(60);
                Protocol::Llrp { settled_after: profile.duration_within("settled_after", range, second) }
            }
            1 => {
                settled_rounds = rounds(profile);
                Protocol::M100
            }
            2 => {
                settled_rounds = rounds(profile);
                Protocol::Chafon { layout: Layout::Reader18, antennas: 1, session: 0 }
            }
            _ => {
                settled_rounds = rounds(profile);
                let antennas = profile.integer_or("antennas", 1..=16, 1).unsigned_abs() as u8;
                let session = profile.integer_or("session", 0..=3, 0).unsigned_abs() as u8;
                Protocol::Chafon { layout: Layout::Reader288, antennas, session }
            }
        };
        Some(RfidModel { timing, protocol, missing_after, settled_rounds, longest_pass })
    }

    fn read_group(&self, _: &RfidModel, group: &mut Section<'_>) -> Option<Ask> {
        group.require(
            "ask",
            (
                "what is read: \"stock\" (a pass) or \"reader\" (what it is)",
                "读什么：\"stock\"（一轮盘点）或 \"reader\"（读写器本身）",
            ),
        );
        group.choice("ask", &[("stock", Ask::Stock), ("reader", Ask::Reader)])
    }

    fn read_address(&self, _: &RfidModel, ask: &Ask, point: &mut Section<'_>) -> Option<Shown> {
        point.require("shows", ("what it shows, such as shows = \"present\"", "显示什么，如 shows = \"present\""));
        let shown = match ask {
            Ask::Stock => point.choice("shows", &[("present", Shown::Present), ("read", Shown::Read)])?,
            Ask::Reader => {
                let words = [
                    ("firmware", Shown::Firmware),
                    ("model", Shown::Model),
                    ("power", Shown::Power),
                    ("antenna", Shown::Antenna(1)),
                ];
                point.choice("shows", &words)?
            }
        };
        match shown {
            Shown::Antenna(_) => {
                let number = point.integer_or("number", 1..=256, 1);
                Some(Shown::Antenna(number.unsigned_abs() as u16))
            }
            other => Some(other),
        }
    }

    fn shift(&self, address: &Shown, steps: u32) -> Option<Shown> {
        match address {
            Shown::Antenna(first) => Some(Shown::Antenna(first.checked_add(u16::try_from(steps).ok()?)?)),
            other => (steps == 0).then_some(*other),
        }
    }

    fn read_action(&self, _: &RfidModel, action: &mut Section<'_>) -> Option<Never> {
        action.wrong("name", ("a reader of tags has no actions", "读写器没有操作"));
        None
    }

    fn events(&self, _: &RfidModel) -> Vec<String> {
        vec!["tag-seen".to_owned(), "tag-missing".to_owned()]
    }

    fn check(&self, profile: &RfidProfile, problems: &Problems) {
        for group in profile.groups.iter().filter(|group| group.every.is_zero()) {
            problems.wrong(
                group.line,
                "group.every",
                ("a reader speaks only when asked; give an interval", "读写器只在询问时应答；请写明间隔"),
            );
        }
        if profile.groups.iter().filter(|group| group.ask == Ask::Stock).count() != 1 {
            problems.wrong(1, "group.ask", ("exactly one group must be the stock", "必须有且只有一个组是 stock"));
        }
    }
}
