//! How assets hang together, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use super::{AreaId, Asset, AssetId};
use crate::state::{Device, DeviceId, Fleet};
use crate::store::{Readers, StoreError};

/// What joins the names of nested areas.
pub const AREA_JOINT: &str = " / ";

/// Most steps that are followed from a device towards what it depends on.
pub(super) const STEPS: usize = 64;

/// An area: a building, a hall, a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// Names it for ever.
    pub id: AreaId,
    /// Where.
    pub site: String,
    /// The area that it is a part of.
    pub parent: Option<AreaId>,
    /// Its name for people.
    pub name: String,
    /// Its place among its neighbours.
    pub order: i64,
}

/// What no two areas have in common: the site, the area that they are part of, and the name.
type PartKey = (String, Option<AreaId>, String);

/// Assets and areas as they hang together. A snapshot; see [`SharedTopology`].
#[derive(Debug, Clone, Default)]
pub struct Topology {
    assets: BTreeMap<AssetId, Arc<Asset>>,
    by_device: HashMap<DeviceId, AssetId>,
    by_key: HashMap<(String, String), AssetId>,
    areas: BTreeMap<AreaId, Arc<Area>>,
    parts: HashMap<PartKey, AreaId>,
    generation: u64,
}

/// The topology as everybody shares it. Only the thread that writes `state.db` replaces it, after its commits.
#[derive(Debug, Clone, Default)]
pub struct SharedTopology(Arc<RwLock<Arc<Topology>>>);

impl SharedTopology {
    /// Everything as it is now; what comes later does not show in it.
    #[must_use]
    pub fn now(&self) -> Arc<Topology> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads it from `state.db`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(state: &Readers) -> Result<Self, StoreError> {
        let topology = state.read_blocking(super::load)?;
        Ok(Self(Arc::new(RwLock::new(Arc::new(topology)))))
    }

    /// Replaces it.
    pub(super) fn publish(&self, topology: Topology) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(topology);
    }
}

impl Topology {
    /// Differs after every change of an asset or an area.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How many assets there are.
    #[must_use]
    pub fn asset_count(&self) -> usize {
        self.assets.len()
    }

    /// The asset of that id.
    #[must_use]
    pub fn asset(&self, id: &AssetId) -> Option<&Asset> {
        self.assets.get(id).map(|asset| &**asset)
    }

    /// All assets by id.
    pub fn assets(&self) -> impl Iterator<Item = (&AssetId, &Asset)> {
        self.assets.iter().map(|(id, asset)| (id, &**asset))
    }

    /// The asset that the device is.
    #[must_use]
    pub fn asset_of(&self, device: &DeviceId) -> Option<&AssetId> {
        self.by_device.get(device)
    }

    /// The asset with that key at a site.
    #[must_use]
    pub fn with_key(&self, site: &str, key: &str) -> Option<&AssetId> {
        self.by_key.get(&(site.to_owned(), key.to_owned()))
    }

    /// The area of that id.
    #[must_use]
    pub fn area(&self, id: &AreaId) -> Option<&Area> {
        self.areas.get(id).map(|area| &**area)
    }

    /// The part of `parent` with that name; of the site itself without one.
    #[must_use]
    pub fn part(&self, site: &str, parent: Option<&AreaId>, name: &str) -> Option<&Area> {
        self.area(self.parts.get(&(site.to_owned(), parent.cloned(), name.to_owned()))?)
    }

    /// All areas by id.
    pub fn areas(&self) -> impl Iterator<Item = &Area> {
        self.areas.values().map(|area| &**area)
    }

    /// The names of an area and those that it is part of, outermost first.
    #[must_use]
    pub fn area_path(&self, id: &AreaId) -> Vec<String> {
        let mut path = Vec::new();
        let mut next = Some(id);
        // Writes keep the tree a tree; the limit is for a file that somebody changed by hand.
        while let Some(area) = next.and_then(|id| self.areas.get(id)).filter(|_| path.len() < STEPS) {
            path.push(area.name.clone());
            next = area.parent.as_ref();
        }
        path.reverse();
        path
    }

    /// The area and those that it is part of.
    #[must_use]
    pub fn areas_around(&self, id: &AreaId) -> Vec<&AreaId> {
        let mut around = Vec::new();
        let mut next = Some(id);
        while let Some(area) = next.and_then(|id| self.areas.get(id)).filter(|_| around.len() < STEPS) {
            around.push(&area.id);
            next = area.parent.as_ref();
        }
        around
    }

    /// The path of an area as one text, which is a device's area.
    #[must_use]
    pub fn area_text(&self, id: &AreaId) -> String {
        self.area_path(id).join(AREA_JOINT)
    }

    /// The area and everything in it.
    #[must_use]
    pub fn subtree(&self, id: &AreaId) -> BTreeSet<AreaId> {
        let mut children: HashMap<&AreaId, Vec<&AreaId>> = HashMap::new();
        for area in self.areas.values() {
            children.entry(area.parent.as_ref().unwrap_or(&area.id)).or_default().push(&area.id);
        }
        let (mut found, mut open) = (BTreeSet::new(), vec![id]);
        while let Some(next) = open.pop() {
            if self.areas.contains_key(next) && found.insert(next.clone()) {
                open.extend(children.get(next).into_iter().flatten().copied());
            }
        }
        found
    }

    /// Areas that somebody may mean by `text`, an id, a name or a path of names, with everything in them.
    #[must_use]
    pub fn areas_meant_by(&self, text: &str) -> BTreeSet<AreaId> {
        let is_meant =
            |area: &&Arc<Area>| area.id.as_str() == text || area.name == text || self.area_text(&area.id) == text;
        self.areas.values().filter(is_meant).flat_map(|area| self.subtree(&area.id)).collect()
    }

