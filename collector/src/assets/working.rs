//! Changes of assets and areas within a transaction.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use kouan_protocol::Timestamp;
use rusqlite::{Transaction, params};
use serde_json::json;

use super::rows;
use super::{Area, AreaId, Asset, AssetId, FieldChange, SharedTopology, Topology};
use crate::audit::{self, Actor, Deed};
use crate::state::{self, DeviceId, Fleet, MovedDevices};
use crate::store::{During as _, StoreError};

/// Most assets of all sites together: they are kept in memory.
pub const MOST_ASSETS: usize = 100_000;

/// The topology as a transaction sees and changes it. Memory takes it over once the transaction is on disk.
pub(crate) struct Working<'t> {
    pub(super) transaction: &'t Transaction<'t>,
    pub(super) topology: Topology,
    pub(super) now: Timestamp,
    fleet: &'t RwLock<Fleet>,
    actor: Actor,
    /// The areas of devices as they become.
    placed: BTreeMap<DeviceId, Option<String>>,
}

/// What memory takes over after the commit.
pub(crate) struct Done {
    topology: Topology,
    devices: MovedDevices,
}

impl Done {
    /// Brings memory up to date; on the writer's thread, after the commit.
    pub(crate) fn publish(self, topology: &SharedTopology, fleet: &RwLock<Fleet>) {
        topology.publish(self.topology);
        self.devices.publish(fleet);
    }
}

impl<'t> Working<'t> {
    pub(crate) fn new(
        transaction: &'t Transaction<'t>,
        shared: &SharedTopology,
        fleet: &'t RwLock<Fleet>,
        (actor, now): (Actor, Timestamp),
    ) -> Self {
        let topology = (*shared.now()).clone();
        Self { transaction, topology, now, fleet, actor, placed: BTreeMap::new() }
    }

    pub(crate) fn finish(self) -> Result<Done, StoreError> {
        let devices = state::place(self.transaction, self.fleet, self.placed)?;
        Ok(Done { topology: self.topology, devices })
    }

