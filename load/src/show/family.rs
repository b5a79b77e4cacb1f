//! Which device hangs on which switch.
//!
//! The estate's list does not say. As in most buildings, a place has one switch in the middle, the others hang on it,
//! and everything with a network plug hangs on a switch of its own room where there is one.

use crate::fleet::estate::{Place, PlacedDevice};

/// Devices that a place can hang on where it has no switch.
const IN_THE_MIDDLE: [&str; 3] = ["switch", "firewall", "vpn-gateway"];

/// Gives the devices of a place their parents, and tells devices of one name apart.
pub(super) fn settle(place: &mut Place) {
    for device in &mut place.devices {
        // The list joins rooms by a slash, which in a path of areas leads one deeper.
        device.area = device.area.replace('/', "、");
    }
    let of_class = |devices: &[PlacedDevice], class: &str| -> Vec<usize> {
        devices.iter().enumerate().filter(|(_, device)| device.class == class).map(|(at, _)| at).collect()
    };
    let middle = IN_THE_MIDDLE.iter().map(|class| of_class(&place.devices, class)).find(|found| !found.is_empty());
    if let Some(switches) = middle {
        hang(&mut place.devices, &switches);
    }
    number(&mut place.devices);
}

fn hang(devices: &mut [PlacedDevice], switches: &[usize]) {
    let core = switches[0];
    let access = if switches.len() > 1 { &switches[1..] } else { switches };
    let mut turn = 0;
    for at in 0..devices.len() {
        let parent = if at == core || devices[at].class == "network-line" {
            continue;
        } else if switches.contains(&at) {
            core
        } else {
            let near: Vec<usize> =
                access.iter().copied().filter(|switch| devices[*switch].area == devices[at].area).collect();
            let choice = if near.is_empty() { access } else { &near };
            turn += 1;
            choice[turn % choice.len()]
        };
        devices[at].parent = Some(devices[parent].key.clone());
    }
}

fn number(devices: &mut [PlacedDevice]) {
    let mut counts = std::collections::HashMap::<String, (usize, usize)>::new();
    for device in &*devices {
        counts.entry(device.label.clone()).or_default().0 += 1;
    }
    for device in devices {
        if let Some((all, so_far)) = counts.get_mut(&device.label)
            && *all > 1
        {
            *so_far += 1;
            let number = format!("{} {:02}", device.label, so_far);
            device.label = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::fleet::estate::once;

    #[test]
    fn parents_exist_make_no_ring_and_labels_tell_devices_apart() {
        for mut place in once().unwrap() {
            settle(&mut place);
            let parents: HashMap<&str, Option<&str>> =
                place.devices.iter().map(|device| (device.key.as_str(), device.parent.as_deref())).collect();
            for device in &place.devices {
                let (mut at, mut steps) = (device.key.as_str(), 0);
                while let Some(parent) = parents[at] {
                    (at, steps) = (parent, steps + 1);
                    assert!(steps < 4, "{} hangs on itself", device.key);
                }
            }
            let labels: HashSet<&str> = place.devices.iter().map(|device| device.label.as_str()).collect();
            assert_eq!(labels.len(), place.devices.len(), "{}", place.title);
        }
    }
}
