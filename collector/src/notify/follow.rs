//! Follows alarms and outages, and writes what is to be told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use kouan_protocol::{Clock, Timestamp};
use rusqlite::{Connection, Transaction, params};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::bundle::{OutageItem, Reason};
use super::plan::{Parcel, Plan};
use super::world::{Place, World};
use super::{keep, outbox, people, source, store};
use crate::alarms::{Step, write_step};
use crate::counters::Counters;
use crate::outages::Digest;
use crate::store::{During as _, Readers, StoreError, Writer};

/// How often alarms are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long a failure is waited after.
const RETRY: Duration = Duration::from_secs(2);
/// Outages that one look takes.
const OUTAGES: i64 = 100;
/// The name under which the place among the changes of alarms is kept.
const CHANGES: &str = "alarms";
/// The time of sites of which nobody has said it.
const ZONE: &str = "Asia/Shanghai";

/// Follows alarms. The plan, what follows from it and how far it is are written in one transaction, so that nothing is
/// told twice or left out, whenever the program is killed.
pub struct Follower {
    /// Readers of `state.db`.
    pub readers: Readers,
    /// Its writer.
    pub writer: Writer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where people reach the console.
    pub public_url: Option<String>,
    /// Rung when there is something to send.
    pub bell: Arc<Notify>,
    /// What is counted.
    pub counters: Arc<Counters>,
}

impl Follower {
    /// The follower that fills the outbox which `sender` empties.
    #[must_use]
    pub fn before(sender: &super::Sender) -> Self {
        Self {
            readers: sender.readers.clone(),
            writer: sender.writer.clone(),
            clock: Arc::clone(&sender.clock),
            public_url: sender.public_url.clone(),
            bell: Arc::clone(&sender.bell),
            counters: Arc::clone(&sender.counters),
        }
    }

    /// Follows until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut plan = None;
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.cancelled() => return,
            }
            match self.step(plan.take()).await {
                Ok(next) => plan = Some(next),
                Err(StoreError::Closed) => return,
                Err(error) => {
                    error!(%error, "Notifications could not be planned; it is tried again.");
                    let _ = shutdown.run_until_cancelled(tokio::time::sleep(RETRY)).await;
                }
            }
        }
    }

    /// One look: nothing is written when nothing is due. After a failure the plan is loaded anew.
    async fn step(&self, kept: Option<Kept>) -> Result<Kept, StoreError> {
        let now = self.clock.wall();
        let Some(kept) = kept else { return self.write(None, now).await };
        let is_due = kept.next_due.is_some_and(|due| due <= now.0);
        let edits = kept.edits;
        if !is_due && !self.readers.read(move |conn| Ok(has_news(conn)? || count_edits(conn)? != edits)).await? {
            return Ok(kept);
        }
        self.write(Some(kept.plan), now).await
    }

    async fn write(&self, plan: Option<Plan>, now: Timestamp) -> Result<Kept, StoreError> {
        let public_url = self.public_url.clone();
        let written = self.writer.transact(move |transaction| {
            let mut plan = match plan {
                Some(plan) => plan,
                None => keep::load(transaction)?,
            };
            let world = world(transaction, public_url)?;
            take_alarms(transaction, &mut plan, &world, now.0)?;
            take_outages(transaction, &mut plan, &world, now.0)?;
            plan.tick(&world, now.0);
            let parcels = plan.due(&world, now.0);
            let (any, mut suppressed) = (!parcels.is_empty(), 0);
            for parcel in parcels {
                note_escalations(transaction, &parcel, &world, now)?;
                suppressed += outbox::write(transaction, parcel, &world, now.0)?;
            }
            keep::save(transaction, &mut plan)?;
            let next_due = plan.next_due(&world);
            Ok((Kept { plan, next_due, edits: count_edits(transaction)? }, any, suppressed))
        });
        let (kept, any, suppressed) = written.await?;
        self.counters.notifications_suppressed.add(suppressed);
        if any {
            self.bell.notify_one();
        }
        Ok(kept)
    }
}

/// What is kept between two looks.
struct Kept {
    plan: Plan,
    next_due: Option<i64>,
    edits: i64,
}

/// A number that is another one after each edit of routes and channels.
fn count_edits(conn: &Connection) -> Result<i64, StoreError> {
    conn.prepare_cached(
        "SELECT (SELECT coalesce(sum(revision), 0) * 1000 + count(*) FROM notification_routes)
              + (SELECT coalesce(sum(revision), 0) * 1000003 + count(*) FROM notification_channels)",
    )
    .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
    .during("look for edits of routes")
}

