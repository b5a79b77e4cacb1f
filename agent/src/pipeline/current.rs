//! What is known now: the source of the snapshot and of the local face.

use std::collections::BTreeMap;
use std::sync::Mutex;

use kouan_drivers::configure::{ConfiguredLink, StockReader};
use kouan_protocol::{
    Anchor, Batch, BootTime, Catalogue, CatalogueHash, Cell, DeviceHealth, DeviceKey, Event, GroupIndex, GroupRows,
    HealthLevel, Record, RecordBody, Row, limits,
};
use tokio::sync::broadcast;
use tracing::warn;

/// A moment in the changes of everything that is known: a snapshot tells what changed after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Version(u64);

impl Version {
    /// Before anything was known; what changed after it is everything.
    pub const START: Self = Self(0);
}

/// Encoded snapshots, and up to which change they tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshots {
    /// Each within the protocol's size; none if nothing changed.
    pub bodies: Vec<Vec<u8>>,
    /// The newest change in them.
    pub version: Version,
}

/// The latest of one point.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrentCell {
    /// What was read.
    pub cell: Cell,
    /// When it was read.
    pub boot_time: BootTime,
    /// The change that was last worth sending.
    pub changed: Version,
}

/// The latest of one device.
#[derive(Debug, Clone)]
pub struct DeviceNow {
    /// Its health; `None` before anything was heard.
    pub health: Option<(DeviceHealth, BootTime)>,
    /// The last change of its health.
    pub health_changed: Version,
    /// Per group and column, what was read last.
    pub groups: Vec<Vec<Option<CurrentCell>>>,
}

/// The latest of everything, shared between the pipeline, the uplink and the local face.
#[derive(Debug)]
pub struct Current {
    catalogue: Catalogue,
    hash: CatalogueHash,
    known: Mutex<Known>,
    /// What came and went before readers of tags.
    stock: broadcast::Sender<Event>,
    /// The reader that sees what lies in a cabinet.
    readers: BTreeMap<DeviceKey, StockReader>,
}

/// Changes of stock that may wait for whoever listens; one that falls behind knows that it did.
const STOCK_CHANGES: usize = 1024;

#[derive(Debug)]
struct Known {
    version: Version,
    devices: BTreeMap<DeviceKey, DeviceNow>,
}

impl Known {
    fn change(&mut self) -> Version {
        self.version.0 += 1;
        self.version
    }
}

