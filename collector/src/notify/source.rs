//! Open alarms, as the collector keeps them.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::alarm::{Alarm, Life, severity};
use crate::store::{During as _, StoreError};

const COLUMNS: &str = "id, site, area, device, device_label, class, agent, condition, severity, state, text_en, text_zh, \
                       value, unit, raised_ms, last_raised_ms, cleared_ms, count, flapping, acknowledged_by, \
                       shelved_until_ms, hidden_by, hides, maintenance, change";

/// Changes that one look takes.
const CHANGES: i64 = 2_000;

fn read(row: &Row<'_>) -> rusqlite::Result<(i64, Alarm)> {
    let wrong = |at: usize, problem: String| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, problem.into())
    };
    let (device, severe, state): (String, String, String) = (row.get(3)?, row.get(8)?, row.get(9)?);
    let (value, unit): (Option<String>, String) = (row.get(12)?, row.get(13)?);
    let value = value.map(|value| value.trim_matches('"').to_owned());
    let value = value.filter(|value| value != "null").map(|value| format!("{value} {unit}").trim_end().to_owned());
    let hidden_by: Option<String> = row.get(21)?;
    let alarm = Alarm {
        id: row.get(0)?,
        site: row.get(1)?,
        area: row.get(2)?,
        device: Some(device).filter(|device| !device.is_empty()),
        label: row.get(4)?,
        class: row.get(5)?,
        agent: row.get(6)?,
        condition: row.get(7)?,
        severity: severity(&severe).ok_or_else(|| wrong(8, format!("\"{severe}\" is no severity")))?,
        state: match state.as_str() {
            "raised" => Life::Raised,
            "cleared" => Life::Cleared,
            "closed" => Life::Closed,
            other => return Err(wrong(9, format!("\"{other}\" is no state of an alarm"))),
        },
        text: row.get(10)?,
        text_zh: row.get(11)?,
        value: value.unwrap_or_default(),
        raised_ms: row.get(14)?,
        last_raised_ms: row.get(15)?,
        cleared_ms: row.get(16)?,
        count: row.get(17)?,
        flapping: row.get(18)?,
        acknowledged_by: row.get(19)?,
        shelved_until_ms: row.get(20)?,
        hidden: hidden_by.is_some(),
        hides: row.get(22)?,
        maintenance: row.get(23)?,
    };
    Ok((row.get(24)?, alarm))
}

/// The alarm of that id.
///
/// # Errors
/// When it cannot be read.
pub(super) fn alarm(conn: &Connection, id: &str) -> Result<Option<Alarm>, StoreError> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM alarms WHERE id = ?1"))
        .and_then(|mut statement| statement.query_row([id], |row| read(row).map(|(_, alarm)| alarm)).optional())
        .during("read an alarm")
}

/// Alarms that changed after the change of that number, in the order of changes.
///
/// # Errors
/// When they cannot be read.
pub(super) fn changed_after(conn: &Connection, change: i64) -> Result<Vec<(i64, Alarm)>, StoreError> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM alarms WHERE change > ?1 ORDER BY change LIMIT ?2"))
        .and_then(|mut statement| statement.query_map(params![change, CHANGES], read)?.collect())
        .during("read what changed about alarms")
}

/// The number of the last change.
///
/// # Errors
/// When it cannot be read.
pub(super) fn last_change(conn: &Connection) -> Result<i64, StoreError> {
    conn.prepare_cached("SELECT coalesce(max(change), 0) FROM alarms")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .during("look for changes of alarms")
}
