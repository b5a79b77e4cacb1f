//! Tables and texts on the terminal.
use std::io::Write as _;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use kouan_protocol::Quality;
use serde::Serialize;

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

pub(super) fn devices(devices: &[DeviceReport]) {
    let mut table = table(&["device", "label", "class", "link", "health", "values"]);
    for device in devices {
        let health = if device.reason.is_empty() {
            device.health.clone()
        } else {
            format!("{} ({})", device.health, device.reason)
        };
        let values: Vec<_> = device.points.iter().take(4).map(short_value).collect();
        let more = device.points.len().saturating_sub(4);
        let values = if more > 0 { format!("{} … +{more}", values.join(", ")) } else { values.join(", ") };
        table.add_row([&device.device, &device.label, &device.class, &device.link, &health, &values]);
    }
    line!("{table}");
}

pub(super) fn points(device: &DeviceReport) {
    line!("{} ({}): {}", device.device, device.label, device.health);
    if !device.text.is_empty() {
        line!("  {}", device.text);
    }
    let mut table = table(&["point", "value", "unit", "quality", "age"]);
    for point in &device.points {
        let quality = match point.quality {
            Quality::Good => "good".to_owned(),
            other => format!("{other:?} ({:?})", point.reason).to_lowercase(),
        };
        let value = point.value.as_ref().map_or("–".to_owned(), ToString::to_string);
        table.add_row([&point.point, &value, &point.unit, &quality, &age(point.age_ms)]);
    }
    line!("{table}");
    if !device.actions.is_empty() {
        line!("actions: {}", device.actions.join(", "));
    }
}

pub(super) fn status(status: &StatusReport) {
    line!("{}, up {}, {} of {} devices work", status.software, age(status.up_ms), status.working, status.devices);
    match status.uplink.state {
        UplinkState::Off => line!("collector: none configured; everything is kept here"),
        UplinkState::Connecting => line!("collector: {} not connected", status.uplink.collector),
        UplinkState::Connected => {
            let agent = status.uplink.agent.as_deref().unwrap_or("?");
            line!("collector: {} connected as {agent}", status.uplink.collector);
        }
    }
    if let Some(problem) = &status.uplink.problem {
        line!("  {problem}");
    }
    for alarm in &status.alarms {
        let severity = format!("{:?}", alarm.severity).to_lowercase();
        line!("ALARM {} ({severity}, for {}): {}", alarm.condition, age(alarm.for_ms), alarm.text);
    }
    let mut table = table(&["lane", "epoch", "last", "confirmed", "waiting", "bytes", "lost", "gap open", "kept"]);
    for lane in &status.lanes {
        table.add_row([
            lane.lane.to_string(),
            lane.epoch.to_string(),
            lane.last_seq.to_string(),
            lane.confirmed_seq.to_string(),
            lane.waiting.to_string(),
            lane.bytes.to_string(),
            lane.lost.to_string(),
            if lane.gap_open { "yes" } else { "no" }.to_owned(),
            if lane.volatile { "IN MEMORY" } else { "on disk" }.to_owned(),
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
    let unit = if point.unit == "1" { "" } else { &point.unit };
    match &point.value {
        Some(value) => format!("{} {value}{}{unit}", point.point, if unit.is_empty() { "" } else { " " }),
        None => format!("{} –", point.point),
    }
}

fn age(milliseconds: u64) -> String {
    match milliseconds {
        0..10_000 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        10_000..120_000 => format!("{} s", milliseconds / 1000),
        120_000..7_200_000 => format!("{} min", milliseconds / 60_000),
        _ => format!("{} h", milliseconds / 3_600_000),
    }
}
