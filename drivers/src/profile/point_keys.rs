//! The keys of a point that every protocol shares.

use std::sync::Arc;

use kouan_protocol::{Field, FieldValue, NameError, PointKind, PointName, PointSpec};
use kouan_settings::{Bilingual, Section, both};

use super::point::{CounterEvent, PointProfile, Scale};
use super::tells::read_tells;

/// What is known about a point beyond its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Nobody knows which raw value means what before this was done at the device itself.
    pub prove: Option<String>,
    /// It stays on until this action of the profile: that it is on does not mean that its cause is still there.
    pub latched_until: Option<String>,
    /// The device is known to send words that do not exist: such an answer is read again, then left out.
    pub reread: bool,
}

/// A point, or several that differ only in name and place.
pub(super) struct ReadPoint {
    /// With the bit of each, where bits are named.
    pub(super) names: Vec<(u8, PointName)>,
    pub(super) naming: Naming,
    /// With the first name.
    pub(super) common: PointProfile,
    pub(super) notes: Notes,
}

/// How the places of several points follow from the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    One,
    Steps(u32),
    /// The number of each name says its place.
    Places(u32),
    Bits,
}

const KINDS: [(&str, PointKind); 4] = [
    ("measurement", PointKind::Measurement),
    ("state", PointKind::State),
    ("counter", PointKind::Counter),
    ("text", PointKind::Text),
];

/// Most points that one entry may stand for.
const MOST_REPEATED: i64 = 128;

/// Reads the shared keys of a `[[group.point]]`.
pub(super) fn read_point(section: &mut Section<'_>) -> Option<ReadPoint> {
    let (names, naming) = match section.section("repeat") {
        Some(repeat) => read_repeat(section, repeat),
        None if section.has("names") => read_names(section),
        None => {
            let name = named(section);
            (name.map(|name| vec![(0, name)]), Naming::One)
        }
    };
    let kind = section.choice("is", &KINDS).unwrap_or(PointKind::Measurement);
    let unit = section.string("unit").unwrap_or_default();
    let scale = read_scale(section);
    let stated = section.integer("decimals", 0..=9).map(|decimals| decimals as u8);
    let exact = exact_decimals(scale);
    let decimals = stated.or(exact).unwrap_or(2);
    let round = match (stated, exact) {
        (Some(stated), exact) if exact != Some(stated) => Some(stated),
        (None, None) => Some(decimals),
        _ => None,
    };
    let scale = Scale { round, ..scale };
    let words = read_words(section);
    let any_word = section.bool_or("any_word", false);
    if kind == PointKind::State && words.is_empty() && !any_word {
        section.wrong(
            "words",
            (
                "a state needs its words, such as words = { 0 = \"closed\", 1 = \"open\" }",
                "状态需要对应的词，如 words = { 0 = \"closed\", 1 = \"open\" }",
            ),
        );
    }
    if kind == PointKind::Measurement && unit.is_empty() {
        section.wrong(
            "unit",
            (
                "a measurement needs a unit, such as unit = \"°C\"; write unit = \"1\" for a bare number",
                "测量值需要单位，如 unit = \"°C\"；纯数字写 unit = \"1\"",
            ),
        );
    }
    let range = section.numbers::<2>("range");
    if range.is_some_and(|[low, high]| low >= high) {
        section.wrong("range", ("the first number must be less than the second", "第一个数必须小于第二个"));
    }
    let counts = read_counter_event(section);
    if counts.is_some() && kind != PointKind::Counter {
        section.wrong(
            "counts",
            ("only a counter can count events; add is = \"counter\"", "只有计数器才能对应事件；请加 is = \"counter\""),
        );
    }
    let notes = read_notes(section, kind, &words);
    let states = states_of(&words);
    let many = names.as_ref().is_some_and(|names| names.len() > 1);
    let tells = read_tells(section, kind, &states, many).map(Arc::new);
    let names = names?;
    let name = names.first()?.1.clone();
    let common = PointProfile {
        spec: PointSpec { name, kind, unit, decimals, states },
        scale,
        not_available: section.integers("not_available", i64::MIN..=i64::MAX),
        range: range.map(|[low, high]| (low, high)),
        words,
        dead_band: section.number("dead_band").unwrap_or(0.0),
        wraps_at: section.integer("wraps_at", 1..=i64::MAX).map(i64::unsigned_abs),
        counts,
        tells,
    };
    Some(ReadPoint { names, naming, common, notes })
}

