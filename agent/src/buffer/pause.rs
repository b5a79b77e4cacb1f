//! Readings that cannot be kept: a row that survives a power cut, until a gap tells of it.

use std::collections::BTreeSet;

use kouan_protocol::{Anchor, DeviceKey, Gap, GapReason, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::lanes::gap_of;

/// A time in which readings were not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pause {
    /// Names the pause in both files, so that it is told of once.
    id: i64,
    reason: GapReason,
    since: Timestamp,
    until: Timestamp,
    /// Rows lost; `None` when a power cut came in between and nobody knows.
    lost: Option<u64>,
    devices: BTreeSet<DeviceKey>,
    more_devices: bool,
}

impl Pause {
    pub(super) fn begin(reason: GapReason, anchor: &Anchor) -> Self {
        let (id, now) = (rand::random::<i64>(), anchor.wall);
        let (devices, more_devices) = (BTreeSet::new(), false);
        Self { id, reason, since: now, until: now, lost: Some(0), devices, more_devices }
    }

    /// More rows were lost.
    pub(super) fn widen<'d>(&mut self, rows: u64, anchor: &Anchor, devices: impl Iterator<Item = &'d DeviceKey>) {
        self.lost = self.lost.map(|lost| lost + rows);
        self.until = anchor.wall;
        for device in devices {
            if self.devices.contains(device) {
                continue;
            }
            if self.devices.len() < Gap::DEVICES {
                self.devices.insert(device.clone());
            } else {
                self.more_devices = true;
            }
        }
    }

    pub(super) fn reason(&self) -> GapReason {
        self.reason
    }

    pub(super) fn id(&self) -> i64 {
        self.id
    }

    /// What the gap says. A pause that a restart interrupted lasted until now, as far as anybody knows.
    pub(super) fn gap(&self, anchor: &Anchor) -> Gap {
        let until = if self.lost.is_none() { self.until.max(anchor.wall) } else { self.until };
        Gap {
            devices: self.devices.iter().cloned().collect(),
            more_devices: self.more_devices || self.lost.is_none(),
            ..gap_of(self.reason, self.lost.unwrap_or(0), self.since, until)
        }
    }
}

/// Keeps the pause, in place.
pub(super) fn store(tx: &Transaction<'_>, pause: &Pause) -> rusqlite::Result<()> {
    let devices = serde_json::to_string(&pause.devices).unwrap_or_default();
    tx.prepare_cached(
        "INSERT OR REPLACE INTO pause (only_row, id, reason, since_ms, until_ms, lost, devices, more_devices)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        pause.id,
        pause.reason.number(),
        pause.since.0,
        pause.until.0,
        pause.lost.unwrap_or(0) as i64,
        devices,
        pause.more_devices
    ])
    .map(|_| ())
}

/// The pause is told of.
pub(super) fn clear(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM pause WHERE id = ?1", [id]).map(|_| ())
}

/// The pause that an earlier run could not tell of. How much was lost since its last word nobody knows.
pub(super) fn left(connection: &Connection) -> rusqlite::Result<Option<Pause>> {
    connection
        .query_row("SELECT id, reason, since_ms, until_ms, devices, more_devices FROM pause", [], |row| {
            Ok(Pause {
                id: row.get(0)?,
                reason: GapReason::from_number(row.get(1)?).unwrap_or(GapReason::DiskFull),
                since: Timestamp(row.get(2)?),
                until: Timestamp(row.get(3)?),
                lost: None,
                devices: serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default(),
                more_devices: row.get(5)?,
            })
        })
        .optional()
}

/// The last pause that the readings lane has told of.
pub(super) fn told(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT pause FROM told", [], |row| row.get(0)).optional()
}

/// Notes, together with its gap, that a pause was told of.
pub(super) fn set_told(tx: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    tx.execute("INSERT OR REPLACE INTO told (only_row, pause) VALUES (1, ?1)", [id]).map(|_| ())
}
