//! The latest readings of a device, by the names of its points.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};

use kouan_protocol::{GroupSpec, PointName, PointSpec};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::PointState;

/// The place of a point that has no reading.
pub(super) const ABSENT: u32 = u32::MAX;

/// Versions are given out once in the life of the program; 0 is none.
static NEXT_VERSION: AtomicU32 = AtomicU32::new(1);

/// Latest readings by name. Places stay as they are until a point is added or removed, which makes another version.
#[derive(Debug, Clone)]
pub struct Points {
    /// In order.
    names: Vec<PointName>,
    /// The reading of each name. They lie apart, so that whoever brings new ones does not fetch the names.
    pub(super) states: Vec<PointState>,
    pub(super) version: u32,
}

impl Default for Points {
    fn default() -> Self {
        Self::of(BTreeMap::new())
    }
}

impl Points {
    fn of(entries: BTreeMap<PointName, PointState>) -> Self {
        let (names, states) = entries.into_iter().unzip();
        Self { names, states, version: new_version() }
    }

    /// Names and readings, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&PointName, &PointState)> {
        self.names.iter().zip(&self.states)
    }

    /// How many points have a reading.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The latest reading of a point.
    #[must_use]
    pub fn get(&self, name: &PointName) -> Option<&PointState> {
        self.states.get(self.find(name).ok()?)
    }

    /// Whether these are the same points with readings of the same times; a reading has one value for ever.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let same = |(state, other): (&PointState, &PointState)| state.moment() == other.moment();
        self.names == other.names && self.states.iter().zip(&other.states).all(same)
    }

    fn find(&self, name: &PointName) -> Result<usize, usize> {
        self.names.binary_search(name)
    }

    /// The places of a group's columns.
    pub(super) fn columns(&self, group: &GroupSpec) -> Box<[u32]> {
        let place = |point: &PointSpec| self.find(&point.name).ok().and_then(|at| u32::try_from(at).ok());
        group.points.iter().map(|point| place(point).unwrap_or(ABSENT)).collect()
    }

    pub(crate) fn insert(&mut self, name: PointName, state: PointState) {
        match self.find(&name) {
            Ok(at) => self.states[at] = state,
            Err(at) => {
                self.names.insert(at, name);
                self.states.insert(at, state);
                self.version = new_version();
            }
        }
    }

    /// Forgets the points that are not among `kept`.
    pub(super) fn retain(&mut self, kept: &HashSet<&PointName>) {
        if self.names.iter().all(|name| kept.contains(name)) {
            return;
        }
        let entries = std::mem::take(&mut self.names).into_iter().zip(std::mem::take(&mut self.states));
        (self.names, self.states) = entries.filter(|(name, _)| kept.contains(name)).unzip();
        self.version = new_version();
    }
}

fn new_version() -> u32 {
    // Only equality counts, and between the versions of one device: after a wrap they differ all the same.
    NEXT_VERSION.fetch_add(1, Ordering::Relaxed).max(1)
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, state) in self.iter() {
            map.serialize_entry(name, state)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::of)
    }
}

#[cfg(test)]
mod tests {
    use kouan_protocol::{BootId, BootTime, PointKind, PointSpec, Quality, QualityReason, Timestamp, Value};

    use super::*;
    use crate::store::log::TimeStatus;

    fn state(value: f64) -> PointState {
        PointState {
            value: Some(Value::Number(value)),
            quality: Quality::Good,
            reason: QualityReason::None,
            time: Timestamp(1),
            time_status: TimeStatus::Trusted,
            received: Timestamp(2),
            boot: BootId(3),
            boot_time: BootTime(4),
        }
    }

    fn group(names: &[&str]) -> GroupSpec {
        let point = |name: &&str| PointSpec {
            name: name.parse().unwrap(),
            kind: PointKind::Measurement,
            unit: String::new(),
            decimals: 1,
            states: Vec::new(),
        };
        GroupSpec { name: "all".to_owned(), every_ms: 1, heartbeat_ms: 1, points: names.iter().map(point).collect() }
    }

    #[test]
    fn places_change_only_with_the_version() {
        let mut points = Points::default();
        points.insert("c".parse().unwrap(), state(3.0));
        points.insert("a".parse().unwrap(), state(1.0));
        let (group, version) = (group(&["c", "b", "a"]), points.version);
        assert_eq!(*points.columns(&group), [1, ABSENT, 0]);
        points.insert("a".parse().unwrap(), state(1.5));
        points.retain(&group.points.iter().map(|point| &point.name).collect());
        assert_eq!(points.version, version, "the same points");
        points.insert("b".parse().unwrap(), state(2.0));
        assert_ne!(points.version, version);
        assert_eq!(*points.columns(&group), [2, 1, 0]);
        let version = points.version;
        let gone = "c".parse().unwrap();
        points.retain(&group.points.iter().map(|point| &point.name).filter(|name| **name != gone).collect());
        assert_ne!(points.version, version);
        assert_eq!((points.len(), points.get(&gone)), (2, None));
        let text = serde_json::to_string(&points).unwrap();
        let back: Points = serde_json::from_str(&text).unwrap();
        assert_eq!(back.iter().collect::<Vec<_>>(), points.iter().collect::<Vec<_>>());
        assert_ne!(back.version, points.version, "nobody knows its places yet");
    }
}
