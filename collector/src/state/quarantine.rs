//! What came but could not be read: kept as it came, bounded, and counted for ever.

use kouan_protocol::limits;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::Origin;
use super::losses::lane_name;
use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// Records and batches that are kept of each agent; the oldest go first.
const ROWS: i64 = 1000;
/// Bytes that are kept of each agent; the oldest go first.
const BYTES: i64 = 16 << 20;

pub(super) fn record(
    transaction: &Transaction<'_>,
    origin: &Origin,
    (first, last): (u64, u64),
    kind: u32,
    reason: &str,
    body: &[u8],
) -> Result<(), StoreError> {
    // The largest batch that a later version may open; what is larger is none.
    let kept = &body[..body.len().min(limits::BATCH_BYTES)];
    let integer = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    transaction
        .execute(
            "INSERT INTO quarantine (site, agent, lane, epoch, first_seq, last_seq, kind, reason, size, received_ms, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                origin.site,
                origin.agent.as_str(),
                origin.lane,
                origin.epoch,
                integer(first),
                integer(last),
                kind,
                reason,
                integer(body.len() as u64),
                origin.received.0,
                kept
            ],
        )
        .during("put a record into quarantine")?;
    let (mut rows, mut bytes): (i64, i64) = transaction
        .query_row(
            "INSERT INTO quarantine_counts (agent, site, taken, dropped, bytes) VALUES (?1, ?2, 1, 0, ?3)
             ON CONFLICT (agent) DO UPDATE SET taken = taken + 1, bytes = bytes + excluded.bytes, site = excluded.site
             RETURNING taken - dropped, bytes",
            params![origin.agent.as_str(), origin.site, integer(kept.len() as u64)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .during("count the quarantine")?;
    while rows > 1 && (rows > ROWS || bytes > BYTES) {
        (rows, bytes) = drop_oldest(transaction, origin)?;
    }
    Ok(())
}

/// Drops the oldest row. Returns how many rows and bytes are left.
fn drop_oldest(transaction: &Transaction<'_>, origin: &Origin) -> Result<(i64, i64), StoreError> {
    let agent = origin.agent.as_str();
    let freed: i64 = transaction
        .query_row(
            "DELETE FROM quarantine WHERE id = (SELECT min(id) FROM quarantine WHERE agent = ?1) RETURNING length(body)",
            [agent],
            |row| row.get(0),
        )
        .during("bound the quarantine")?;
    transaction
        .query_row(
            "UPDATE quarantine_counts SET dropped = dropped + 1, bytes = bytes - ?2 WHERE agent = ?1
             RETURNING taken - dropped, bytes",
            params![agent, freed],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .during("count what was dropped from the quarantine")
}

/// A record that came but could not be read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuarantineRow {
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
    /// First number.
    pub first_seq: i64,
    /// Last number.
    pub last_seq: i64,
    /// The record's kind; 0 for a whole batch.
    pub kind: i64,
    /// Why it could not be read.
    pub reason: String,
    /// Its size in bytes.
    pub size: i64,
    /// How many of them are kept.
    pub kept: i64,
    /// When it arrived.
    pub received_ms: i64,
}

/// The quarantine, newest first, below the id `before`.
///
/// # Errors
/// When it cannot be read.
pub fn quarantine(
    conn: &Connection,
    scope: &Scope,
    before: i64,
    limit: usize,
) -> Result<Vec<QuarantineRow>, StoreError> {
    conn.prepare_cached(
        "SELECT id, site, agent, lane, epoch, first_seq, last_seq, kind, reason, size, received_ms,
             length(body)
         FROM quarantine WHERE id < ?1 AND (?2 IS NULL OR site IN (SELECT value FROM json_each(?2)))
         ORDER BY id DESC LIMIT ?3",
    )
    .and_then(|mut statement| {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(QuarantineRow {
                id: row.get(0)?,
                site: row.get(1)?,
                agent: row.get(2)?,
                lane: lane_name(row.get(3)?),
                epoch: row.get(4)?,
                first_seq: row.get(5)?,
                last_seq: row.get(6)?,
                kind: row.get(7)?,
                reason: row.get(8)?,
                size: row.get(9)?,
                received_ms: row.get(10)?,
                kept: row.get(11)?,
            })
        };
        statement.query_map(params![before, scope.to_sql(), limit as i64], read)?.collect()
    })
    .during("read the quarantine")
}

/// The bytes of a record in quarantine, as far as they are kept, if the scope covers its site.
///
/// # Errors
/// When they cannot be read.
pub fn quarantined_body(conn: &Connection, scope: &Scope, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    conn.prepare_cached(
        "SELECT body FROM quarantine
         WHERE id = ?1 AND (?2 IS NULL OR site IN (SELECT value FROM json_each(?2)))",
    )
    .and_then(|mut statement| statement.query_row(params![id, scope.to_sql()], |row| row.get(0)).optional())
    .during("read a record in quarantine")
}

/// How much ever went into quarantine, and how much of that was dropped since.
///
/// # Errors
/// When it cannot be read.
pub fn quarantine_totals(conn: &Connection) -> Result<(u64, u64), StoreError> {
    conn.prepare_cached("SELECT coalesce(sum(taken), 0), coalesce(sum(dropped), 0) FROM quarantine_counts")
        .and_then(|mut statement| {
            let number = |row: &rusqlite::Row<'_>, column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            statement.query_row([], |row| Ok((number(row, 0)?, number(row, 1)?)))
        })
        .during("count the quarantine")
}
