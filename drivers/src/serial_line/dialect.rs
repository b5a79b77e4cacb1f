//! What a profile of a serial line says besides the keys that every profile has.

use std::time::Duration;

use kouan_protocol::{ActionSpec, ArgumentSpec, Field, FieldValue};
use kouan_settings::{Bilingual, Problems, Section, both};

use super::check::{Check, WRITTEN, Written};
use super::checksum;
use super::frame::{Ending, Fixed, FrameFormat, FrameReader, LONGEST, LengthField, UnitAt};
use super::place::{Place, read_place};
use super::template::{Codes, Formula, Template, check_arguments, read_codes};
use crate::link::no_point;
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
    pub(super) checksum: Seal,
    /// A TCP connection is closed after each poll, because the device serves one client only.
    pub(super) hang_up: bool,
    pub(super) answer: AnswerModel,
}

/// What closes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seal {
    check: Check,
    /// Behind the checksum.
    end: Vec<u8>,
}

impl Seal {
    /// Closes a request.
    pub(super) fn append(&self, request: &mut Vec<u8>) {
        // A request that is shorter than where the checksum begins is refused when the profile is read.
        self.check.append(request);
        request.extend_from_slice(&self.end);
    }

    /// How many bytes it has, and how many of them are the checksum.
    pub(super) fn lengths(&self) -> (usize, usize) {
        (self.check.length() + self.end.len(), self.check.length())
    }

    /// Whether a whole request is closed rightly.
    pub(super) fn holds(&self, request: &[u8]) -> bool {
        request.strip_suffix(&self.end[..]).is_some_and(|checked| self.check.holds(checked))
    }
}

/// What an answer looks like.
#[derive(Debug, Clone)]
pub(super) struct AnswerModel {
    pub(super) format: FrameFormat,
    fixed: Vec<(usize, u8, Formula)>,
}

/// How a group is asked for: one request, or one for each value of `n`, whose answers then stand one behind the other.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) request: Template,
    pub(super) each: Vec<i64>,
    pub(super) answer: AnswerModel,
}

/// How an action is asked for, and what confirms it.
#[derive(Debug, Clone)]
pub(super) struct SerialAction {
    pub(super) request: Template,
    pub(super) codes: Codes,
    pub(super) answer: AnswerModel,
    pub(super) confirm: Option<Confirm>,
    /// What must be seen afterwards, one after the other.
    pub(super) watch: Vec<Watched>,
    /// What must be seen right before.
    pub(super) requires: Vec<(String, String)>,
}

/// The byte that says that an action was carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Confirm {
    pub(super) at: usize,
    pub(super) equals: u8,
}

/// A point that must show a word.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) point: String,
    pub(super) word: String,
    pub(super) within: Duration,
    /// Which part of the action it shows.
    pub(super) part: Option<String>,
}

impl AnswerModel {
    /// A reader for the answer to one request.
    pub(super) fn reader(&self, unit: u8, arguments: &[Field], codes: &Codes) -> Result<FrameReader<'_>, Bilingual> {
        let fixed = self.fixed.iter().map(|(at, mask, equals)| {
            let equals = equals.value(unit, arguments, codes)?;
            Ok(Fixed { at: *at, mask: *mask, equals })
        });
        Ok(FrameReader::expecting(&self.format, unit, fixed.collect::<Result<_, Bilingual>>()?))
    }

    fn longest(&self) -> usize {
        self.format.longest()
    }
}

/// Every name that a text may hold, with each value of the argument in braces: `lock.{slot}`.
pub(super) fn name_for(text: &str, arguments: &[Field]) -> String {
    arguments.iter().fold(text.to_owned(), |text, field| match &field.value {
        FieldValue::Integer(value) => text.replace(&format!("{{{}}}", field.name), &value.to_string()),
        FieldValue::Text(value) => text.replace(&format!("{{{}}}", field.name), value),
        FieldValue::Flag(_) | FieldValue::Number(_) => text,
    })
}

impl Dialect for SerialDialect {
    type Model = SerialModel;
    type Group = Ask;
    type Address = Place;
    type Action = SerialAction;

