//! Counters whose steps are events: what they showed last moves in the transaction that stores the events.
//!
//! A value that an earlier run left here may be older than what the collector has: a backup was put back, or damage
//! took the end of the file. The steps from there are then told already. So what a run counts from such a value is
//! marked as doubtful until the collector has agreed to the numbers of the lane; where it does not agree, a gap takes
//! the place of what is doubtful, and a counter that this run has not read yet begins with the next value.

use std::collections::{BTreeMap, BTreeSet};

use kouan_protocol::{Anchor, DeviceKey, Lane, PointName};
use rusqlite::{Connection, Transaction, params};
use tokio::sync::watch;

use super::gap;

/// The last value of something whose changes are events: of a counter, of a state, of a tag before a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// Whose it is.
    pub device: DeviceKey,
    /// Which point, or which tag.
    pub point: PointName,
    /// The last value whose changes were stored as events. `None`: it is gone and is forgotten.
    pub value: Option<i64>,
}

type Name = (DeviceKey, PointName);

/// The counters as their writer knows them. In memory too, so that they survive the file.
#[derive(Debug)]
pub(super) struct Counters {
    values: BTreeMap<Name, i64>,
    /// Those that this run has read.
    read: BTreeSet<Name>,
    /// How often values of an earlier run were forgotten.
    life: watch::Sender<u64>,
    /// The collector has agreed to the lane's numbers since the start.
    agreed: bool,
}

impl Counters {
    pub(super) fn stored(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare("SELECT device, point, value FROM baseline")?;
        let mut rows = statement.query([])?;
        let mut values = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (device, point): (String, String) = (row.get(0)?, row.get(1)?);
            if let (Ok(device), Ok(point)) = (device.parse(), point.parse()) {
                values.insert((device, point), row.get(2)?);
            }
        }
        Ok(Self { values, read: BTreeSet::new(), life: watch::Sender::new(0), agreed: false })
    }

    pub(super) fn all(&self) -> Vec<Baseline> {
        let baseline = |((device, point), value): (&Name, &i64)| Baseline {
            device: device.clone(),
            point: point.clone(),
            value: Some(*value),
        };
        self.values.iter().map(baseline).collect()
    }

    /// Changes whenever values of an earlier run were forgotten.
    pub(super) fn life(&self) -> watch::Receiver<u64> {
        self.life.subscribe()
    }

    pub(super) fn is_life(&self, life: u64) -> bool {
        *self.life.borrow() == life
    }

    /// A counter was read.
    pub(super) fn set(&mut self, baseline: &Baseline) {
        let name = (baseline.device.clone(), baseline.point.clone());
        match baseline.value {
            Some(value) => {
                self.read.insert(name.clone());
                self.values.insert(name, value);
            }
            None => {
                self.read.remove(&name);
                self.values.remove(&name);
            }
        }
    }

    /// Writes every value into a file that has just begun.
    pub(super) fn store_all(&self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        self.values.iter().try_for_each(|((device, point), value)| store(tx, device, point, Some(*value)))
    }

    /// What was counted from values of an earlier run stands in the lane from `first_seq` on.
    pub(super) fn mark_doubtful(&self, tx: &Transaction<'_>, first_seq: u64) -> rusqlite::Result<()> {
        if self.agreed {
            return Ok(());
        }
        tx.execute("UPDATE batch_2 SET doubtful = 1 WHERE first_seq >= ?1", [first_seq as i64]).map(|_| ())
    }

    /// The collector agrees to the numbers in this file.
    pub(super) fn agree(&mut self) {
        self.agreed = true;
    }

    /// The lane goes on in a new epoch, because the file is older than what the collector has.
    pub(super) fn forget(&self, tx: &Transaction<'_>, anchor: Anchor) -> rusqlite::Result<()> {
        gap::replace_doubtful(tx, Lane::Events, anchor)?;
        tx.execute("DELETE FROM baseline", [])?;
        let read = self.values.iter().filter(|(name, _)| self.read.contains(name));
        read.into_iter().try_for_each(|((device, point), value)| store(tx, device, point, Some(*value)))
    }

    /// After the commit of [`Self::forget`].
    pub(super) fn forgotten(&mut self) {
        let Self { values, read, .. } = self;
        values.retain(|name, _| read.contains(name));
        self.life.send_modify(|life| *life += 1);
    }
}

/// Nothing is doubtful any more.
pub(super) fn settle(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("UPDATE batch_2 SET doubtful = 0 WHERE doubtful = 1", []).map(|_| ())
}

/// Keeps a value, or forgets it.
pub(super) fn store(
    tx: &Transaction<'_>,
    device: &DeviceKey,
    point: &PointName,
    value: Option<i64>,
) -> rusqlite::Result<()> {
    let (device, point) = (device.as_str(), point.as_str());
    let stored = match value {
        Some(value) => tx
            .prepare_cached("INSERT OR REPLACE INTO baseline (device, point, value) VALUES (?1, ?2, ?3)")?
            .execute(params![device, point, value]),
        None => {
            tx.prepare_cached("DELETE FROM baseline WHERE device = ?1 AND point = ?2")?.execute(params![device, point])
        }
    };
    stored.map(|_| ())
}
