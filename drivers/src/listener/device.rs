//! What one device said, and how it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kouan_protocol::{BootTime, DeviceKey, Field, HealthLevel, Privacy, QualityReason};
use kouan_settings::{Bilingual, both};
use tokio::time::Instant;
use tracing::warn;

use super::dialect::{EventModel, ListenerProfile};
use super::part::trimmed;
use crate::driver::{Observation, RawEvent, RawHealth, RawRow};
use crate::serial_line::Rejected;

/// A configured device.
#[derive(Debug, Clone)]
pub(super) struct ListenerDevice {
    pub(super) key: DeviceKey,
    /// Its number in the frames, where they have one.
    pub(super) unit: Option<u8>,
    pub(super) profile: Arc<ListenerProfile>,
}

/// After so many pieces of junk without a right frame between, the device is said to be not understood.
const JUNK: u32 = 3;
/// Events of one device in a second that are kept; a device that babbles must not fill the disk.
const EVENTS_PER_SECOND: u32 = 20;

/// What is known about a device.
#[derive(Debug)]
pub(super) struct DeviceState {
    device: ListenerDevice,
    /// Since when it could have said something; `None` while the link is closed.
    listening_since: Option<Instant>,
    last_heard: Option<Instant>,
    junk: u32,
    rejected: Option<Rejected>,
    /// By event: the frame that was told last, and when it came last.
    repeated: Vec<Option<(Bytes, Instant)>>,
    flood: Flood,
    /// The newest row of each group.
    pub(super) rows: BTreeMap<usize, RawRow>,
    told: Option<(HealthLevel, &'static str)>,
}

/// Events within the present second.
#[derive(Debug, Default)]
struct Flood {
    second: Option<Instant>,
    kept: u32,
    dropped: u64,
    /// Whether the last whole second had too many.
    on: bool,
}

impl Flood {
    fn move_on(&mut self, now: Instant, device: &DeviceKey) {
        let Some(second) = self.second else { return };
        if now.saturating_duration_since(second) < Duration::from_secs(1) {
            return;
        }
        if self.dropped > 0 {
            warn!(%device, dropped = self.dropped, "Too many events in one second; the rest was dropped.");
        }
        // One more second without a drop shows that it is over.
        let second = (self.dropped > 0).then_some(now);
        *self = Self { second, on: second.is_some(), ..Self::default() };
    }

