//! What points, states and units are called in texts of alarms: by the dictionaries of the console, so that people read
//! the same words everywhere.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// A language that texts are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Chinese,
    English,
}

#[derive(Default, Deserialize)]
struct Terms {
    point: HashMap<String, String>,
    part: HashMap<String, String>,
    state: HashMap<String, String>,
}

fn read(text: &str) -> Terms {
    // A test reads both; without them names stay as they are.
    serde_json::from_str(text).unwrap_or_default()
}

const CHINESE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../console/src/i18n/zh/terms.json"));
const ENGLISH: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../console/src/i18n/en/terms.json"));
static IN_CHINESE: LazyLock<Terms> = LazyLock::new(|| read(CHINESE));
static IN_ENGLISH: LazyLock<Terms> = LazyLock::new(|| read(ENGLISH));

/// A part that a name is clearer without.
const NOTHING: &str = "-";

fn terms(language: Language) -> &'static Terms {
    match language {
        Language::Chinese => &IN_CHINESE,
        Language::English => &IN_ENGLISH,
    }
}

fn key(code: &str) -> String {
    code.replace(['.', ':'], "_")
}

/// What a point is called: whole, or put together of its parts. A name with a part that has no word stays as it is.
pub(super) fn point(code: &str, language: Language) -> String {
    let terms = terms(language);
    match terms.point.get(&key(code)) {
        Some(known) if language == Language::English => within_a_sentence(known),
        Some(known) => known.clone(),
        None => composed(code, terms, language).unwrap_or_else(|| code.to_owned()),
    }
}

/// What a place behind a point's name is called: `2` of `door.2`, `fan` of `alarm.fan`; empty for none.
pub(super) fn place(code: &str, language: Language) -> String {
    let is_digits = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
    match (terms(language).part.get(code), language) {
        _ if is_digits && language == Language::Chinese => format!("{code} 号"),
        _ if is_digits => format!("no. {code}"),
        // A word that names of points are clearer without.
        _ if code == "power" && language == Language::Chinese => "电源".to_owned(),
        (Some(word), _) if word != NOTHING => word.trim_end_matches(['：', ':']).to_owned(),
        _ => code.to_owned(),
    }
}

fn composed(code: &str, terms: &Terms, language: Language) -> Option<String> {
    let parts: Vec<&str> = code.split('.').collect();
    let mut filled: Vec<String> = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        let word = match terms.part.get(*part) {
            _ if is_number(part) => part.to_uppercase(),
            Some(word) => word.clone(),
            // What somebody called a disk or a process stands as it is between words that are known.
            None if at > 0 && at + 1 < parts.len() => (*part).to_owned(),
            None => return None,
        };
        if word != NOTHING {
            filled.push(word);
        }
    }
    let words = filled.into_iter().reduce(|left, right| {
        let is_han = |letter: Option<char>| letter.is_some_and(|letter| ('\u{3000}'..='\u{9fff}').contains(&letter));
        let close = left.ends_with('：') || is_han(left.chars().last()) && is_han(right.chars().next());
        if language == Language::Chinese && close { left + &right } else { format!("{left} {right}") }
    })?;
    Some(words.trim_end_matches(['：', ':']).to_owned())
}

/// `Battery charge` as it stands in the middle of a sentence; `CPU load` stays as it is.
fn within_a_sentence(name: &str) -> String {
    let mut letters = name.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(name.chars().skip(1)).collect()
        }
        _ => name.to_owned(),
    }
}

/// `3`, or a phase: `l1`, `l1-l2`.
fn is_number(part: &str) -> bool {
    let is_phase = |text: &str| matches!(text.as_bytes(), [b'l', digit] if digit.is_ascii_digit());
    !part.is_empty() && (part.bytes().all(|byte| byte.is_ascii_digit()) || part.split('-').take(3).all(is_phase))
}

/// What a state is called. Texts of devices stay as they are.
pub(super) fn state(word: &str, language: Language) -> String {
    terms(language).state.get(&key(word)).cloned().unwrap_or_else(|| word.to_owned())
}

/// A unit as people write it. A plain number has none.
pub(super) fn unit(unit: &str, language: Language) -> &str {
    match (unit, language) {
        ("1", _) => "",
        ("s", Language::Chinese) => "秒",
        ("min", Language::Chinese) => "分钟",
        ("h", Language::Chinese) => "小时",
        ("1/min", Language::Chinese) => "转/分",
        ("1/min", Language::English) => "rpm",
        (unit, _) => unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_console() {
        for text in [CHINESE, ENGLISH] {
            assert!(serde_json::from_str::<Terms>(text).unwrap().part.len() > 100);
        }
        let both = |code: &str| (point(code, Language::Chinese), point(code, Language::English));
        let named = |zh: &str, en: &str| (zh.to_owned(), en.to_owned());
        assert_eq!(both("battery.charge"), named("电池电量", "battery charge"));
        assert_eq!(both("battery.voltage").0, "电池电压");
        assert_eq!(both("power.voltage.l1").0, "电压 L1");
        assert_eq!(both("relay.3").0, "继电器 3");
        assert_eq!(both("disk.data.used").0, "磁盘 data 已用");
        assert_eq!(both("alarm").0, "告警");
        assert_eq!(both("alarm.fan").0, "告警：风机");
        assert_eq!(both("spindle.torque"), named("spindle.torque", "spindle.torque"));
        let places = |code: &str| (place(code, Language::Chinese), place(code, Language::English));
        assert_eq!(places("2"), named("2 号", "no. 2"));
        assert_eq!(
            (places("fan"), places("power").0, places("")),
            (named("风机", "fan"), "电源".to_owned(), named("", ""))
        );
        assert_eq!(state("open", Language::Chinese), "断开 / 打开");
        assert_eq!(state("SN-1", Language::Chinese), "SN-1");
        assert_eq!([unit("s", Language::Chinese), unit("1", Language::English)], ["秒", ""]);
    }
}
