//! The readings, events and health of a place, second by second.

use std::sync::Arc;

use kouan_protocol::{
    AlarmChange, AlarmState, Anchor, Batch, BootTime, Catalogue, CatalogueHash, Cell, DeviceHealth, DeviceKey,
    DeviceSpec, Event, GroupRows, GroupSpec, HealthLevel, Lane, Record, RecordBody, Row, Value,
};

use super::classes::{EventPlay, GroupPlay, Motion, PointPlay};
use super::estate::Place;
use super::troubles::{Happening, Troubles};
use crate::dice::Dice;

/// Each point is kept at least so often.
const HEARTBEAT_S: u64 = 300;
/// A device falls silent about once in so many seconds ...
const FAILS_EVERY_S: u64 = 200_000;
/// ... and is back after so many at most.
const SILENT_S: u64 = 120;

/// How densely a place lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Seconds that pass at a time.
    pub(crate) tick_s: u64,
    /// Devices are read at most so often, in seconds; a whole number of ticks.
    pub(crate) every_s: u64,
    /// One event in so many happens.
    pub(crate) events_one_in: u64,
}

impl Pace {
    /// As such places do.
    pub(crate) const REAL: Self = Self { tick_s: 1, every_s: 1, events_one_in: 1 };
}

/// At a slower pace one group of each place is still read so often, in seconds: a real agent records figures of its own
/// at least every fifteen minutes, and what nobody recorded counts as not observed.
const OWN_FIGURES_S: u64 = 300;

/// A place as it lives.
pub(crate) struct Life {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) encoded: Vec<u8>,
    pub(crate) hash: CatalogueHash,
    devices: Vec<LiveDevice>,
    dice: Dice,
    /// What goes wrong, where it is more than a device that is silent for once.
    troubles: Option<Troubles>,
    pace: Pace,
    next_seq: u64,
    /// The first number that waits to be taken.
    waiting_seq: u64,
    next_event: u64,
    next_urgent: u64,
    rows: Vec<Vec<Row>>,
    events: Vec<Record>,
    urgent: Vec<Record>,
    /// Values that were read, kept or not.
    pub(crate) polled: u64,
}

struct LiveDevice {
    key: DeviceKey,
    events: &'static [EventPlay],
    groups: Vec<LiveGroup>,
    silent_until_s: u64,
}

struct LiveGroup {
    /// Its number in the catalogue.
    index: usize,
    play: GroupPlay,
    /// How often it is read at the present pace, in seconds.
    every_s: u64,
    phase_s: u64,
    points: Vec<LivePoint>,
}

#[derive(Clone, Copy)]
struct LivePoint {
    value: i64,
    kept: i64,
    kept_at_s: u64,
    /// Until when it stays what it is.
    held_until_s: u64,
}

/// What an agent has to send.
pub(crate) struct Due {
    pub(crate) readings: Option<Batch>,
    pub(crate) events: Option<Batch>,
    pub(crate) urgent: Option<Batch>,
    pub(crate) kept: u64,
    pub(crate) rows: u64,
}

impl Life {
    pub(crate) fn new(place: &Place, seed: u64, now_s: u64) -> anyhow::Result<Self> {
        let mut dice = Dice::new(seed);
        let (mut specs, mut devices, mut index) = (Vec::new(), Vec::new(), 0);
        for device in &place.devices {
            let key: DeviceKey = device.key.parse()?;
            let mut groups = Vec::new();
            for play in device.play.groups {
                let points = play.points.iter().map(|point| LivePoint::new(point, now_s, &mut dice)).collect();
                let every_s = play.every_s;
                groups.push(LiveGroup { index, play: *play, every_s, phase_s: dice.next() % every_s, points });
                index += 1;
            }
            devices.push(LiveDevice { key: key.clone(), events: device.play.events, groups, silent_until_s: 0 });
            specs.push(DeviceSpec {
                key,
                label: device.label.clone(),
                class: device.class.to_owned(),
                profile: "played".to_owned(),
                area: device.area.clone(),
                link: device.key.clone(),
                parent: device.parent.as_deref().map(str::parse).transpose()?,
                groups: device.play.groups.iter().map(group_spec).collect::<anyhow::Result<_>>()?,
                actions: Vec::new(),
            });
        }
        let catalogue = Catalogue { devices: specs };
        let encoded = catalogue.encode();
        Ok(Self {
            catalogue: Arc::new(catalogue),
            hash: Catalogue::hash_of(&encoded),
            encoded,
            devices,
            dice,
            troubles: None,
            pace: Pace::REAL,
            next_seq: 1,
            waiting_seq: 1,
            next_event: 1,
            next_urgent: 1,
            rows: vec![Vec::new(); index],
            events: Vec::new(),
            urgent: Vec::new(),
            polled: 0,
        })
    }

