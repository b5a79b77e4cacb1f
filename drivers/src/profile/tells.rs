//! What a state tells besides its readings: events when it changes, an alarm while it shows a word.

use std::time::Duration;

use kouan_protocol::{PointKind, PointName, Severity};
use kouan_settings::{Section, both};

use super::limits::read_severity;

/// What the changes of a state mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Tells {
    /// The event that stands for a change to each word.
    pub changes: Vec<(String, String)>,
    /// What the last part of the point's name is: `slot`. The events carry it as a field.
    pub place: Option<String>,
    /// The alarm that one word stands for.
    pub alarm: Option<StateAlarm>,
}

/// An alarm that holds while a state shows a word.
#[derive(Debug, Clone, PartialEq)]
pub struct StateAlarm {
    /// The word.
    pub word: String,
    /// For how long it must have shown it.
    pub after: Duration,
    /// How much it matters.
    pub severity: Severity,
    /// The alarm's name within the device; the place is put behind it where there is one.
    pub condition: String,
    /// What to tell a person.
    pub text: String,
    /// The same in Chinese; empty where nobody wrote it.
    pub text_zh: String,
    /// Whether it is judged by the profile's polarity as long as nobody has proved another: for what must never be
    /// silent, where a wrong polarity shows at rest.
    pub unproved: bool,
    /// The raw value that then stands for the word. Set while the polarity is not proved.
    pub raw: Option<i64>,
}

impl Tells {
    /// The event that stands for a change to `word`.
    #[must_use]
    pub fn event(&self, word: &str) -> Option<&str> {
        self.changes.iter().find(|(known, _)| known == word).map(|(_, kind)| kind.as_str())
    }

    /// The name of the place and the place itself, where the point's name says one.
    #[must_use]
    pub fn place<'n>(&'n self, name: &'n PointName) -> Option<(&'n str, &'n str)> {
        let (_, place) = name.as_str().rsplit_once('.')?;
        Some((self.place.as_deref()?, place))
    }

    /// The name of the alarm at a point.
    #[must_use]
    pub fn condition(&self, alarm: &StateAlarm, name: &PointName) -> String {
        match self.place(name) {
            Some((_, place)) => format!("{}.{place}", alarm.condition),
            None => alarm.condition.clone(),
        }
    }
}

/// `changes = { open = "door-opened" }`, `place = "slot"` and `alarm = { word = "open", … }` of an entry that stands
/// for one point or for `many`.
pub(super) fn read_tells(section: &mut Section<'_>, kind: PointKind, states: &[String], many: bool) -> Option<Tells> {
    let mut changes = Vec::new();
    if let Some(mut table) = section.section("changes") {
        for word in table.remaining_keys() {
            changes.extend(table.string(&word).map(|event| (word, event)));
        }
    }
    let place = section.string("place");
    let alarm = section.section("alarm").and_then(|mut table| read_alarm(&mut table));
    if changes.is_empty() && alarm.is_none() {
        if place.is_some() {
            section.wrong(
                "place",
                ("this says nothing without changes or an alarm", "没有 changes 或 alarm，这一项没有意义"),
            );
        }
        return None;
    }
    if kind != PointKind::State {
        section.wrong(
            "changes",
            (
                "only a state changes from word to word; add is = \"state\"",
                "只有状态才会从一个词变到另一个词；请加 is = \"state\"",
            ),
        );
    }
    let words =
        changes.iter().map(|(word, _)| ("changes", word)).chain(alarm.iter().map(|alarm| ("alarm", &alarm.word)));
    for (key, word) in words {
        if !states.contains(word) {
            let may = states.join(", ");
            section.wrong(
                key,
                both!("\"{word}\" is no word of this state; it may be {may}", "这个状态没有词“{word}”；可以是 {may}"),
            );
        }
    }
    if alarm.is_some() && many && place.is_none() {
        let hint = (
            "several points would raise one alarm; say what the last part of their names is: place = \"slot\"",
            "多个测点会发出同一条告警；请说明名称最后一段是什么：place = \"slot\"",
        );
        section.wrong("alarm", hint);
    }
    Some(Tells { changes, place, alarm })
}

fn read_alarm(table: &mut Section<'_>) -> Option<StateAlarm> {
    let word = table.string_required(
        "word",
        ("the word that it stands for, such as word = \"open\"", "对应的词，如 word = \"open\""),
    );
    let day = Duration::from_secs(86_400);
    let after = table.duration_within("after", Duration::ZERO..=day, Duration::ZERO);
    let severity = read_severity(table);
    let condition = table.string_required(
        "condition",
        ("the alarm's name, such as condition = \"door-held\"", "告警的名称，如 condition = \"door-held\""),
    );
    let text = table.string("text").unwrap_or_default();
    let text_zh = table.string("text_zh").unwrap_or_default();
    let unproved = table.bool_or("unproved", false);
    let (word, severity, condition) = (word?, severity?, condition?);
    Some(StateAlarm { word, after, severity, condition, text, text_zh, unproved, raw: None })
}
