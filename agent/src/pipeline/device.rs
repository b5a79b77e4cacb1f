//! One device: its rows, events and health.

use std::collections::HashMap;

use kouan_drivers::configure::ConfiguredDevice;
use kouan_drivers::driver::{RawEvent, RawHealth, RawRow, RawStock};
use kouan_drivers::profile::GroupProfile;
use kouan_protocol::{
    AlarmChange, BootTime, Cell, DeviceHealth, DeviceKey, Event, Field, FieldValue, GroupIndex, PointName, RecordBody,
    Row, Value,
};
use tracing::{info, warn};

use super::counter::{Step, step};
use super::current::Current;
use super::limit::LimitState;
use super::point::PointState;
use super::shelf::{Changed, Shelf};
use super::state::{Watched, alarm, change_event, shown_raw};
use crate::buffer::{Baseline, NewRecord};

/// More steps than this in one poll become one event with a count, so that a reset device cannot flood the lane.
const EVENTS_PER_POLL: u64 = 50;

/// Which alarms judge the point of a group and column.
type LimitsAt = HashMap<(usize, u16), Vec<usize>>;

/// What the pipeline remembers of a device.
#[derive(Debug)]
pub(super) struct DevicePipeline {
    device: ConfiguredDevice,
    first_group: u32,
    points: Vec<Vec<PointState>>,
    baselines: HashMap<(usize, u16), Known>,
    watched: HashMap<(usize, u16), Watched>,
    limits: Vec<LimitState>,
    /// Which of them judge a point.
    limits_at: LimitsAt,
    shelf: Shelf,
    health: Option<(kouan_protocol::HealthLevel, &'static str)>,
}

/// The last value of a counter.
#[derive(Debug, Clone, Copy)]
struct Known {
    value: i64,
    /// An earlier run has kept it; this one has not read it yet.
    is_carried: bool,
}

/// What came of a raw row.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// The row to keep, if anything in it is worth it.
    pub(super) row: Option<(GroupIndex, Row)>,
    /// Events that counter steps stand for.
    pub(super) events: Vec<NewRecord>,
    /// The same, counted from a value that an earlier run had kept.
    pub(super) carried: Vec<NewRecord>,
    /// Counter values that move with the events.
    pub(super) baselines: Vec<Baseline>,
    /// Alarms that hold now, and those that hold no longer.
    pub(super) alarms: Vec<(AlarmChange, bool)>,
}

impl DevicePipeline {
    /// `first_group` is the catalogue index of the device's first group.
    pub(super) fn new(
        device: ConfiguredDevice,
        first_group: u32,
        known: &HashMap<(&DeviceKey, &PointName), i64>,
    ) -> Self {
        let states = |group: &GroupProfile| group.points.iter().map(|point| PointState::new(point)).collect();
        let points = device.groups.iter().map(states).collect();
        let key = &device.identity.key;
        let mut own = HashMap::new();
        for (at, group) in device.groups.iter().enumerate() {
            for (column, point) in (0_u16..).zip(&group.points) {
                let carried = |value: &i64| Known { value: *value, is_carried: true };
                own.extend(known.get(&(key, &point.spec.name)).map(|value| ((at, column), carried(value))));
            }
        }
        let of_this = known.iter().filter(|((device, _), _)| *device == key);
        let shelf = Shelf::carried(of_this.map(|((_, point), antenna)| (*point, *antenna)));
        let (limits, limits_at) = limits_of(&device);
        let watched = HashMap::new();
        Self { device, first_group, points, baselines: own, watched, limits, limits_at, shelf, health: None }
    }

    /// Every alarm that it may raise.
    pub(super) fn conditions(&self) -> impl Iterator<Item = String> {
        let points = self.device.groups.iter().flat_map(|group| &group.points);
        let of_states = points.filter_map(|point| {
            let tells = point.tells.as_ref()?;
            Some(tells.condition(tells.alarm.as_ref()?, &point.spec.name))
        });
        of_states.chain(self.limits.iter().map(|limit| limit.condition().to_owned()))
    }

