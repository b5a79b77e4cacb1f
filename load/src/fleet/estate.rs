//! The devices of five real projects, any number of times.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};

use super::classes::{ClassPlay, class};

/// 1,434 devices of 61 classes at 19 places: systems, places, classes, quantities and interfaces, as the projects'
/// public documents list them.
const ESTATE: &str = include_str!("../../data/fleet.csv");

/// The devices of one place. An agent speaks to them.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// A name that an agent and a site can have.
    pub(crate) name: String,
    /// The project that it belongs to.
    pub(crate) system: &'static str,
    /// What people call it.
    pub(crate) title: &'static str,
    pub(crate) devices: Vec<PlacedDevice>,
}

/// A device at its place.
#[derive(Debug, Clone)]
pub(crate) struct PlacedDevice {
    pub(crate) key: String,
    pub(crate) label: String,
    pub(crate) area: String,
    pub(crate) class: &'static str,
    /// The device that this one hangs on.
    pub(crate) parent: Option<String>,
    pub(crate) play: ClassPlay,
}

/// All places once, under their own names.
pub(crate) fn once() -> anyhow::Result<Vec<Place>> {
    read(ESTATE)
}

/// All places, as many times over as asked.
pub(crate) fn places(times: usize) -> anyhow::Result<Vec<Place>> {
    copies(0..times)
}

/// Those of their copies.
pub(crate) fn copies(times: std::ops::Range<usize>) -> anyhow::Result<Vec<Place>> {
    let once = read(ESTATE)?;
    let copy =
        |time: usize| once.iter().map(move |place| Place { name: format!("{}-{time}", place.name), ..place.clone() });
    Ok(times.flat_map(copy).collect())
}

fn read(text: &'static str) -> anyhow::Result<Vec<Place>> {
    let mut places: BTreeMap<(&'static str, &'static str), Vec<PlacedDevice>> = BTreeMap::new();
    for (at, line) in text.lines().enumerate().skip(1) {
        let fields: Vec<&'static str> = line.split(',').collect();
        ensure!(fields.len() == 8, "line {} of the estate has {} fields", at + 1, fields.len());
        let (system, site, area, name) = (fields[0], fields[1], fields[2], fields[3]);
        let play = class(name).with_context(|| format!("line {}: class {name} is not played", at + 1))?;
        let quantity: usize = fields[5].parse().with_context(|| format!("line {}: quantity", at + 1))?;
        let devices = places.entry((system, site)).or_default();
        for _ in 0..quantity {
            let number = devices.len();
            let (key, label, area) = (format!("{name}-{number}"), fields[4].to_owned(), area.to_owned());
            devices.push(PlacedDevice { key, label, area, class: name, parent: None, play });
        }
    }
    let place = |(at, ((system, title), devices)): (usize, ((&'static str, &'static str), Vec<PlacedDevice>))| Place {
        name: format!("{system}-{at}"),
        system,
        title,
        devices,
    };
    Ok(places.into_iter().enumerate().map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_the_estate_is_played() {
        let places = places(2).unwrap();
        assert_eq!(places.len(), 38);
        let devices: Vec<&PlacedDevice> = places.iter().flat_map(|place| &place.devices).collect();
        assert_eq!(devices.len(), 2 * 1_434);
        let classes: std::collections::BTreeSet<&str> = devices.iter().map(|device| device.class).collect();
        assert_eq!(classes.len(), 61);
    }
}
