//! Opened catalogues, kept for the batches that follow.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use kouan_protocol::{AgentId, Catalogue, CatalogueHash, DeviceSpec, GroupIndex, GroupSpec, PointName};

use super::FollowLog;
use crate::store::StoreError;

/// Points of the catalogues that are kept, in all. Every agent has one that it uses: to open it anew for each of its
/// batches would cost more than all else that is done with them.
const KEPT_POINTS: usize = 4_000_000;
/// Descriptions with the same name, first point and length that are compared with.
const ALIKE: usize = 16;

/// A catalogue with its groups by number.
#[derive(Debug)]
pub struct OpenCatalogue {
    catalogue: Catalogue,
    groups: Vec<Place>,
}

/// Where a group of a catalogue is described.
#[derive(Debug)]
struct Place {
    device: u32,
    /// Device and group within it of the first description that is equal. Devices of one model have equal groups, and
    /// whoever goes through a batch of hundreds of them stays with one description instead of waiting for each.
    spec: (u32, u32),
}

/// Descriptions with their places, by their names, first points and lengths.
type Alike<'c> = HashMap<(&'c str, Option<&'c PointName>, usize), Vec<(&'c GroupSpec, (u32, u32))>>;

impl OpenCatalogue {
    fn new(catalogue: Catalogue) -> Self {
        let mut groups = Vec::new();
        let mut different: Alike<'_> = HashMap::new();
        for (device, at) in catalogue.devices.iter().zip(0_u32..) {
            for (group, within) in device.groups.iter().zip(0_u32..) {
                let key = (group.name.as_str(), group.points.first().map(|point| &point.name), group.points.len());
                let alike = different.entry(key).or_default();
                let spec = match alike.iter().find(|(known, _)| *known == group) {
                    Some((_, spec)) => *spec,
                    None => {
                        // Many that differ are looked through no further: each then stands for itself.
                        if alike.len() < ALIKE {
                            alike.push((group, (at, within)));
                        }
                        (at, within)
                    }
                };
                groups.push(Place { device: at, spec });
            }
        }
        Self { groups, catalogue }
    }

    /// How many groups there are.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The group of that number with its device.
    #[must_use]
    pub fn at(&self, index: GroupIndex) -> Option<(&DeviceSpec, &GroupSpec)> {
        let Place { device, spec: (described, group) } = *self.groups.get(index.0 as usize)?;
        let devices = &self.catalogue.devices;
        Some((devices.get(device as usize)?, devices.get(described as usize)?.groups.get(group as usize)?))
    }

    /// About how many points there are, devices and groups counted as one each.
    #[must_use]
    pub fn points(&self) -> usize {
        let groups = self.catalogue.devices.iter().flat_map(|device| &device.groups);
        groups.map(|group| group.points.len() + 1).sum::<usize>() + self.catalogue.devices.len()
    }
}

impl Deref for OpenCatalogue {
    type Target = Catalogue;

    fn deref(&self) -> &Catalogue {
        &self.catalogue
    }
}

/// A catalogue as it was found.
#[derive(Debug, Clone)]
pub enum Found {
    /// It opens.
    Open(Arc<OpenCatalogue>),
    /// It is not in the log, or it does not open; why.
    Unusable(Arc<str>),
}

#[derive(Debug, Default)]
struct Kept {
    found: HashMap<(AgentId, CatalogueHash), Found>,
    points: usize,
}

/// Opens each catalogue once for all who share it.
#[derive(Debug, Clone, Default)]
pub struct Catalogues(Arc<Mutex<Kept>>);

impl Catalogues {
    /// The agent's catalogue of that hash.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn find(&self, log: &mut dyn FollowLog, agent: &AgentId, hash: CatalogueHash) -> Result<Found, StoreError> {
        let key = (agent.clone(), hash);
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().found.get(&key) {
            return Ok(found.clone());
        }
        // One that is missing may still come: it is not remembered.
        let Some(bytes) = log.catalogue(agent, hash)? else {
            return Ok(Found::Unusable(format!("catalogue {hash} is not stored").into()));
        };
        let (found, points) = match Catalogue::decode(&bytes) {
            Ok(catalogue) => {
                let open = OpenCatalogue::new(catalogue);
                let points = open.points();
                (Found::Open(Arc::new(open)), points)
            }
            Err(error) => (Found::Unusable(format!("catalogue {hash} does not open: {error}").into()), 1),
        };
        let mut kept = lock();
        if kept.points + points > KEPT_POINTS {
            *kept = Kept::default();
        }
        if kept.found.insert(key, found.clone()).is_none() {
            kept.points += points;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use kouan_protocol::{PointKind, PointSpec};

    use super::*;

    #[test]
    fn groups_that_are_described_alike_share_a_description_and_keep_their_devices() {
        let group = |unit: &str| GroupSpec {
            name: "all".to_owned(),
            every_ms: 1_000,
            heartbeat_ms: 60_000,
            points: vec![PointSpec {
                name: "input.voltage".parse().unwrap(),
                kind: PointKind::Measurement,
                unit: unit.to_owned(),
                decimals: 1,
                states: Vec::new(),
            }],
        };
        let device = |key: &str, groups: Vec<GroupSpec>| DeviceSpec {
            key: key.parse().unwrap(),
            label: String::new(),
            class: String::new(),
            profile: String::new(),
            area: String::new(),
            link: String::new(),
            parent: None,
            groups,
            actions: Vec::new(),
        };
        let devices = vec![
            device("a", vec![group("V")]),
            device("none", vec![]),
            device("b", vec![group("kV"), group("V")]),
            device("c", vec![group("V")]),
        ];
        let open = OpenCatalogue::new(Catalogue { devices });
        let found = |at: u32| open.at(GroupIndex(at)).map(|(device, group)| (device.key.as_str(), group)).unwrap();
        let told: Vec<_> = (0..4).map(|at| (found(at).0, found(at).1.points[0].unit.as_str())).collect();
        assert_eq!(told, [("a", "V"), ("b", "kV"), ("b", "V"), ("c", "V")]);
        assert!(std::ptr::eq(found(0).1, found(2).1) && std::ptr::eq(found(0).1, found(3).1));
        assert!(open.at(GroupIndex(4)).is_none());
    }
}