    /// Time went by: alarms whose delay is over.
    pub(super) fn tick(&mut self, now: BootTime) -> Vec<(AlarmChange, bool)> {
        let device = &self.device.identity.key;
        let changed = |limit: &mut LimitState| limit.tick(now).map(|holds| (limit.change(device), holds));
        self.limits.iter_mut().filter_map(changed).collect()
    }

    pub(super) fn key(&self) -> &DeviceKey {
        &self.device.identity.key
    }

    /// Counters that this run has not read yet begin with their next value.
    pub(super) fn forget_carried(&mut self) {
        self.baselines.retain(|_, known| !known.is_carried);
        self.shelf.forget_carried();
    }

    /// With `counts` steps of counters become events. Without, the counters wait at the device as they are.
    pub(super) fn row(&mut self, raw: RawRow, current: &Current, counts: bool) -> Judged {
        let mut judged = Judged::default();
        let Some(group) = self.device.groups.get(raw.group) else { return judged };
        let heartbeat_ms = u64::try_from(group.heartbeat.as_millis()).unwrap_or(u64::MAX);
        let mut cells: Vec<(u16, Cell)> = Vec::new();
        let mut shown = Vec::with_capacity(raw.cells.len());
        for (column, value) in raw.cells {
            let at = usize::from(column);
            let (Some(profile), Some(state)) = (group.points.get(at), self.points[raw.group].get_mut(at)) else {
                continue;
            };
            let cell = state.judge(profile, value);
            let kept = state.keep(profile, heartbeat_ms, raw.boot_time, &cell);
            shown.push((column, cell.clone(), kept));
            if let (true, Some(counts), Some(Value::Integer(now))) = (counts, &profile.counts, &cell.value) {
                let known = Known { value: *now, is_carried: false };
                let previous = self.baselines.insert((raw.group, column), known);
                let is_carried = previous.is_some_and(|previous| previous.is_carried);
                let previous = previous.map(|previous| previous.value);
                if previous != Some(*now) || is_carried {
                    let device = &self.device.identity.key;
                    let point = profile.spec.name.clone();
                    judged.baselines.push(Baseline { device: device.clone(), point, value: Some(*now) });
                    let steps = previous.map_or(0, |previous| match step(previous, *now, profile.wraps_at) {
                        Step::Forward(steps) => steps,
                        Step::Reset(steps) => {
                            info!(%device, point = %profile.spec.name, previous, now, "A counter was reset.");
                            steps
                        }
                    });
                    let events = step_events(device, counts, steps, raw.boot_time);
                    if is_carried { judged.carried.extend(events) } else { judged.events.extend(events) }
                }
            }
            let place = (raw.group, column);
            if let Some(tells) = &profile.tells
                && let Some(holds) = self.watched.entry(place).or_default().judge(tells, &cell, raw.boot_time)
            {
                judged.alarms.extend(alarm(&self.device.identity.key, tells, profile).map(|alarm| (alarm, holds)));
            }
            for limit in self.limits_at.get(&place).into_iter().flatten() {
                let limit = &mut self.limits[*limit];
                if let Some(holds) = limit.see(&cell, raw.boot_time) {
                    judged.alarms.push((limit.change(&self.device.identity.key), holds));
                }
            }
            if let (Some(tells), Some(raw_now)) = (&profile.tells, shown_raw(profile, &cell))
                && counts
                && !tells.changes.is_empty()
            {
                let known = Known { value: raw_now, is_carried: false };
                let previous = self.baselines.insert(place, known);
                if previous.is_none_or(|previous| previous.is_carried || previous.value != raw_now) {
                    let (device, point) = (self.device.identity.key.clone(), profile.spec.name.clone());
                    judged.baselines.push(Baseline { device, point, value: Some(raw_now) });
                }
                if let Some(previous) = previous.filter(|previous| previous.value != raw_now) {
                    let event = change_event(&self.device.identity.key, tells, profile, &cell, raw.boot_time);
                    let events = if previous.is_carried { &mut judged.carried } else { &mut judged.events };
                    events.extend(event);
                }
            }
            if kept {
                cells.push((column, cell));
            }
        }
        current.set_row(&self.device.identity.key, raw.group, raw.boot_time, shown);
        if !cells.is_empty() {
            let index = GroupIndex(self.first_group + raw.group as u32);
            judged.row = Some((index, Row { seq: 0, boot_time: raw.boot_time, cells }));
        }
        judged
    }

