//! What agents told of their alarms, in order: also what came too late to act upon.

use kouan_protocol::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// A change that an agent told of, or that this side noted about an agent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LogRow {
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
    /// When it changed.
    pub time: String,
    /// The same in milliseconds.
    pub time_ms: i64,
    /// When it changed by the agent's own clock; `null` for alarms that were raised here.
    pub agent_time_ms: Option<i64>,
    /// How far the time may be believed, `trusted`, `corrected` or `uncertain`.
    pub time_status: Option<String>,
    /// Whether the record arrived too late to act upon.
    pub late: bool,
}

/// Which alarms.
#[derive(Debug, Clone)]
pub struct LogFilter {
    /// Of this device.
    pub device: Option<String>,
    /// Of one of these devices.
    pub devices: Option<Vec<String>>,
    /// Of this agent.
    pub agent: Option<String>,
    /// With this condition.
    pub condition: Option<String>,
    /// Of this severity.
    pub severity: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// From this time on.
    pub from: Timestamp,
    /// Before this time.
    pub to: Timestamp,
    /// The newest first, or the oldest.
    pub newest_first: bool,
    /// Behind this time and id.
    pub after: Option<(i64, i64)>,
}

impl LogFilter {
    fn sql(&self) -> String {
        let (comparison, order) = if self.newest_first { ("<", "DESC") } else { (">", "ASC") };
        // One that is not asked for is left out, so that an index serves the others.
        let device = if self.device.is_some() { "device = ?6" } else { "?6 IS NULL" };
        format!(
            "SELECT id, site, agent, device, condition, state, severity, text, point, time_ms, late, agent_time_ms,
                 time_status
             FROM alarm_log WHERE (time_ms, id) {comparison} (?1, ?2) AND time_ms >= ?3 AND time_ms < ?4
                 AND (?5 IS NULL OR site IN (SELECT value FROM json_each(?5))) AND {device}
                 AND (?7 IS NULL OR device IN (SELECT value FROM json_each(?7)))
                 AND (?8 IS NULL OR agent = ?8) AND (?9 IS NULL OR condition = ?9)
                 AND (?10 IS NULL OR severity = ?10) AND (?11 IS NULL OR state = ?11)
             ORDER BY time_ms {order}, id {order} LIMIT ?12"
        )
    }
}

/// All changes, by time.
///
/// # Errors
/// When they cannot be read.
pub fn log(conn: &Connection, scope: &Scope, filter: &LogFilter, limit: usize) -> Result<Vec<LogRow>, StoreError> {
    let begin = if filter.newest_first { (i64::MAX, i64::MAX) } else { (i64::MIN, 0) };
    let (time_ms, id) = filter.after.unwrap_or(begin);
    let devices = filter.devices.as_ref().map(|devices| serde_json::json!(devices).to_string());
    let values = params![
        time_ms,
        id,
        filter.from.0,
        filter.to.0,
        scope.to_sql(),
        filter.device,
        devices,
        filter.agent,
        filter.condition,
        filter.severity,
        filter.state,
        limit as i64
    ];
    conn.prepare_cached(&filter.sql())
        .and_then(|mut statement| statement.query_map(values, read)?.collect())
        .during("read the log of alarms")
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<LogRow> {
    let device: String = row.get(3)?;
    let time_ms = row.get(9)?;
    Ok(LogRow {
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
}
