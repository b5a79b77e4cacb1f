//! The texts of alarms.

use kouan_protocol::Value;

use crate::alarms::judge::Cause;
use crate::alarms::rule::Text;
use crate::alarms::terms::{self, Language};

/// What may stand in a text.
#[derive(Debug, Clone, Default)]
pub(in crate::alarms) struct Words<'a> {
    pub(in crate::alarms) device: &'a str,
    pub(in crate::alarms) area: &'a str,
    pub(in crate::alarms) agent: &'a str,
    pub(in crate::alarms) link: &'a str,
    pub(in crate::alarms) site: &'a str,
    /// What the site is called, in Chinese and English.
    pub(in crate::alarms) site_names: Option<&'a (String, String)>,
    /// What stands behind the name of the point.
    pub(in crate::alarms) place: &'a str,
    pub(in crate::alarms) count: usize,
}

/// The texts with everything in its place.
pub(in crate::alarms) fn fill(text: &Text, words: &Words<'_>, cause: &Cause) -> (String, String) {
    let fill = |text: &str, language| fill_one(text, words, cause, language);
    (fill(&text.zh, Language::Chinese), fill(&text.en, Language::English))
}

fn fill_one(text: &str, words: &Words<'_>, cause: &Cause, language: Language) -> String {
    let count = words.count.to_string();
    let value = match &cause.value {
        None => "–".to_owned(),
        // As many digits as people read.
        Some(Value::Number(number)) => format!("{:.2}", number).trim_end_matches('0').trim_end_matches('.').to_owned(),
        Some(Value::Text(word)) => terms::state(word, language),
        Some(value) => value.to_string(),
    };
    let place = terms::place(words.place, language);
    let site = words.site_names.map(|(zh, en)| if language == Language::Chinese { zh } else { en });
    let site = site.filter(|name| !name.is_empty()).map_or(words.site, String::as_str);
    let point = terms::point(&cause.point, language);
    let known = [
        ("device", words.device),
        ("area", words.area),
        ("agent", words.agent),
        ("link", words.link),
        ("site", site),
        ("place", &place),
        ("count", &count),
        ("value", &value),
        ("unit", terms::unit(&cause.unit, language)),
        ("point", &point),
    ];
    let (mut filled, mut rest) = (String::with_capacity(text.len() + 32), text);
    while let Some((before, behind)) = rest.split_once('{') {
        filled.push_str(before);
        let found = behind.split_once('}').and_then(|(word, after)| {
            let found = known.iter().find(|(name, _)| *name == word)?;
            Some((found.1, after))
        });
        match found {
            Some((word, after)) => {
                filled.push_str(word);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = behind;
            }
        }
    }
    filled.push_str(rest);
    // What is empty leaves brackets and a blank at the end.
    filled.replace("（）", "").replace(" ()", "").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_filled_in_once() {
        let words = Words { device: "{value} UPS", count: 3, ..Words::default() };
        let cause = Cause { value: Some(Value::Number(31.456)), unit: "°C".to_owned(), point: "t".to_owned() };
        let text = Text { zh: "{device}:{value} {unit}".to_owned(), en: "{count} of {x} {".to_owned() };
        assert_eq!(fill(&text, &words, &cause), ("{value} UPS:31.46 °C".to_owned(), "3 of {x} {".to_owned()));
    }

    #[test]
    fn points_states_and_units_are_words_of_the_language() {
        let both = |point: &str, value: Value, unit: &str| {
            let cause = Cause { value: Some(value), unit: unit.to_owned(), point: point.to_owned() };
            let text = "{point} {value} {unit}".to_owned();
            fill(&Text { zh: text.clone(), en: text }, &Words::default(), &cause)
        };
        let said = |zh: &str, en: &str| (zh.to_owned(), en.to_owned());
        assert_eq!(both("paper", Value::Text("near".into()), ""), said("纸张 纸将尽", "paper Near its end"));
        assert_eq!(both("clock.offset", Value::Number(-7.5), "s"), said("时钟偏差 -7.5 秒", "clock offset -7.5 s"));
    }
    #[test]
    fn a_place_is_told_where_there_is_one_and_a_site_by_its_name() {
        let names = ("一号厅".to_owned(), String::new());
        let said = |place: &str| {
            let words = Words { device: "柜", site: "hall", site_names: Some(&names), place, ..Words::default() };
            let text = Text {
                zh: "{site} {device} 门未关（{place}）".to_owned(),
                en: "{site}: open ({place})".to_owned(),
            };
            fill(&text, &words, &Cause::default())
        };
        assert_eq!(said("2"), ("一号厅 柜 门未关（2 号）".to_owned(), "hall: open (no. 2)".to_owned()));
        assert_eq!(said(""), ("一号厅 柜 门未关".to_owned(), "hall: open".to_owned()));
    }
}
