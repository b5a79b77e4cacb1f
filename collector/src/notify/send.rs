//! The way out: at least once, with the same id at each attempt.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::Clock;
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use utoipa::ToSchema;

use super::channel::{Channel, ChannelKind};
use super::deliver::{Couriers, DeliverError};
use super::outbox::{self, Outcome, Outgoing};
use super::world::Destination;
use super::{follow, people, reason, render, source, store};
use crate::counters::Counters;
use crate::store::{During as _, Readers, StoreError, Writer};

/// The outbox is looked at at least this often.
const LOOK: Duration = Duration::from_millis(500);
/// Seconds between attempts; the last one is for all further ones.
const PAUSES: [i64; 8] = [10, 30, 60, 120, 300, 600, 1_200, 1_800];
/// After this time a message is given up.
const LIFE_MS: i64 = 24 * 3_600_000;
/// For so long a message that is not taken holds up later ones to the same recipient.
const PATIENCE_MS: i64 = 30 * 60_000;
/// Alertmanagers are told again what holds.
const RENEW_MS: u64 = 60_000;
/// How long a test may take.
const TEST: Duration = Duration::from_secs(25);

/// Sends what waits, each channel on its own.
#[derive(Clone)]
pub struct Sender {
    /// Readers of `state.db`.
    pub readers: Readers,
    /// Its writer.
    pub writer: Writer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The ways out.
    pub couriers: Arc<Couriers>,
    /// Where people reach the console.
    pub public_url: Option<String>,
    /// Rung when there is something to send.
    pub bell: Arc<Notify>,
    /// What is counted.
    pub counters: Arc<Counters>,
}

impl Sender {
    /// Sends until `shutdown`. What is under way then is tried again after the next start.
    pub async fn run(self, shutdown: CancellationToken) {
        let (mut busy, mut tasks) = (BTreeSet::new(), JoinSet::new());
        let mut renewed = self.clock.boot_time();
        loop {
            tokio::select! {
                () = self.bell.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                Some(done) = tasks.join_next() => {
                    match done {
                        Ok(channel) => drop(busy.remove::<String>(&channel)),
                        // The name of the channel went with the task.
                        Err(error) => {
                            error!(%error, "Sending notifications failed; it begins anew.");
                            tasks.shutdown().await;
                            busy.clear();
                        }
                    }
                }
                () = shutdown.cancelled() => return,
            }
            let waiting = match self.readers.read(outbox::waiting_channels).await {
                Ok(waiting) => waiting,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    warn!(%error, "Notifications could not be looked for; it is tried again.");
                    continue;
                }
            };
            for channel in waiting {
                if busy.insert(channel.clone()) {
                    let sender = self.clone();
                    tasks.spawn(async move {
                        if let Err(error) = sender.drain(&channel).await {
                            warn!(%error, %channel, "Notifications could not be sent; it is tried again.");
                        }
                        channel
                    });
                }
            }
            if self.clock.boot_time().since_ms(renewed) >= RENEW_MS {
                renewed = self.clock.boot_time();
                let sender = self.clone();
                tasks.spawn(async move {
                    if let Err(error) = sender.renew().await {
                        warn!(%error, "Alertmanagers could not be told again; it is tried in a minute.");
                    }
                    String::new()
                });
            }
        }
    }

    /// Sends what is due for a channel.
    async fn drain(&self, channel: &str) -> Result<(), StoreError> {
        loop {
            let (now, id) = (self.clock.wall().0, channel.to_owned());
            let found = self.readers.read(move |conn| {
                let Some(message) = outbox::next(conn, &id, now, PATIENCE_MS)? else { return Ok(None) };
                let moot = moot_for(conn, &message)?;
                Ok(Some((message, store::channel(conn, &id)?, moot)))
            });
            let Some((message, known, moot)) = found.await? else { return Ok(()) };
            let number = message.number;
            let known = known.filter(|channel| channel.wanted.enabled);
            let outcome = match known {
                None => Outcome::Suppressed(reason::GONE.to_owned()),
                // Also what was written before: whoever is let go must hear nothing more.
                Some(_) if moot.is_some() => Outcome::Suppressed(moot.unwrap_or_default().to_owned()),
                // As after a restore, or when the collector was off: nobody wants yesterday's alarms as news.
                Some(_) if now - message.time_ms > LIFE_MS => Outcome::Failed(reason::OLD.to_owned()),
                Some(known) => {
                    let again = now + pause_ms(message.attempts);
                    // On disk before the first byte leaves: whoever is killed in between tries again.
                    if !self
                        .writer
                        .transact(move |transaction| outbox::note_attempt(transaction, number, again))
                        .await?
                    {
                        continue;
                    }
                    self.attempt(&known, &message).await
                }
            };
            self.tell(&message, &outcome);
            let now = self.clock.wall().0;
            self.writer.transact(move |transaction| outbox::note_outcome(transaction, number, &outcome, now)).await?;
        }
    }

    async fn attempt(&self, channel: &Channel, message: &Outgoing) -> Outcome {
        match self.couriers.deliver(channel, message, self.clock.wall().0).await {
            Ok(()) => Outcome::Sent,
            Err(DeliverError::Refused(problem)) => Outcome::Failed(problem),
            Err(DeliverError::Later { problem, after }) => {
                let now = self.clock.wall().0;
                let wanted = after.and_then(|after| i64::try_from(after.as_millis()).ok()).unwrap_or(0);
                let again = now + pause_ms(message.attempts).max(wanted);
                if again - message.time_ms > LIFE_MS {
                    return Outcome::Failed(format!("{}: {problem}", reason::OLD));
                }
                Outcome::Again(again, problem)
            }
        }
    }

    fn tell(&self, message: &Outgoing, outcome: &Outcome) {
        let (id, channel) = (&message.id, &message.to.channel);
        match outcome {
            Outcome::Sent => {
                self.counters.notifications_sent.add(1);
                info!(%id, %channel, attempts = message.attempts + 1, "Notification was sent.");
            }
            Outcome::Again(_, problem) => {
                warn!(%id, %channel, attempts = message.attempts + 1, %problem, "Notification waits; it is tried again.");
            }
            Outcome::Failed(problem) => {
                self.counters.notifications_failed.add(1);
                error!(%id, %channel, %problem, "Notification was not sent.");
            }
            Outcome::Suppressed(problem) => {
                self.counters.notifications_suppressed.add(1);
                info!(%id, %channel, %problem, "Notification is not sent any more.");
            }
        }
    }

    /// Tells Alertmanagers what still holds.
    async fn renew(&self) -> Result<(), StoreError> {
        let public_url = self.public_url.clone();
        let holding = self.readers.read(move |conn| {
            let channels = store::channels(conn)?.into_iter();
            let channels =
                channels.filter(|channel| channel.wanted.enabled && channel.wanted.kind == ChannelKind::Alertmanager);
            channels.map(|channel| Ok((holding(conn, &channel.id, public_url.as_deref())?, channel))).collect()
        });
        let holding: Vec<(Value, Channel)> = holding.await?;
        for (alarms, channel) in holding {
            if let Err(problem) = self.couriers.renew(&channel, &alarms, self.clock.wall().0).await {
                warn!(channel = %channel.id, %problem, "An Alertmanager could not be told again; it is tried in a minute.");
            }
        }
        Ok(())
    }
}

