//! Every shipped profile against bytes: those that somebody published, or those that the published table says.
//!
//! `vectors/NAME.toml` belongs to the profile `NAME`. The real driver talks over TCP to a peer that knows these bytes
//! and nothing else.
#![allow(clippy::unwrap_used)]

mod outsiders;
mod running;
mod scripted;

use std::collections::BTreeMap;
use std::path::PathBuf;

use kouan_drivers::driver::{ActOutcome, RawValue};
use kouan_drivers::profile::ProfileStore;
use kouan_protocol::{Field, FieldValue, PointKind, QualityReason};
use running::Running;
use scripted::{Peer, hex};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    /// Lines for the link and for the device in the agent's configuration.
    #[serde(default)]
    link: String,
    #[serde(default = "unit_one")]
    device: String,
    #[serde(default)]
    read: Vec<Read>,
    /// Registers and bits of which no whole answer was published.
    #[serde(default)]
    image: Vec<Image>,
    /// What the points show once everything was read.
    #[serde(default)]
    expect: BTreeMap<String, toml::Value>,
    #[serde(default)]
    act: Vec<Act>,
    /// Single frames of protocols whose frames depend on what went before; each protocol's own test reads them.
    #[serde(default)]
    frame: Vec<Frame>,
}

/// Kinds whose sessions cannot be played from single exchanges: their frames carry numbers that go on, or nothing is asked.
const IN_SESSIONS: [&str; 5] = ["mqtt", "osdp", "zkteco-c3", "uhppote", "listener"];

fn in_sessions(name: &str) -> bool {
    name == "llrp-reader" || IN_SESSIONS.contains(&kind_of(name).as_str())
}

/// One frame; the protocol's own test compares what it says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    #[allow(dead_code)]
    origin: Origin,
    source: String,
    bytes: String,
    says: String,
}

/// An exchange.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    /// `published`, `request` where only that was and the answer follows the table, or `table` where both do.
    #[allow(dead_code)]
    origin: Origin,
    source: String,
    request: String,
    answer: String,
    /// The driver itself must send exactly this request.
    #[serde(default)]
    exact: bool,
}

#[derive(Debug, Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Origin {
    Published,
    Request,
    Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    function: u8,
    address: u16,
    values: Vec<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    origin: Origin,
    source: String,
    action: String,
    #[serde(default)]
    arguments: BTreeMap<String, toml::Value>,
    /// What must go out.
    request: String,
    /// Where the answer does not follow from the request.
    #[serde(default)]
    answer: String,
    /// Words that the outcome holds when it is not a success.
    #[serde(default)]
    fails: String,
}

