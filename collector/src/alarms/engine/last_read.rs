//! When values were read last, for rules about absence. What a device shows now does not tell: a reading without a value
//! takes the place of the one with a value before it.

use std::collections::HashMap;

use crate::alarms::rule::Pattern;
use crate::state::{Device, DeviceId};

/// The points that a rule asks about; `None`: all of the device.
pub(super) type Points = Option<Pattern>;

/// The newest reading with a value, by device and points.
#[derive(Default)]
pub(super) struct LastRead(HashMap<DeviceId, Vec<(Points, i64)>>);

impl LastRead {
    /// Takes what the device shows now.
    pub(super) fn take(&mut self, device: &Device, points: &Points) {
        let fits = |name: &str| points.as_ref().is_none_or(|pattern| pattern.place(name).is_some());
        let read = device.points.iter().filter(|(name, state)| state.value.is_some() && fits(name.as_str()));
        let Some(newest) = read.map(|(_, state)| state.time.0).max() else { return };
        if !self.0.contains_key(&device.id) {
            self.0.insert(device.id.clone(), Vec::new());
        }
        let Some(known) = self.0.get_mut(&device.id) else { return };
        match known.iter_mut().find(|(of, _)| of == points) {
            Some((_, time)) => *time = newest.max(*time),
            None => known.push((points.clone(), newest)),
        }
    }

    /// When one of the points was read last.
    pub(super) fn of(&self, device: &DeviceId, points: Option<&Pattern>) -> Option<i64> {
        let known = self.0.get(device)?;
        known.iter().find(|(of, _)| of.as_ref() == points).map(|(_, time)| *time)
    }

    /// Forgets a device.
    pub(super) fn forget(&mut self, device: &DeviceId) {
        self.0.remove(device);
    }
}
