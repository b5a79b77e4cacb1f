//! Reading the log.

use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// Which rows.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of the user or key with that id.
    pub actor: Option<String>,
    /// With that action.
    pub action: Option<String>,
    /// About the thing with that id.
    pub target: Option<String>,
    /// From this time, in milliseconds since 1970.
    pub from: Option<i64>,
    /// Before this time.
    pub to: Option<i64>,
    /// Older than the row of that number.
    pub before: Option<i64>,
}

/// A row.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditRow {
    /// Its number, without gaps.
    pub id: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// `user`, `key` or `console`.
    pub actor_kind: String,
    /// The id of the user or key.
    pub actor_id: String,
    /// The name.
    pub actor_name: String,
    /// From which address.
    pub address: String,
    /// What was done.
    pub action: String,
    /// At which site; empty for what concerns no single one.
    pub site: String,
    /// The id of what it was done to.
    pub target: String,
    /// More about it.
    pub detail: Value,
}

/// Rows, newest first. What concerns no single site is shown to those only who may see all of them.
///
/// # Errors
/// When they cannot be read.
pub fn list(conn: &Connection, scope: &Scope, filter: &AuditFilter, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
    let mut statement = conn
        .prepare_cached(
            "SELECT id, at_ms, actor_kind, actor_id, actor_name, address, action, site, target, detail FROM audit
             WHERE (?1 IS NULL OR site IN (SELECT value FROM json_each(?1)))
               AND (?2 IS NULL OR actor_id = ?2) AND (?3 IS NULL OR action = ?3) AND (?4 IS NULL OR target = ?4)
               AND (?5 IS NULL OR at_ms >= ?5) AND (?6 IS NULL OR at_ms < ?6) AND (?7 IS NULL OR id < ?7)
             ORDER BY id DESC LIMIT ?8",
        )
        .during("read the audit log")?;
    let bound = params![
        scope.to_sql(),
        filter.actor,
        filter.action,
        filter.target,
        filter.from,
        filter.to,
        filter.before,
        i64::try_from(limit).unwrap_or(i64::MAX)
    ];
    let rows = statement
        .query_map(bound, |row| {
            let detail: String = row.get(9)?;
            Ok(AuditRow {
                id: row.get(0)?,
                at_ms: row.get(1)?,
                actor_kind: row.get(2)?,
                actor_id: row.get(3)?,
                actor_name: row.get(4)?,
                address: row.get(5)?,
                action: row.get(6)?,
                site: row.get(7)?,
                target: row.get(8)?,
                // A row that somebody tampered with is shown as it is.
                detail: serde_json::from_str(&detail).unwrap_or(Value::String(detail)),
            })
        })
        .and_then(Iterator::collect);
    rows.during("read the audit log")
}
