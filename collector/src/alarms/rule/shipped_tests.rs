//! The shipped rules as a whole.

use std::collections::BTreeSet;

use super::{Is, Rule, Test, When, read, shipped};
use crate::alarms::terms;

fn all() -> Vec<Rule> {
    let rule = |(id, text): &(&str, &str)| {
        let rule = read(text).unwrap_or_else(|problems| panic!("{id}: {problems:?}"));
        assert_eq!(rule.id, *id);
        rule
    };
    shipped().iter().map(rule).collect()
}

fn tests(rule: &Rule) -> Vec<Test> {
    let mut found = Vec::new();
    if let When::Device(test) | When::Count { test, .. } = &rule.when {
        test.visit(&mut |test| found.push(test.clone()));
    }
    found
}

#[test]
fn every_shipped_rule_reads_and_every_file_is_shipped() {
    let rules = all();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/rules");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap().replace(".toml", ""))
        .collect();
    assert_eq!(rules.iter().map(|rule| rule.id.clone()).collect::<BTreeSet<_>>(), files);
    assert!(rules.iter().all(|rule| rule.text.zh != rule.text.en && rule.name.zh != rule.name.en));
}

#[test]
fn every_class_of_the_estate_has_a_rule_about_its_reach() {
    let rules = all();
    let estate = include_str!("../../../../load/data/fleet.csv");
    let classes: BTreeSet<&str> = estate.lines().skip(1).filter_map(|line| line.split(',').nth(3)).collect();
    assert_eq!(classes.len(), 61);
    for class in classes {
        let of_class = rules.iter().filter(|rule| rule.matching.classes.contains(class));
        let reach: Vec<&Rule> = of_class.filter(|rule| matches!(rule.when, When::Device(Test::Health(_)))).collect();
        assert_eq!(reach.len(), 1, "{class}: one alarm says that it cannot be reached");
    }
}

#[test]
fn what_equipment_says_of_itself_raises_alarms() {
    let rules = all();
    let words = [
        ("power.source", "battery"),
        ("power.source", "bypass"),
        ("output.on", "no"),
        ("output.shutdown-imminent", "yes"),
        ("input.acceptable", "no"),
        ("battery.low", "yes"),
        ("battery.replace", "yes"),
        ("battery.connected", "no"),
        ("load.overload", "yes"),
        ("inverter", "alarm"),
        ("rectifier", "alarm"),
        ("breaker.2", "open"),
        ("leak", "leak"),
        ("leak.cable", "broken"),
        ("smoke.1", "smoke"),
        ("fire", "alarm"),
        ("alarm.fan", "alarm"),
        ("fault.motor", "fault"),
        ("passage.intrusion", "yes"),
        ("passage.mode", "free"),
        ("barrier", "unknown"),
        ("manual-release", "yes"),
        ("door.1", "open"),
        ("lock.7", "unlocked"),
        ("paper", "near"),
        ("paper", "out"),
        ("cover", "open"),
        ("printer.online", "no"),
        ("cutter", "fault"),
        ("screen.on", "no"),
        ("video.ok", "no"),
        ("antenna.2", "disconnected"),
        ("weight.state", "overload"),
    ];
    for (point, word) in words {
        let says = |test: &Test| match test {
            Test::Point { name, is: Is::OneOf(words) } => {
                name.place(point).is_some() && words.iter().any(|known| known == word)
            }
            _ => false,
        };
        assert!(rules.iter().any(|rule| tests(rule).iter().any(says)), "{point} = {word}");
    }
    let numbers = [
        "battery.charge",
        "battery.temperature",
        "load.percent",
        "power.voltage.l1",
        "temperature.room",
        "temperature.device",
        "humidity.room",
        "clock.offset",
        "cpu.usage",
        "memory.usage",
        "disk.root.used",
    ];
    for point in numbers {
        let limits = |test: &Test| match test {
            Test::Point { name, is: Is::Above { .. } | Is::Below { .. } | Is::Beyond { .. } } => {
                name.place(point).is_some()
            }
            _ => false,
        };
        assert!(rules.iter().any(|rule| tests(rule).iter().any(limits)), "{point}");
    }
}

#[test]
fn texts_are_written_in_their_language() {
    let without_words = |text: &str| {
        let parts = text.split('{').map(|part| part.split_once('}').map_or(part, |(_, after)| after));
        parts.collect::<String>().replace("UPS", "").replace("CPU", "").replace("°C", "")
    };
    for rule in all() {
        for text in [&rule.text, &rule.name] {
            let (zh, en) = (without_words(&text.zh), without_words(&text.en));
            assert!(!zh.chars().any(|letter| letter.is_ascii_alphabetic()), "{}: {zh}", rule.id);
            assert!(en.chars().all(|letter| letter < '\u{2e80}'), "{}: {en}", rule.id);
        }
        if !rule.text.zh.contains("{point}") {
            continue;
        }
        for test in tests(&rule) {
            let Test::Point { name, .. } = test else { continue };
            let code = if name.has_places() { format!("{}.root.used", name.name()) } else { name.name().to_owned() };
            assert_ne!(terms::point(&code, terms::Language::Chinese), code, "{}: nobody says what that is", rule.id);
        }
    }
}
