//! Reading alarms.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// An alarm, or an entry of the alarm log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlarmRow {
    /// Its place in the list.
    pub id: i64,
    /// Where.
    pub site: String,
    /// The agent that raised it, or that it is about.
    pub agent: String,
    /// The device; `null` if it is about the agent itself.
    pub device: Option<String>,
    /// The condition: `battery-low`.
    pub condition: String,
    /// `raised` or `cleared`.
    pub state: String,
    /// `info`, `warning`, `major` or `critical`.
    pub severity: String,
    /// For people.
    pub text: String,
    /// The point concerned; empty if none.
    pub point: String,
    /// When it was raised; in the log: when it changed.
    pub time: String,
    /// The same in milliseconds.
    pub time_ms: i64,
    /// In the log: when it changed by the agent's own clock; `null` for alarms that were raised here.
    pub agent_time_ms: Option<i64>,
    /// In the log: how far the time may be believed, `trusted`, `corrected` or `uncertain`.
    pub time_status: Option<String>,
    /// Whether the record arrived too late to act upon.
    pub late: bool,
}

/// Standing alarms, or the log of all changes, newest first, below the id `before`.
///
/// # Errors
/// When they cannot be read.
pub fn list(
    conn: &Connection,
    scope: &Scope,
    log: bool,
    device: Option<&str>,
    before: i64,
    limit: usize,
) -> Result<Vec<AlarmRow>, StoreError> {
    let sql = if log {
        "SELECT id, site, agent, device, condition, state, severity, text, point, time_ms, late, agent_time_ms, time_status
         FROM alarm_log
         WHERE id < ?1 AND (?2 IS NULL OR site IN (SELECT value FROM json_each(?2))) AND (?3 IS NULL OR device = ?3)
         ORDER BY id DESC LIMIT ?4"
    } else {
        "SELECT id, site, agent, device, condition, state, severity, text, point, raised_ms, 0, NULL, NULL FROM alarms
         WHERE state = 'raised' AND id < ?1 AND (?2 IS NULL OR site IN (SELECT value FROM json_each(?2)))
           AND (?3 IS NULL OR device = ?3)
         ORDER BY id DESC LIMIT ?4"
    };
    conn.prepare_cached(sql)
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                let device: String = row.get(3)?;
                let time_ms = row.get(9)?;
                Ok(AlarmRow {
                    id: row.get(0)?,
                    site: row.get(1)?,
                    agent: row.get(2)?,
                    device: (!device.is_empty()).then_some(device),
                    condition: row.get(4)?,
                    state: row.get(5)?,
                    severity: row.get(6)?,
                    text: row.get(7)?,
                    point: row.get(8)?,
                    time: crate::http::rfc3339(time_ms),
                    time_ms,
                    late: row.get(10)?,
                    agent_time_ms: row.get(11)?,
                    time_status: row.get(12)?,
                })
            };
            statement.query_map(params![before, scope.to_sql(), device, limit as i64], read)?.collect()
        })
        .during("read alarms")
}

/// How many alarms stand on each device.
///
/// # Errors
/// When they cannot be read.
pub fn count_by_device(conn: &Connection) -> Result<HashMap<String, u64>, StoreError> {
    conn.prepare_cached("SELECT device, count(*) FROM alarms WHERE state = 'raised' GROUP BY device")
        .and_then(|mut statement| {
            statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?.collect()
        })
        .during("count alarms")
}