fn unit_one() -> String {
    "unit = 1".to_owned()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn load(name: &str) -> Vectors {
    let path = folder().join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn kind_of(name: &str) -> String {
    let text = &ProfileStore::built_in().get(name).unwrap().text.clone();
    text.lines().find_map(|line| line.strip_prefix("kind = \"")?.strip_suffix('"')).unwrap().to_owned()
}

/// What a point's cell says to people.
fn shown(running: &Running, name: &str, rows: &[kouan_drivers::driver::RawRow]) -> String {
    let groups = &running.link.devices[0].groups;
    for row in rows {
        let points = &groups[row.group].points;
        let Some(column) = points.iter().position(|point| point.spec.name.as_str() == name) else { continue };
        let point = &points[column];
        let cell = row.cells.iter().find(|(at, _)| usize::from(*at) == column);
        return match cell {
            None => "not read".to_owned(),
            Some((_, Err(reason))) => format!("{reason:?}"),
            Some((_, Ok(RawValue::Text(text)))) => text.clone(),
            Some((_, Ok(RawValue::Integer(raw)))) if point.not_available.contains(raw) => {
                format!("{:?}", QualityReason::NotAvailable)
            }
            Some((_, Ok(RawValue::Integer(raw)))) if point.spec.kind == PointKind::State => {
                point.words.iter().find(|(known, _)| known == raw).map_or(raw.to_string(), |(_, word)| word.clone())
            }
            Some((_, Ok(RawValue::Integer(raw)))) if point.spec.kind == PointKind::Counter => raw.to_string(),
            Some((_, Ok(RawValue::Integer(raw)))) => number(point.scale.apply(*raw as f64)),
            Some((_, Ok(RawValue::Number(raw)))) => number(point.scale.apply(*raw)),
        };
    }
    "no such point was read".to_owned()
}

fn number(number: f64) -> String {
    format!("{}", (number * 1e6).round() / 1e6)
}

fn expected(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(integer) => integer.to_string(),
        toml::Value::Float(float) => number(*float),
        other => panic!("{other}"),
    }
}

fn arguments(table: &BTreeMap<String, toml::Value>) -> Vec<Field> {
    let value = |value: &toml::Value| match value {
        toml::Value::String(text) => FieldValue::Text(text.clone()),
        toml::Value::Integer(integer) => FieldValue::Integer(*integer),
        toml::Value::Float(float) => FieldValue::Number(*float),
        toml::Value::Boolean(flag) => FieldValue::Flag(*flag),
        other => panic!("{other}"),
    };
    table.iter().map(|(name, argument)| Field::new(name, value(argument))).collect()
}

/// Lets the driver read and act, and returns everything that was not as the vectors say.
async fn prove(name: &str) -> Vec<String> {
    let vectors = load(name);
    let kind = kind_of(name);
    let peer = Peer::start(&kind).await;
    for read in &vectors.read {
        assert!(!read.source.is_empty(), "{name}: a source is missing");
        peer.knows(&hex(&read.request), &hex(&read.answer)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for image in &vectors.image {
        peer.holds(image.function, image.address, &image.values);
    }
    let framing = if kind == "modbus" { "framing = \"rtu\"\n" } else { "" };
    let text = format!(
        "[[link]]\nname = \"l\"\nkind = \"{kind}\"\ntcp = \"{}\"\n{framing}{}\n\
         [[link.device]]\nname = \"d\"\nprofile = \"{name}\"\n{}\n",
        peer.address, vectors.link, vectors.device
    );
    let running = Running::start(&text);
    let mut wrong = Vec::new();
    let rows = running.read().await.unwrap_or_else(|error| {
        wrong.push(format!("nothing was read: {error}"));
        Vec::new()
    });
    for (point, value) in &vectors.expect {
        let (shown, expected) = (shown(&running, point, &rows), expected(value));
        if shown != expected {
            wrong.push(format!("{point} is {shown}, not {expected}"));
        }
    }
    for read in vectors.read.iter().filter(|read| read.exact) {
        if !peer.heard().contains(&hex(&read.request)) {
            wrong.push(format!("{} was never asked", read.request));
        }
    }
    for act in &vectors.act {
        assert!(!act.source.is_empty(), "{name}: a source is missing");
        if !act.answer.is_empty() {
            peer.knows(&hex(&act.request), &hex(&act.answer)).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let before = peer.heard().len();
        let outcome = running.act(&act.action, arguments(&act.arguments)).await;
        let sent = peer.heard().split_off(before).into_iter().filter(|bytes| *bytes == hex(&act.request)).count();
        if sent != 1 {
            let heard = peer.heard().split_off(before);
            let (action, origin) = (&act.action, act.origin);
            wrong.push(format!("{action} ({origin:?}): {} went out {sent} times: {heard:02X?}", act.request));
        }
        match outcome {
            ActOutcome::Succeeded(_) if act.fails.is_empty() => {}
            ActOutcome::Failed(text) | ActOutcome::Unknown(text)
                if !act.fails.is_empty() && text.english.contains(&act.fails) => {}
            other => wrong.push(format!("{}: {other:?}", act.action)),
        }
    }
    if !wrong.is_empty() {
        wrong.push(format!("heard: {:02X?}", peer.heard()));
    }
    running.stop().await;
    wrong.into_iter().map(|line| format!("{name}: {line}")).collect()
}

#[tokio::test]
async fn every_profile_reads_and_says_the_bytes_that_were_published() {
    let store = ProfileStore::built_in();
    let names: Vec<_> = store.names().filter(|name| !in_sessions(name)).map(str::to_owned).collect();
    let proofs: Vec<_> = names.into_iter().map(|name| tokio::spawn(async move { prove(&name).await })).collect();
    let mut wrong = Vec::new();
    for proof in proofs {
        match proof.await {
            Ok(found) => wrong.extend(found),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same values from a server that somebody else wrote: pymodbus, one unit for each profile.
#[tokio::test]
async fn every_modbus_profile_is_read_from_pymodbus() {
    let store = ProfileStore::built_in();
    let names: Vec<_> = store.names().filter(|name| kind_of(name) == "modbus").map(str::to_owned).collect();
    let mut table = serde_json::Map::new();
    for (name, unit) in names.iter().zip(1_u8..) {
        let (vectors, peer) = (load(name), Peer::start("modbus").await);
        for read in &vectors.read {
            peer.knows(&hex(&read.request), &hex(&read.answer)).unwrap();
        }
        for image in &vectors.image {
            peer.holds(image.function, image.address, &image.values);
        }
        let mut tables: BTreeMap<&str, BTreeMap<String, Vec<u16>>> = BTreeMap::new();
        let mut last: Option<(u8, u16, u16)> = None;
        for ((function, address), value) in peer.image() {
            let kind = ["coils", "inputs", "holding", "input"][usize::from(function) - 1];
            let first = match last {
                Some((of, first, next)) if of == function && next == address => first,
                _ => address,
            };
            tables.entry(kind).or_default().entry(first.to_string()).or_default().push(value);
            last = Some((function, first, address.saturating_add(1)));
        }
        table.insert(unit.to_string(), serde_json::to_value(tables).unwrap());
    }
    let server = outsiders::ModbusServer::tcp(&serde_json::Value::Object(table), &[]);
    let mut wrong = Vec::new();
    for (name, unit) in names.iter().zip(1_u8..) {
        let vectors = load(name);
        let device = vectors.device.lines().filter(|line| !line.starts_with("unit = ")).collect::<Vec<_>>().join("\n");
        let running = Running::start(&format!(
            "[[link]]\nname = \"l\"\nkind = \"modbus\"\ntcp = \"127.0.0.1:{}\"\n\
             [[link.device]]\nname = \"d\"\nprofile = \"{name}\"\nunit = {unit}\nanswer_timeout = \"3s\"\n{device}\n",
            server.place
        ));
        let rows = running.read().await.unwrap_or_default();
        for (point, value) in &vectors.expect {
            let (shown, expected) = (shown(&running, point, &rows), expected(value));
            if shown != expected {
                wrong.push(format!("{name}: {point} is {shown}, not {expected}"));
            }
        }
        running.stop().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_of_vectors_has_its_profile() {
    let store = ProfileStore::built_in();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(store.get(name).is_some(), "{}", path.display());
        let vectors = load(name);
        if in_sessions(name) {
            let whole =
                |frame: &Frame| !frame.source.is_empty() && !hex(&frame.bytes).is_empty() && !frame.says.is_empty();
            assert!(!vectors.frame.is_empty() && vectors.frame.iter().all(whole), "{name}: there are no frames");
            continue;
        }
        let expects = !vectors.expect.is_empty() || vectors.read.is_empty() && !vectors.act.is_empty();
        assert!(expects, "{name}: nothing is expected");
        let bytes = vectors.read.iter().any(|read| !hex(&read.answer).is_empty())
            || vectors.act.iter().any(|act| !hex(&act.request).is_empty())
            || vectors.image.iter().any(|image| !image.values.is_empty());
        assert!(bytes, "{name}: there are no bytes");
    }
}

/// What `docs/devices.md` tells the reader of a profile's bytes.
fn claimed(name: &str) -> String {
    let list = std::fs::read_to_string(folder().join("../../../docs/devices.md")).unwrap();
    let link = format!("[`{name}`](#{name})");
    let row = list.lines().find(|line| line.starts_with('|') && line.contains(&link));
    row.unwrap_or_else(|| panic!("{name} is not in the list")).split('|').nth(5).unwrap().trim().to_owned()
}

/// Every `origin` of entries that have bytes, wherever in the file they stand.
fn origins(value: &toml::Value, found: &mut Vec<String>) {
    match value {
        toml::Value::Array(items) => items.iter().for_each(|item| origins(item, found)),
        toml::Value::Table(table) => {
            let has = |key: &str| table.get(key).and_then(toml::Value::as_str).is_some_and(|text| !text.is_empty());
            if let Some(origin) = table.get("origin").and_then(toml::Value::as_str) {
                assert!(has("source"), "a source is missing: {table}");
                let answer = has("answer") || has("bytes") || has("heard");
                // What a board answers to a command is often the command itself.
                assert!(answer || has("request"), "there are no bytes: {table}");
                found.push(origin.to_owned());
            }
            table.values().for_each(|item| origins(item, found));
        }
        _ => {}
    }
}

#[test]
fn the_list_of_devices_claims_what_the_files_hold() {
    let store = ProfileStore::built_in();
    for name in store.names() {
        let heard = folder().with_file_name("heard").join(format!("{name}.toml"));
        let file = [folder().join(format!("{name}.toml")), heard].into_iter().find(|path| path.exists());
        let Some(file) = file else {
            // The topics of a kiosk are this project's own: nobody else can have published them.
            assert_eq!((kind_of(name).as_str(), claimed(name).as_str()), ("mqtt", "own tests"), "{name}");
            assert!(include_str!("mqtt.rs").contains(&format!("profile = \\\"{name}\\\"")), "{name} is not tested");
            continue;
        };
        let text = std::fs::read_to_string(&file).unwrap();
        let mut found = Vec::new();
        origins(&toml::Value::Table(text.parse().unwrap()), &mut found);
        let has = |origin: &str| found.iter().any(|found| found == origin);
        let holds = if has("published") {
            "answers"
        } else if has("request") {
            "requests"
        } else {
            "table"
        };
        assert_eq!(claimed(name), holds, "{}", file.display());
    }
}