/// Reads a `[[group.bits]]`: bits that are points of their own.
pub(super) fn read_bits(section: &mut Section<'_>) -> Option<ReadPoint> {
    let mut words = read_words(section);
    if words.is_empty() {
        words = vec![(0, "ok".to_owned()), (1, "alarm".to_owned())];
    }
    if words.iter().any(|(raw, _)| !(0..=1).contains(raw)) {
        section.wrong("words", ("a bit is 0 or 1", "一位只能是 0 或 1"));
    }
    section.require(
        "names",
        (
            "the name of each bit, such as names = { 0 = \"leak\", 1 = \"leak.cable-break\" }",
            "每一位的名称，如 names = { 0 = \"leak\", 1 = \"leak.cable-break\" }",
        ),
    );
    let mut names = Vec::new();
    if let Some(mut table) = section.section("names") {
        for key in table.remaining_keys() {
            let name: Option<PointName> = table.parse(&key);
            match key.parse::<u8>() {
                Ok(bit) if bit < 64 => names.extend(name.map(|name| (bit, name))),
                _ => table
                    .wrong(&key, ("the key must be the number of the bit, from 0 to 63", "键应当是位的编号，0 至 63")),
            }
        }
    }
    names.sort();
    let notes = read_notes(section, PointKind::State, &words);
    let name = names.first()?.1.clone();
    let states = states_of(&words);
    let tells = read_tells(section, PointKind::State, &states, names.len() > 1).map(Arc::new);
    let common = PointProfile {
        spec: PointSpec { name, kind: PointKind::State, unit: String::new(), decimals: 0, states },
        scale: Scale::NONE,
        not_available: Vec::new(),
        range: None,
        words,
        dead_band: 0.0,
        wraps_at: None,
        counts: None,
        tells,
    };
    Some(ReadPoint { names, naming: Naming::Bits, common, notes })
}

type ManyNames = Option<Vec<(u8, PointName)>>;

/// `name = "relay.{n}"` with `repeat = { from = 1, count = 8, step = 1 }`.
fn read_repeat(section: &mut Section<'_>, mut repeat: Section<'_>) -> (ManyNames, Naming) {
    let from = repeat.integer_or("from", 0..=9999, 1);
    repeat.require("count", ("how many there are, such as count = 8", "有多少个，如 count = 8"));
    let count = repeat.integer("count", 1..=MOST_REPEATED);
    let step = repeat.integer_or("step", 1..=1000, 1).unsigned_abs() as u32;
    let text = section.string_required(
        "name",
        ("the points' names, such as name = \"relay.{n}\"", "测点的名称，如 name = \"relay.{n}\""),
    );
    let (Some(count), Some(text)) = (count, text) else { return (None, Naming::One) };
    if !text.contains("{n}") {
        section.wrong(
            "name",
            ("a name that is repeated needs its number: \"relay.{n}\"", "重复的名称需要编号：\"relay.{n}\""),
        );
        return (None, Naming::One);
    }
    let mut names = Vec::new();
    for number in from..from + count {
        match text.replace("{n}", &number.to_string()).parse() {
            Ok(name) => names.push((0, name)),
            Err(error) => {
                section.wrong("name", refused(&error));
                return (None, Naming::One);
            }
        }
    }
    (Some(names), Naming::Steps(step))
}

/// `names = ["alarm.mains", "", "alarm.fan"]` for values that follow one another; an empty name is left out.
fn read_names(section: &mut Section<'_>) -> (ManyNames, Naming) {
    let step = section.integer_or("step", 1..=1000, 1).unsigned_abs() as u32;
    let mut names = Vec::new();
    let list = section.strings("names");
    if list.len() as i64 > MOST_REPEATED {
        section.wrong("names", both!("at most {MOST_REPEATED} names", "最多 {MOST_REPEATED} 个名称"));
    }
    for (at, name) in list.iter().take(MOST_REPEATED as usize).enumerate().filter(|(_, name)| !name.is_empty()) {
        match name.parse() {
            Ok(name) => names.push((at as u8, name)),
            Err(error) => section.wrong("names", refused(&error)),
        }
    }
    (Some(names), Naming::Places(step))
}

