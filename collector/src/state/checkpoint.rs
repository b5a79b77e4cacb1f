//! Latest values on disk, and the way back into memory.

use std::sync::Arc;

use kouan_protocol::{AgentId, BootTime, DeviceKey, DeviceSpec, HealthLevel, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{Device, DeviceId, Fleet, Health, Known, Points};
use crate::store::{During as _, StoreError};

/// The name of the cursor of everything but readings.
pub const STATE_CURSOR: &str = "state";
/// The name of the cursor of readings.
pub const READINGS_CURSOR: &str = "readings";
/// The name of the cursor up to which latest values are on disk.
pub(super) const LATEST_CURSOR: &str = "latest";

/// A cursor; 0 before the first commit.
pub(super) fn cursor(conn: &Connection, reader: &str) -> Result<i64, StoreError> {
    let found = conn.query_row("SELECT log_id FROM cursors WHERE reader = ?1", [reader], |row| row.get(0)).optional();
    Ok(found.during("read a cursor")?.unwrap_or(0))
}

pub(super) fn set_cursor(transaction: &Transaction<'_>, reader: &str, log_id: i64) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO cursors (reader, log_id) VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute(params![reader, log_id]))
        .during("move a cursor")?;
    Ok(())
}

/// Writes the latest values of `devices` as they were at `log_id`.
pub(super) fn write(
    transaction: &Transaction<'_>,
    devices: &[(DeviceId, String, Points)],
    log_id: i64,
) -> Result<(), StoreError> {
    let mut statement = transaction
        .prepare_cached("INSERT OR REPLACE INTO latest (device, site, points) VALUES (?1, ?2, ?3)")
        .during("write latest values")?;
    for (id, site, points) in devices {
        let points = serde_json::to_string(points).map_err(StoreError::damaged("latest values"))?;
        statement.execute(params![id.as_str(), site, points]).during("write latest values")?;
    }
    set_cursor(transaction, LATEST_CURSOR, log_id)
}

/// Everything that is on disk about devices.
///
/// # Errors
/// When it cannot be read.
pub(super) fn load(conn: &Connection) -> Result<Fleet, StoreError> {
    let mut fleet = Fleet::default();
    let mut statement = conn
        .prepare(
            "SELECT d.id, d.site, d.agent, d.key, b.id, d.spec, d.configured, d.label, d.area,
                 h.level, h.reason, h.text, h.time_ms, l.points, h.boot, h.boot_ms, h.text_zh
             FROM devices d LEFT JOIN bindings b ON b.device = d.id AND b.to_ms IS NULL
             LEFT JOIN device_health h ON h.device = d.id LEFT JOIN latest l ON l.device = d.id",
        )
        .during("load devices")?;
    let mut rows = statement.query([]).during("load devices")?;
    while let Some(row) = rows.next().during("load devices")? {
        fleet.put(read_device(row)?);
    }
    let mut statement = conn.prepare("SELECT id, catalogue, boot FROM agents").during("load catalogues of agents")?;
    let mut rows = statement.query([]).during("load catalogues of agents")?;
    while let Some(row) = rows.next().during("load catalogues of agents")? {
        let (agent, hash, boot): (String, String, String) = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
        let agent: AgentId = agent.parse().map_err(StoreError::damaged("an agent's name"))?;
        if !hash.is_empty() {
            fleet.set_catalogue(&agent, hash.parse().map_err(StoreError::damaged("an agent's catalogue"))?);
        }
        if !boot.is_empty() {
            fleet.set_boot(&agent, boot.parse().map_err(StoreError::damaged("an agent's boot"))?);
        }
    }
    fleet.tell_changes();
    Ok(fleet)
}

fn column<T: rusqlite::types::FromSql>(row: &rusqlite::Row<'_>, index: usize) -> Result<T, StoreError> {
    row.get(index).during("load devices")
}

fn read_device(row: &rusqlite::Row<'_>) -> Result<Device, StoreError> {
    let (agent, key): (String, String) = (column(row, 2)?, column(row, 3)?);
    let agent: AgentId = agent.parse().map_err(StoreError::damaged("a device's agent"))?;
    let key: DeviceKey = key.parse().map_err(StoreError::damaged("a device's name"))?;
    let spec: String = column(row, 5)?;
    let spec: DeviceSpec = serde_json::from_str(&spec).map_err(StoreError::damaged("a device's description"))?;
    let level: Option<String> = column(row, 9)?;
    let level =
        level.and_then(|name| (1..=6).filter_map(HealthLevel::from_number).find(|level| level.as_str() == name));
    let health = match level {
        None => None,
        Some(level) => {
            let (time, boot) = (Timestamp(column(row, 12)?), column::<String>(row, 14)?);
            let boot_time = BootTime(column::<i64>(row, 15)?.unsigned_abs());
            let since = Known { boot: boot.parse().ok(), boot_time, time };
            let (reason, text, text_zh) = (column(row, 10)?, column(row, 11)?, column(row, 16)?);
            Some(Health { level, reason, text, text_zh, time, since })
        }
    };
    let points: Option<String> = column(row, 13)?;
    let points = match points {
        None => Points::default(),
        Some(points) => serde_json::from_str(&points).map_err(StoreError::damaged("latest values"))?,
    };
    Ok(Device {
        id: DeviceId::new(&column::<String>(row, 0)?),
        site: column(row, 1)?,
        agent,
        key,
        binding: column(row, 4)?,
        spec: Arc::new(spec),
        configured: column(row, 6)?,
        own_label: column(row, 7)?,
        own_area: column(row, 8)?,
        health,
        points,
        events: Vec::new(),
        dirty: false,
        change: 0,
        outline_change: 0,
    })
}
