//! `docs/devices.md` is made from the profiles and their vectors. `KOUAN_WRITE_DOCS=1` writes it anew.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::PathBuf;

use kouan_drivers::profile::{Description, ProfileStore, check};

const HEAD: &str = "# Devices

What is supported, made from the profiles in `configs/profiles/` by a test; do not edit it by hand
(`KOUAN_WRITE_DOCS=1 cargo nextest run -p kouan-drivers --test device_list` writes it anew).

**Evidence** says how good the facts are: *solid* (the maker's document, a mature open driver, or several sources that
agree), *medium* (one credible source), *uncertain*. **Bytes** says what the profile is tested against: *answers* that
somebody published, *requests* that somebody published with answers made from a table, or a *table* alone from which both
were made by the rules of the protocol. None of it replaces a look at the device. **Simulator** says which part of
`kouan-sim` plays it: one that was written for it (its values live, or it does what such a device does), one made of the
profile alone, where every value stands until it is set, or *none*. A point to **prove** has
no meaning before it was tried out at the device and named in its `proved` or `inverted` ([`profiles.md`](profiles.md)).

This machine itself (`kind = \"host\"`) needs no profile.

";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn bytes(name: &str) -> &'static str {
    let read = |folder: &str| std::fs::read_to_string(root().join(format!("drivers/tests/{folder}/{name}.toml")));
    let text = read("vectors").or_else(|_| read("heard")).unwrap_or_default();
    let origin = |word: &str| text.contains(&format!("origin = \"{word}\""));
    match text.is_empty() {
        true => "own tests",
        false if origin("published") => "answers",
        false if origin("request") => "requests",
        false => "table",
    }
}

/// What plays such a device.
fn simulator(profile: &Description) -> &'static str {
    match (profile.about.kind, profile.name.as_str()) {
        ("modbus", "apc-smart-ups" | "xy-md02" | "pzem-016" | "waveshare-relay-8ch") => "`modbus-tcp`, `modbus-rtu`",
        ("modbus", "barrier-waveshare") => "`barrier`",
        ("modbus", _) => "`modbus-tcp`, `modbus-rtu`, of the profile",
        ("listener", _) => "`speaker`, of the profile",
        ("rfid", _) => "`tag-reader`",
        ("led-card", _) => "`led-card`",
        ("mqtt", _) => "`kiosk`",
        ("osdp", _) => "`card-reader`",
        ("uhppote", _) => "`door-controller`",
        ("zkteco-c3", _) => "`c3`",
        (_, "ds205a-gate") => "`gate`",
        (_, "kerong-cu16") => "`cabinet`",
        (_, "kerong-cu48" | "lock-board-8a80-12" | "lock-board-8a80-24") => "`lock-board`",
        (_, "eb-gate") => "`eb-gate`",
        (_, "escpos-printer") => "`printer`",
        ("ydt1363", _) => "`ydt`",
        _ => "none",
    }
}

fn describe(out: &mut String, profile: &Description) {
    let about = &profile.about;
    writeln!(out, "### {}\n", profile.name).unwrap();
    let maker = if about.maker.is_empty() { String::new() } else { format!("{} ", about.maker) };
    writeln!(out, "{maker}{}; kind `{}`, evidence {}.", about.model, about.kind, about.evidence.as_str()).unwrap();
    writeln!(out, "Source: {}.\n", about.source).unwrap();
    let mut names: Vec<String> = Vec::new();
    for point in &profile.points {
        let name = family(point.common.spec.name.as_str());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    writeln!(out, "- points ({}): {}", profile.points.len(), names.join(", ")).unwrap();
    if !profile.actions.is_empty() {
        let actions: Vec<_> = profile.actions.iter().map(|action| format!("`{}`", action.name)).collect();
        writeln!(out, "- actions: {}", actions.join(", ")).unwrap();
    }
    let of_states = profile.points.iter().filter_map(|point| point.common.tells.as_ref()?.alarm.as_ref());
    let mut alarms: Vec<String> = Vec::new();
    for condition in of_states
        .map(|alarm| &alarm.condition)
        .chain(profile.limits.iter().map(|limit| &limit.condition))
        .map(|condition| format!("`{condition}`"))
    {
        if !alarms.contains(&condition) {
            alarms.push(condition);
        }
    }
    if !alarms.is_empty() {
        writeln!(out, "- alarms: {}", alarms.join(", ")).unwrap();
    }
    let mut proofs: Vec<String> = Vec::new();
    for point in &profile.points {
        if let Some(prove) = &point.notes.prove {
            let proof = format!("{}: {prove}", family(point.common.spec.name.as_str()));
            if !proofs.contains(&proof) {
                proofs.push(proof);
            }
        }
    }
    for proof in proofs {
        writeln!(out, "- prove {proof}").unwrap();
    }
    for doubt in &about.doubts {
        writeln!(out, "- doubt: {doubt}").unwrap();
    }
    out.push('\n');
}

/// `relay.3` as `relay.n`, so that a board is one word.
fn family(name: &str) -> String {
    let parts = name.split('.').map(|part| if part.bytes().all(|byte| byte.is_ascii_digit()) { "n" } else { part });
    format!("`{}`", parts.collect::<Vec<_>>().join("."))
}

fn made() -> String {
    let store = ProfileStore::built_in();
    let mut profiles: Vec<_> = store.names().map(|name| check(name, store.get(name).unwrap()).unwrap()).collect();
    profiles.sort_by(|a, b| (&a.about.class, &a.name).cmp(&(&b.about.class, &b.name)));
    let mut out = HEAD.to_owned();
    out += "| class | profile | model | evidence | bytes | simulator |\n|---|---|---|---|---|---|\n";
    for profile in &profiles {
        let (about, name) = (&profile.about, &profile.name);
        let (evidence, bytes) = (about.evidence.as_str(), bytes(name));
        let (class, model, played) = (&about.class, &about.model, simulator(profile));
        writeln!(out, "| {class} | [`{name}`](#{name}) | {model} | {evidence} | {bytes} | {played} |").unwrap();
    }
    out += "\n";
    for profile in &profiles {
        describe(&mut out, profile);
    }
    out.trim_end().to_owned() + "\n"
}

#[test]
fn the_list_of_devices_is_current() {
    let path = root().join("docs/devices.md");
    let made = made();
    if std::env::var_os("KOUAN_WRITE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == made, "docs/devices.md is old: run this test with KOUAN_WRITE_DOCS=1");
}
