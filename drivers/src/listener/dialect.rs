//! What a profile of a device that speaks by itself says besides the keys that every profile has.

use std::convert::Infallible;
use std::time::Duration;

use kouan_protocol::limits::{FIELDS, NAME_BYTES};
use kouan_settings::{Problems, Section, both};

use super::part::Part;
use crate::profile::{Dialect, Profile};
use crate::serial_line::FrameFormat;
use crate::serial_line::dialect::read_format;

/// The keys of `kind = "listener"` profiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListenerDialect;

pub(super) type ListenerProfile = Profile<ListenerDialect>;

/// Settings of the whole model.
#[derive(Debug, Clone)]
pub(super) struct ListenerModel {
    pub(super) frame: FrameFormat,
    /// After so much silence nothing more belongs to a frame that began.
    pub(super) pause: Duration,
    separator: Option<u8>,
    /// A device that says nothing for this long is gone; zero: it may be silent for ever.
    pub(super) silent_after: Duration,
    /// Right frames that are neither an event nor of a group are nothing to talk about.
    pub(super) ignore_others: bool,
    pub(super) events: Vec<EventModel>,
}

/// A frame that is an event.
#[derive(Debug, Clone)]
pub(super) struct EventModel {
    pub(super) kind: String,
    pub(super) when: When,
    /// The same frame again within this time is the same event.
    pub(super) repeat_after: Duration,
    pub(super) fields: Vec<EventField>,
}

#[derive(Debug, Clone)]
pub(super) struct EventField {
    pub(super) name: String,
    pub(super) part: Part,
    pub(super) personal: bool,
}

/// Which frames are meant: all of these bytes must be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct When(Vec<Condition>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    at: usize,
    mask: u8,
    bytes: Vec<u8>,
}

impl When {
    /// Whether the frame is meant.
    pub(super) fn holds(&self, frame: &[u8]) -> bool {
        self.0.iter().all(|condition| {
            let stands = frame.get(condition.at..condition.at + condition.bytes.len());
            stands.is_some_and(|stands| {
                stands.iter().zip(&condition.bytes).all(|(stands, byte)| stands & condition.mask == *byte)
            })
        })
    }

    fn read(section: &mut Section<'_>, longest: usize) -> Self {
        let mut conditions = Vec::new();
        for mut table in section.sections("when") {
            let at = table.integer_or("at", 0..=longest as i64 - 1, 0).unsigned_abs() as usize;
            let mask = table.integer_or("mask", 1..=255, 255).unsigned_abs() as u8;
            let text = table.string("text").map(String::into_bytes);
            let byte = table.integer("equals", 0..=255).map(|byte| vec![byte.unsigned_abs() as u8]);
            match (text, byte) {
                (Some(bytes), None) | (None, Some(bytes)) if !bytes.is_empty() && at + bytes.len() <= longest => {
                    conditions.push(Condition { at, mask, bytes });
                }
                _ => table.wrong(
                    "text",
                    (
                        "say what stands there: text = \"ST\", or equals = 0x35, within the frame",
                        "请写明那里是什么：text = \"ST\" 或 equals = 0x35，且在帧内",
                    ),
                ),
            }
        }
        Self(conditions)
    }
}

impl Dialect for ListenerDialect {
    type Model = ListenerModel;
    type Group = When;
    type Address = Part;
    type Action = Infallible;

    fn kind(&self) -> &'static str {
        "listener"
    }

    fn read_model(&self, profile: &mut Section<'_>) -> Option<ListenerModel> {
        let day = Duration::from_secs(86_400);
        let silent_after = profile.duration_within("silent_after", Duration::ZERO..=day, Duration::ZERO);
        let ignore_others = profile.bool_or("ignore_others", false);
        profile.require("frame", ("what a frame looks like, written as [frame]", "帧的格式，写成 [frame]"));
        let mut table = profile.section("frame")?;
        let pauses = Duration::from_millis(20)..=Duration::from_secs(10);
        let pause = table.duration_within("pause", pauses, Duration::from_millis(200));
        let separator = table.string("separator");
        let separator = separator.and_then(|text| match text.as_bytes() {
            [byte] => Some(*byte),
            _ => {
                table.wrong(
                    "separator",
                    ("this must be one ASCII character, such as \",\"", "应当是一个 ASCII 字符，如 \",\""),
                );
                None
            }
        });
        let frame = read_format(&mut table, true);
        drop(table);
        let frame = frame?;
        let events = profile.sections("event");
        let events = events.into_iter().filter_map(|mut event| read_event(&mut event, separator, frame.longest()));
        let events = events.collect();
        Some(ListenerModel { frame, pause, separator, silent_after, ignore_others, events })
    }

    fn events(&self, model: &ListenerModel) -> Vec<String> {
        model.events.iter().map(|event| event.kind.clone()).collect()
    }

    fn read_group(&self, model: &ListenerModel, group: &mut Section<'_>) -> Option<When> {
        Some(When::read(group, model.frame.longest()))
    }

    fn read_address(&self, model: &ListenerModel, _: &When, point: &mut Section<'_>) -> Option<Part> {
        Part::read(point, model.separator, model.frame.longest())
    }

    fn shift(&self, address: &Part, steps: u32) -> Option<Part> {
        address.shifted(steps, crate::serial_line::LONGEST)
    }

    fn bit(&self, address: &Part, bit: u8) -> Option<Part> {
        address.bit(bit)
    }

    fn read_action(&self, _: &ListenerModel, action: &mut Section<'_>) -> Option<Infallible> {
        action
            .wrong("name", ("such a device is only listened to; it can be told nothing", "这种设备只能监听，不能控制"));
        None
    }

    fn check(&self, profile: &ListenerProfile, problems: &Problems) {
        for group in profile.groups.iter().filter(|group| !group.every.is_zero()) {
            problems.wrong(
                group.line,
                "group.every",
                ("such a device speaks by itself; write every = \"0s\"", "这种设备自己发送数据；请写 every = \"0s\""),
            );
        }
    }

    fn may_lack_groups(&self, model: &ListenerModel) -> bool {
        !model.events.is_empty()
    }
}

fn read_event(section: &mut Section<'_>, separator: Option<u8>, longest: usize) -> Option<EventModel> {
    let kind = section.string_required(
        "kind",
        ("what happened, such as kind = \"code-read\"", "发生了什么，如 kind = \"code-read\""),
    );
    if kind.as_ref().is_some_and(|kind| kind.is_empty() || kind.len() > NAME_BYTES) {
        section.wrong("kind", both!("this must have 1 to {NAME_BYTES} bytes", "应为 1 至 {NAME_BYTES} 个字节"));
    }
    let when = When::read(section, longest);
    let minute = Duration::from_secs(60);
    let repeat_after = section.duration_within("repeat_after", Duration::ZERO..=minute, Duration::ZERO);
    let mut fields = Vec::new();
    for mut table in section.sections("field") {
        let name = table
            .string_required("name", ("the field's name, such as name = \"code\"", "字段的名称，如 name = \"code\""));
        let part = Part::read(&mut table, separator, longest);
        let personal = table.bool_or("personal", false);
        if let (Some(name), Some(part)) = (name, part) {
            fields.push(EventField { name, part, personal });
        }
    }
    if fields.len() > FIELDS {
        let count = fields.len();
        section.wrong(
            "field",
            both!(
                "an event has at most {FIELDS} fields, not {count}",
                "一个事件最多 {FIELDS} 个字段，这里有 {count} 个"
            ),
        );
    }
    Some(EventModel { kind: kind?, when, repeat_after, fields })
}