    /// Whether one more event may be kept.
    fn keep(&mut self, now: Instant) -> bool {
        self.second.get_or_insert(now);
        if self.kept < EVENTS_PER_SECOND {
            self.kept += 1;
            return true;
        }
        self.dropped += 1;
        self.on = true;
        false
    }
}

type Health = (HealthLevel, &'static str, Bilingual);

impl DeviceState {
    pub(super) fn new(device: ListenerDevice) -> Self {
        let repeated = device.profile.model.events.iter().map(|_| None).collect();
        Self {
            device,
            listening_since: None,
            last_heard: None,
            junk: 0,
            rejected: None,
            repeated,
            flood: Flood::default(),
            rows: BTreeMap::new(),
            told: None,
        }
    }

    pub(super) fn key(&self) -> &DeviceKey {
        &self.device.key
    }

    /// Whether frames of that number are its own.
    pub(super) fn is(&self, unit: Option<u8>) -> bool {
        self.device.unit == unit
    }

    /// The link was opened.
    pub(super) fn listen(&mut self, now: Instant) {
        self.listening_since = Some(now);
        self.last_heard = None;
        self.junk = 0;
    }

    /// Somebody sent what is no frame.
    pub(super) fn reject(&mut self, rejected: Rejected) {
        self.junk = self.junk.saturating_add(1);
        self.rejected = Some(rejected);
    }

    /// It said something.
    pub(super) fn hear(&mut self, frame: &Bytes, now: Instant, boot_time: BootTime) -> Vec<Observation> {
        let profile = Arc::clone(&self.device.profile);
        let format = &profile.model.frame;
        self.last_heard = Some(now);
        self.flood.move_on(now, &self.device.key);
        let mut observations = Vec::new();
        let mut meant = trimmed(format.payload(frame)).is_empty() || profile.model.ignore_others;
        for (at, group) in profile.groups.iter().enumerate().filter(|(_, group)| group.ask.holds(frame)) {
            meant = true;
            let cells = (0..).zip(&group.points).map(|(column, point)| (column, point.address.raw(format, frame)));
            let row = RawRow { device: self.device.key.clone(), group: at, boot_time, cells: cells.collect() };
            self.rows.insert(at, row.clone());
            observations.push(Observation::Row(row));
        }
        for (at, event) in profile.model.events.iter().enumerate().filter(|(_, event)| event.when.holds(frame)) {
            meant = true;
            observations.extend(self.event(at, event, frame, now, boot_time));
        }
        if meant {
            self.junk = 0;
            self.rejected = None;
        } else {
            self.reject(Rejected::NotUnderstood);
        }
        observations
    }

    fn event(
        &mut self,
        at: usize,
        event: &EventModel,
        frame: &Bytes,
        now: Instant,
        boot_time: BootTime,
    ) -> Option<Observation> {
        let format = &self.device.profile.model.frame;
        let fields = event.fields.iter().filter_map(|field| {
            let value = field.part.field(format, frame)?;
            let privacy = if field.personal { Privacy::Personal } else { Privacy::None };
            Some(Field { name: field.name.clone(), value, privacy })
        });
        let fields: Vec<Field> = fields.collect();
        if fields.is_empty() && !event.fields.is_empty() {
            // A line with nothing in it.
            return None;
        }
        let last = self.repeated[at].replace((frame.clone(), now));
        let again = last.is_some_and(|(before, seen)| before == *frame && now < seen + event.repeat_after);
        if again || !self.flood.keep(now) {
            return None;
        }
        let event = RawEvent { device: self.device.key.clone(), boot_time, kind: event.kind.clone(), fields };
        Some(Observation::Event { event, stored: None })
    }

    /// The link is closed. Rows of what can no longer be known.
    pub(super) fn lost(&mut self, reason: &'static str, text: &Bilingual, boot_time: BootTime) -> Vec<Observation> {
        self.listening_since = None;
        let mut observations = self.blank(boot_time);
        observations.extend(self.tell((HealthLevel::Unreachable, reason, text.clone()), boot_time));
        observations
    }

    /// Says that nothing of what was known is known any more, once.
    fn blank(&mut self, boot_time: BootTime) -> Vec<Observation> {
        let rows = std::mem::take(&mut self.rows);
        let blank = |(group, row): (usize, RawRow)| {
            let cells = row.cells.into_iter().map(|(column, _)| (column, Err(QualityReason::ReadFailed))).collect();
            Observation::Row(RawRow { device: row.device, group, boot_time, cells })
        };
        rows.into_iter().map(blank).collect()
    }

    /// When [`DeviceState::news`] must be asked although nothing came.
    pub(super) fn look_at(&self, now: Instant) -> Option<Instant> {
        let silent = self.silent_at().filter(|at| !self.was_silent() || *at > now);
        let flood = self.flood.second.filter(|_| self.flood.on).map(|second| second + Duration::from_secs(1));
        silent.into_iter().chain(flood).min()
    }

    /// Whether it was said to be silent, and nothing better is known.
    pub(super) fn was_silent(&self) -> bool {
        self.told.is_some_and(|(_, reason)| reason == "silent")
    }

    /// Whether it was silent for too long since the link was opened.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.was_silent() && self.silent_at().is_some_and(|at| now >= at)
    }

    /// When it will count as silent.
    fn silent_at(&self) -> Option<Instant> {
        let heard = self.last_heard.or(self.listening_since)?;
        let silent_after = self.device.profile.model.silent_after;
        (!silent_after.is_zero()).then(|| heard + silent_after)
    }

    /// Its health if that changed, and what belongs to it.
    pub(super) fn news(&mut self, now: Instant, boot_time: BootTime) -> Vec<Observation> {
        self.flood.move_on(now, &self.device.key);
        let Some(health) = self.health(now) else { return Vec::new() };
        let mut observations = if health.1 == "silent" { self.blank(boot_time) } else { Vec::new() };
        observations.extend(self.tell(health, boot_time));
        observations
    }

    fn tell(&mut self, health: Health, boot_time: BootTime) -> Option<Observation> {
        let (level, reason, text) = health;
        if self.told.replace((level, reason)) == Some((level, reason)) {
            return None;
        }
        let device = self.device.key.clone();
        Some(Observation::Health(RawHealth { device, boot_time, level, reason, text }))
    }

    /// `None` while nothing is known yet.
    fn health(&self, now: Instant) -> Option<Health> {
        self.listening_since?;
        if self.silent_at().is_some_and(|at| now >= at) {
            let seconds = self.device.profile.model.silent_after.as_secs_f64();
            let text = both!("it said nothing for {seconds} s", "已有 {seconds} 秒没有发送数据");
            return Some((HealthLevel::Unreachable, "silent", text));
        }
        if self.junk >= JUNK {
            let rejected = self.rejected.unwrap_or(Rejected::NotUnderstood);
            let level = if self.last_heard.is_some() { HealthLevel::Answering } else { HealthLevel::Reachable };
            let text = both!(
                "{rejected}: what comes over the line is not what the profile says",
                "{rejected}：线路上的数据与型号文件不符"; rejected
            );
            return Some((level, rejected.reason(), text));
        }
        if self.flood.on {
            let text = both!(
                "it tells more than {EVENTS_PER_SECOND} events a second; the rest is dropped",
                "每秒上报的事件超过 {EVENTS_PER_SECOND} 个；多余的丢弃"
            );
            return Some((HealthLevel::Answering, "too-many-events", text));
        }
        match self.last_heard {
            Some(_) => Some((HealthLevel::Working, "", Bilingual::default())),
            // Whether a device is there that may be silent for ever shows only with what it says.
            None if self.device.profile.model.silent_after.is_zero() => {
                let text = both!(
                    "the link is open; such a device shows only by what it says that it is there",
                    "线路已打开；这种设备只有说话时才知道它在"
                );
                Some((HealthLevel::Reachable, "nothing-heard", text))
            }
            None => None,
        }
    }
}
