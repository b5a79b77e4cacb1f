//! What was done to one device, for those who look after it: without the log's own details of who connected from where.

use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// Something that was done to a device, or to what belongs to it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeviceChange {
    /// Its number.
    pub id: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// `user`, `key` or `console`.
    pub by_kind: String,
    /// Who.
    pub by: String,
    /// What was done, such as `device-moved`, `asset-changed`, `alarm-acknowledged`, `maintenance-planned`.
    pub action: String,
    /// The id of what it was done to: the device, its asset, an alarm, a window, a command, a picture.
    pub target: String,
    /// More about it.
    pub detail: Value,
}

/// What was done to a device, to its asset as it is now, to its alarms, commands and pictures, and windows of
/// maintenance for it alone; newest first, older than the number `before`.
///
/// # Errors
/// When it cannot be read.
pub fn of_device(
    conn: &Connection,
    scope: &Scope,
    (device, asset): (&str, Option<&str>),
    before: i64,
    limit: usize,
) -> Result<Vec<DeviceChange>, StoreError> {
    // Windows are numbered and nothing else about a device is, so each kind of target has its kind of action.
    let mut statement = conn
        .prepare_cached(
            "WITH about (target, kind) AS (
                 SELECT ?2, 'device-' UNION ALL SELECT ?3, 'asset-' WHERE ?3 IS NOT NULL
                 UNION ALL SELECT id, 'alarm-' FROM alarms WHERE device = ?2
                 UNION ALL SELECT id, 'command-' FROM commands WHERE device = ?2
                 UNION ALL SELECT id, 'evidence-' FROM evidence WHERE device = ?2
                 UNION ALL SELECT CAST(id AS TEXT), 'maintenance-' FROM maintenance WHERE device = ?2)
             SELECT id, at_ms, actor_kind, actor_name, action, audit.target, detail
             FROM about JOIN audit ON audit.target = about.target AND substr(action, 1, length(kind)) = kind
             WHERE (?1 IS NULL OR site IN (SELECT value FROM json_each(?1))) AND audit.id < ?4
             ORDER BY audit.id DESC LIMIT ?5",
        )
        .during("read what was done to a device")?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement
        .query_map(params![scope.to_sql(), device, asset, before, limit], |row| {
            let detail: String = row.get(6)?;
            Ok(DeviceChange {
                id: row.get(0)?,
                at_ms: row.get(1)?,
                by_kind: row.get(2)?,
                by: row.get(3)?,
                action: row.get(4)?,
                target: row.get(5)?,
                detail: serde_json::from_str(&detail).unwrap_or(Value::String(detail)),
            })
        })
        .and_then(Iterator::collect);
    rows.during("read what was done to a device")
}
