//! Connects, listens, and connects again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kouan_protocol::HealthLevel;
use kouan_settings::{Bilingual, Translate, both};
use secrecy::SecretString;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{info, warn};

use super::connection::{Connection, ConnectionSettings, Delivery, Message, MqttError, Received};
use super::device::{DeviceState, MqttDevice, Purpose};
use super::message::{MESSAGE_BYTES, read_event, read_group, read_reply, write_action};
use super::pending::Pending;
use super::settings::BrokerSettings;
use super::unacknowledged::{Confirmation, Unacknowledged};
use crate::driver::{
    ActOutcome, ActRequest, Driver, DriverCx, DriverError, DriverFuture, Observation, RawEvent, RawHealth, RawRow,
    Request, not_searched,
};
use crate::link::backoff::{Backoff, BackoffSettings};
use crate::link::no_action;

pub(super) struct MqttDriver {
    pub(super) broker: BrokerSettings,
    pub(super) devices: Arc<[Arc<MqttDevice>]>,
}

impl Driver for MqttDriver {
    fn run(self: Box<Self>, cx: DriverCx) -> DriverFuture {
        let states = self.devices.iter().map(|device| DeviceState::new(device)).collect();
        let mut routes: HashMap<String, Vec<(usize, Purpose)>> = HashMap::new();
        for (at, device) in self.devices.iter().enumerate() {
            for (topic, purpose, _) in device.topics() {
                routes.entry(topic).or_default().push((at, purpose));
            }
        }
        let (pending, unacknowledged) = (Pending::default(), Unacknowledged::default());
        let task = Task { driver: *self, cx, states, routes, pending, unacknowledged };
        Box::pin(task.run())
    }
}

/// How long a stop waits for events that are on their way to the disk, so that they do not come again.
const STOP_WITHIN: Duration = Duration::from_millis(500);

struct Task {
    driver: MqttDriver,
    cx: DriverCx,
    states: Vec<DeviceState>,
    /// Whom a topic concerns.
    routes: HashMap<String, Vec<(usize, Purpose)>>,
    pending: Pending,
    unacknowledged: Unacknowledged,
}

/// The driver is to stop.
struct Stopped;

