//! From TOML to a checked rule, with everything that is wrong at once.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use kouan_protocol::{HealthLevel, Severity, limits};
use kouan_settings::{Document, Problems, Section};

use super::{Flap, Is, Matching, Pattern, Rule, Test, Text, When};
use crate::availability::{Repeat, RepeatKind};

/// Most times of the day or week that a rule names.
const TIMES: usize = 16;
/// How deep conditions may stand in each other.
const DEEP: usize = 4;
/// Most conditions in one.
const MANY: usize = 16;
/// The longest delay or time.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);
/// Words that a text may have in braces.
const WORDS: [&str; 10] = ["device", "value", "unit", "area", "point", "place", "agent", "link", "site", "count"];

/// Something wrong with a rule's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, with its place, and what would be right.
    pub text: String,
}

/// Reads a rule.
///
/// # Errors
/// All that is wrong with it.
pub fn read(text: &str) -> Result<Rule, Vec<RuleProblem>> {
    let listed = |problems: &Problems| {
        let line = |problem: &kouan_settings::Problem| RuleProblem {
            line: problem.line,
            text: if problem.place.is_empty() {
                problem.message.clone()
            } else {
                format!("{}: {}", problem.place, problem.message)
            },
        };
        problems.list().iter().map(line).collect::<Vec<_>>()
    };
    let problems = Problems::new("rule", text);
    let document = Document::parse("rule", text).map_err(|problems| listed(&problems))?;
    let rule = rule(document.root(&problems));
    match rule {
        Some(rule) if problems.is_empty() => Ok(rule),
        _ => Err(listed(&problems)),
    }
}

fn rule(mut root: Section<'_>) -> Option<Rule> {
    let id = root.string_required("id", "a name such as \"ups-on-battery\"");
    if let Some(id) = &id
        && !is_name(id)
    {
        root.problem("id", "it may have small letters, digits and hyphens, at most 64 of them");
    }
    let condition = root.string("condition");
    if let Some(condition) = &condition
        && (condition.is_empty() || condition.len() > limits::NAME_BYTES)
    {
        root.problem("condition", format!("it has 1 to {} bytes", limits::NAME_BYTES));
    }
    let severities = [
        ("info", Severity::Info),
        ("warning", Severity::Warning),
        ("major", Severity::Major),
        ("critical", Severity::Critical),
    ];
    if !root.has("severity") {
        root.problem("severity", "it is missing: info, warning, major or critical");
    }
    let severity = root.choice("severity", &severities);
    let enabled = root.bool_or("enabled", true);
    let zero = Duration::ZERO;
    let raise_after = root.duration_within("raise_after", zero..=LONGEST, Duration::from_secs(10));
    let clear_after = root.duration_within("clear_after", zero..=LONGEST, Duration::from_secs(10));
    let flap = flap(&mut root);
    let name = words(&mut root, "name", false);
    let text = words(&mut root, "text", true);
    let mut matching = root.section_or_empty("match");
    let mut list = |key: &str| matching.strings(key).into_iter().collect::<BTreeSet<_>>();
    let matching = Matching {
        classes: list("classes"),
        except_classes: list("except_classes"),
        profiles: list("profiles"),
        devices: list("devices"),
        sites: list("sites"),
        areas: list("areas"),
    };
    let during: Vec<Repeat> = root.sections("during").into_iter().filter_map(during).collect();
    if during.len() > TIMES {
        root.problem("during", format!("there are {}, and at most {TIMES} are allowed", during.len()));
    }
    if !root.has("when") {
        root.problem("when", "it is missing: the condition, as a table [when]");
    }
    let when = root.section("when").and_then(when);
    Some(Rule {
        condition: condition.or_else(|| id.clone())?,
        id: id?,
        enabled,
        name: name?,
        text: text?,
        severity: severity?,
        raise_after_ms: ms(raise_after),
        clear_after_ms: ms(clear_after),
        flap,
        matching,
        when: when?,
        during,
    })
}

