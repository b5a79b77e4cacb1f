//! The texts of alarms.

use kouan_protocol::Value;

use crate::alarms::judge::Cause;
use crate::alarms::rule::Text;

/// What may stand in a text.
#[derive(Debug, Clone, Default)]
pub(in crate::alarms) struct Words<'a> {
    pub(in crate::alarms) device: &'a str,
    pub(in crate::alarms) area: &'a str,
    pub(in crate::alarms) agent: &'a str,
    pub(in crate::alarms) link: &'a str,
    pub(in crate::alarms) site: &'a str,
    pub(in crate::alarms) count: usize,
}

/// The texts with everything in its place.
pub(in crate::alarms) fn fill(text: &Text, words: &Words<'_>, cause: &Cause) -> (String, String) {
    (fill_one(&text.zh, words, cause), fill_one(&text.en, words, cause))
}

fn fill_one(text: &str, words: &Words<'_>, cause: &Cause) -> String {
    let count = words.count.to_string();
    let value = match &cause.value {
        None => "–".to_owned(),
        // As many digits as people read.
        Some(Value::Number(number)) => format!("{:.2}", number).trim_end_matches('0').trim_end_matches('.').to_owned(),
        Some(value) => value.to_string(),
    };
    let known = [
        ("device", words.device),
        ("area", words.area),
        ("agent", words.agent),
        ("link", words.link),
        ("site", words.site),
        ("count", &count),
        ("value", &value),
        ("unit", &cause.unit),
        ("point", &cause.point),
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
    // A value without a unit leaves a blank at the end.
    filled.trim_end().to_owned()
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
}
