//! From the events of a batch to rows of a partition.

use std::collections::BTreeMap;

use kouan_protocol::{Event, Privacy, RecordBody, RecordKind, Timestamp};
use rusqlite::{Transaction, params};
use serde_json::{Map, Value, json};

use super::day_of;
use crate::store::log::Entry;
use crate::store::{During as _, StoreError};

/// An event on its way into a partition.
pub(super) struct EventItem {
    time: Timestamp,
    site: String,
    agent: String,
    key: String,
    kind: String,
    details: String,
    late: bool,
    time_status: &'static str,
    received: Timestamp,
    epoch: String,
    seq: u64,
    opaque: bool,
}

/// The events of an entry by day. Personal values are kept only at the sites `keep_personal`.
pub(super) fn open(entry: &Entry, keep_personal: &[String], days: &mut BTreeMap<i64, Vec<EventItem>>) {
    let Ok(opened) = entry.open() else { return };
    let batch = &opened.batch;
    let mut next = batch.first_seq;
    for record in &batch.records {
        let seq = next;
        next += record.span;
        let (time, time_status) = entry.correction.believed(&batch.anchor, record.boot_time);
        let (key, kind, details, opaque) = match &record.body {
            RecordBody::Event(event) => {
                let keep = keep_personal.contains(&entry.site);
                let mut details = details(event, keep);
                details["agent_time_ms"] = json!(batch.anchor.wall_at(record.boot_time).0);
                (event.device.to_string(), event.kind.clone(), details, false)
            }
            RecordBody::Gap(_) => continue,
            // Whatever else stands in this lane is counted, so that every number can be accounted for.
            other => {
                let RecordKind(kind) = other.encode().0;
                (String::new(), format!("kind {kind}"), Value::Null, true)
            }
        };
        if seq < entry.from_seq {
            continue;
        }
        let event = EventItem {
            time,
            site: entry.site.clone(),
            agent: entry.agent.to_string(),
            key,
            kind,
            details: details.to_string(),
            late: entry.correction.is_late(time),
            time_status: time_status.as_str(),
            received: entry.correction.received,
            epoch: entry.epoch.to_string(),
            seq,
            opaque,
        };
        days.entry(day_of(time)).or_default().push(event);
    }
}

/// What an event says, as JSON; a personal value stays out unless its site keeps such values.
fn details(event: &Event, keep_personal: bool) -> Value {
    let mut fields = Map::new();
    let mut left_out = Vec::new();
    for field in &event.fields {
        if field.privacy == Privacy::Personal && !keep_personal {
            left_out.push(field.name.clone());
        } else {
            fields.insert(field.name.clone(), json!(field.value));
        }
    }
    let blobs = event.blobs.iter().map(|blob| {
        let sha256: String = blob.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({ "sha256": sha256, "size": blob.size, "media_type": blob.media_type })
    });
    json!({ "fields": fields, "left_out": left_out, "blobs": blobs.collect::<Vec<_>>() })
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Writes an event, unless it is there.
pub(super) fn insert(transaction: &Transaction<'_>, event: &EventItem) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO events (time_ms, site, agent, key, kind, details, late, time_status, received_ms, epoch,
                 seq, opaque)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                event.time.0,
                event.site,
                event.agent,
                event.key,
                event.kind,
                event.details,
                event.late,
                event.time_status,
                event.received.0,
                event.epoch,
                integer(event.seq),
                event.opaque
            ])
        })
        .during("write an event")?;
    Ok(())
}