    fn kind(&self) -> &'static str {
        "serial-line"
    }

    fn may_lack_groups(&self, _: &SerialModel) -> bool {
        // Of some boards nothing that may be asked is published: they are only told.
        true
    }

    fn read_model(&self, profile: &mut Section<'_>) -> Option<SerialModel> {
        let timing = TimingKeys::read(profile);
        let range = Duration::from_millis(100)..=Duration::from_secs(10);
        let late_window = profile.duration_within("late_window", range, Duration::from_secs(2));
        profile.require("request", ("how requests are checked, written as [request]", "请求如何校验，写成 [request]"));
        let checksum = profile.section("request").and_then(|mut table| read_seal(&mut table));
        profile.require("answer", ("what answers look like, written as [answer]", "应答的格式，写成 [answer]"));
        let answer = profile.section("answer").and_then(|mut table| read_answer(&mut table));
        let hang_up = profile.bool_or("hang_up", false);
        Some(SerialModel { timing, late_window, checksum: checksum?, hang_up, answer: answer? })
    }

    fn read_group(&self, model: &SerialModel, group: &mut Section<'_>) -> Option<Ask> {
        let request = read_template(group)?;
        let each = group.section("each").map(|mut each| {
            let from = each.integer_or("from", 0..=255, 1);
            each.require("count", ("how many there are, such as count = 12", "有多少个，如 count = 12"));
            let count = each.integer("count", 1..=64).unwrap_or(1);
            (from..from + count).collect::<Vec<_>>()
        });
        let known = |name: &str| name == "n" && each.is_some();
        if let Some((name, _)) = request.arguments().find(|(name, _)| !known(name)) {
            group.wrong(
                "request",
                both!(
                    "{{{name}}} has no value in a group; only {{unit}} has, and {{n}} of each",
                    "{{{name}}} 在组中没有值；只有 {{unit}} 和 each 的 {{n}} 有"
                ),
            );
            return None;
        }
        let answer = read_own_answer(group, model)?;
        if each.is_some() && !matches!(answer.format.ending, Ending::Length(_)) {
            group.wrong(
                "each",
                ("only answers of one length can stand behind one another", "只有长度固定的应答才能依次排列"),
            );
        }
        Some(Ask { request, each: each.unwrap_or_default(), answer })
    }

    fn read_address(&self, _: &SerialModel, ask: &Ask, point: &mut Section<'_>) -> Option<Place> {
        read_place(point, ask.answer.longest() * ask.each.len().max(1))
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
        let answer_is_own = action.has("answer");
        let answer = read_own_answer(action, model);
        let longest = answer.as_ref().map_or(1, AnswerModel::longest) as i64;
        let confirm = action.section("confirm").and_then(|mut table| {
            let at = table.integer("at", 0..=longest - 1)?.unsigned_abs() as usize;
            let equals = table.integer("equals", 0..=255)?.unsigned_abs() as u8;
            Some(Confirm { at, equals })
        });
        let watch: Vec<_> = action.sections("watch").iter_mut().filter_map(read_watched).collect();
        let requires = action.section("requires").map(|mut table| {
            let points = table.remaining_keys();
            points.into_iter().filter_map(|point| Some((point.clone(), table.string(&point)?))).collect()
        });
        // An answer that repeats what was told says that it was done.
        let repeats = answer_is_own && answer.as_ref().is_some_and(|answer| !answer.fixed.is_empty());
        if confirm.is_none() && watch.is_empty() && !repeats {
            action.wrong(
                "confirm",
                (
                    "this is missing: what says that it was done: the byte, such as confirm = { at = 13, equals = \
                     0x55 }, a point, such as watch = [{ point = \"lock.{slot}\", word = \"unlocked\", within = \
                     \"3s\" }], or an answer of its own with fixed bytes",
                    "缺少这一项：怎样知道已经执行：某个字节，如 confirm = { at = 13, equals = 0x55 }；某个测点，如 watch = [{ point = \
                     \"lock.{slot}\", word = \"unlocked\", within = \"3s\" }]；或带固定字节的单独应答",
                ),
            );
        }
        let (request, answer, requires) = (request?, answer?, requires.unwrap_or_default());
        Some(SerialAction { request, codes, answer, confirm, watch, requires })
    }

    fn check(&self, profile: &SerialProfile, problems: &Problems) {
        if profile.groups.is_empty() && profile.actions.is_empty() {
            problems.wrong(
                1,
                "group",
                (
                    "a profile needs at least one [[group]] with points, or an [[action]]",
                    "型号文件至少要有一个带测点的 [[group]]，或一个 [[action]]",
                ),
            );
        }
        for group in profile.groups.iter().filter(|group| group.every.is_zero()) {
            problems.wrong(
                group.line,
                "group.every",
                ("such a device speaks only when asked; give an interval", "这种设备只在询问时应答；请写明间隔"),
            );
        }
        let from = profile.model.checksum.check.from;
        let groups = profile.groups.iter().map(|group| (group.line, "group.request", &group.ask.request));
        let actions = profile.actions.iter().map(|action| (action.line, "action.request", &action.speak.request));
        for (line, place, request) in groups.chain(actions).filter(|(_, _, request)| request.length() < from) {
            let length = request.length();
            let message = both!(
                "it has {length} bytes, but its checksum begins at byte {from}",
                "它有 {length} 个字节，而校验从第 {from} 个字节开始"
            );
            problems.wrong(line, place, message);
        }
        for action in &profile.actions {
            let add = |message: Bilingual| problems.wrong(action.line, "action.request", message);
            check_arguments(&action.speak.request, &action.speak.codes, &action.spec, add);
            let watched = action.speak.watch.iter().map(|watched| ("watch", &watched.point, &watched.word));
            let required = action.speak.requires.iter().map(|(point, word)| ("requires", point, word));
            for (key, point, word) in watched.chain(required) {
                for name in every_name(point, &action.spec) {
                    let add = |message: Bilingual| problems.wrong(action.line, format!("action.{key}"), message);
                    match profile.find(&name) {
                        None => add(no_point(&name)),
                        Some((_, _, point)) if !point.common.spec.states.contains(word) => {
                            add(both!("\"{name}\" has no word \"{word}\"", "“{name}”没有词“{word}”"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
}

impl FrameFormat {
    /// Most bytes that an answer has.
    pub(crate) fn longest(&self) -> usize {
        match &self.ending {
            Ending::Length(length) => *length,
            Ending::Field(field) => field.longest,
            Ending::Delimiter { longest, .. } => *longest,
        }
    }
}

/// A point's name for every value of the one integer argument that stands in it.
fn every_name(text: &str, action: &ActionSpec) -> Vec<String> {
    let in_it = |spec: &&ArgumentSpec| text.contains(&format!("{{{}}}", spec.name));
    let Some(spec) = action.arguments.iter().find(in_it) else { return vec![text.to_owned()] };
    let (low, high) = (spec.min.unwrap_or(0.0) as i64, spec.max.unwrap_or(0.0) as i64);
    let name = |value: i64| text.replace(&format!("{{{}}}", spec.name), &value.to_string());
    (low..=high.min(low.saturating_add(255))).map(name).collect()
}

fn read_watched(table: &mut Section<'_>) -> Option<Watched> {
    let point = table.string_required("point", ("the point that shows it", "显示它的测点"));
    let word = table.string_required("word", ("what it must show", "它必须显示什么"));
    let range = Duration::from_millis(200)..=Duration::from_secs(600);
    let within = table.duration_within("within", range, Duration::from_secs(3));
    let part = table.string("part");
    Some(Watched { point: point?, word: word?, within, part })
}

/// The answer of one group or action, where it differs from the model's.
fn read_own_answer(section: &mut Section<'_>, model: &SerialModel) -> Option<AnswerModel> {
    match section.section("answer") {
        Some(mut table) => read_answer(&mut table),
        None => Some(model.answer.clone()),
    }
}

fn read_answer(section: &mut Section<'_>) -> Option<AnswerModel> {
    let mut fixed = Vec::new();
    for mut table in section.sections("fixed") {
        table.require("at", ("the offset of the byte", "字节的位置"));
        let at = table.integer("at", 0..=LONGEST as i64 - 1);
        let mask = table.integer_or("mask", 1..=255, 255).unsigned_abs() as u8;
        let formula = table.string("is");
        let number = table.integer("equals", 0..=255).map(|number| Formula::number(number.unsigned_abs() as u8));
        let formula = match (formula, number) {
            (Some(text), None) => Formula::read(&text).or_else(|| {
                table.wrong(
                    "is",
                    both!("\"{text}\" is no sum such as unit*16+slot-1", "\"{text}\" 不是 unit*16+slot-1 这样的算式"),
                );
                None
            }),
            (None, Some(number)) => Some(number),
            _ => {
                table.wrong(
                    "equals",
                    (
                        "write what the byte is: equals = 0x35, or is = \"slot-1\"",
                        "请写明这个字节是什么：equals = 0x35，或 is = \"slot-1\"",
                    ),
                );
                None
            }
        };
        if let (Some(at), Some(formula)) = (at, formula) {
            fixed.push((at.unsigned_abs() as usize, mask, formula));
        }
    }
    let format = read_format(section, fixed.is_empty())?;
    if fixed.iter().any(|(at, _, _)| *at >= format.longest()) {
        section.wrong("fixed", ("a byte behind the end of the answer", "这个字节超出了应答的末尾"));
    }
    Some(AnswerModel { format, fixed })
}

fn read_template(section: &mut Section<'_>) -> Option<Template> {
    let hint = (
        "the bytes without their checksum, such as request = \"7E 00 {unit} 10 00 00 00\"",
        "不含校验的字节，如 request = \"7E 00 {unit} 10 00 00 00\"",
    );
    let text = section.string_required("request", hint)?;
    Template::read(&text).map_err(|error| section.wrong("request", error)).ok()
}

fn read_seal(section: &mut Section<'_>) -> Option<Seal> {
    let check = read_check(section);
    let end = read_bytes(section, "end").unwrap_or_default();
    if check.is_some_and(|check| check.written == Written::HexOfHex) {
        section.wrong(
            "checksum_as",
            ("requests are bytes; write \"bytes\" or \"hex\"", "请求是字节；请写 \"bytes\" 或 \"hex\""),
        );
    }
    Some(Seal { check: check?, end })
}

fn read_check(section: &mut Section<'_>) -> Option<Check> {
    section.require("checksum", ("how it is checked, such as checksum = \"xor8\"", "如何校验，如 checksum = \"xor8\""));
    let checksum = section.choice("checksum", &checksum::WORDS);
    let from = section.integer_or("checksum_from", 0..=LONGEST as i64 - 1, 0).unsigned_abs() as usize;
    let written = section.choice("checksum_as", &WRITTEN).unwrap_or_default();
    Some(Check { checksum: checksum?, from, written })
}

/// Reads what a frame looks like. `alone`: nothing else tells where it begins.
pub(crate) fn read_format(section: &mut Section<'_>, alone: bool) -> Option<FrameFormat> {
    let start = read_bytes(section, "start").unwrap_or_default();
    let checksum = read_check(section);
    let delimiter = read_bytes(section, "delimiter");
    let length = section.integer("length", 1..=LONGEST as i64).map(|length| length.unsigned_abs() as usize);
    let longest = section.integer("longest", 2..=LONGEST as i64).map(|longest| longest.unsigned_abs() as usize);
    let unit_at = section.integer("unit_at", 0..=LONGEST as i64 - 1).map(|at| at.unsigned_abs() as usize);
    let field = section.section("length_field").and_then(|mut table| read_length_field(&mut table, longest));
    let checksum = checksum?;
    let ending = match (length, field, delimiter) {
        (Some(length), None, None) => Ending::Length(length),
        (None, Some(field), None) => Ending::Field(field),
        (None, None, Some(bytes)) if !bytes.is_empty() => {
            Ending::Delimiter { bytes, longest: longest.unwrap_or(USUAL_LONGEST) }
        }
        _ => {
            let message = (
                "a frame ends after its length, after the length that it says itself (length_field), or with its \
                 delimiter; give one of them",
                "帧的结束由 length、帧中自带的长度（length_field）或结束符（delimiter）决定；请写其中一个",
            );
            section.wrong("length", message);
            return None;
        }
    };
    let unit_mask = section.integer_or("unit_mask", 1..=255, 255).unsigned_abs() as u8;
    let format = FrameFormat { start, ending, checksum, unit_at: unit_at.map(|at| UnitAt { at, mask: unit_mask }) };
    if format.longest() < format.start.len() + checksum.length() + usize::from(!format.start.is_empty()) {
        section.wrong("length", ("start and checksum alone are as long as this", "单是起始字节和校验就有这么长"));
        return None;
    }
    if unit_at.is_some_and(|at| at >= format.longest()) {
        section.wrong("unit_at", ("this is behind the end of the answer", "超出了应答的末尾"));
    }
    let delimited = matches!(format.ending, Ending::Delimiter { .. });
    if !delimited && format.start.is_empty() && checksum.length() == 0 && alone {
        section.wrong(
            "start",
            (
                "without start bytes, delimiter and checksum nobody can tell where an answer begins",
                "没有起始字节、结束符和校验，无法知道应答从哪里开始",
            ),
        );
    }
    Some(format)
}

/// Longest frame where a profile says nothing.
const USUAL_LONGEST: usize = 256;

/// `length_field = { at = 1, type = "u16-le", add = 4 }`
fn read_length_field(table: &mut Section<'_>, longest: Option<usize>) -> Option<LengthField> {
    table.require("at", ("the offset of the number that says how long the frame is", "说明帧长的数所在的位置"));
    let at = table.integer("at", 0..=63).map(|at| at.unsigned_abs() as usize);
    let types = [("u8", (1, true)), ("u16-be", (2, true)), ("u16-le", (2, false))];
    let (width, big_endian) = table.choice("type", &types).unwrap_or((1, true));
    table.require("add", ("how many bytes the whole frame has more than that number says", "整帧比那个数多几个字节"));
    let add = table.integer("add", -64..=64);
    Some(LengthField { at: at?, width, big_endian, add: add?, longest: longest.unwrap_or(USUAL_LONGEST) })
}

/// Bytes in hexadecimal.
pub(crate) fn read_bytes(section: &mut Section<'_>, key: &str) -> Option<Vec<u8>> {
    let text = section.string(key)?;
    let bytes: Option<Vec<u8>> = text
        .split_whitespace()
        .map(|word| if word.len() == 2 { u8::from_str_radix(word, 16).ok() } else { None })
        .collect();
    if bytes.is_none() {
        section.wrong(
            key,
            both!(
                "\"{text}\" must be bytes in hexadecimal, such as \"7F 01\"",
                "\"{text}\" 应当是十六进制字节，如 \"7F 01\""
            ),
        );
    }
    bytes
}