/// Why a message should not go to the person it was written for any more.
fn moot_for(conn: &Connection, message: &Outgoing) -> Result<Option<&'static str>, StoreError> {
    let Some(id) = &message.to.user else { return Ok(None) };
    Ok(match people::person(conn, id)? {
        None => Some(reason::NO_USER),
        Some(person) if person.user.disabled_ms.is_some() => Some(reason::DISABLED),
        Some(person) if !message.sites.iter().all(|site| person.sees(site)) => Some(reason::NO_SITE),
        Some(_) => None,
    })
}

/// What was told by a channel and still holds.
fn holding(conn: &Connection, channel: &str, public_url: Option<&str>) -> Result<Value, StoreError> {
    let ids: Vec<String> = conn
        .prepare_cached(
            "SELECT DISTINCT w.alarm FROM notify_watches AS w JOIN alarms AS a ON a.id = w.alarm,
                 json_each(w.watch, '$.told') AS told
             WHERE a.state = 'raised' AND json_extract(told.value, '$.channel') = ?1",
        )
        .and_then(|mut statement| statement.query_map([channel], |row| row.get(0))?.collect())
        .during("read what an Alertmanager was told")?;
    let mut alarms = Vec::new();
    for id in ids {
        if let Some(alarm) = source::alarm(conn, &id)? {
            let link = public_url.map(|base| format!("{base}/alarms/{id}")).unwrap_or_default();
            alarms.push(outbox::alarm_view(&alarm, "renew", link));
        }
    }
    Ok(Value::Array(alarms))
}

fn pause_ms(attempts: i64) -> i64 {
    let at = usize::try_from(attempts).unwrap_or(usize::MAX).min(PAUSES.len() - 1);
    PAUSES[at] * 1_000
}

/// What became of a test.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestResult {
    /// The notification's id.
    pub id: String,
    /// Whether the receiver took it.
    pub delivered: bool,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Sends a test message at once, and once. `own` is an address of whoever asked for it, for channels that have no
/// recipients of their own.
///
/// # Errors
/// When it cannot be put on record.
pub async fn send_test(
    sender: &Sender,
    channel: Channel,
    by: &str,
    own: Option<String>,
) -> Result<TestResult, StoreError> {
    let (id, now) = (outbox::new_id(), sender.clock.wall().0);
    let recipient = match channel.settings.recipients().first().cloned().or(own) {
        Some(recipient) => recipient,
        None if !channel.wanted.kind.is_personal() => channel.wanted.name.clone(),
        None => {
            let problem = "the channel has no recipients of its own (settings.to), and you have no address for it";
            return Ok(TestResult { id, delivered: false, problem: Some(problem.to_owned()) });
        }
    };
    let public_url = sender.public_url.clone();
    let world = sender.readers.read(move |conn| follow::world(conn, public_url)).await?;
    let (subject, text) = render::test_message(&id, by, &channel.wanted, &world, now);
    let message = Outgoing {
        number: 0,
        id: id.clone(),
        time_ms: now,
        to: Destination { channel: channel.id.clone(), user: None },
        kind: "test".to_owned(),
        language: channel.wanted.language.as_str().to_owned(),
        recipient: recipient.clone(),
        subject: subject.clone(),
        text: text.clone(),
        alarms: Value::Array(Vec::new()),
        sites: Vec::new(),
        attempts: 0,
    };
    let (written, noted) = (channel.clone(), id.clone());
    let number = sender.writer.transact(move |transaction| {
        outbox::write_test(transaction, &written, &recipient, (&noted, &subject, &text), now)
    });
    let number = number.await?;
    let delivered = tokio::time::timeout(TEST, sender.couriers.deliver(&channel, &message, now)).await;
    let problem = match delivered {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("the receiver took too long".to_owned()),
    };
    let outcome = problem.clone().map_or(Outcome::Sent, Outcome::Failed);
    let now = sender.clock.wall().0;
    sender.writer.transact(move |transaction| outbox::note_outcome(transaction, number, &outcome, now)).await?;
    Ok(TestResult { id, delivered: problem.is_none(), problem })
}
