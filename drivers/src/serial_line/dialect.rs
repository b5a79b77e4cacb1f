//! What a profile of a serial line says besides the keys that every profile has.

use std::time::Duration;

use kouan_settings::{Problems, Section};

use super::checksum::{self, Checksum};
use super::frame::{Ending, FrameFormat, LONGEST};
use super::place::{Place, read_place};
use super::template::{Codes, Template, check_arguments, read_codes};
use crate::link::timing::TimingKeys;
use crate::profile::{Dialect, Profile};

/// The keys of `kind = "serial-line"` profiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct SerialDialect;

pub(super) type SerialProfile = Profile<SerialDialect>;

/// Settings of the whole model.
#[derive(Debug, Clone)]
pub(super) struct SerialModel {
    pub(super) timing: TimingKeys,
    /// For how long after a request an answer to it may still come.
    pub(super) late_window: Duration,
    /// How requests are checked.
    pub(super) checksum: Checksum,
    pub(super) answer: FrameFormat,
}

/// How an action is asked for, and what confirms it.
#[derive(Debug, Clone)]
pub(super) struct SerialAction {
    pub(super) request: Template,
    pub(super) codes: Codes,
    pub(super) confirm: Confirm,
}

/// The byte that says that an action was carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Confirm {
    pub(super) at: usize,
    pub(super) equals: u8,
}

impl Dialect for SerialDialect {
    type Model = SerialModel;
    type Group = Template;
    type Address = Place;
    type Action = SerialAction;

    fn kind(&self) -> &'static str {
        "serial-line"
    }

    fn read_model(&self, profile: &mut Section<'_>) -> Option<SerialModel> {
        let timing = TimingKeys::read(profile);
        let range = Duration::from_millis(100)..=Duration::from_secs(10);
        let late_window = profile.duration_within("late_window", range, Duration::from_secs(2));
        profile.require("request", "how requests are checked, written as [request]");
        let checksum = profile.section("request").and_then(|mut table| read_checksum(&mut table));
        profile.require("answer", "what answers look like, written as [answer]");
        let answer = profile.section("answer").and_then(|mut table| read_format(&mut table));
        Some(SerialModel { timing, late_window, checksum: checksum?, answer: answer? })
    }

    fn read_group(&self, _: &SerialModel, group: &mut Section<'_>) -> Option<Template> {
        let template = read_template(group)?;
        if let Some((name, _)) = template.arguments().next() {
            group.problem("request", format!("{{{name}}} has no value in a group; only {{unit}} has"));
            return None;
        }
        Some(template)
    }

    fn read_address(&self, model: &SerialModel, _: &Template, point: &mut Section<'_>) -> Option<Place> {
        read_place(point, model.answer.longest())
    }

    fn shift(&self, address: &Place, steps: u32) -> Option<Place> {
        address.shifted(steps, LONGEST)
    }

    fn bit(&self, address: &Place, bit: u8) -> Option<Place> {
        address.bit(bit)
    }

    fn read_action(&self, model: &SerialModel, action: &mut Section<'_>) -> Option<SerialAction> {
        let request = read_template(action);
        let codes = read_codes(action);
        let hint = "the byte that says that it was done, such as confirm = { at = 13, equals = 0x55 }";
        action.require("confirm", hint);
        let confirm = action.section("confirm").and_then(|mut table| {
            let at = table.integer("at", 0..=model.answer.longest() as i64 - 1)?.unsigned_abs() as usize;
            let equals = table.integer("equals", 0..=255)?.unsigned_abs() as u8;
            Some(Confirm { at, equals })
        });
        Some(SerialAction { request: request?, codes, confirm: confirm? })
    }

    fn check(&self, profile: &SerialProfile, problems: &Problems) {
        for group in profile.groups.iter().filter(|group| group.every.is_zero()) {
            problems.add(group.line, "group.every", "such a device speaks only when asked; give an interval");
        }
        for action in &profile.actions {
            let add = |message: String| problems.add(action.line, "action.request", message);
            check_arguments(&action.speak.request, &action.speak.codes, &action.spec, add);
        }
    }
}

impl FrameFormat {
    /// Most bytes that an answer has.
    pub(super) fn longest(&self) -> usize {
        match &self.ending {
            Ending::Length(length) => *length,
            Ending::Delimiter { longest, .. } => *longest,
        }
    }
}

fn read_template(section: &mut Section<'_>) -> Option<Template> {
    let hint = "the bytes without their checksum, such as request = \"7E 00 {unit} 10 00 00 00\"";
    let text = section.string_required("request", hint)?;
    Template::read(&text).map_err(|error| section.problem("request", error)).ok()
}

fn read_checksum(section: &mut Section<'_>) -> Option<Checksum> {
    section.require("checksum", "how it is checked, such as checksum = \"xor8\"");
    section.choice("checksum", &checksum::WORDS)
}

fn read_format(section: &mut Section<'_>) -> Option<FrameFormat> {
    let start = read_bytes(section, "start").unwrap_or_default();
    let checksum = read_checksum(section);
    let delimiter = read_bytes(section, "delimiter");
    let length = section.integer("length", 1..=LONGEST as i64).map(|length| length.unsigned_abs() as usize);
    let longest = section.integer("longest", 2..=LONGEST as i64).map(|longest| longest.unsigned_abs() as usize);
    let unit_at = section.integer("unit_at", 0..=LONGEST as i64 - 1).map(|at| at.unsigned_abs() as usize);
    let checksum = checksum?;
    let ending = match (length, delimiter) {
        (Some(length), None) => Ending::Length(length),
        (None, Some(bytes)) if !bytes.is_empty() => Ending::Delimiter { bytes, longest: longest.unwrap_or(256) },
        _ => {
            section.problem("length", "an answer ends either after its length or with its delimiter; give one of them");
            return None;
        }
    };
    let format = FrameFormat { start, ending, checksum, unit_at };
    if format.longest() <= format.start.len() + checksum.length() {
        section.problem("length", "start and checksum alone are as long as this");
        return None;
    }
    if unit_at.is_some_and(|at| at >= format.longest()) {
        section.problem("unit_at", "this is behind the end of the answer");
    }
    if matches!(format.ending, Ending::Length(_)) && format.start.is_empty() && checksum == Checksum::None {
        section.problem("start", "without start bytes, delimiter and checksum nobody can tell where an answer begins");
    }
    Some(format)
}

fn read_bytes(section: &mut Section<'_>, key: &str) -> Option<Vec<u8>> {
    let text = section.string(key)?;
    let bytes: Option<Vec<u8>> = text
        .split_whitespace()
        .map(|word| if word.len() == 2 { u8::from_str_radix(word, 16).ok() } else { None })
        .collect();
    if bytes.is_none() {
        section.problem(key, format!("\"{text}\" must be bytes in hexadecimal, such as \"7F 01\""));
    }
    bytes
}
