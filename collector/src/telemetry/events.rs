//! Events over time.

use std::collections::HashMap;

use kouan_protocol::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::partitions::Partitions;
use super::{Slice, Span, day_of};
use crate::auth::Scope;
use crate::http::rfc3339;
use crate::store::{During as _, StoreError};

/// Which events.
#[derive(Debug, Clone)]
pub struct EventFilter {
    /// From this time on.
    pub from: Timestamp,
    /// Before this time.
    pub to: Timestamp,
    /// Of this kind.
    pub kind: Option<String>,
    /// Only those of devices in `spans`.
    pub only_spans: bool,
    /// All names that devices had; they tell which device an event belongs to.
    pub spans: Vec<Span>,
    /// Older than this place: time and id, the cursor of the page before.
    pub before: Option<(i64, i64)>,
}

/// An event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventRow {
    /// When it happened, corrected, RFC 3339.
    pub time: String,
    /// The same in milliseconds since 1970.
    pub time_ms: i64,
    /// When it happened by the agent's own clock.
    pub agent_time_ms: Option<i64>,
    /// Where.
    pub site: String,
    /// The device, if its name could be placed.
    pub device: Option<String>,
    /// The agent that reported it.
    pub agent: String,
    /// The device's name there.
    pub key: String,
    /// What happened: `passage`.
    pub kind: String,
    /// Details by name.
    #[schema(value_type = Object)]
    pub fields: Value,
    /// Names of personal values that this site does not keep.
    #[schema(value_type = Vec<String>)]
    pub left_out: Value,
    /// Pictures and other evidence: hash, size, media type.
    #[schema(value_type = Vec<Object>)]
    pub blobs: Value,
    /// Whether it arrived more than a minute after it happened.
    pub late: bool,
    /// How far the time may be believed.
    pub time_status: String,
    /// When it arrived.
    pub received_ms: i64,
    /// With `agent` and `seq`, names the event for ever.
    pub epoch: String,
    /// The event's number in its epoch.
    pub seq: i64,
    #[serde(skip)]
    id: i64,
}

pub(super) fn read(
    partitions: &Partitions,
    scope: &Scope,
    filter: &EventFilter,
    limit: usize,
) -> Result<Slice<EventRow>, StoreError> {
    let (first, last) = (day_of(filter.from), day_of(filter.to));
    let last = filter.before.map_or(last, |(time_ms, _)| day_of(Timestamp(time_ms)).min(last));
    let mut rows = Vec::new();
    for day in partitions.within(first, last).into_iter().rev() {
        let of_day = partitions.read(day, |partition| {
            if filter.only_spans {
                wanted(partition, &filter.spans)?;
            }
            of_day(partition, scope, filter, limit + 1 - rows.len())
        })?;
        rows.extend(of_day.unwrap_or_default());
        if rows.len() > limit {
            break;
        }
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let mut devices: HashMap<(&str, &str), Vec<&Span>> = HashMap::new();
    for span in &filter.spans {
        devices.entry((span.agent.as_str(), span.key.as_str())).or_default().push(span);
    }
    for row in &mut rows {
        let spans = devices.get(&(row.agent.as_str(), row.key.as_str()));
        row.device =
            spans.and_then(|spans| spans.iter().find(|span| span.covers(row.time_ms))).map(|span| span.device.clone());
    }
    let next = rows.last().filter(|_| more).map(|row: &EventRow| format!("{}.{}", row.time_ms, row.id));
    Ok(Slice { rows, next })
}

/// The names that are asked for, where SQL can find them.
fn wanted(partition: &Connection, spans: &[Span]) -> Result<(), StoreError> {
    partition
        .execute_batch(
            "DROP TABLE IF EXISTS temp.wanted;
             CREATE TEMP TABLE wanted (agent TEXT, key TEXT, from_ms INTEGER, to_ms INTEGER);
             CREATE INDEX temp.wanted_name ON wanted (agent, key)",
        )
        .during("prepare a search for events")?;
    let mut insert =
        partition.prepare("INSERT INTO temp.wanted VALUES (?1, ?2, ?3, ?4)").during("prepare a search for events")?;
    for span in spans {
        insert
            .execute(params![span.agent.as_str(), span.key.as_str(), span.from_ms, span.to_ms])
            .during("prepare a search for events")?;
    }
    Ok(())
}

fn of_day(
    partition: &Connection,
    scope: &Scope,
    filter: &EventFilter,
    limit: usize,
) -> Result<Vec<EventRow>, StoreError> {
    let only = if filter.only_spans {
        "AND EXISTS (SELECT 1 FROM temp.wanted w WHERE w.agent = events.agent AND w.key = events.key
             AND events.time_ms >= w.from_ms AND events.time_ms < w.to_ms)"
    } else {
        ""
    };
    let sql = format!(
        "SELECT id, time_ms, site, agent, key, kind, details, late, time_status, received_ms, epoch, seq FROM events
         WHERE opaque = 0 AND (time_ms, id) < (?1, ?2) AND time_ms >= ?3 AND time_ms < ?4
           AND (?5 IS NULL OR site IN (SELECT value FROM json_each(?5))) AND (?6 IS NULL OR kind = ?6) {only}
         ORDER BY time_ms DESC, id DESC LIMIT ?7"
    );
    let (before_ms, before_id) = filter.before.unwrap_or((i64::MAX, i64::MAX));
    partition
        .prepare(&sql)
        .and_then(|mut statement| {
            let values = params![
                before_ms,
                before_id,
                filter.from.0,
                filter.to.0,
                scope.to_sql(),
                filter.kind,
                i64::try_from(limit).unwrap_or(i64::MAX)
            ];
            statement.query_map(values, read_row)?.collect()
        })
        .during("read events")
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let time_ms = row.get(1)?;
    let details: String = row.get(6)?;
    let mut details: Value = serde_json::from_str(&details).unwrap_or_default();
    Ok(EventRow {
        id: row.get(0)?,
        time: rfc3339(time_ms),
        time_ms,
        agent_time_ms: details["agent_time_ms"].as_i64(),
        site: row.get(2)?,
        device: None,
        agent: row.get(3)?,
        key: row.get(4)?,
        kind: row.get(5)?,
        fields: details["fields"].take(),
        left_out: details["left_out"].take(),
        blobs: details["blobs"].take(),
        late: row.get(7)?,
        time_status: row.get(8)?,
        received_ms: row.get(9)?,
        epoch: row.get(10)?,
        seq: row.get(11)?,
    })
}