    /// What came and went before a reader.
    pub(super) fn stock(&mut self, raw: RawStock) -> Changed {
        self.shelf.take(&raw.device, raw.boot_time, raw.stock)
    }

    pub(super) fn event(&self, raw: RawEvent) -> NewRecord {
        let event = Event { device: raw.device, kind: raw.kind, fields: raw.fields, blobs: Vec::new() };
        NewRecord { boot_time: raw.boot_time, body: RecordBody::Event(event) }
    }

    /// Alarms that the health raises or clears.
    pub(super) fn judge_health(&mut self, raw: &RawHealth) -> Vec<(AlarmChange, bool)> {
        let device = &self.device.identity.key;
        let changed = |limit: &mut LimitState| {
            limit.see_health(raw.level, raw.boot_time).map(|holds| (limit.change(device), holds))
        };
        self.limits.iter_mut().filter_map(changed).collect()
    }

    /// A record if the health changed.
    pub(super) fn health(&mut self, raw: RawHealth, current: &Current) -> Option<NewRecord> {
        let now = (raw.level, raw.reason);
        let before = self.health.replace(now);
        if before == Some(now) {
            return None;
        }
        let device = raw.device;
        if raw.level == kouan_protocol::HealthLevel::Working {
            info!(%device, "Device works.");
        } else {
            warn!(%device, level = %raw.level, reason = raw.reason, text = %raw.text, "Device does not work fully.");
        }
        let (reason, text, text_zh) = (raw.reason.to_owned(), raw.text.english, raw.text.chinese);
        let health = DeviceHealth { device, level: raw.level, reason, text, text_zh };
        current.set_health(&health, raw.boot_time);
        Some(NewRecord { boot_time: raw.boot_time, body: RecordBody::Health(health) })
    }
}

/// The alarms of a device, and which of them judge each point.
fn limits_of(device: &ConfiguredDevice) -> (Vec<LimitState>, LimitsAt) {
    let (mut limits, mut at) = (Vec::new(), LimitsAt::new());
    for limit in &device.limits {
        if limit.point.is_empty() {
            limits.push(LimitState::new(limit, None));
            continue;
        }
        for (index, group) in device.groups.iter().enumerate() {
            for (column, point) in (0_u16..).zip(&group.points) {
                if limit.means(&point.spec.name) {
                    at.entry((index, column)).or_default().push(limits.len());
                    limits.push(LimitState::new(limit, Some(point)));
                }
            }
        }
    }
    (limits, at)
}

fn step_events(
    device: &DeviceKey,
    counts: &kouan_drivers::profile::CounterEvent,
    steps: u64,
    boot_time: BootTime,
) -> Vec<NewRecord> {
    let event = |fields: Vec<Field>| NewRecord {
        boot_time,
        body: RecordBody::Event(Event { device: device.clone(), kind: counts.kind.clone(), fields, blobs: Vec::new() }),
    };
    if steps <= EVENTS_PER_POLL {
        return (0..steps).map(|_| event(counts.fields.clone())).collect();
    }
    let mut fields = counts.fields.clone();
    fields.push(Field::new("count", FieldValue::Integer(i64::try_from(steps).unwrap_or(i64::MAX))));
    vec![event(fields)]
}
