//! Devices and points to ask about.

use anyhow::{Context as _, ensure};

use super::make::{Year, is_lively};
use crate::api::Api;
use crate::fleet::classes::Motion;

/// A device.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) site: String,
    /// Every value of it was kept all year that passed its dead-band.
    pub(super) is_lively: bool,
    /// All its points.
    pub(super) points: Vec<&'static str>,
    /// One with numbers.
    pub(super) number: Option<&'static str>,
    /// One with states.
    pub(super) word: Option<&'static str>,
}

/// All devices, as the collector knows them.
pub(super) async fn devices(api: &Api, year: &Year) -> anyhow::Result<Vec<Asked>> {
    let mut asked = Vec::new();
    for place in &year.places {
        let page = api.get(&format!("/api/v1/devices?limit=1000&site={}", place.name)).await?;
        let items = page["items"].as_array().context("no list of devices")?;
        ensure!(items.len() == place.devices.len(), "{} has {} devices at the collector", place.name, items.len());
        for device in &place.devices {
            let item = items.iter().find(|item| item["key"] == device.key.as_str());
            let id = item.and_then(|item| item["id"].as_str()).context("a device has no id")?.to_owned();
            let points = || device.play.groups.iter().flat_map(|group| group.points);
            let first =
                |wanted: fn(&Motion) -> bool| points().find(|point| wanted(&point.motion)).map(|point| point.name);
            asked.push(Asked {
                id,
                site: place.name.clone(),
                is_lively: is_lively(place),
                points: points().map(|point| point.name).collect(),
                number: first(|motion| matches!(motion, Motion::Walk { .. } | Motion::Noise { .. })),
                word: first(|motion| matches!(motion, Motion::Word { .. })),
            });
        }
    }
    Ok(asked)
}