fn is_name(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= limits::NAME_BYTES.min(64)
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn flap(root: &mut Section<'_>) -> Flap {
    let mut flap = root.section_or_empty("flap");
    let minute = Duration::from_secs(60);
    let raises = flap.integer_or("raises", 0..=1_000, 5);
    let within = flap.duration_within("within", minute..=LONGEST, minute * 10);
    let quiet = flap.duration_within("quiet", minute..=LONGEST, minute * 10);
    Flap { raises: usize::try_from(raises).unwrap_or(0), within_ms: ms(within), quiet_ms: ms(quiet) }
}

fn words(root: &mut Section<'_>, key: &str, with_words: bool) -> Option<Text> {
    if !root.has(key) {
        root.problem(key, "it is missing, in both languages: { zh = \"…\", en = \"…\" }");
        return None;
    }
    let mut section = root.section(key)?;
    let mut read = |language: &str| {
        let text = section.string_required(language, "the text in this language")?;
        if text.trim().is_empty() || text.len() > limits::TEXT_BYTES {
            section.problem(language, format!("it has 1 to {} bytes", limits::TEXT_BYTES));
        }
        if with_words && let Some(word) = unknown_word(&text) {
            let known = WORDS.map(|word| format!("{{{word}}}")).join(" ");
            section.problem(language, format!("{{{word}}} is not known here; there are {known}"));
        }
        Some(text)
    };
    Some(Text { zh: read("zh")?, en: read("en")? })
}

fn unknown_word(text: &str) -> Option<String> {
    let inside = |part: &str| part.split_once('}').map(|(word, _)| word.to_owned());
    text.split('{').skip(1).filter_map(inside).find(|word| !WORDS.contains(&word.as_str()))
}

fn during(mut section: Section<'_>) -> Option<Repeat> {
    let days: Vec<i8> = section.integers("days", 1..=7).into_iter().filter_map(|day| day.try_into().ok()).collect();
    let (from, to) = (
        section.string_required("from", "a time of the day such as \"08:30\"")?,
        section.string_required("to", "a time of the day such as \"17:30\"")?,
    );
    let kind = if days.is_empty() { RepeatKind::Daily } else { RepeatKind::Weekly };
    let repeat = Repeat { kind, days, from, to };
    for problem in repeat.problems() {
        section.problem("from", problem.replace("repeat.", ""));
    }
    Some(repeat)
}

fn when(mut section: Section<'_>) -> Option<When> {
    if section.has("agent_silent") {
        let Silence(after) = section.parse("agent_silent")?;
        return Some(When::AgentSilent { after_ms: after.map(ms) });
    }
    if section.has("link_dead") {
        let devices = section.integer("link_dead", 2..=10_000)?;
        return Some(When::LinkDead { devices: usize::try_from(devices).ok()? });
    }
    if let Some(mut lost) = section.section("lost_together") {
        let devices = lost.integer_or("devices", 2..=1_000_000, 20);
        let share = share(&mut lost, 0.5);
        return Some(When::LostTogether { devices: usize::try_from(devices).ok()?, share });
    }
    if let Some(mut count) = section.section("count") {
        let devices = count.integer_or("devices", 1..=1_000_000, 1);
        let share = share(&mut count, 0.0);
        let test = test(count, DEEP)?;
        return Some(When::Count { test, devices: usize::try_from(devices).ok()?, share });
    }
    test(section, DEEP).map(When::Device)
}

/// How long an agent must be silent; `None`: as long as the settings of the collector say.
struct Silence(Option<Duration>);

impl FromStr for Silence {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str =
            "it must be \"default\", as the collector's settings say, or a time from \"70s\" to \"31d\"";
        // A question of an agent may be held for half a minute: two of them and some more.
        let known = Duration::from_secs(70)..=LONGEST;
        match text {
            "default" => Ok(Self(None)),
            text => humantime::parse_duration(text)
                .ok()
                .filter(|time| known.contains(time))
                .map(Some)
                .map(Self)
                .ok_or(WRONG),
        }
    }
}