/// Whether alarms have changed, or an outage is complete.
fn has_news(conn: &Connection) -> Result<bool, StoreError> {
    if source::last_change(conn)? != keep::progress(conn, CHANGES)?.unwrap_or(0) {
        return Ok(true);
    }
    conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM outages WHERE complete_ms IS NOT NULL
                          AND id NOT IN (SELECT outage FROM notify_outages))",
    )
    .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
    .during("look for outages that are over")
}

fn take_alarms(transaction: &Transaction<'_>, plan: &mut Plan, world: &World, now: i64) -> Result<(), StoreError> {
    let last = source::last_change(transaction)?;
    let from = match keep::progress(transaction, CHANGES)? {
        // Should alarms have been removed, numbers may begin anew.
        Some(from) => from.min(last),
        None => {
            keep::set_progress(transaction, CHANGES, last)?;
            last
        }
    };
    let mut at = from;
    loop {
        let changed = source::changed_after(transaction, at)?;
        let Some((through, _)) = changed.last() else { break };
        at = *through;
        changed.into_iter().for_each(|(_, alarm)| plan.take(alarm, world, now));
    }
    if at != from || last < from {
        keep::set_progress(transaction, CHANGES, at)?;
    }
    Ok(())
}

fn take_outages(transaction: &Transaction<'_>, plan: &mut Plan, world: &World, now: i64) -> Result<(), StoreError> {
    type Columns = (i64, String, String, i64, i64, String);
    let rows: Vec<Columns> = transaction
        .prepare_cached(
            "SELECT id, site, agent, from_ms, to_ms, digest FROM outages
             WHERE complete_ms IS NOT NULL AND id NOT IN (SELECT outage FROM notify_outages) ORDER BY id LIMIT ?1",
        )
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            };
            statement.query_map([OUTAGES], read)?.collect()
        })
        .during("read outages that are over")?;
    for (id, site, agent, from_ms, to_ms, digest) in rows {
        transaction
            .execute("INSERT OR IGNORE INTO notify_outages (outage) VALUES (?1)", params![id])
            .during("note an outage that was told")?;
        let digest: Digest = serde_json::from_str(&digest).unwrap_or_default();
        // Readings and events alone are what a line that was down brings; nobody has to do anything.
        if digest.alarms.is_empty() && digest.devices.is_empty() && digest.gaps == 0 && digest.quarantined == 0 {
            continue;
        }
        let outage = OutageItem {
            id,
            site,
            agent,
            from_ms,
            to_ms,
            raised: digest.alarms.values().map(|count| count.raised).sum(),
            devices: digest.devices.len() as u64,
            events: digest.events.values().sum(),
            lost: digest.lost,
            route: String::new(),
        };
        plan.take_outage(&outage, world, now);
    }
    Ok(())
}

/// The alarm's own log says to whom it was escalated.
fn note_escalations(
    transaction: &Transaction<'_>,
    parcel: &Parcel,
    world: &World,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some((recipient, _)) = world.recipient(&parcel.to) else { return Ok(()) };
    for item in parcel.items.iter().filter(|item| item.reason == Reason::Escalate) {
        let step = Step { alarm: &item.alarm.id, site: &item.alarm.site, what: "escalated", by: "", text: &recipient };
        write_step(transaction, &step, now)?;
    }
    Ok(())
}

/// Routes, channels, people and sites as they are now.
///
/// # Errors
/// When they cannot be read.
pub fn world(conn: &Connection, public_url: Option<String>) -> Result<World, StoreError> {
    let routes = store::routes(conn)?.into_iter().filter(|route| route.settings.enabled).collect();
    let channels = store::channels(conn)?.into_iter().map(|channel| (channel.id.clone(), channel)).collect();
    let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
    let rows: Vec<(String, String, String, String)> = conn
        .prepare_cached("SELECT id, name_zh, name_en, zone FROM sites")
        .and_then(|mut statement| {
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?.collect()
        })
        .during("read sites")?;
    let place = |(id, name_zh, name_en, name): (String, String, String, String)| {
        (id, Place { name_zh, name_en, zone: TimeZone::get(&name).unwrap_or_else(|_| zone.clone()) })
    };
    let places: BTreeMap<String, Place> = rows.into_iter().map(place).collect();
    Ok(World { routes, channels, people: people::people(conn)?, places, zone, public_url })
}