fn read_notes(section: &mut Section<'_>, kind: PointKind, words: &[(i64, String)]) -> Notes {
    let notes = Notes {
        prove: section.string("prove"),
        latched_until: section.string("latched_until"),
        reread: section.choice("unknown_word", &[("report", false), ("reread", true)]).unwrap_or(false),
    };
    let both = [0, 1].iter().all(|raw| words.iter().any(|(known, _)| known == raw));
    if notes.prove.is_some() && !(kind == PointKind::State && both) {
        section.wrong(
            "prove",
            (
                "only a state with words for 0 and 1 has a polarity to prove",
                "只有 0 和 1 都有词的状态才有接线方向可验证",
            ),
        );
    }
    if notes.reread && kind != PointKind::State {
        section.wrong("unknown_word", ("only a state has words", "只有状态才有词"));
    }
    notes
}

fn states_of(words: &[(i64, String)]) -> Vec<String> {
    let mut states: Vec<String> = Vec::new();
    for (_, word) in words {
        if !states.contains(word) {
            states.push(word.clone());
        }
    }
    states
}

/// `scale = "1/10"` or `scale = 0.5`, and `add = -40`.
fn read_scale(section: &mut Section<'_>) -> Scale {
    let add = section.number("add").unwrap_or(0.0);
    let text = section.string("scale");
    let Some(text) = text else { return Scale { add, ..Scale::NONE } };
    let parts: Vec<Option<f64>> = text.split('/').map(|part| part.trim().parse().ok()).collect();
    let (multiply, divide) = match parts.as_slice() {
        [Some(multiply)] => (*multiply, 1.0),
        [Some(multiply), Some(divide)] => (*multiply, *divide),
        _ => (f64::NAN, 1.0),
    };
    if !multiply.is_finite() || !divide.is_finite() || multiply == 0.0 || divide == 0.0 {
        section.wrong(
            "scale",
            both!(
                "\"{text}\" is not a scale; write \"1/10\", \"1/512\" or \"0.5\"",
                "\"{text}\" 不是比例；请写 \"1/10\"、\"1/512\" 或 \"0.5\""
            ),
        );
        return Scale { add, ..Scale::NONE };
    }
    Scale { multiply, divide, add, round: None }
}

/// As many decimals as a power-of-ten scale gives its values; `None` for any other scale.
fn exact_decimals(scale: Scale) -> Option<u8> {
    (0..=9_u8).find(|decimals| scale.divide == 10_f64.powi(i32::from(*decimals)) && scale.multiply.fract() == 0.0)
}

fn read_words(section: &mut Section<'_>) -> Vec<(i64, String)> {
    let Some(mut table) = section.section("words") else { return Vec::new() };
    let mut words = Vec::new();
    for key in table.remaining_keys() {
        let word = table.string(&key);
        match key.parse::<i64>() {
            Ok(raw) => words.extend(word.map(|word| (raw, word))),
            Err(_) => table.wrong(
                &key,
                ("the key must be the raw whole number that the word stands for", "键应当是这个词对应的原始整数"),
            ),
        }
    }
    words.sort();
    words
}

fn read_counter_event(section: &mut Section<'_>) -> Option<CounterEvent> {
    let mut table = section.section("counts")?;
    let kind = table.string_required(
        "event",
        (
            "the event that each step stands for, such as event = \"passage\"",
            "每一步对应的事件，如 event = \"passage\"",
        ),
    )?;
    let fields = table.remaining_keys().into_iter().filter_map(|name| {
        let value = FieldValue::Text(table.string(&name)?);
        Some(Field::new(&name, value))
    });
    let fields = fields.collect();
    Some(CounterEvent { kind, fields })
}

fn named(section: &mut Section<'_>) -> Option<PointName> {
    let hint = ("the point's name, such as name = \"battery.charge\"", "测点的名称，如 name = \"battery.charge\"");
    section.require("name", hint);
    section.parse_with("name", NameError::chinese)
}

fn refused(error: &NameError) -> Bilingual {
    Bilingual::new(error.to_string(), error.chinese())
}