impl Task {
    async fn run(mut self) -> Result<(), DriverError> {
        let mut backoff = Backoff::new(BackoffSettings::LINK);
        let shutdown = self.cx.shutdown.clone();
        loop {
            let error = match self.connect().await {
                Err(Stopped) => return Ok(()),
                Ok(Ok(mut connection)) => {
                    info!(link = %self.cx.link, attempts = backoff.failures(), "Connected to the broker.");
                    backoff.succeeded();
                    match shutdown.run_until_cancelled(self.session(&mut connection)).await {
                        None | Some(Err(Stopped)) => {
                            let _ = tokio::time::timeout(STOP_WITHIN, self.acknowledge_rest(&connection)).await;
                            // What was acknowledged must reach the broker, or it comes again after a restart.
                            connection.close().await;
                            return Ok(());
                        }
                        Some(Ok(error)) => error,
                    }
                }
                Ok(Err(error)) => error,
            };
            if backoff.failures() == 0 {
                warn!(link = %self.cx.link, %error, "The broker cannot be used; trying again.");
            }
            self.pending.give_up((
                "the connection to the broker was lost before the device confirmed",
                "设备确认之前，与消息服务器的连接就断了",
            ));
            self.unacknowledged.connection_lost();
            if self.tell_closed(&error).await.is_err() {
                return Ok(());
            }
            let until = backoff.failed(Instant::now(), rand::random());
            let wait = tokio::time::sleep_until(until);
            if self.refuse_while(wait, &error.translate()).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn connect(&mut self) -> Result<Result<Connection, MqttError>, Stopped> {
        let topics: BTreeSet<(String, bool)> = self
            .driver
            .devices
            .iter()
            .flat_map(|device| device.topics())
            .map(|(topic, _, delivery)| (topic, delivery == Delivery::AtLeastOnce))
            .collect();
        // Of one topic with two purposes the stronger delivery comes last and counts.
        let topics: Vec<_> = topics.into_iter().collect();
        let mut filters: Vec<(String, Delivery)> = Vec::with_capacity(topics.len());
        for (topic, kept) in topics {
            let delivery = if kept { Delivery::AtLeastOnce } else { Delivery::AtMostOnce };
            match filters.last_mut() {
                Some(last) if last.0 == topic => last.1 = delivery,
                _ => filters.push((topic, delivery)),
            }
        }
        let broker = self.driver.broker.clone();
        let open = async move {
            let settings = broker.connection().await?;
            Connection::open(&settings, &filters).await
        };
        self.refuse_while(open, &both!("the broker is not connected yet", "还没有连上消息服务器")).await
    }

    /// Waits for `future`; commands and reads are answered at once meanwhile.
    async fn refuse_while<T>(&mut self, future: impl Future<Output = T>, why: &Bilingual) -> Result<T, Stopped> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                done = &mut future => return Ok(done),
                () = self.cx.shutdown.cancelled() => return Err(Stopped),
                request = self.cx.requests.recv() => match request {
                    Some(Request::Search { reply, .. }) => drop(reply.send(Err(not_searched()))),
                    Some(Request::Act(act)) => refuse(act, unsent(why)),
                    Some(Request::Read { reply, .. }) => {
                        // Whoever asked may have gone.
                        let _ = reply.send(Err(why.clone()));
                    }
                    None => return Err(Stopped),
                },
            }
        }
    }

    /// Listens until the connection fails.
    async fn session(&mut self, connection: &mut Connection) -> Result<MqttError, Stopped> {
        self.states.iter_mut().for_each(DeviceState::begin_session);
        if !connection.is_resumed() {
            self.unacknowledged.session_lost();
        }
        loop {
            let next_silent = self.states.iter().filter_map(DeviceState::look_at);
            let wake = next_silent.chain(self.pending.next_deadline()).min();
            let idle = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                received = connection.next(), if !self.unacknowledged.is_full() => match received {
                    Ok(received) => self.receive(received).await?,
                    Err(error) => return Ok(error),
                },
                received = self.unacknowledged.next_stored() => {
                    if let Err(error) = connection.acknowledge(&received).await {
                        return Ok(error);
                    }
                }
                request = self.cx.requests.recv() => match request {
                    Some(Request::Search { reply, .. }) => drop(reply.send(Err(not_searched()))),
                    Some(Request::Act(act)) => self.act(connection, act).await,
                    Some(Request::Read { device, reply, .. }) => {
                        // Whoever asked may have gone.
                        let _ = reply.send(self.last_rows(&device));
                    }
                    None => return Err(Stopped),
                },
                () = idle => {}
            }
            self.pending.expire();
            self.tell_news().await?;
        }
    }

    /// Acknowledges what is being stored, as far as it can be.
    async fn acknowledge_rest(&mut self, connection: &Connection) {
        while !self.unacknowledged.is_settled() {
            let received = self.unacknowledged.next_stored().await;
            if connection.acknowledge(&received).await.is_err() {
                return;
            }
        }
    }

    async fn receive(&mut self, received: Received) -> Result<(), Stopped> {
        let routes = self.routes.get(&received.message.topic).cloned().unwrap_or_default();
        let before = self.unacknowledged.handed_on_before(&received);
        let news = before.is_none();
        let mut confirmations = before.unwrap_or_default();
        for (at, purpose) in routes {
            if matches!(purpose, Purpose::Event(_)) && !news {
                continue;
            }
            let device = Arc::clone(&self.driver.devices[at]);
            confirmations.extend(self.understand(at, &device, purpose, &received).await?);
        }
        self.unacknowledged.add(received, confirmations);
        Ok(())
    }

    /// Hands on what the message says; of an event comes back what its acknowledgement waits for.
    async fn understand(
        &mut self,
        at: usize,
        device: &MqttDevice,
        purpose: Purpose,
        received: &Received,
    ) -> Result<Option<Confirmation>, Stopped> {
        let Message { topic, payload, retained } = &received.message;
        let boot_time = self.cx.clock.boot_time();
        let model = &device.profile.model;
        match purpose {
            // What the broker kept is not news, unless the profile says that it is the device's present state.
            Purpose::Group(group) if *retained && !device.profile.groups[group].ask.retained => {}
            Purpose::Event(_) | Purpose::Reply if *retained => {}
            Purpose::Group(group) => match read_group(&device.profile.groups[group], payload) {
                Ok(cells) => {
                    if !retained {
                        self.states[at].heard(topic, Ok(()));
                    }
                    let row = RawRow { device: device.key.clone(), group, boot_time, cells };
                    self.states[at].rows.insert(group, row.clone());
                    self.tell(Observation::Row(row)).await?;
                }
                Err(error) => self.states[at].heard(topic, Err(error)),
            },
            Purpose::Event(event) => {
                let event = &model.events[event];
                let read = read_event(event, payload);
                self.states[at].heard(topic, read.as_ref().map(|_| ()).map_err(Clone::clone));
                if let Ok(fields) = read {
                    let kind = event.kind.clone();
                    let event = RawEvent { device: device.key.clone(), boot_time, kind, fields };
                    let (stored, confirmation) = received.wants_acknowledgement().then(oneshot::channel).unzip();
                    self.tell(Observation::Event { event, stored }).await?;
                    return Ok(confirmation);
                }
            }
            Purpose::Online => {
                let offline = model.online.as_ref().is_some_and(|online| online.offline.as_bytes() == &payload[..]);
                if !offline {
                    // Also when it was kept: the broker would have replaced it by the last will.
                    self.states[at].heard(topic, Ok(()));
                }
                self.states[at].said_offline(offline);
            }
            Purpose::Reply => {
                let Some(reply) = &model.reply else { return Ok(None) };
                let read = read_reply(reply, payload);
                self.states[at].heard(topic, read.as_ref().map(|_| ()).map_err(Clone::clone));
                if let Ok(Some(reply)) = read {
                    self.pending.answered(at, &reply.id, reply.said);
                }
            }
        }
        Ok(None)
    }

    /// Publishes an action, once.
    async fn act(&mut self, connection: &Connection, act: ActRequest) {
        let Some(at) = self.driver.devices.iter().position(|device| device.key == act.device) else {
            return refuse(act, both!("there is no such device on this link", "这条线路上没有这个设备"));
        };
        let device = Arc::clone(&self.driver.devices[at]);
        let Some(action) = device.profile.actions.iter().find(|action| action.spec.name == act.action) else {
            return {
                let why = no_action(&act.action);
                refuse(act, why)
            };
        };
        if self.states[at].is_offline() {
            return refuse(act, unsent(&both!("the device is offline", "设备不在线")));
        }
        if self.pending.is_full() {
            return refuse(act, unsent(&both!("too many commands wait for confirmation", "等待确认的命令太多")));
        }
        let id = format!("{:016x}", rand::random::<u64>());
        let payload = write_action(&action.speak.payload, &id, &act.arguments).to_string();
        if payload.len() > MESSAGE_BYTES {
            return refuse(act, unsent(&both!("the message would be too long", "消息过长")));
        }
        let message =
            Message { topic: device.topic(&action.speak.topic), payload: Bytes::from(payload), retained: false };
        // The broker must not keep a movement for a device that is away, nor send it twice.
        let delivery = if action.spec.moves { Delivery::AtMostOnce } else { Delivery::AtLeastOnce };
        let ActRequest { permit, reply, .. } = act;
        let outcome = match permit.obtain().await {
            Err(refused) => ActOutcome::NotStarted(refused.translate()),
            Ok(()) => match (connection.publish(message, delivery).await, &device.profile.model.reply) {
                (Err(error), _) => ActOutcome::Failed(unsent(&error)),
                (Ok(()), Some(model)) => {
                    self.pending.add(at, id, Instant::now() + model.within, reply);
                    return;
                }
                (Ok(()), None) => ActOutcome::Unknown(both!(
                    "it was published; such a device does not confirm",
                    "消息已发布；这种设备不作确认"
                )),
            },
        };
        // An outcome that nobody waits for is in the journal as unknown.
        let _ = reply.send(outcome);
    }

    fn last_rows(&self, device: &kouan_protocol::DeviceKey) -> Result<Vec<RawRow>, Bilingual> {
        let at = self.driver.devices.iter().position(|known| known.key == *device);
        let state = &self.states[at.ok_or(("there is no such device on this link", "这条线路上没有这个设备"))?];
        if state.rows.is_empty() {
            return Err(
                ("the device speaks by itself, and has said nothing yet", "设备自己发送数据，目前还没有发过").into()
            );
        }
        Ok(state.rows.values().cloned().collect())
    }

    async fn tell_news(&mut self) -> Result<(), Stopped> {
        for at in 0..self.states.len() {
            if let Some(health) = self.states[at].news() {
                self.tell_health(at, health).await?;
            }
        }
        Ok(())
    }

    async fn tell_closed(&mut self, error: &MqttError) -> Result<(), Stopped> {
        for at in 0..self.states.len() {
            self.tell_health(at, (HealthLevel::Unreachable, error.reason(), error.translate())).await?;
        }
        Ok(())
    }

    async fn tell_health(&self, at: usize, health: (HealthLevel, &'static str, Bilingual)) -> Result<(), Stopped> {
        let (level, reason, text) = health;
        let device = self.driver.devices[at].key.clone();
        let boot_time = self.cx.clock.boot_time();
        self.tell(Observation::Health(RawHealth { device, boot_time, level, reason, text })).await
    }

    async fn tell(&self, observation: Observation) -> Result<(), Stopped> {
        match self.cx.shutdown.run_until_cancelled(self.cx.observations.send(observation)).await {
            Some(Ok(())) => Ok(()),
            None | Some(Err(_)) => Err(Stopped),
        }
    }
}

/// Nothing went out, and why.
fn unsent(why: &impl Translate) -> Bilingual {
    both!("nothing was sent: {why}", "没有发出：{why}"; why)
}

fn refuse(act: ActRequest, why: Bilingual) {
    // Whoever asked may have gone.
    let _ = act.reply.send(ActOutcome::Failed(why));
}

impl BrokerSettings {
    async fn connection(&self) -> Result<ConnectionSettings, MqttError> {
        let password = match &self.password_file {
            None => String::new(),
            Some(file) => {
                let read = tokio::fs::read_to_string(file).await;
                let text = read.map_err(|error| {
                    let file = file.display();
                    MqttError::Settings(both!("read {file}: {error}", "读取 {file}：{error}"; error))
                })?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        Ok(ConnectionSettings {
            host: self.host.clone(),
            port: self.port,
            client_id: self.client_id.clone(),
            login: self.username.clone().map(|user| (user, SecretString::from(password))),
            keep_alive: self.keep_alive,
            clean_session: !self.keep_session,
            last_will: None,
        })
    }
}
