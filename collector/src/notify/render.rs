//! What a message says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kouan_protocol::Severity;

use super::alarm::{Alarm, Life};
use super::bundle::{Item, OutageItem, Reason};
use super::channel::ChannelSettings;
use super::language::Language;
use super::plan::Parcel;
use super::template::{Values, fill};
use super::wording::{duration, severity as severity_word, shipped};
use super::world::World;

/// Alarms that a message names; of the others it tells the number.
const NAMED: usize = 10;
/// Outages that a message names.
const NAMED_OUTAGES: usize = 10;
/// Sites that a message names.
const NAMED_SITES: usize = 5;

/// What kind of message something is, as records show it.
#[must_use]
pub(super) fn kind(parcel: &Parcel) -> &'static str {
    if parcel.is_late || parcel.items.is_empty() {
        return "digest";
    }
    match parcel.items.iter().map(|item| item.reason).max() {
        Some(Reason::Escalate) => "escalate",
        Some(Reason::Raise) => "raise",
        _ => "clear",
    }
}

/// Subject and text of what is told now.
#[must_use]
pub(super) fn message(
    parcel: &Parcel,
    id: &str,
    channel: &ChannelSettings,
    language: Language,
    world: &World,
    now: i64,
) -> (String, String) {
    let kind = kind(parcel);
    let (template, values) = match parcel.items.as_slice() {
        [item] if kind != "digest" && parcel.outages.is_empty() => (kind, of_one(item, id, language, world, now)),
        _ => (if kind == "digest" { kind } else { "group" }, of_many(parcel, id, language, world)),
    };
    words(template, channel, language, &values)
}

/// Subject and text of a test.
#[must_use]
pub(super) fn test_message(id: &str, by: &str, channel: &ChannelSettings, world: &World, now: i64) -> (String, String) {
    let values = Values::from([
        ("channel", clean(&channel.name)),
        ("by", clean(by)),
        ("since", time(now, &world.zone)),
        ("link", world.public_url.clone().unwrap_or_default()),
        ("id", id.to_owned()),
    ]);
    words("test", channel, channel.language, &values)
}

fn words(template: &str, channel: &ChannelSettings, language: Language, values: &Values) -> (String, String) {
    // Own words are in the language of the channel; people with another one get the shipped words.
    let own = channel.templates.get(template).filter(|_| language == channel.language);
    let (subject, text) =
        own.map_or_else(|| shipped(template, language), |own| (own.subject.as_str(), own.text.as_str()));
    (fill(subject, values), fill(text, values))
}

/// What comes from devices and people stands in one line.
fn clean(text: &str) -> String {
    let blank = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().map(blank).collect::<String>().trim().to_owned()
}

fn time(ms: i64, zone: &TimeZone) -> String {
    let time = Timestamp::from_millisecond(ms).map(|time| time.to_zoned(zone.clone()));
    time.map_or_else(|_| ms.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
}

fn what(alarm: &Alarm, language: Language) -> String {
    let text = match language {
        Language::Zh if !alarm.text_zh.is_empty() => &alarm.text_zh,
        _ if !alarm.text.is_empty() => &alarm.text,
        _ => &alarm.condition,
    };
    clean(text)
}

fn device(alarm: &Alarm) -> String {
    clean(if alarm.label.is_empty() { &alarm.agent } else { &alarm.label })
}

fn outcome(alarm: &Alarm, language: Language) -> &'static str {
    match (language, alarm.state, alarm.cleared_ms) {
        (_, Life::Raised, _) => "",
        (Language::Zh, Life::Closed, None) => "已关闭",
        (Language::Zh, ..) => "已恢复",
        (Language::En, Life::Closed, None) => "Closed",
        (Language::En, ..) => "Cleared",
    }
}

fn of_one(item: &Item, id: &str, language: Language, world: &World, now: i64) -> Values {
    let alarm = &item.alarm;
    let zone = world.zone_of(&alarm.site);
    let ended = match (alarm.cleared_ms, alarm.state) {
        (Some(cleared), Life::Cleared | Life::Closed) => time(cleared, zone),
        (_, Life::Closed) => outcome(alarm, language).to_owned(),
        _ => String::new(),
    };
    let until = alarm.cleared_ms.filter(|_| alarm.state != Life::Raised).unwrap_or(now);
    let several = |count: i64| if count > 0 { count.to_string() } else { String::new() };
    Values::from([
        ("severity", severity_word(alarm.severity, language).to_owned()),
        ("site", clean(&world.name_of(&alarm.site, language))),
        ("area", clean(&alarm.area)),
        ("device", device(alarm)),
        ("class", clean(&alarm.class)),
        ("what", what(alarm, language)),
        ("value", clean(&alarm.value)),
        ("since", time(alarm.last_raised_ms, zone)),
        ("duration", duration(until - alarm.last_raised_ms, language)),
        ("ended", ended),
        ("outcome", outcome(alarm, language).to_owned()),
        ("acknowledged", clean(alarm.acknowledged_by.as_deref().unwrap_or_default())),
        ("count", if alarm.count > 1 { alarm.count.to_string() } else { String::new() }),
        ("hides", several(alarm.hides)),
        ("agent", clean(&alarm.agent)),
        ("link", world.link(Some(alarm))),
        ("id", id.to_owned()),
    ])
}

