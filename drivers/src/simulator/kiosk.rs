//! A self-service kiosk that publishes to an MQTT broker.
//!
//! Under its topic it publishes `status` (JSON, every second), `events/ticket` (JSON, one message per ticket) and
//! `online` (`1`, and `0` by its last will, both retained). It listens on `command/+` for JSON with an `id` and
//! answers on `reply` with the same `id`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Controlled, Faults};
use crate::mqtt::connection::{Connection, ConnectionSettings, Delivery, Message, MqttError};

/// Where a kiosk publishes.
#[derive(Debug, Clone)]
pub struct KioskSettings {
    /// The broker's host.
    pub host: String,
    /// The broker's port.
    pub port: u16,
    /// What all its topics begin with: `site/kiosk-1`.
    pub topic: String,
}

#[derive(Debug, Clone, Serialize)]
struct KioskState {
    paper: String,
    screen: bool,
    printer_celsius: f64,
    tickets: u64,
    waiting: Vec<Value>,
    executed: BTreeMap<String, u64>,
    statuses: u64,
    broken_json: bool,
    faults: Faults,
}

/// A simulated kiosk.
#[derive(Debug)]
pub struct Kiosk {
    settings: KioskSettings,
    state: Mutex<KioskState>,
    publish_now: Notify,
    restart: Notify,
}

const STATUS_EVERY: Duration = Duration::from_secs(1);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

impl Kiosk {
    /// A kiosk with paper and its screen on.
    #[must_use]
    pub fn new(settings: KioskSettings) -> Arc<Self> {
        let state = KioskState {
            paper: "ok".to_owned(),
            screen: true,
            printer_celsius: 31.5,
            tickets: 0,
            waiting: Vec::new(),
            executed: BTreeMap::new(),
            statuses: 0,
            broken_json: false,
            faults: Faults::default(),
        };
        let (publish_now, restart) = (Notify::new(), Notify::new());
        Arc::new(Self { settings, state: Mutex::new(state), publish_now, restart })
    }

    /// Publishes until `stop`, connecting again whenever the broker is lost; `ready` is called once, when connected.
    pub async fn run(self: Arc<Self>, ready: impl FnOnce(), stop: CancellationToken) {
        let mut ready = Some(ready);
        while !stop.is_cancelled() {
            match stop.run_until_cancelled(self.session(&mut ready)).await {
                None | Some(Ok(())) => {}
                Some(Err(error)) => {
                    warn!(%error, "The kiosk lost its broker and tries again.");
                    stop.run_until_cancelled(tokio::time::sleep(TRY_AGAIN_AFTER)).await;
                }
            }
        }
    }

    /// One connection. `Ok`: restart was asked for.
    async fn session(&self, ready: &mut Option<impl FnOnce()>) -> Result<(), MqttError> {
        let topic = &self.settings.topic;
        let online = |word: &'static str| self.message("online", Bytes::from_static(word.as_bytes()), true);
        let settings = ConnectionSettings {
            host: self.settings.host.clone(),
            port: self.settings.port,
            client_id: topic.replace('/', "-"),
            login: None,
            keep_alive: Duration::from_secs(5),
            clean_session: true,
            last_will: Some(online("0")),
        };
        let mut connection =
            Connection::open(&settings, &[(format!("{topic}/command/+"), Delivery::AtLeastOnce)]).await?;
        connection.publish(online("1"), Delivery::AtLeastOnce).await?;
        if let Some(ready) = ready.take() {
            ready();
        }
        let mut ticks = tokio::time::interval(STATUS_EVERY);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if let Some(status) = self.status() {
                        connection.publish(self.message("status", status, false), Delivery::AtMostOnce).await?;
                    }
                }
                () = self.publish_now.notified() => {
                    let waiting = std::mem::take(&mut self.lock().waiting);
                    for ticket in waiting {
                        let payload = Bytes::from(ticket.to_string());
                        connection.publish(self.message("events/ticket", payload, false), Delivery::AtLeastOnce).await?;
                    }
                }
                received = connection.next() => {
                    let received = received?;
                    connection.acknowledge(&received).await?;
                    if let Some((reply, late)) = self.carry_out(&received.message) {
                        tokio::time::sleep(late).await;
                        connection.publish(self.message("reply", reply, false), Delivery::AtLeastOnce).await?;
                    }
                }
                () = self.restart.notified() => return Ok(()),
            }
        }
    }

    fn message(&self, topic: &str, payload: Bytes, retained: bool) -> Message {
        Message { topic: format!("{}/{topic}", self.settings.topic), payload, retained }
    }

    fn status(&self) -> Option<Bytes> {
        let mut state = self.lock();
        if state.faults.silent {
            return None;
        }
        state.statuses += 1;
        if state.broken_json {
            return Some(Bytes::from_static(b"{\"paper\":"));
        }
        let status = json!({
            "paper": state.paper,
            "screen": state.screen,
            "printer": { "temperature": state.printer_celsius },
            "tickets": state.tickets,
        });
        Some(Bytes::from(status.to_string()))
    }

    fn carry_out(&self, message: &Message) -> Option<(Bytes, Duration)> {
        let name = message.topic.rsplit('/').next().unwrap_or_default().to_owned();
        let body: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
        let mut state = self.lock();
        let error = match name.as_str() {
            "screen" => match body["on"].as_bool() {
                Some(on) => {
                    state.screen = on;
                    None
                }
                None => Some("on must be true or false"),
            },
            "message" => None,
            _ => Some("not known"),
        };
        *state.executed.entry(name).or_default() += 1;
        let reply = json!({ "id": body["id"], "ok": error.is_none(), "error": error });
        (!state.faults.silent).then(|| (Bytes::from(reply.to_string()), state.faults.late))
    }

    fn lock(&self) -> MutexGuard<'_, KioskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Controlled for Kiosk {
    fn help(&self) -> &'static str {
        "ticket [COUNT]\nset paper WORD\nset screen on|off\nset temperature NUMBER\nbroken-json on|off\nrestart\n\
         silent on|off\nlate 3s|off"
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        let mut state = self.lock();
        match words {
            ["ticket", rest @ ..] => {
                let count = rest.first().map_or(Ok(1), |word| word.parse::<u16>());
                for _ in 0..count.map_err(|error| format!("the count cannot be read: {error}"))? {
                    state.tickets += 1;
                    let ticket = json!({
                        "number": format!("A{:03}", state.tickets),
                        "service": "passport",
                        "phone": "13800000000",
                    });
                    state.waiting.push(ticket);
                }
                self.publish_now.notify_one();
            }
            ["set", "paper", word] => state.paper = (*word).to_owned(),
            ["set", "screen", word @ ("on" | "off")] => state.screen = *word == "on",
            ["set", "temperature", word] => {
                state.printer_celsius = word.parse().map_err(|error| format!("\"{word}\": {error}"))?;
            }
            ["broken-json", word @ ("on" | "off")] => state.broken_json = *word == "on",
            ["restart"] => self.restart.notify_one(),
            ["silent" | "late" | "faults", ..] => {
                return state.faults.control(words).unwrap_or_else(|| Err("say help".to_owned()));
            }
            _ => return Err("not known; say help".to_owned()),
        }
        Ok(())
    }

    fn show(&self) -> Value {
        json!(*self.lock())
    }
}