fn share(section: &mut Section<'_>, default: f64) -> f64 {
    let share = section.number("share").unwrap_or(default);
    if !(0.0..=1.0).contains(&share) {
        section.problem("share", "it must be between 0 and 1");
    }
    share
}

fn test(mut section: Section<'_>, deep: usize) -> Option<Test> {
    const KINDS: [&str; 7] = ["point", "health", "no_reading", "no_event", "all", "any", "not"];
    if deep == 0 {
        section.problem("", format!("conditions stand in each other more than {DEEP} deep"));
        return None;
    }
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| section.has(kind)).collect();
    let within = |section: &mut Section<'_>, key: &str| {
        let time = section.duration_within(key, Duration::from_secs(1)..=LONGEST, Duration::from_secs(600));
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    };
    match kinds.as_slice() {
        ["point"] => point(section),
        ["point", "no_reading"] => {
            let name = section.string("point").map(|name| Pattern::new(&name));
            Some(Test::NoReading { name, for_ms: within(&mut section, "no_reading") })
        }
        ["no_reading"] => Some(Test::NoReading { name: None, for_ms: within(&mut section, "no_reading") }),
        ["no_event"] => {
            let kind = section.string("no_event")?;
            if !section.has("within") {
                section.problem("within", "it is missing: for how long nothing may happen, such as \"2h\"");
            }
            Some(Test::NoEvent { kind, for_ms: within(&mut section, "within") })
        }
        ["health"] => {
            let levels = [
                ("unreachable", HealthLevel::Unreachable),
                ("reachable", HealthLevel::Reachable),
                ("answering", HealthLevel::Answering),
            ];
            section.choice("health", &levels).map(Test::Health)
        }
        ["not"] => Some(Test::Not(Box::new(test(section.section("not")?, deep - 1)?))),
        [key @ ("all" | "any")] => {
            let parts = section.sections(key);
            if parts.is_empty() || parts.len() > MANY {
                section.problem(key, format!("it has 1 to {MANY} conditions"));
            }
            let tests: Vec<Test> = parts.into_iter().filter_map(|part| test(part, deep - 1)).collect();
            Some(if *key == "all" { Test::All(tests) } else { Test::Any(tests) })
        }
        _ => {
            section.problem(
                "",
                "a condition has exactly one of point, health, no_reading, no_event, all, any, not; or as a whole one of \
                 count, agent_silent, link_dead, lost_together",
            );
            None
        }
    }
}