    /// From now on it lives at that pace.
    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
        for group in self.devices.iter_mut().flat_map(|device| &mut device.groups) {
            let most = if group.index == 0 { pace.every_s.min(OWN_FIGURES_S) } else { pace.every_s };
            group.every_s = group.play.every_s.max(most);
            let phase_s = self.dice.next() % group.every_s;
            group.phase_s = phase_s - phase_s % pace.tick_s;
        }
    }

    /// Seconds that pass at a time.
    pub(crate) fn tick_s(&self) -> u64 {
        self.pace.tick_s
    }

    /// Rows that wait to be taken.
    pub(crate) fn waiting(&self) -> u64 {
        self.next_seq - self.waiting_seq
    }

    /// The numbers that the next records of the lanes get.
    pub(crate) fn next_numbers(&self) -> [(Lane, u64); 3] {
        [(Lane::Urgent, self.next_urgent), (Lane::Events, self.next_event), (Lane::Readings, self.next_seq)]
    }

    /// From now on these go wrong, and no device is silent by chance.
    pub(crate) fn suffer(&mut self, troubles: Troubles) {
        self.troubles = Some(troubles);
    }

    /// A device falls silent, or answers again; the record goes with the next batch.
    pub(crate) fn set_silent(&mut self, device: usize, silent: bool, boot_time: BootTime) {
        let device = &mut self.devices[device];
        device.silent_until_s = if silent { u64::MAX } else { 0 };
        let health = if silent { unreachable(&device.key, "timeout", "no answer") } else { working(&device.key) };
        self.urgent.push(Record::new(boot_time, health));
    }

    fn happen(&mut self, happening: Happening, boot_time: BootTime) {
        match happening {
            Happening::Silent { device, until_s, reason, text } => {
                let device = &mut self.devices[device];
                if device.silent_until_s == 0 {
                    self.urgent.push(Record::new(boot_time, unreachable(&device.key, reason, text)));
                }
                device.silent_until_s = device.silent_until_s.max(until_s);
            }
            Happening::Held { device, point, value, until_s } => {
                for group in &mut self.devices[device].groups {
                    for (live, play) in group.points.iter_mut().zip(group.play.points) {
                        if play.name == point {
                            (live.value, live.held_until_s) = (value, until_s);
                        }
                    }
                }
            }
            Happening::Alarm { device, ill, raised } => {
                let alarm = AlarmChange {
                    device: self.devices[device].key.clone(),
                    condition: ill.condition.to_owned(),
                    state: if raised { AlarmState::Raised } else { AlarmState::Cleared },
                    severity: ill.severity,
                    text: ill.text.1.to_owned(),
                    point: ill.point.to_owned(),
                    text_zh: ill.text.0.to_owned(),
                };
                self.urgent.push(Record::new(boot_time, RecordBody::Alarm(alarm)));
            }
        }
    }

    /// Lives through one tick, a second unless the pace says otherwise, which begins at that time of the boot clock.
    pub(crate) fn second(&mut self, now_s: u64, boot_time: BootTime) {
        let happenings = self.troubles.as_mut().map(|troubles| troubles.second(now_s, &mut self.dice));
        let pace = self.pace;
        let by_chance = happenings.is_none().then_some(pace.tick_s);
        for happening in happenings.into_iter().flatten() {
            self.happen(happening, boot_time);
        }
        for device in &mut self.devices {
            device.fail(now_s, boot_time, by_chance, &mut self.dice, &mut self.urgent);
            if now_s < device.silent_until_s {
                continue;
            }
            for group in &mut device.groups {
                if (now_s + group.phase_s).is_multiple_of(group.every_s) {
                    self.polled += group.points.len() as u64;
                    let cells = group.poll(now_s, &mut self.dice);
                    if !cells.is_empty() {
                        let boot_time = boot_time.plus_ms(self.dice.next() % 900);
                        self.rows[group.index].push(Row { seq: self.next_seq, boot_time, cells });
                        self.next_seq += 1;
                    }
                }
            }
            for event in device.events {
                if self.dice.next() % (3_600 * pace.events_one_in) < event.per_hour * pace.tick_s {
                    let fields = (event.fields)(&mut self.dice);
                    let event =
                        Event { device: device.key.clone(), kind: event.kind.to_owned(), fields, blobs: vec![] };
                    let boot_time = boot_time.plus_ms(self.dice.next() % 900);
                    self.events.push(Record::new(boot_time, RecordBody::Event(event)));
                }
            }
        }
    }

    /// Takes what was lived through since the last call.
    pub(crate) fn take(&mut self, anchor: &Anchor) -> Due {
        let rows: u64 = self.rows.iter().map(|rows| rows.len() as u64).sum();
        let kept = self.rows.iter().flatten().map(|row| row.cells.len() as u64).sum();
        let first_seq = self.waiting_seq;
        self.waiting_seq = self.next_seq;
        let groups = self.encode(first_seq, anchor);
        let readings = (rows > 0).then(|| self.batch(first_seq, rows, groups, anchor));
        let records = |records: &mut Vec<Record>, next: &mut u64| {
            let records = std::mem::take(records);
            let first = *next;
            *next += records.len() as u64;
            (!records.is_empty()).then(|| Batch::of_records(first, *anchor, records))
        };
        let events = records(&mut self.events, &mut self.next_event);
        let urgent = records(&mut self.urgent, &mut self.next_urgent);
        Due { readings, events, urgent, kept, rows }
    }

    /// Every value and every health, as an agent sends them after a hello.
    pub(crate) fn snapshot(&mut self, anchor: &Anchor) -> Vec<u8> {
        for group in self.devices.iter_mut().flat_map(|device| &mut device.groups) {
            let cells = group.all();
            self.rows[group.index].push(Row { seq: 0, boot_time: anchor.boot_time, cells });
        }
        let groups = self.encode(0, anchor);
        let mut batch = self.batch(0, 0, groups, anchor);
        let health = |device: &LiveDevice| Record::new(anchor.boot_time, working(&device.key));
        batch.records = self.devices.iter().map(health).collect();
        batch.all_alarms = true;
        batch.encode()
    }

    fn encode(&mut self, first_seq: u64, anchor: &Anchor) -> Vec<GroupRows> {
        let groups = self.catalogue.groups().zip(&mut self.rows).filter(|(_, rows)| !rows.is_empty());
        groups
            .map(|((index, _, spec), rows)| {
                let encoded = GroupRows::encode(index, spec, rows, first_seq, anchor);
                rows.clear();
                encoded
            })
            .collect()
    }

    fn batch(&self, first_seq: u64, count: u64, groups: Vec<GroupRows>, anchor: &Anchor) -> Batch {
        let (anchor, catalogue) = (*anchor, Some(self.hash));
        Batch { first_seq, count, anchor, catalogue, groups, records: vec![], volatile: false, all_alarms: false }
    }
}

