//! The live table of devices.

use anyhow::{Context as _, bail};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, Color, ContentArrangement, Table};
use kouan_tests::{Api, Checkpoint};
use serde_json::Value;

/// Values of one device that fit into its row.
const VALUES: usize = 4;
/// What is worth seeing first of each device; the rest follows by kind.
const FIRST: [&str; 14] = [
    "passage.count.in",
    "passage.count.out",
    "power.source",
    "battery.charge",
    "load.percent",
    "input.voltage",
    "cpu.usage",
    "memory.usage",
    "disk.root.used",
    "process.mosquitto.running",
    "paper",
    "tickets.count",
    "power.voltage",
    "power.active",
];

/// Devices with state, latest values and their age, and the latest event below.
pub(super) async fn draw(api: &Api) -> anyhow::Result<String> {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["device", "name", "class", "state", "last values", "age"]);
    let mut devices = api.list(&format!("/devices?site={}", Checkpoint::SITE)).await?;
    devices.sort_by_key(|device| device["key"].as_str().unwrap_or_default().to_owned());
    for device in devices {
        let id = device["id"].as_str().context("a device has no id")?;
        let device = api.get(&format!("/devices/{id}")).await?;
        table.add_row(row(&device));
    }
    let mut text = table.to_string();
    for event in latest(api, "/events?limit=2").await? {
        let line = format!("\nevent    {}  {}  {}", time(&event, "time"), word(&event, "key"), word(&event, "kind"));
        text.push_str(&format!("{line}  {}", fields(&event["fields"])));
    }
    for command in latest(api, "/commands?limit=2").await? {
        let what = format!("{} {}", word(&command, "action"), fields(&command["arguments"]));
        let (when, key, state) = (time(&command, "created"), word(&command, "key"), word(&command, "state"));
        text.push_str(&format!("\ncommand  {when}  {key}  {what}  {state}"));
    }
    Ok(text)
}

/// The first page of a list.
async fn latest(api: &Api, path: &str) -> anyhow::Result<Vec<Value>> {
    let mut page = api.get(path).await?;
    match page["items"].take() {
        Value::Array(rows) => Ok(rows),
        other => bail!("{path} is no list: {other}"),
    }
}

fn row(device: &Value) -> Vec<Cell> {
    let (shape, color) = shape(device["health"]["level"].as_str().unwrap_or("unknown"));
    let state = format!("{shape} {}", word(&device["health"], "level"));
    let reason = word(&device["health"], "reason");
    let state = if reason.is_empty() { state } else { format!("{state} ({reason})") };
    let points: Vec<&Value> = device["points"].as_array().into_iter().flatten().collect();
    let mut shown: Vec<_> = points.iter().filter(|point| !point["value"].is_null()).collect();
    shown.sort_by_key(|point| {
        let first = FIRST.iter().position(|name| point["point"] == *name).unwrap_or(FIRST.len());
        (first, point["kind"] != "measurement")
    });
    let values: Vec<_> = shown.iter().take(VALUES).map(|point| value(point)).collect();
    let youngest = points.iter().filter_map(|point| point["age_ms"].as_i64()).min();
    let age = youngest.map_or("–".to_owned(), |age| format!("{:.1} s", age.max(0) as f64 / 1000.0));
    vec![
        Cell::new(word(device, "key")),
        Cell::new(word(device, "label")),
        Cell::new(word(device, "class")),
        Cell::new(state).fg(color),
        Cell::new(values.join(", ")),
        Cell::new(age),
    ]
}

/// A shape for each state, so that colour is never the only sign.
fn shape(level: &str) -> (char, Color) {
    match level {
        "working" => ('●', Color::Green),
        "answering" => ('◐', Color::Yellow),
        "reachable" => ('◔', Color::Yellow),
        "unreachable" => ('○', Color::Red),
        _ => ('·', Color::Grey),
    }
}

fn value(point: &Value) -> String {
    let shown = match (&point["value"], point["decimals"].as_u64()) {
        (Value::Number(number), Some(decimals)) => {
            format!("{:.*}", usize::try_from(decimals).unwrap_or(0), number.as_f64().unwrap_or(f64::NAN))
        }
        (Value::String(text), _) => text.clone(),
        (other, _) => other.to_string(),
    };
    // The unit of a plain number is 1.
    let unit = match word(point, "unit") {
        "1" => "",
        unit => unit,
    };
    format!("{} {shown} {unit}", word(point, "point")).trim_end().to_owned()
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// The clock time out of an RFC 3339 time.
fn time<'a>(row: &'a Value, name: &str) -> &'a str {
    word(row, name).get(11..19).unwrap_or_default()
}

fn fields(fields: &Value) -> String {
    let fields = fields.as_object().into_iter().flatten();
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fields.map(|(name, value)| format!("{name} {}", shown(value))).collect::<Vec<_>>().join(", ")
}