    pub(super) fn fleet<T>(&self, read: impl FnOnce(&Fleet) -> T) -> T {
        read(&self.fleet.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn record(&self, deed: &Deed) -> Result<(), StoreError> {
        audit::record(self.transaction, &self.actor, deed, self.now)
    }

    /// Writes an asset that was checked, new or changed.
    pub(super) fn put_asset(&mut self, id: &AssetId, asset: Asset, import_key: Option<&str>) -> Result<(), StoreError> {
        let before = self.topology.asset(id).cloned();
        rows::put(self.transaction, (id, &asset), import_key, self.now)?;
        let deed = match &before {
            None => Deed::new("asset-added", id.as_str()).with(json!({ "fields": set_fields(&asset) })),
            Some(before) => {
                let changes: Vec<FieldChange> = asset.changes_since(before);
                Deed::new("asset-changed", id.as_str()).with(json!({ "changes": changes }))
            }
        };
        self.record(&deed.at(&asset.site))?;
        if before.as_ref().is_some_and(|before| before.area != asset.area) {
            self.take_off_plans(id, asset.area.as_ref())?;
        }
        let old = before.and_then(|before| before.device).filter(|old| Some(old) != asset.device.as_ref());
        // Within an import another asset may have it already.
        let old = old.as_deref().map(DeviceId::new).filter(|device| self.topology.asset_of(device) == Some(id));
        if let Some(device) = old {
            self.placed.insert(device, None);
        }
        if let Some(device) = &asset.device {
            let area = asset.area.as_ref().map(|area| self.topology.area_text(area));
            self.placed.insert(DeviceId::new(device), area);
        }
        self.topology.put_asset(id.clone(), asset);
        Ok(())
    }

    /// The transaction, to read in it.
    pub(crate) fn transaction(&self) -> &Transaction<'t> {
        self.transaction
    }

    /// An asset stands on the plan of the area that it is in, and of those that this is a part of, and on no other.
    fn take_off_plans(&self, id: &AssetId, area: Option<&AreaId>) -> Result<(), StoreError> {
        let around = area.map(|area| self.topology.areas_around(area)).unwrap_or_default();
        self.transaction
            .prepare_cached(
                "DELETE FROM plan_positions WHERE asset = ?1 AND area NOT IN (SELECT value FROM json_each(?2))",
            )
            .and_then(|mut statement| statement.execute(params![id.as_str(), json!(around).to_string()]))
            .map(drop)
            .during("take an asset off a plan")
    }

    /// Takes the devices from assets that will have others, so that assets can exchange them.
    pub(super) fn free_devices(&self, assets: &[(AssetId, Asset, Option<String>)]) -> Result<(), StoreError> {
        let operation = "free the devices of assets";
        let mut statement =
            self.transaction.prepare_cached("UPDATE assets SET device = NULL WHERE id = ?1").during(operation)?;
        for (id, asset, _) in assets {
            if self.topology.asset(id).is_some_and(|before| before.device != asset.device) {
                statement.execute([id.as_str()]).during(operation)?;
            }
        }
        Ok(())
    }

    /// Removes an asset. Those that hang on it hang on nothing then, and no other names it as a neighbour.
    pub(super) fn drop_asset(&mut self, id: &AssetId) -> Result<(), StoreError> {
        let Some(asset) = self.topology.asset(id).cloned() else { return Ok(()) };
        let concerned: Vec<(AssetId, Asset)> = self
            .topology
            .assets()
            .filter(|(_, other)| {
                other.parent.as_ref() == Some(id) || other.neighbours.iter().any(|neighbour| neighbour.asset == *id)
            })
            .map(|(other_id, other)| (other_id.clone(), other.clone()))
            .collect();
        for (other_id, mut other) in concerned.into_iter().filter(|(other_id, _)| other_id != id) {
            if other.parent.as_ref() == Some(id) {
                other.parent = None;
            }
            other.neighbours.retain(|neighbour| neighbour.asset != *id);
            self.put_asset(&other_id, other, None)?;
        }
        self.transaction.execute("DELETE FROM assets WHERE id = ?1", [id.as_str()]).during("remove an asset")?;
        if let Some(device) = &asset.device {
            self.placed.insert(DeviceId::new(device), None);
        }
        let detail = json!({ "fields": set_fields(&asset) });
        self.record(&Deed::new("asset-removed", id.as_str()).at(&asset.site).with(detail))?;
        self.topology.drop_asset(id);
        Ok(())
    }

    /// Writes an area that was checked, new or changed.
    pub(super) fn put_area(&mut self, area: Area) -> Result<(), StoreError> {
        let before = self.topology.area(&area.id).cloned();
        let is_new = before.is_none();
        let has_moved = before.is_some_and(|before| before.parent != area.parent);
        self.transaction
            .prepare_cached(
                "INSERT INTO areas (id, site, parent, name, position) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (id) DO UPDATE SET parent = ?3, name = ?4, position = ?5",
            )
            .and_then(|mut statement| {
                let parent = area.parent.as_ref().map(AreaId::as_str);
                statement.execute(params![area.id.as_str(), area.site, parent, area.name, area.order])
            })
            .during("write an area")?;
        let detail = json!({ "name": area.name, "parent": area.parent, "order": area.order });
        let deed = Deed::new(if is_new { "area-added" } else { "area-changed" }, area.id.as_str());
        self.record(&deed.at(&area.site).with(detail))?;
        let id = area.id.clone();
        self.topology.put_area(area);
        if has_moved {
            let inside = self.topology.subtree(&id);
            let concerned = self
                .topology
                .assets()
                .filter(|(_, asset)| asset.area.as_ref().is_some_and(|area| inside.contains(area)));
            for (asset_id, asset) in concerned {
                self.take_off_plans(asset_id, asset.area.as_ref())?;
            }
        }
        if !is_new {
            for device in rows::devices_in(&self.topology, &self.topology.subtree(&id)) {
                let asset = self.topology.asset_of(&device).and_then(|asset| self.topology.asset(asset));
                let area = asset.and_then(|asset| asset.area.as_ref()).map(|area| self.topology.area_text(area));
                self.placed.insert(device, area);
            }
        }
        Ok(())
    }

    /// Removes an area that has nothing in it.
    pub(super) fn drop_area(&mut self, id: &AreaId) -> Result<(), StoreError> {
        let Some(area) = self.topology.area(id).cloned() else { return Ok(()) };
        self.transaction.execute("DELETE FROM areas WHERE id = ?1", [id.as_str()]).during("remove an area")?;
        let detail = json!({ "name": area.name });
        self.record(&Deed::new("area-removed", id.as_str()).at(&area.site).with(detail))?;
        self.topology.drop_area(id);
        Ok(())
    }
}

/// The fields that say something.
fn set_fields(asset: &Asset) -> serde_json::Map<String, serde_json::Value> {
    use serde_json::Value;
    let mut fields = asset.to_fields();
    fields.retain(|_, value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    });
    fields
}
