//! Which asset a device may be.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use utoipa::ToSchema;

use super::{Asset, AssetId, Topology};
use crate::auth::Scope;
use crate::state::{Device, Fleet};

/// An asset that is a device, as far as one can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Suggestion {
    /// The asset.
    #[schema(value_type = String)]
    pub asset: AssetId,
    /// The asset's name.
    pub name: String,
    /// The device.
    pub device: String,
    /// The device's label.
    pub label: String,
    /// Where.
    pub site: String,
    /// What they have in common: `key`, `serial`, `label`.
    pub because: &'static str,
}

/// Devices and assets of a site that have something in common which nothing else at the site has.
#[must_use]
pub fn suggestions(topology: &Topology, fleet: &Fleet, scope: &Scope, site: Option<&str>) -> Vec<Suggestion> {
    let covered = |at: &str| scope.covers(at) && site.is_none_or(|site| site == at);
    let free_assets = topology.assets().filter(|(_, asset)| asset.device.is_none() && covered(&asset.site));
    let assets: Vec<(&AssetId, &Asset)> = free_assets.collect();
    let free = |device: &&Device| covered(&device.site) && topology.asset_of(&device.id).is_none();
    let devices: Vec<&Device> = fleet.devices().filter(free).collect();
    let mut found: BTreeMap<AssetId, Suggestion> = BTreeMap::new();
    let mut taken = std::collections::HashSet::new();
    let ways: [(&'static str, AssetMark, DeviceMark); 3] = [
        ("key", |id, asset| asset.key.clone().unwrap_or_else(|| id.to_string()), |device| device.key.to_string()),
        ("serial", |_, asset| asset.serial.trim().to_owned(), serial),
        ("label", |_, asset| asset.name.trim().to_owned(), |device| device.label().trim().to_owned()),
    ];
    for (because, of_asset, of_device) in ways {
        let asset_marks = assets.iter().map(|(id, asset)| ((asset.site.as_str(), of_asset(id, asset)), (*id, *asset)));
        let asset_marks = unique(asset_marks);
        let device_marks = unique(devices.iter().map(|device| ((device.site.as_str(), of_device(device)), *device)));
        for (mark, (id, asset)) in asset_marks {
            let Some(device) = device_marks.get(&mark) else { continue };
            if found.contains_key(id) || !taken.insert(device.id.clone()) {
                continue;
            }
            found.insert(
                id.clone(),
                Suggestion {
                    asset: id.clone(),
                    name: asset.name.clone(),
                    device: device.id.to_string(),
                    label: device.label().to_owned(),
                    site: device.site.clone(),
                    because,
                },
            );
        }
    }
    found.into_values().collect()
}

type AssetMark = fn(&AssetId, &Asset) -> String;
type DeviceMark = fn(&Device) -> String;
type Marked<'t, T> = ((&'t str, String), T);

/// What has a mark that nothing else has.
fn unique<'t, T>(marked: impl Iterator<Item = Marked<'t, T>>) -> HashMap<(&'t str, String), T> {
    let mut all: HashMap<(&str, String), Option<T>> = HashMap::new();
    for (mark, value) in marked.filter(|((_, mark), _)| !mark.is_empty()) {
        all.entry(mark).and_modify(|several| *several = None).or_insert(Some(value));
    }
    all.into_iter().filter_map(|(mark, value)| Some((mark, value?))).collect()
}

/// The serial number that the device tells.
fn serial(device: &Device) -> String {
    let name = "identity.serial".parse().ok();
    let state = name.and_then(|name| device.points.get(&name));
    match state.and_then(|state| state.value.as_ref()) {
        Some(kouan_protocol::Value::Text(text)) => text.trim().to_owned(),
        _ => String::new(),
    }
}