impl LiveDevice {
    /// `by_chance`: the seconds that pass, where devices fall silent by chance.
    fn fail(
        &mut self,
        now_s: u64,
        boot_time: BootTime,
        by_chance: Option<u64>,
        dice: &mut Dice,
        urgent: &mut Vec<Record>,
    ) {
        if self.silent_until_s > 0 && now_s >= self.silent_until_s {
            self.silent_until_s = 0;
            urgent.push(Record::new(boot_time, working(&self.key)));
        } else if let Some(tick_s) = by_chance
            && self.silent_until_s == 0
            && dice.chance(FAILS_EVERY_S / tick_s)
        {
            self.silent_until_s = now_s + tick_s + dice.next() % SILENT_S;
            urgent.push(Record::new(boot_time, unreachable(&self.key, "timeout", "no answer")));
        }
    }
}

fn unreachable(device: &DeviceKey, reason: &str, text: &str) -> RecordBody {
    let (level, reason, text) = (HealthLevel::Unreachable, reason.to_owned(), text.to_owned());
    RecordBody::Health(DeviceHealth { device: device.clone(), level, reason, text, text_zh: String::new() })
}

fn working(device: &DeviceKey) -> RecordBody {
    let (reason, text, text_zh) = (String::new(), String::new(), String::new());
    RecordBody::Health(DeviceHealth { device: device.clone(), level: HealthLevel::Working, reason, text, text_zh })
}

impl LiveGroup {
    fn poll(&mut self, now_s: u64, dice: &mut Dice) -> Vec<(u16, Cell)> {
        let mut cells = Vec::new();
        for (column, (point, play)) in self.points.iter_mut().zip(self.play.points).enumerate() {
            if now_s >= point.held_until_s {
                point.step(play, self.every_s, dice);
            }
            let moved = (point.value - point.kept).abs() >= play.dead_band;
            if moved || now_s >= point.kept_at_s + HEARTBEAT_S {
                (point.kept, point.kept_at_s) = (point.value, now_s);
                cells.push((column as u16, play.cell(point.value)));
            }
        }
        cells
    }