fn point(mut section: Section<'_>) -> Option<Test> {
    const TESTS: [&str; 8] =
        ["above", "below", "beyond", "one_of", "none_of", "rises_by", "falls_by", "rises_less_than"];
    let name = section.string("point")?;
    let fits = |name: &str| !name.is_empty() && name.len() <= limits::NAME_BYTES;
    let stars = name.matches('*').count();
    if !fits(&name) || stars > 1 || stars == 1 && !name.ends_with(".*") && !name.contains(".*.") {
        let known =
            "a point's name such as \"temperature.room\", or \"temperature.*\" or \"disk.*.used\" for all its places";
        section.problem("point", known);
    }
    let name = Pattern::new(&name);
    let tests: Vec<&str> = TESTS.into_iter().filter(|test| section.has(test)).collect();
    let [test] = tests.as_slice() else {
        section.problem("point", format!("say what it must be, by exactly one of {}", TESTS.join(", ")));
        return None;
    };
    if let "rises_by" | "falls_by" | "rises_less_than" = *test {
        let by = section.number(test)?;
        if by <= 0.0 {
            section.problem(test, "it must be more than 0");
        }
        if !section.has("within") {
            section.problem("within", "it is missing: the time in which it does, such as \"10m\"");
        }
        let time = section.duration_within("within", Duration::from_secs(10)..=LONGEST, Duration::from_secs(600));
        let within_ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        return Some(match *test {
            "rises_by" => Test::Rises { name, by, within_ms },
            "falls_by" => Test::Rises { name, by: -by, within_ms },
            _ => Test::RisesLess { name, than: by, within_ms },
        });
    }
    if let "one_of" | "none_of" = *test {
        let words = section.strings(test);
        if words.is_empty() || words.len() > 64 {
            section.problem(test, "it has 1 to 64 words");
        }
        let is = if *test == "one_of" { Is::OneOf(words) } else { Is::NoneOf(words) };
        return Some(Test::Point { name, is });
    }
    let limit = section.number(test)?;
    // So that a value at the limit does not come and go: two hundredths of it, where nothing else is said.
    let usual = limit.abs() * 0.02;
    let is_below = *test == "below";
    let clear = section.number("clear").unwrap_or(if is_below { limit + usual } else { limit - usual });
    if (is_below && clear < limit) || (!is_below && clear > limit) || (*test == "beyond" && clear < 0.0) {
        section.problem("clear", "it lies on the good side of the limit");
    }
    let is = match *test {
        "above" => Is::Above { limit, clear },
        "below" => Is::Below { limit, clear },
        _ => Is::Beyond { limit, clear },
    };
    Some(Test::Point { name, is })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = r#"
id = "room-hot"
severity = "major"
name = { zh = "机房温度高", en = "Room is hot" }
text = { zh = "{device} 温度 {value} {unit}", en = "{device}: {value} {unit}" }
raise_after = "1m"

[match]
classes = ["environment-sensor"]

[when]
point = "temperature.*"
above = 30
"#;

    #[test]
    fn a_rule_reads_with_its_defaults() {
        let rule = read(RULE).unwrap();
        assert_eq!((rule.condition.as_str(), rule.raise_after_ms, rule.clear_after_ms), ("room-hot", 60_000, 10_000));
        let When::Device(Test::Point { name, is }) = rule.when else { panic!() };
        assert_eq!((name.place("temperature.room"), is), (Some("room"), Is::Above { limit: 30.0, clear: 29.4 }));
    }

    #[test]
    fn all_mistakes_are_told_with_their_lines() {
        let text = RULE
            .replace("\"major\"", "\"bad\"")
            .replace("{unit}", "{units}")
            .replace("above = 30", "above = 30\nclear = 31\ncolour = 1");
        let problems = read(&text).unwrap_err();
        let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [3, 5, 5, 14, 15], "{problems:?}");
        assert!(read("id = 1\nwhen = 2").unwrap_err().len() >= 4);
        assert!(read("= 1").unwrap_err()[0].text.contains("TOML"));
    }

    #[test]
    fn times_are_few() {
        let time = "[[during]]\nfrom = \"08:00\"\nto = \"09:00\"\n";
        assert!(read(&format!("{RULE}{}", time.repeat(TIMES))).is_ok());
        assert!(read(&format!("{RULE}{}", time.repeat(TIMES + 1))).unwrap_err()[0].text.contains("at most 16"));
    }

    #[test]
    fn every_kind_of_condition_reads() {
        for when in [
            "agent_silent = \"90s\"",
            "agent_silent = \"default\"",
            "link_dead = 2",
            "lost_together = { devices = 20, share = 0.5 }",
            "count = { devices = 3, share = 0.2, health = \"reachable\" }",
            "health = \"answering\"",
            "point = \"x\"\nno_reading = \"10m\"",
            "no_reading = \"10m\"",
            "no_event = \"passage\"\nwithin = \"2h\"",
            "point = \"x\"\nrises_by = 5\nwithin = \"10m\"",
            "point = \"x\"\nrises_less_than = 1\nwithin = \"1h\"",
            "all = [{ point = \"a\", below = 1 }, { not = { point = \"b\", one_of = [\"c\"] } }]",
        ] {
            let (head, _) = RULE.split_once("[when]").unwrap();
            read(&format!("{head}[when]\n{when}\n")).unwrap_or_else(|problems| panic!("{when}: {problems:?}"));
        }
    }
}