impl Current {
    /// Nothing is known yet of the devices of `catalogue`.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        let hash = Catalogue::hash_of(&catalogue.encode());
        let devices = catalogue.devices.iter().map(|device| {
            let groups = device.groups.iter().map(|group| vec![None; group.points.len()]).collect();
            (device.key.clone(), DeviceNow { health: None, health_changed: Version::START, groups })
        });
        let known = Mutex::new(Known { version: Version::START, devices: devices.collect() });
        let stock = broadcast::Sender::new(STOCK_CHANGES);
        Self { catalogue, hash, known, stock, readers: BTreeMap::new() }
    }

    /// The same, with the readers of the cabinets of `links`.
    #[must_use]
    pub fn with_readers(mut self, links: &[ConfiguredLink]) -> Self {
        let devices = links.iter().flat_map(|link| &link.devices);
        let readers = devices.filter_map(|device| Some((device.identity.key.clone(), device.reader.clone()?)));
        self.readers = readers.collect();
        self
    }

    /// The reader that sees what lies in a cabinet.
    #[must_use]
    pub fn reader_of(&self, cabinet: &DeviceKey) -> Option<&StockReader> {
        self.readers.get(cabinet)
    }

    /// What comes and goes before readers from now on.
    #[must_use]
    pub fn stock_changes(&self) -> broadcast::Receiver<Event> {
        self.stock.subscribe()
    }

    /// Something came or went before a reader.
    pub(crate) fn tell_stock(&self, event: &Event) {
        // Nobody may be listening.
        let _ = self.stock.send(event.clone());
    }

    /// The catalogue that describes the devices.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What is known of a device.
    #[must_use]
    pub fn device(&self, key: &DeviceKey) -> Option<DeviceNow> {
        self.lock().devices.get(key).cloned()
    }

    /// Points of a group were read together. `kept`: the cell also goes into the readings, as the first or a changed
    /// value or a heartbeat.
    pub(super) fn set_row(
        &self,
        key: &DeviceKey,
        group: usize,
        boot_time: BootTime,
        cells: impl IntoIterator<Item = (u16, Cell, bool)>,
    ) {
        let mut known = self.lock();
        let (before, now) = (known.version, known.change());
        let Some(columns) = known.devices.get_mut(key).and_then(|device| device.groups.get_mut(group)) else { return };
        let mut any_kept = false;
        for (column, cell, kept) in cells {
            let Some(slot) = columns.get_mut(usize::from(column)) else { continue };
            let changed = match slot {
                Some(known) if !kept => known.changed,
                _ => now,
            };
            any_kept |= changed == now;
            *slot = Some(CurrentCell { cell, boot_time, changed });
        }
        if !any_kept {
            known.version = before;
        }
    }

    pub(super) fn set_health(&self, health: &DeviceHealth, boot_time: BootTime) {
        let mut known = self.lock();
        let now = known.change();
        if let Some(device) = known.devices.get_mut(&health.device) {
            device.health = Some((health.clone(), boot_time));
            device.health_changed = now;
        }
    }

    /// Devices by health: all, and those that work.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let known = self.lock();
        let works = |device: &&DeviceNow| {
            device.health.as_ref().is_some_and(|(health, _)| health.level == HealthLevel::Working)
        };
        (known.devices.len(), known.devices.values().filter(works).count())
    }

    /// What changed after `since`. Every value keeps the time at which it was read.
    #[must_use]
    pub fn snapshots(&self, anchor: Anchor, since: Version) -> Snapshots {
        let known = self.lock();
        let empty = || Batch { catalogue: Some(self.hash), ..Batch::of_records(0, anchor, Vec::new()) };
        let (mut bodies, mut open, mut cells) = (Vec::new(), empty(), 0);
        let mut index = 0;
        for spec in &self.catalogue.devices {
            let first_group = index;
            index += spec.groups.len() as u32;
            let Some(now) = known.devices.get(&spec.key) else { continue };
            if let Some((health, boot_time)) = &now.health
                && now.health_changed > since
            {
                open.records.push(Record::new(*boot_time, RecordBody::Health(health.clone())));
            }
            for (offset, (group, columns)) in spec.groups.iter().zip(&now.groups).enumerate() {
                let rows = rows_by_time(columns, since);
                if rows.is_empty() {
                    continue;
                }
                cells += columns.len();
                let group_index = GroupIndex(first_group + offset as u32);
                open.groups.push(GroupRows::encode(group_index, group, &rows, 0, &anchor));
            }
            // Far below the byte limit unless most values are long texts, and then still at a device's end.
            if cells > 4096 || open.records.len() > 512 {
                push_within_limit(&mut bodies, std::mem::replace(&mut open, empty()));
                cells = 0;
            }
        }
        if !open.records.is_empty() || !open.groups.is_empty() {
            push_within_limit(&mut bodies, open);
        }
        Snapshots { bodies, version: known.version }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Encodes a snapshot, as two halves where one would exceed the protocol's size.
fn push_within_limit(done: &mut Vec<Vec<u8>>, mut snapshot: Batch) {
    let body = snapshot.encode();
    if body.len() <= limits::BATCH_BYTES {
        done.push(body);
    } else if snapshot.groups.len() + snapshot.records.len() > 1 {
        // The first half keeps the larger part of an odd number, so that each half is smaller than the whole.
        let groups = snapshot.groups.split_off(snapshot.groups.len().div_ceil(2));
        let keep =
            if snapshot.groups.is_empty() { snapshot.records.len() / 2 } else { snapshot.records.len().div_ceil(2) };
        let records = snapshot.records.split_off(keep.min(snapshot.records.len()));
        let rest = Batch { groups, records, ..snapshot.clone() };
        push_within_limit(done, snapshot);
        push_within_limit(done, rest);
    } else {
        warn!(bytes = body.len(), "A device's state is too large for a snapshot; its readings follow in their lane.");
    }
}

/// Cells that changed after `since`; those that were read at the same time share a row.
fn rows_by_time(columns: &[Option<CurrentCell>], since: Version) -> Vec<Row> {
    let mut rows: BTreeMap<BootTime, Vec<(u16, Cell)>> = BTreeMap::new();
    for (column, current) in columns.iter().enumerate() {
        if let Some(current) = current
            && current.changed > since
        {
            rows.entry(current.boot_time).or_default().push((column as u16, current.cell.clone()));
        }
    }
    rows.into_iter().map(|(boot_time, cells)| Row { seq: 0, boot_time, cells }).collect()
}

#[cfg(test)]
mod tests {
    use kouan_protocol::{Clock as _, DeviceSpec, GroupSpec, ManualClock, PointKind, PointSpec, Value};

    use super::*;

    fn current() -> Current {
        let point = |name: &str| PointSpec {
            name: name.parse().unwrap(),
            kind: PointKind::Measurement,
            unit: "V".to_owned(),
            decimals: 1,
            states: Vec::new(),
        };
        let points = vec![point("a"), point("b")];
        let group = GroupSpec { name: "all".to_owned(), every_ms: 1000, heartbeat_ms: 60_000, points };
        let device = |key: &str| DeviceSpec {
            key: key.parse().unwrap(),
            label: key.to_owned(),
            class: "test".to_owned(),
            profile: "test".to_owned(),
            area: String::new(),
            link: "line".to_owned(),
            parent: None,
            groups: vec![group.clone()],
            actions: Vec::new(),
        };
        Current::new(Catalogue { devices: vec![device("one"), device("two")] })
    }

    fn told(current: &Current, since: Version) -> (Vec<(String, u16, f64)>, Version) {
        let snapshots = current.snapshots(ManualClock::at(0).anchor(), since);
        let mut cells = Vec::new();
        for body in &snapshots.bodies {
            for group in Batch::decode(body).unwrap().open_rows(current.catalogue()).unwrap() {
                for (column, cell) in group.rows.into_iter().flat_map(|row| row.cells) {
                    let Some(Value::Number(value)) = cell.value else { panic!("{cell:?}") };
                    cells.push((group.device.key.to_string(), column, value));
                }
            }
        }
        (cells, snapshots.version)
    }

    #[test]
    fn a_later_snapshot_tells_only_what_changed() {
        let current = current();
        let set = |device: &str, column, value, kept| {
            let cell = Cell::good(Value::Number(value));
            current.set_row(&device.parse().unwrap(), 0, BootTime(1000), [(column, cell, kept)]);
        };
        set("one", 0, 1.0, true);
        set("one", 1, 2.0, true);
        set("two", 0, 3.0, true);
        let (all, first) = told(&current, Version::START);
        assert_eq!(all, [("one".to_owned(), 0, 1.0), ("one".to_owned(), 1, 2.0), ("two".to_owned(), 0, 3.0)]);
        let (none, same) = told(&current, first);
        assert!(none.is_empty() && same == first);
        set("one", 0, 1.1, false);
        set("two", 0, 4.0, true);
        let (changed, second) = told(&current, first);
        assert_eq!(changed, [("two".to_owned(), 0, 4.0)]);
        // A snapshot that was not confirmed is told again, with what changed since.
        set("one", 1, 5.0, true);
        assert_eq!(told(&current, first).0.len(), 2);
        assert_eq!(told(&current, second).0, [("one".to_owned(), 1, 5.0)]);
    }
}
