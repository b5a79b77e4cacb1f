//! A device of the fleet as a judge sees it.

use kouan_protocol::{HealthLevel, Quality};

use super::last_read::LastRead;
use super::samples::Samples;
use crate::alarms::judge::{Reading, Rise, View};
use crate::alarms::rule::Pattern;
use crate::state::{Device, PointState};

/// A device as it is now.
pub(super) struct Live<'a> {
    pub(super) device: &'a Device,
    pub(super) samples: &'a Samples,
    pub(super) last_read: &'a LastRead,
    pub(super) now_ms: i64,
    pub(super) watched_since_ms: i64,
}

fn reading(state: &PointState) -> Reading {
    // Nothing acts on a doubtful value alone.
    let value = state.value.clone().filter(|_| state.quality == Quality::Good);
    Reading { value, time_ms: state.time.0 }
}

/// The unit of a device's point.
pub(super) fn unit_of(device: &Device, point: &str) -> String {
    let mut points = device.spec.groups.iter().flat_map(|group| &group.points);
    points.find(|spec| spec.name.as_str() == point).map(|spec| spec.unit.clone()).unwrap_or_default()
}

impl View for Live<'_> {
    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn watched_since_ms(&self) -> i64 {
        self.watched_since_ms
    }

    fn points(&self, pattern: &Pattern, visit: &mut dyn FnMut(&str, &Reading)) {
        for (name, state) in self.device.points.iter() {
            if pattern.place(name.as_str()).is_some() {
                visit(name.as_str(), &reading(state));
            }
        }
    }

    fn unit(&self, point: &str) -> String {
        unit_of(self.device, point)
    }

    fn last_read_ms(&self, points: Option<&Pattern>) -> Option<i64> {
        self.last_read.of(&self.device.id, points)
    }

    fn health(&self) -> Option<HealthLevel> {
        self.device.health.as_ref().map(|health| health.level)
    }

    fn last_event_ms(&self, kind: &str) -> Option<i64> {
        self.device.events.iter().find(|(known, _)| **known == *kind).map(|(_, time)| time.0)
    }

    fn rise(&self, point: &str, from_ms: i64) -> Option<Rise> {
        self.samples.rise(&self.device.id, point, from_ms, self.now_ms.saturating_sub(from_ms))
    }
}
