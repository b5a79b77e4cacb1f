//! Windows of maintenance: who works on what, and when.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use kouan_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::repeat::{Repeat, zone};
use super::tally::{Stretch, union};
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
    /// The area, if it is about all devices in one.
    pub area: Option<String>,
    /// When it comes again; then it does so from its beginning to its end.
    pub repeat: Option<Repeat>,
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
    /// Only devices in this area.
    pub area: Option<String>,
    /// When it comes again.
    pub repeat: Option<Repeat>,
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
    "id, site, device, class, from_ms, to_ms, reason, created_by, created_ms, ended_by, ended_ms, cancelled,
     area, repeat";

fn read(row: &Row<'_>) -> rusqlite::Result<MaintenanceRow> {
    let (from_ms, to_ms) = (row.get(4)?, row.get(5)?);
    let repeat: Option<String> = row.get(13)?;
    Ok(MaintenanceRow {
        area: row.get(12)?,
        repeat: repeat.and_then(|repeat| serde_json::from_str(&repeat).ok()),
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
    let NewWindow { site, device, class, area, repeat, from, to, reason, by } = new;
    let repeat = repeat.as_ref().map(serde_json::to_string).transpose();
    let repeat = repeat.map_err(StoreError::damaged("a window of maintenance"))?;
    transaction
        .execute(
            "INSERT INTO maintenance (site, device, class, from_ms, to_ms, reason, created_by, created_ms, area, repeat)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![site, device, class, from.0, to.0, reason, by, now.0, area, repeat],
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

/// Where a device is, for the windows that concern it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The site.
    pub site: &'a str,
    /// The device's id; empty for none.
    pub device: &'a str,
    /// What it is for.
    pub class: &'a str,
    /// Where it stands.
    pub area: &'a str,
}

impl MaintenanceRow {
    fn concerns(&self, place: &Place<'_>) -> bool {
        let in_area = |area: &str| crate::assets::is_within(area, place.area);
        self.site == place.site
            && self.device.as_deref().is_none_or(|wanted| wanted == place.device)
            && self.class.as_deref().is_none_or(|wanted| wanted == place.class)
            && self.area.as_deref().is_none_or(in_area)
    }

    /// The times of it that touch the stretch.
    fn times(&self, zone: &TimeZone, (from_ms, to_ms): Stretch) -> Vec<Stretch> {
        match &self.repeat {
            None => vec![(self.from_ms, self.to_ms)],
            Some(repeat) => {
                let within = (from_ms.max(self.from_ms), to_ms.min(self.to_ms));
                let cut = |(from, to): Stretch| (from.max(self.from_ms), to.min(self.to_ms));
                repeat.within(zone, within).into_iter().map(cut).collect()
            }
        }
    }
}

/// The windows that count within a stretch.
#[derive(Debug, Default)]
pub struct Windows {
    windows: Vec<(MaintenanceRow, Vec<Stretch>)>,
    /// Where devices stand, if any window asks for it.
    areas: HashMap<String, String>,
}

impl Windows {
    /// Reads them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn within(conn: &Connection, from_ms: i64, to_ms: i64) -> Result<Self, StoreError> {
        let mut windows = Self::read(conn, from_ms, to_ms)?;
        if windows.windows.iter().any(|(window, _)| window.area.is_some()) {
            windows.areas = areas(conn)?;
        }
        Ok(windows)
    }

    /// Reads those that hold at an instant, for whoever knows where devices stand and asks [`Windows::cover`].
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn at(conn: &Connection, at_ms: i64) -> Result<Self, StoreError> {
        Self::read(conn, at_ms, at_ms.saturating_add(1))
    }

    fn read(conn: &Connection, from_ms: i64, to_ms: i64) -> Result<Self, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM maintenance WHERE NOT cancelled AND from_ms < ?2 AND to_ms > ?1");
        let rows: Vec<MaintenanceRow> = conn
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_map([from_ms, to_ms], read)?.collect())
            .during("read windows of maintenance")?;
        let mut windows = Vec::with_capacity(rows.len());
        for row in rows {
            let zone = zone_of(conn, &row.site)?;
            let times = row.times(&zone, (from_ms, to_ms));
            windows.push((row, times));
        }
        Ok(Self { windows, areas: HashMap::new() })
    }

    /// When a device was being worked on.
    pub(super) fn of(&self, device: &str, site: &str, class: &str) -> Vec<Stretch> {
        let area = self.areas.get(device).map_or("", String::as_str);
        let place = Place { site, device, class, area };
        let concerning = self.windows.iter().filter(|(window, _)| window.concerns(&place));
        concerning.flat_map(|(_, times)| times.iter().copied()).collect()
    }

    /// When nobody worked on a device, within a stretch, in order.
    #[must_use]
    pub fn outside(&self, device: &str, site: &str, class: &str, (from_ms, to_ms): Stretch) -> Vec<Stretch> {
        let (mut outside, mut open) = (Vec::new(), from_ms);
        for (from, to) in union(self.of(device, site, class)) {
            if open < from.min(to_ms) {
                outside.push((open, from.min(to_ms)));
            }
            open = open.max(to);
        }
        if open < to_ms {
            outside.push((open, to_ms));
        }
        outside
    }

    /// Whether somebody works there at `at_ms`, which lies in the stretch that was read.
    #[must_use]
    pub fn cover(&self, place: &Place<'_>, at_ms: i64) -> bool {
        let now = |times: &[Stretch]| times.iter().any(|(from, to)| (*from..*to).contains(&at_ms));
        self.windows.iter().any(|(window, times)| now(times) && window.concerns(place))
    }

    /// The ids of windows that hold at `at_ms`.
    #[must_use]
    pub fn holding(&self, at_ms: i64) -> Vec<i64> {
        let now = |times: &[Stretch]| times.iter().any(|(from, to)| (*from..*to).contains(&at_ms));
        self.windows.iter().filter(|(_, times)| now(times)).map(|(window, _)| window.id).collect()
    }
}

/// Where each device stands.
fn areas(conn: &Connection) -> Result<HashMap<String, String>, StoreError> {
    conn.prepare_cached("SELECT id, coalesce(area, json_extract(spec, '$.area'), '') FROM devices")
        .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .during("read where devices stand")
}

/// The time zone of a site.
///
/// # Errors
/// When it cannot be read.
pub fn zone_of(conn: &Connection, site: &str) -> Result<TimeZone, StoreError> {
    let name: Option<String> = conn
        .prepare_cached("SELECT zone FROM sites WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([site], |row| row.get(0)).optional())
        .during("read the zone of a site")?;
    Ok(zone(name.as_deref().unwrap_or_default()))
}

/// Whether somebody works there now.
///
/// # Errors
/// When it cannot be read.
pub fn is_worked_on(conn: &Connection, place: &Place<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM maintenance WHERE site = ?1 AND to_ms > ?2 AND from_ms <= ?2 AND NOT cancelled");
    let rows: Vec<MaintenanceRow> = conn
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_map(params![place.site, now.0], read)?.collect())
        .during("read windows of maintenance")?;
    for row in rows.iter().filter(|row| row.concerns(place)) {
        let now = (now.0, now.0.saturating_add(1));
        if row.repeat.is_none() || !row.times(&zone_of(conn, place.site)?, now).is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