fn of_many(parcel: &Parcel, id: &str, language: Language, world: &World) -> Values {
    let items = &parcel.items;
    let worst = items.iter().filter(|item| item.reason != Reason::Clear).map(|item| item.alarm.severity).max();
    let worst = worst.or_else(|| items.iter().map(|item| item.alarm.severity).max());
    let more = items.len().saturating_sub(NAMED);
    let more = match (more, language) {
        (0, _) => String::new(),
        (more, Language::Zh) => format!("……另有 {more} 条"),
        (more, Language::En) => format!("… and {more} more"),
    };
    let line = |item: &Item| line_of(item, language, world);
    Values::from([
        ("severity", worst.map_or("", |worst| severity_word(worst, language)).to_owned()),
        ("changes", changes(parcel, language)),
        ("severities", severities(items, language)),
        ("sites", sites(parcel, language, world)),
        ("list", items.iter().take(NAMED).map(line).collect::<Vec<_>>().join("\n")),
        ("more", more),
        ("outages", outages(&parcel.outages, language, world)),
        ("count", items.len().to_string()),
        ("link", world.link(None)),
        ("id", id.to_owned()),
    ])
}

fn line_of(item: &Item, language: Language, world: &World) -> String {
    let alarm = &item.alarm;
    let (severity, site) = (severity_word(alarm.severity, language), clean(&world.name_of(&alarm.site, language)));
    let (device, what) = (device(alarm), what(alarm, language));
    let since = time(alarm.last_raised_ms, world.zone_of(&alarm.site));
    let outcome = outcome(alarm, language);
    match language {
        Language::Zh => {
            let outcome = if outcome.is_empty() { String::new() } else { format!("，{outcome}") };
            format!("- {severity} {site} {device}：{what}（{since}{outcome}）")
        }
        Language::En => {
            let outcome = if outcome.is_empty() { String::new() } else { format!(", {}", outcome.to_lowercase()) };
            format!("- {severity}: {device} at {site}: {what} ({since}{outcome})")
        }
    }
}

fn changes(parcel: &Parcel, language: Language) -> String {
    let count = |is: &dyn Fn(&Item) -> bool| parcel.items.iter().filter(|item| is(item)).count();
    let went = count(&|item| item.reason != Reason::Clear && item.alarm.state != Life::Raised);
    let counts = [
        (
            count(&|item| item.reason == Reason::Raise)
                - count(&|item| item.reason == Reason::Raise && item.alarm.state != Life::Raised),
            "条告警",
            ("alarm", "alarms"),
        ),
        (
            count(&|item| item.reason == Reason::Escalate && item.alarm.state == Life::Raised),
            "条告警未确认",
            ("alarm unacknowledged", "alarms unacknowledged"),
        ),
        (count(&|item| item.reason == Reason::Clear), "条告警已恢复", ("alarm ended", "alarms ended")),
        (went, "条告警来去", ("alarm came and went", "alarms came and went")),
        (parcel.outages.len(), "次断线补传", ("outage", "outages")),
    ];
    let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
    match language {
        Language::Zh => counts.map(|(count, zh, _)| format!("{count} {zh}")).collect::<Vec<_>>().join("，"),
        Language::En => counts
            .map(|(count, _, (one, several))| format!("{count} {}", if count == 1 { one } else { several }))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn severities(items: &[Item], language: Language) -> String {
    let mut counts: BTreeMap<std::cmp::Reverse<Severity>, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(std::cmp::Reverse(item.alarm.severity)).or_default() += 1;
    }
    let words = counts.into_iter().map(|(of, count)| format!("{} {count}", severity_word(of.0, language)));
    words.collect::<Vec<_>>().join(if language == Language::Zh { "，" } else { ", " })
}

fn sites(parcel: &Parcel, language: Language, world: &World) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for item in &parcel.items {
        *counts.entry(&item.alarm.site).or_default() += 1;
    }
    for outage in &parcel.outages {
        counts.entry(&outage.site).or_default();
    }
    let several = counts.len() > 1;
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(site, count)| (std::cmp::Reverse(*count), *site));
    let more = counts.len().saturating_sub(NAMED_SITES);
    let mut words: Vec<String> = counts
        .into_iter()
        .take(NAMED_SITES)
        .map(|(site, count)| {
            let name = clean(&world.name_of(site, language));
            if several && count > 0 { format!("{name} {count}") } else { name }
        })
        .collect();
    match (more, language) {
        (0, _) => {}
        (more, Language::Zh) => words.push(format!("另有 {more} 个站点")),
        (more, Language::En) => words.push(format!("{more} more sites")),
    }
    words.join(if language == Language::Zh { "，" } else { ", " })
}

fn outages(outages: &[OutageItem], language: Language, world: &World) -> String {
    let line = |outage: &OutageItem| {
        let zone = world.zone_of(&outage.site);
        let (from, to) = (time(outage.from_ms, zone), time(outage.to_ms, zone));
        let (site, agent) = (clean(&world.name_of(&outage.site, language)), clean(&outage.agent));
        let OutageItem { raised, devices, events, lost, .. } = outage;
        match language {
            Language::Zh => format!(
                "- {site} {agent} {from} 至 {to} 断线，其间：告警 {raised} 次，设备状态变化 {devices} 台，事件 {events} 条，丢失记录 {lost} 条"
            ),
            Language::En => format!(
                "- {agent} at {site} could not be heard from {from} to {to}; meanwhile: alarms raised {raised}, devices \
                 whose health changed {devices}, events {events}, records lost {lost}"
            ),
        }
    };
    let mut lines: Vec<String> = outages.iter().take(NAMED_OUTAGES).map(line).collect();
    match (outages.len().saturating_sub(NAMED_OUTAGES), language) {
        (0, _) => {}
        (more, Language::Zh) => lines.push(format!("……另有 {more} 次断线")),
        (more, Language::En) => lines.push(format!("… and {more} more outages")),
    }
    lines.join("\n")
}
