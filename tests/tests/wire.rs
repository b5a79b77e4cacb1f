//! A reader that was written from `docs/wire.md` alone, in another language, finds in the golden files what ours does.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

use std::path::PathBuf;
use std::process::Command;

use kouan_protocol::{Batch, Catalogue, RecordBody};
use serde_json::{Map, Value, json};

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../protocol/golden/v1")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(golden().join(format!("{name}.bin"))).unwrap()
}

fn records(name: &str) -> Vec<Value> {
    let batch = Batch::decode(&read(name)).unwrap();
    let mut seq = batch.first_seq;
    let record = batch.records.iter().map(|record| {
        let first_text = match &record.body {
            RecordBody::Event(event) => event.device.to_string(),
            RecordBody::Alarm(alarm) => alarm.device.to_string(),
            RecordBody::Command(progress) => progress.command.to_string(),
            RecordBody::Health(health) => health.device.to_string(),
            RecordBody::Gap(_) | RecordBody::Opaque { .. } => String::new(),
        };
        let wall_ms = batch.anchor.wall_at(record.boot_time).0;
        let listed =
            json!({ "seq": seq, "kind": record.body.encode().0.0, "wall_ms": wall_ms, "first_text": first_text });
        seq += record.span;
        listed
    });
    record.collect()
}

#[test]
fn another_language_reads_the_same_from_the_specification() {
    let catalogue = Catalogue::decode(&read("catalogue")).unwrap();
    let batch = Batch::decode(&read("readings")).unwrap();
    let mut rows = Vec::new();
    for group in batch.open_rows(&catalogue).unwrap() {
        for row in group.rows {
            let cells = row.cells.iter().map(|(column, cell)| {
                let name = group.group.points[usize::from(*column)].name.to_string();
                (name, json!([cell.value, cell.quality]))
            });
            rows.push(json!({
                "device": group.device.key,
                "group": group.group.name,
                "seq": row.seq,
                "wall_ms": batch.anchor.wall_at(row.boot_time).0,
                "cells": cells.collect::<Map<_, _>>(),
            }));
        }
    }
    assert!(rows.len() > 2, "the golden file has rows to compare");
    let ours = json!({ "rows": rows, "records": records("records"), "gap": records("gap") });

    let reader = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers/wire_reader.py");
    let output = Command::new(kouan_tests::python().unwrap()).arg(reader).arg(golden()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(theirs, ours);
}
