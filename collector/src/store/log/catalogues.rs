//! Opened catalogues, kept for the batches that follow.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use kouan_protocol::{AgentId, Catalogue, CatalogueHash, DeviceSpec, GroupIndex, GroupSpec};

use super::FollowLog;
use crate::store::StoreError;

/// Points of the catalogues that are kept, in all. Every agent has one that it uses: to open it anew for each of its
/// batches would cost more than all else that is done with them.
const KEPT_POINTS: usize = 4_000_000;

/// A catalogue with its groups by number.
#[derive(Debug)]
pub struct OpenCatalogue {
    catalogue: Catalogue,
    /// Device and group within it.
    groups: Vec<(u32, u32)>,
}

impl OpenCatalogue {
    fn new(catalogue: Catalogue) -> Self {
        let devices = catalogue.devices.iter().zip(0_u32..);
        let groups = devices.flat_map(|(device, at)| (0_u32..).take(device.groups.len()).map(move |group| (at, group)));
        Self { groups: groups.collect(), catalogue }
    }

    /// How many groups there are.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The group of that number with its device.
    #[must_use]
    pub fn at(&self, index: GroupIndex) -> Option<(&DeviceSpec, &GroupSpec)> {
        let (device, group) = *self.groups.get(index.0 as usize)?;
        let device = self.catalogue.devices.get(device as usize)?;
        Some((device, device.groups.get(group as usize)?))
    }

    fn points(&self) -> usize {
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