    fn all(&self) -> Vec<(u16, Cell)> {
        let cells = self.points.iter().zip(self.play.points).enumerate();
        cells.map(|(column, (point, play))| (column as u16, play.cell(point.value))).collect()
    }
}

impl LivePoint {
    fn new(play: &PointPlay, now_s: u64, dice: &mut Dice) -> Self {
        let value = match play.motion {
            Motion::Walk { low, high, .. } => low + (dice.next() % (high - low) as u64) as i64,
            Motion::Noise { around, .. } => around,
            Motion::Counter { .. } => (dice.next() % 1_000_000) as i64,
            Motion::Word { .. } => 0,
        };
        // Their heartbeats do not come all at once.
        Self { value, kept: value, kept_at_s: now_s.saturating_sub(dice.next() % HEARTBEAT_S), held_until_s: 0 }
    }

    fn step(&mut self, play: &PointPlay, every_s: u64, dice: &mut Dice) {
        let around = |spread: i64, dice: &mut Dice| (dice.next() % (2 * spread as u64 + 1)) as i64 - spread;
        match play.motion {
            Motion::Walk { step, low, high } => self.value = (self.value + around(step, dice)).clamp(low, high),
            Motion::Noise { around: middle, spread } => self.value = middle + around(spread, dice),
            Motion::Counter { per_minute } => {
                let most = per_minute * every_s * 2;
                self.value += ((dice.next() % (most + 1) + 30) / 60) as i64;
            }
            Motion::Word { words, one_in } => {
                // Away from the usual word seldom, back to it soon.
                if self.value != 0 && dice.chance(4) {
                    self.value = 0;
                } else if self.value == 0 && dice.chance(one_in) {
                    self.value = 1 + (dice.next() % (words.len() as u64 - 1)) as i64;
                }
            }
        }
    }
}

impl PointPlay {
    fn cell(&self, value: i64) -> Cell {
        Cell::good(match self.motion {
            Motion::Walk { .. } | Motion::Noise { .. } => {
                Value::Number(value as f64 / 10_f64.powi(i32::from(self.decimals)))
            }
            Motion::Counter { .. } => Value::Integer(value),
            Motion::Word { words, .. } => Value::text(words[value as usize % words.len()]),
        })
    }
}

fn group_spec(play: &GroupPlay) -> anyhow::Result<GroupSpec> {
    Ok(GroupSpec {
        name: play.name.to_owned(),
        every_ms: u32::try_from(play.every_s * 1000)?,
        heartbeat_ms: u32::try_from(HEARTBEAT_S * 1000)?,
        points: play.points.iter().map(PointPlay::spec).collect::<anyhow::Result<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use kouan_protocol::{BootId, Timestamp};

    use super::*;
    use crate::fleet::estate::once;

    #[test]
    fn a_slow_day_is_read_as_often_as_it_should_and_numbered_without_holes() {
        let place = once().unwrap().into_iter().find(|place| place.title == "横琴海关").unwrap();
        let mut life = Life::new(&place, 1, 0).unwrap();
        life.set_pace(Pace { tick_s: 60, every_s: 1_800, events_one_in: 400 });
        let day_s = 86_400;
        for at in (day_s..2 * day_s).step_by(60) {
            life.second(at, BootTime(at * 1000));
        }
        // Two devices with two groups each: one is read every five minutes, as figures of the agent itself would be.
        let (rows, most) = (life.waiting(), 288 + 3 * 48);
        assert!((most - 20..=most).contains(&rows), "{rows} rows");
        let (boot, boot_time) = (BootId(1), BootTime(2 * day_s * 1000));
        let anchor = Anchor { boot, boot_time, wall: Timestamp(2 * 86_400_000), trusted: true };
        let batch = life.take(&anchor).readings.unwrap();
        assert_eq!((batch.first_seq, batch.count), (1, rows));
        assert_eq!((life.waiting(), life.next_numbers()[2]), (0, (Lane::Readings, rows + 1)));
        life.set_pace(Pace::REAL);
        (2 * day_s..2 * day_s + 60).for_each(|at| life.second(at, BootTime(at * 1000)));
        assert!(life.waiting() >= 4, "every group is read at least once a minute again");
        assert_eq!(life.take(&anchor).readings.unwrap().first_seq, rows + 1);
    }
}
