//! Windows of maintenance: who works on what, and when.

use kouan_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::tally::Stretch;
use crate::auth::Scope;
use crate::http::rfc3339;
use crate::store::{During as _, StoreError};

/// A window of maintenance.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MaintenanceRow {
    /// Names it for ever.
    pub id: i64,
    /// Where.
    pub site: String,
    /// The device, if it is about one.
    pub device: Option<String>,
    /// The class, if it is about all devices of one at the site.
    pub class: Option<String>,
    /// Its beginning.
    pub from: String,
    /// The same in milliseconds.
    pub from_ms: i64,
    /// Its end.
    pub to: String,
    /// The same in milliseconds.
    pub to_ms: i64,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_ms: i64,
    /// Who ended it early or cancelled it.
    pub ended_by: Option<String>,
    /// When that was.
    pub ended_ms: Option<i64>,
    /// Cancelled before it began: it counts for nothing.
    pub cancelled: bool,
}

/// A window that is to be made.
#[derive(Debug, Clone)]
pub struct NewWindow {
    /// Where.
    pub site: String,
    /// Only this device.
    pub device: Option<String>,
    /// Only devices of this class.
    pub class: Option<String>,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// Why.
    pub reason: String,
    /// Who makes it.
    pub by: String,
}

const COLUMNS: &str =
    "id, site, device, class, from_ms, to_ms, reason, created_by, created_ms, ended_by, ended_ms, cancelled";

fn read(row: &Row<'_>) -> rusqlite::Result<MaintenanceRow> {
    let (from_ms, to_ms) = (row.get(4)?, row.get(5)?);
    Ok(MaintenanceRow {
        id: row.get(0)?,
        site: row.get(1)?,
        device: row.get(2)?,
        class: row.get(3)?,
        from: rfc3339(from_ms),
        from_ms,
        to: rfc3339(to_ms),
        to_ms,
        reason: row.get(6)?,
        created_by: row.get(7)?,
        created_ms: row.get(8)?,
        ended_by: row.get(9)?,
        ended_ms: row.get(10)?,
        cancelled: row.get(11)?,
    })
}

/// Makes a window.
///
/// # Errors
/// When it cannot be written.
pub fn add(transaction: &Transaction<'_>, new: &NewWindow, now: Timestamp) -> Result<MaintenanceRow, StoreError> {
    let NewWindow { site, device, class, from, to, reason, by } = new;
    transaction
        .execute(
            "INSERT INTO maintenance (site, device, class, from_ms, to_ms, reason, created_by, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![site, device, class, from.0, to.0, reason, by, now.0],
        )
        .during("make a window of maintenance")?;
    let sql = format!("SELECT {COLUMNS} FROM maintenance WHERE id = ?1");
    transaction.query_row(&sql, [transaction.last_insert_rowid()], read).during("read a window of maintenance")
}

/// Why a window was not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndProblem {
    /// There is none.
    #[error("there is no such window of maintenance")]
    None,
    /// It is over.
    #[error("the window is over, and what it leaves out stays left out")]
    Over,
}

/// Ends a window now, or cancels it if it has not begun.
///
/// # Errors
/// When it cannot be written; the inner error when there is nothing to end.
pub fn end(
    transaction: &Transaction<'_>,
    scope: &Scope,
    id: i64,
    by: &str,
    now: Timestamp,
) -> Result<Result<String, EndProblem>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM maintenance WHERE id = ?1");
    let found = transaction.query_row(&sql, [id], read).optional().during("read a window of maintenance")?;
    let Some(window) = found.filter(|window| scope.covers(&window.site)) else { return Ok(Err(EndProblem::None)) };
    if window.cancelled || window.to_ms <= now.0 {
        return Ok(Err(EndProblem::Over));
    }
    transaction
        .execute(
            "UPDATE maintenance SET ended_by = ?2, ended_ms = ?3, cancelled = from_ms >= ?3,
                 to_ms = CASE WHEN from_ms >= ?3 THEN to_ms ELSE ?3 END WHERE id = ?1",
            params![id, by, now.0],
        )
        .during("end a window of maintenance")?;
    Ok(Ok(window.site))
}

/// Windows that touch the stretch, newest first, below the id `before`.
///
/// # Errors
/// When they cannot be read.
pub fn list(
    conn: &Connection,
    scope: &Scope,
    (from_ms, to_ms): (i64, i64),
    before: i64,
    limit: usize,
) -> Result<Vec<MaintenanceRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM maintenance
         WHERE id < ?1 AND (?2 IS NULL OR site IN (SELECT value FROM json_each(?2))) AND from_ms < ?4 AND to_ms > ?3
         ORDER BY id DESC LIMIT ?5"
    );
    conn.prepare_cached(&sql)
        .and_then(|mut statement| {
            statement.query_map(params![before, scope.to_sql(), from_ms, to_ms, limit as i64], read)?.collect()
        })
        .during("read windows of maintenance")
}

/// The windows that count within a stretch.
#[derive(Debug, Default)]
pub struct Windows(Vec<MaintenanceRow>);

impl Windows {
    /// Reads them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn within(conn: &Connection, from_ms: i64, to_ms: i64) -> Result<Self, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM maintenance WHERE NOT cancelled AND from_ms < ?2 AND to_ms > ?1");
        let rows = conn
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_map([from_ms, to_ms], read)?.collect())
            .during("read windows of maintenance")?;
        Ok(Self(rows))
    }

    /// When a device was being worked on.
    pub(super) fn of(&self, device: &str, site: &str, class: &str) -> Vec<Stretch> {
        let concerns = |window: &&MaintenanceRow| {
            window.site == site
                && window.device.as_deref().is_none_or(|wanted| wanted == device)
                && window.class.as_deref().is_none_or(|wanted| wanted == class)
        };
        self.0.iter().filter(concerns).map(|window| (window.from_ms, window.to_ms)).collect()
    }
}
