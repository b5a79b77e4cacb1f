//! What was lost.

use kouan_protocol::Gap;
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::Origin;
use crate::auth::Scope;
use crate::store::{During as _, StoreError};

pub(super) fn record_gap(
    transaction: &Transaction<'_>,
    origin: &Origin,
    gap: &Gap,
    first: u64,
    last: u64,
) -> Result<(), StoreError> {
    let devices: Vec<&str> = gap.devices.iter().map(|device| device.as_str()).collect();
    insert_gap(
        transaction,
        origin,
        (first, last),
        gap.reason.as_str(),
        gap.lost,
        Some((gap.from.0, gap.to.0)),
        &devices,
    )
}

pub(super) fn record_lost(
    transaction: &Transaction<'_>,
    origin: &Origin,
    first: u64,
    last: u64,
    reason: &str,
) -> Result<(), StoreError> {
    insert_gap(transaction, origin, (first, last), reason, last + 1 - first, None, &[])
}

fn insert_gap(
    transaction: &Transaction<'_>,
    origin: &Origin,
    (first, last): (u64, u64),
    reason: &str,
    lost: u64,
    times: Option<(i64, i64)>,
    devices: &[&str],
) -> Result<(), StoreError> {
    let devices = serde_json::to_string(devices).map_err(StoreError::damaged("a gap"))?;
    let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    transaction
        .execute(
            "INSERT INTO gaps (site, agent, lane, epoch, first_seq, last_seq, reason, lost, from_ms, to_ms, devices,
                 received_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                origin.site,
                origin.agent.as_str(),
                origin.lane,
                origin.epoch,
                integer(first),
                integer(last),
                reason,
                integer(lost),
                times.map(|(from, _)| from),
                times.map(|(_, to)| to),
                devices,
                origin.received.0
            ],
        )
        .during("record a gap")?;
    Ok(())
}

/// Records that will never come.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GapRow {
    /// Its place in the list.
    pub id: i64,
    /// Where.
    pub site: String,
    /// Whose.
    pub agent: String,
    /// The lane.
    pub lane: String,
    /// The lane's epoch.
    pub epoch: String,
    /// The first number that the gap takes.
    pub first_seq: i64,
    /// The last number that the gap takes; below the first one where an epoch ended and nobody knows how much of it
    /// had not been sent.
    pub last_seq: i64,
    /// Why: `bytes-limit`, `disk-full`, `collector-lost`, `buffer-replaced`, …
    pub reason: String,
    /// How many records; 0 if unknown.
    pub lost: i64,
    /// The agent's time of the first lost record.
    pub from_ms: Option<i64>,
    /// The agent's time of the last lost record.
    pub to_ms: Option<i64>,
    /// Devices touched, by their names at the agent.
    #[schema(value_type = Vec<String>)]
    pub devices: serde_json::Value,
    /// When it became known here.
    pub received_ms: i64,
}

/// The lane's name, or its number if this version does not know it.
pub(crate) fn lane_name(number: u32) -> String {
    kouan_protocol::Lane::from_number(number).map_or_else(|| number.to_string(), |lane| lane.to_string())
}

/// Gaps, newest first, below the id `before`.
///
/// # Errors
/// When they cannot be read.
pub fn gaps(conn: &Connection, scope: &Scope, before: i64, limit: usize) -> Result<Vec<GapRow>, StoreError> {
    conn.prepare_cached(
        "SELECT id, site, agent, lane, epoch, first_seq, last_seq, reason, lost, from_ms, to_ms, devices, received_ms
         FROM gaps WHERE id < ?1 AND (?2 IS NULL OR site IN (SELECT value FROM json_each(?2)))
         ORDER BY id DESC LIMIT ?3",
    )
    .and_then(|mut statement| {
        let read = |row: &rusqlite::Row<'_>| {
            let devices: String = row.get(11)?;
            Ok(GapRow {
                id: row.get(0)?,
                site: row.get(1)?,
                agent: row.get(2)?,
                lane: lane_name(row.get(3)?),
                epoch: row.get(4)?,
                first_seq: row.get(5)?,
                last_seq: row.get(6)?,
                reason: row.get(7)?,
                lost: row.get(8)?,
                from_ms: row.get(9)?,
                to_ms: row.get(10)?,
                devices: serde_json::from_str(&devices).unwrap_or_default(),
                received_ms: row.get(12)?,
            })
        };
        statement.query_map(params![before, scope.to_sql(), limit as i64], read)?.collect()
    })
    .during("read gaps")
}
