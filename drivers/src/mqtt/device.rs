//! One device behind a broker: what concerns it, and how it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::{DeviceKey, HealthLevel};
use kouan_settings::{Bilingual, both};
use tokio::time::Instant;

use super::connection::Delivery;
use super::dialect::MqttDialect;
use super::message::MessageError;
use crate::driver::RawRow;
use crate::profile::Profile;

/// A configured device.
#[derive(Debug)]
pub(super) struct MqttDevice {
    pub(super) key: DeviceKey,
    /// What its topics begin with.
    pub(super) topic: String,
    pub(super) profile: Arc<Profile<MqttDialect>>,
}

/// What a message on a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Group(usize),
    Event(usize),
    Online,
    Reply,
}

impl MqttDevice {
    /// The whole topic.
    pub(super) fn topic(&self, below: &str) -> String {
        format!("{}/{below}", self.topic)
    }

    /// Every topic with its purpose. What would be stale when it comes late is not kept for us by the broker.
    pub(super) fn topics(&self) -> Vec<(String, Purpose, Delivery)> {
        let model = &self.profile.model;
        let groups = self.profile.groups.iter().enumerate();
        let groups = groups.map(|(at, group)| (self.topic(&group.ask.topic), Purpose::Group(at), Delivery::AtMostOnce));
        let events = model.events.iter().enumerate();
        let events = events.map(|(at, event)| (self.topic(&event.topic), Purpose::Event(at), Delivery::AtLeastOnce));
        let online = model.online.iter();
        let online = online.map(|online| (self.topic(&online.topic), Purpose::Online, Delivery::AtMostOnce));
        let reply = model.reply.iter();
        let reply = reply.map(|reply| (self.topic(&reply.topic), Purpose::Reply, Delivery::AtLeastOnce));
        groups.chain(events).chain(online).chain(reply).collect()
    }
}

/// What is known about a device within one session.
#[derive(Debug)]
pub(super) struct DeviceState {
    /// Since when it could have said something.
    listening_since: Instant,
    silent_after: Duration,
    last_heard: Option<Instant>,
    offline: bool,
    /// Topics whose last message was not understood.
    not_understood: BTreeMap<String, MessageError>,
    /// The newest row of each group.
    pub(super) rows: BTreeMap<usize, RawRow>,
    told: Option<(HealthLevel, &'static str)>,
}

impl DeviceState {
    pub(super) fn new(device: &MqttDevice) -> Self {
        Self {
            listening_since: Instant::now(),
            silent_after: device.profile.model.silent_after,
            last_heard: None,
            offline: false,
            not_understood: BTreeMap::new(),
            rows: BTreeMap::new(),
            told: None,
        }
    }

    /// A session began: what happened before says nothing about now.
    pub(super) fn begin_session(&mut self) {
        self.listening_since = Instant::now();
        self.last_heard = None;
        self.offline = false;
        self.not_understood.clear();
        self.told = None;
    }

    /// It published something just now.
    pub(super) fn heard(&mut self, topic: &str, understood: Result<(), MessageError>) {
        self.last_heard = Some(Instant::now());
        self.offline = false;
        match understood {
            Ok(()) => self.not_understood.remove(topic),
            Err(error) => self.not_understood.insert(topic.to_owned(), error),
        };
    }

    /// Its last will, or its own word.
    pub(super) fn said_offline(&mut self, offline: bool) {
        self.offline = offline;
    }

    /// Whether it is known to be gone.
    pub(super) fn is_offline(&self) -> bool {
        self.offline
    }

    /// When [`DeviceState::news`] must be asked although nothing came.
    pub(super) fn look_at(&self) -> Option<Instant> {
        let told = self.told.is_some_and(|(_, reason)| matches!(reason, "offline" | "silent"));
        self.silent_at().filter(|_| !told)
    }

    /// When it will count as silent.
    fn silent_at(&self) -> Option<Instant> {
        let heard = self.last_heard.unwrap_or(self.listening_since);
        (!self.silent_after.is_zero()).then(|| heard + self.silent_after)
    }

    /// Its health if that changed since it was last asked for.
    pub(super) fn news(&mut self) -> Option<(HealthLevel, &'static str, Bilingual)> {
        let health = self.health()?;
        let short = (health.0, health.1);
        if self.told == Some(short) {
            return None;
        }
        self.told = Some(short);
        Some(health)
    }

    /// `None` while nothing is known yet.
    fn health(&self) -> Option<(HealthLevel, &'static str, Bilingual)> {
        if self.offline {
            let text = both!("its last will says that it is gone", "它的遗嘱消息说它已离线");
            return Some((HealthLevel::Unreachable, "offline", text));
        }
        if self.silent_at().is_some_and(|at| Instant::now() >= at) {
            let seconds = self.silent_after.as_secs();
            let text = both!("it published nothing for {seconds} s", "已有 {seconds} 秒没有发布消息");
            return Some((HealthLevel::Unreachable, "silent", text));
        }
        self.last_heard?;
        Some(match self.not_understood.iter().next() {
            Some((topic, error)) => {
                (HealthLevel::Answering, "not-understood", both!("{topic}: {error}", "{topic}：{error}"; error))
            }
            None => (HealthLevel::Working, "", Bilingual::default()),
        })
    }
}