    /// What a filter for areas compares with the areas of devices: the path of the area, if `text` is an area's id.
    #[must_use]
    pub fn area_wanted(&self, text: &str) -> String {
        let id = AreaId::from(text);
        if self.areas.contains_key(&id) { self.area_text(&id) } else { text.to_owned() }
    }

    /// The device on which `device` depends: the nearest asset above its own that is a device, or what its agent says.
    #[must_use]
    pub fn parent_of(&self, fleet: &Fleet, device: &DeviceId) -> Option<DeviceId> {
        let mut next = self.by_device.get(device).and_then(|id| self.assets.get(id)?.parent.as_ref());
        for _ in 0..STEPS {
            let Some(asset) = next.and_then(|id| self.assets.get(id)) else { break };
            let found = asset.device.as_deref().map(DeviceId::new).filter(|found| fleet.get(found).is_some());
            if found.is_some() {
                return found;
            }
            next = asset.parent.as_ref();
        }
        let device = fleet.get(device)?;
        let parent = fleet.bound(&device.agent, device.spec.parent.as_ref()?)?;
        (parent.id != device.id).then(|| parent.id.clone())
    }

    /// Everything on which `device` depends, the nearest first, each once.
    ///
    /// What depends on itself, by the word of agents or of agents and the list together, depends on nothing in the place
    /// where its circle is cut: at the first by id, from wherever one looks. Otherwise each of them would explain the
    /// other.
    #[must_use]
    pub fn ancestors_of(&self, fleet: &Fleet, device: &DeviceId) -> Vec<DeviceId> {
        let mut path = vec![device.clone()];
        while let Some(parent) = path.last().and_then(|last| self.parent_of(fleet, last)) {
            if let Some(begin) = path.iter().position(|known| *known == parent) {
                let circle = path.iter().enumerate().skip(begin);
                if let Some((cut, _)) = circle.min_by_key(|(_, id)| *id) {
                    path.truncate(cut + 1);
                }
                break;
            }
            if path.len() > STEPS {
                break;
            }
            path.push(parent);
        }
        path.remove(0);
        path
    }

    /// The assets from `parent` up to `asset`, if the one depends on the other; or the first of them, if there are
    /// more than are followed.
    pub(super) fn circle(&self, asset: &AssetId, parent: &AssetId) -> Option<Vec<AssetId>> {
        let mut path = vec![asset.clone(), parent.clone()];
        let mut next = parent;
        while next != asset {
            next = self.assets.get(next)?.parent.as_ref()?;
            if path.len() > STEPS {
                return Some(path);
            }
            // The asset is not in that circle; those that are in it are told.
            if next != asset && path.contains(next) {
                return None;
            }
            path.push(next.clone());
        }
        Some(path)
    }

    /// Assets whose parent this one is.
    pub fn children_of<'t>(&'t self, id: &'t AssetId) -> impl Iterator<Item = &'t AssetId> {
        self.assets.iter().filter(move |(_, asset)| asset.parent.as_ref() == Some(id)).map(|(id, _)| id)
    }

    pub(super) fn put_asset(&mut self, id: AssetId, asset: Asset) {
        self.drop_asset(&id);
        if let Some(device) = &asset.device {
            self.by_device.insert(DeviceId::new(device), id.clone());
        }
        if let Some(key) = &asset.key {
            self.by_key.insert((asset.site.clone(), key.clone()), id.clone());
        }
        self.assets.insert(id, Arc::new(asset));
    }

    pub(super) fn drop_asset(&mut self, id: &AssetId) {
        self.generation += 1;
        let Some(asset) = self.assets.remove(id) else { return };
        if let Some(device) = &asset.device {
            remove_if(&mut self.by_device, &DeviceId::new(device), id);
        }
        if let Some(key) = &asset.key {
            remove_if(&mut self.by_key, &(asset.site.clone(), key.clone()), id);
        }
    }

    pub(super) fn put_area(&mut self, area: Area) {
        self.drop_area(&area.id);
        self.parts.insert(part_key(&area), area.id.clone());
        self.areas.insert(area.id.clone(), Arc::new(area));
    }

    pub(super) fn drop_area(&mut self, id: &AreaId) {
        self.generation += 1;
        let Some(area) = self.areas.remove(id) else { return };
        let key = part_key(&area);
        if self.parts.get(&key) == Some(id) {
            self.parts.remove(&key);
        }
    }
}

fn part_key(area: &Area) -> PartKey {
    (area.site.clone(), area.parent.clone(), area.name.clone())
}

/// Removes what is known by `key`, unless it is another asset by now.
fn remove_if<K: Eq + std::hash::Hash>(known: &mut HashMap<K, AssetId>, key: &K, id: &AssetId) {
    if known.get(key) == Some(id) {
        known.remove(key);
    }
}

/// Whether a device whose area is `actual` stands in the area `wanted` or in a part of it.
#[must_use]
pub fn is_within(wanted: &str, actual: &str) -> bool {
    actual.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(AREA_JOINT))
}

/// Whether a device whose area is `actual` is among those that a filter for `wanted` leaves; without one all are.
#[must_use]
pub fn is_wanted(wanted: Option<&str>, actual: &str) -> bool {
    wanted.is_none_or(|wanted| is_within(wanted, actual))
}

/// Whether an agent says that the device hangs on another one.
pub(super) fn told_parent<'f>(fleet: &'f Fleet, device: &Device) -> Option<&'f Device> {
    fleet.bound(&device.agent, device.spec.parent.as_ref()?)
}
