//! Tables and texts on the terminal.

use std::io::Write as _;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use kouan_protocol::Quality;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::words::Words;
use crate::local::{DeviceReport, PointReport, StatusReport};
use crate::uplink::UplinkState;

/// Prints a line. Whoever reads may have seen enough and gone away, which is no failure: `kouan-agent devices | head`.
macro_rules! line {
    ($($arguments:tt)*) => { say(format_args!("{}\n", format_args!($($arguments)*))) };
}

fn say(text: std::fmt::Arguments<'_>) {
    let _ = std::io::stdout().write_fmt(text);
}

pub(super) fn text(text: &str) {
    say(format_args!("{text}"));
}

pub(super) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// One of a stream of values, on one line.
pub(super) fn json_line<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// How many columns a text takes; Chinese letters take two.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

pub(super) fn devices(devices: &[DeviceReport], words: Words) {
    let header = if words.is_chinese() {
        ["设备", "名称", "类别", "线路", "健康", "数值"]
    } else {
        ["device", "label", "class", "link", "health", "values"]
    };
    let mut table = table(&header);
    for device in devices {
        let values: Vec<_> = device.points.iter().take(4).map(short_value).collect();
        let more = device.points.len().saturating_sub(4);
        let values = if more > 0 { format!("{} … +{more}", values.join(", ")) } else { values.join(", ") };
        let health = health_in_short(device, words);
        table.add_row([&device.device, &device.label, &device.class, &device.link, &health, &values]);
    }
    line!("{table}");
}

fn health_in_short(device: &DeviceReport, words: Words) -> String {
    let level = words.term(&device.health);
    if device.reason.is_empty() { level.to_owned() } else { format!("{level} ({})", words.term(&device.reason)) }
}

/// A device's health with its reason, and what was said about it.
pub(super) fn health(device: &DeviceReport, words: Words) -> String {
    let short = health_in_short(device, words);
    let said = words.either(&device.text, &device.text_zh);
    if said.is_empty() { short } else { format!("{short}: {said}") }
}

pub(super) fn points(device: &DeviceReport, words: Words) {
    line!("{} ({}): {}", device.device, device.label, health(device, words));
    let header = if words.is_chinese() {
        ["测点", "数值", "单位", "质量", "多久前"]
    } else {
        ["point", "value", "unit", "quality", "age"]
    };
    let mut table = table(&header);
    for point in &device.points {
        let value = point.value.as_ref().map_or("–".to_owned(), ToString::to_string);
        table.add_row([&point.point, &value, &point.unit, &quality(point, words), &age(point.age_ms)]);
    }
    line!("{table}");
    if !device.actions.is_empty() {
        line!("{}", words.actions(device.actions.join(", ")));
    }
}

/// How far a value may be believed, and why not fully.
pub(super) fn quality(point: &PointReport, words: Words) -> String {
    match point.quality {
        Quality::Good => words.term("good").to_owned(),
        other => {
            let (quality, reason) = (format!("{other:?}").to_lowercase(), format!("{:?}", point.reason).to_lowercase());
            format!("{} ({})", words.term(&quality), words.term(&reason))
        }
    }
}

pub(super) fn status(status: &StatusReport, words: Words) {
    line!("{}", words.uptime(&status.software, age(status.up_ms), status.working, status.devices));
    match status.uplink.state {
        UplinkState::Off => line!("{}", words.collector_none()),
        UplinkState::Connecting => line!("{}", words.collector_connecting(&status.uplink.collector)),
        UplinkState::Connected => {
            let agent = status.uplink.agent.as_deref().unwrap_or("?");
            line!("{}", words.collector_connected(&status.uplink.collector, agent));
        }
    }
    if let Some(problem) = &status.uplink.problem {
        let problem = words.either(problem, status.uplink.problem_zh.as_deref().unwrap_or_default());
        line!("  {problem}");
    }
    if let Some(revision) = &status.config.revision {
        line!("{}", words.config_revision(revision.number, &revision.origin, &revision.at));
    }
    for alarm in &status.alarms {
        let severity = format!("{:?}", alarm.severity).to_lowercase();
        let text = words.either(&alarm.text, &alarm.text_zh);
        line!("{}", words.alarm(alarm.name(), words.term(&severity), age(alarm.for_ms), text));
    }
    let header = if words.is_chinese() {
        ["通道", "纪元", "最新", "已确认", "待传", "字节", "丢失", "有缺口", "保存"]
    } else {
        ["lane", "epoch", "last", "confirmed", "waiting", "bytes", "lost", "gap open", "kept"]
    };
    let mut table = table(&header);
    for lane in &status.lanes {
        table.add_row([
            lane.lane.to_string(),
            lane.epoch.to_string(),
            lane.last_seq.to_string(),
            lane.confirmed_seq.to_string(),
            lane.waiting.to_string(),
            lane.bytes.to_string(),
            lane.lost.to_string(),
            if lane.gap_open { words.yes() } else { words.no() },
            if lane.volatile { words.in_memory() } else { words.on_disk() },
        ]);
    }
    line!("{table}");
}

pub(super) fn rows<const N: usize>(header: &[&str; N], rows: impl Iterator<Item = [String; N]>) {
    let mut table = table(header);
    for row in rows {
        table.add_row(row);
    }
    line!("{table}");
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}

fn short_value(point: &PointReport) -> String {
    format!("{} {}", point.point, value_with_unit(point))
}

/// The value as people write it; a dash if there is none.
pub(super) fn value_with_unit(point: &PointReport) -> String {
    let unit = if point.unit == "1" { "" } else { &point.unit };
    match &point.value {
        Some(value) => format!("{value} {unit}").trim_end().to_owned(),
        None => "–".to_owned(),
    }
}

pub(super) fn age(milliseconds: u64) -> String {
    match milliseconds {
        0..10_000 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        10_000..120_000 => format!("{} s", milliseconds / 1000),
        120_000..7_200_000 => format!("{} min", milliseconds / 60_000),
        _ => format!("{} h", milliseconds / 3_600_000),
    }
}

/// A number of bytes as people write it.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        10_485_760..10_737_418_240 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

/// The time of day here, with how far that is from UTC: `15:05:11+08:00`.
pub(super) fn time_of_day() -> String {
    in_zone(wall_ms(), jiff::tz::TimeZone::system())
}

fn in_zone(wall_ms: i64, zone: jiff::tz::TimeZone) -> String {
    let time = jiff::Timestamp::from_millisecond(wall_ms).unwrap_or_default();
    time.to_zoned(zone).strftime("%H:%M:%S%:z").to_string()
}

fn wall_ms() -> i64 {
    use kouan_protocol::Clock as _;
    // Without the kernel's boot id there is still a wall clock; it is only shown here.
    kouan_protocol::SystemClock::new().map_or(0, |clock| clock.wall().0)
}

/// The wall clock of the machine: `2026-11-22T07:05:11Z`.
pub(super) fn now() -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(wall_ms().max(0).unsigned_abs());
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_that_of_the_place() {
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
        assert_eq!(in_zone(25_511_000, zone), "15:05:11+08:00");
    }
}
