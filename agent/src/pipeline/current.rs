//! What is known now: the source of the snapshot and of the local face.

use std::collections::BTreeMap;
use std::sync::Mutex;

use kouan_protocol::{
    Anchor, Batch, BootTime, Catalogue, CatalogueHash, Cell, DeviceHealth, DeviceKey, GroupIndex, GroupRows,
    HealthLevel, Record, RecordBody, Row, limits,
};
use tracing::warn;

/// The latest of one point.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrentCell {
    /// What was read.
    pub cell: Cell,
    /// When it was read.
    pub boot_time: BootTime,
}

/// The latest of one device.
#[derive(Debug, Clone)]
pub struct DeviceNow {
    /// Its health; `None` before anything was heard.
    pub health: Option<(DeviceHealth, BootTime)>,
    /// Per group and column, what was read last.
    pub groups: Vec<Vec<Option<CurrentCell>>>,
}

/// The latest of everything, shared between the pipeline, the uplink and the local face.
#[derive(Debug)]
pub struct Current {
    catalogue: Catalogue,
    hash: CatalogueHash,
    devices: Mutex<BTreeMap<DeviceKey, DeviceNow>>,
}

impl Current {
    /// Nothing is known yet of the devices of `catalogue`.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        let hash = Catalogue::hash_of(&catalogue.encode());
        let devices = catalogue.devices.iter().map(|device| {
            let groups = device.groups.iter().map(|group| vec![None; group.points.len()]).collect();
            (device.key.clone(), DeviceNow { health: None, groups })
        });
        let devices = Mutex::new(devices.collect());
        Self { catalogue, hash, devices }
    }

    /// The catalogue that describes the devices.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What is known of a device.
    #[must_use]
    pub fn device(&self, key: &DeviceKey) -> Option<DeviceNow> {
        self.lock().get(key).cloned()
    }

    pub(super) fn set_cell(&self, key: &DeviceKey, group: usize, column: u16, cell: &Cell, boot_time: BootTime) {
        if let Some(device) = self.lock().get_mut(key)
            && let Some(slot) = device.groups.get_mut(group).and_then(|group| group.get_mut(usize::from(column)))
        {
            *slot = Some(CurrentCell { cell: cell.clone(), boot_time });
        }
    }

    pub(super) fn set_health(&self, health: &DeviceHealth, boot_time: BootTime) {
        if let Some(device) = self.lock().get_mut(&health.device) {
            device.health = Some((health.clone(), boot_time));
        }
    }

    /// Devices by health: all, and those that work.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let devices = self.lock();
        let works = |device: &&DeviceNow| {
            device.health.as_ref().is_some_and(|(health, _)| health.level == HealthLevel::Working)
        };
        (devices.len(), devices.values().filter(works).count())
    }

    /// Encoded snapshots, each within the protocol's size. Every value keeps the time at which it was read.
    #[must_use]
    pub fn snapshots(&self, anchor: Anchor) -> Vec<Vec<u8>> {
        let devices = self.lock();
        let empty = || Batch {
            first_seq: 0,
            count: 0,
            anchor,
            catalogue: Some(self.hash),
            groups: Vec::new(),
            records: Vec::new(),
            volatile: false,
            all_alarms: false,
        };
        let (mut done, mut open, mut cells) = (Vec::new(), empty(), 0);
        let mut index = 0;
        for spec in &self.catalogue.devices {
            let first_group = index;
            index += spec.groups.len() as u32;
            let Some(now) = devices.get(&spec.key) else { continue };
            if let Some((health, boot_time)) = &now.health {
                open.records.push(Record::new(*boot_time, RecordBody::Health(health.clone())));
            }
            for (offset, (group, columns)) in spec.groups.iter().zip(&now.groups).enumerate() {
                let rows = rows_by_time(columns);
                if rows.is_empty() {
                    continue;
                }
                cells += columns.len();
                let group_index = GroupIndex(first_group + offset as u32);
                open.groups.push(GroupRows::encode(group_index, group, &rows, 0, &anchor));
            }
            // Far below the byte limit unless most values are long texts, and then still at a device's end.
            if cells > 4096 || open.records.len() > 512 {
                push_within_limit(&mut done, std::mem::replace(&mut open, empty()));
                cells = 0;
            }
        }
        push_within_limit(&mut done, open);
        done
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<DeviceKey, DeviceNow>> {
        self.devices.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Encodes a snapshot, as two halves where one would exceed the protocol's size.
fn push_within_limit(done: &mut Vec<Vec<u8>>, mut snapshot: Batch) {
    let body = snapshot.encode();
    if body.len() <= limits::BATCH_BYTES {
        done.push(body);
    } else if snapshot.groups.len() > 1 {
        let groups = snapshot.groups.split_off(snapshot.groups.len() / 2);
        let rest = Batch { groups, records: Vec::new(), ..snapshot.clone() };
        push_within_limit(done, snapshot);
        push_within_limit(done, rest);
    } else {
        warn!(bytes = body.len(), "A device's state is too large for a snapshot; its readings follow in their lane.");
    }
}

/// Cells that were read at the same time share a row.
fn rows_by_time(columns: &[Option<CurrentCell>]) -> Vec<Row> {
    let mut rows: BTreeMap<BootTime, Vec<(u16, Cell)>> = BTreeMap::new();
    for (column, current) in columns.iter().enumerate() {
        if let Some(current) = current {
            rows.entry(current.boot_time).or_default().push((column as u16, current.cell.clone()));
        }
    }
    rows.into_iter().map(|(boot_time, cells)| Row { seq: 0, boot_time, cells }).collect()
}
