//! The readers that keep the state. Readings are the volume, so they have a reader of their own: whatever is urgent does
//! not wait behind a backlog of them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kouan_protocol::{BootTime, Clock, GapReason};
use rusqlite::{Transaction, params};
use tokio::time::Instant;

use super::change::{self, Change, Origin};
use super::checkpoint::{self, LATEST_CURSOR, READINGS_CURSOR, STATE_CURSOR};
use super::registry::{Staged, Working};
use super::{Fleet, SharedFleet, losses, quarantine};
use crate::reader::Reader;
use crate::store::log::{Catalogues, Entry, FollowLog, Recent, SqliteFollower, Wanted};
use crate::store::{During as _, StoreError, Writer, open_read_only};
use crate::{alarms, commands};

/// Bytes of batches that one step takes. A step of readings keeps the writer of the state busy for some milliseconds.
const STEP_BYTES: usize = 512 << 10;
/// A cursor that only passed over what others want is written at most this often.
const PASSED_OVER: Duration = Duration::from_secs(1);
/// Time between checkpoints of the latest values; what came after the last is read again from the log.
const CHECKPOINT_MS: u64 = 15_000;

/// The log with the catalogues that its batches need.
pub(super) struct Source {
    pub(super) log: SqliteFollower,
    pub(super) catalogues: Catalogues,
}

/// One part of the log on its way into `state.db` and the fleet.
struct Follower {
    source: Arc<Mutex<Source>>,
    writer: Writer,
    fleet: SharedFleet,
    wanted: Wanted,
    name: &'static str,
    /// How far the log was looked through.
    seen: i64,
    /// How far that is on disk.
    durable: i64,
    written_at: Instant,
}

/// Follows everything but readings.
pub struct StateReader {
    follower: Follower,
}

/// Follows readings: the latest of each point.
pub struct LatestReader {
    follower: Follower,
    clock: Arc<dyn Clock>,
    checkpoint_cursor: i64,
    checkpoint_at: BootTime,
}

/// Loads the state into memory, brings the latest values up to the cursor, and makes the readers that go on from there.
///
/// # Errors
/// When a file cannot be read.
pub fn open_readers(
    ingest: &Path,
    state: &Path,
    writer: &Writer,
    clock: &Arc<dyn Clock>,
    catalogues: &Catalogues,
    recent: &Recent,
) -> Result<(StateReader, LatestReader), StoreError> {
    let conn = open_read_only(state)?;
    let follow = || SqliteFollower::open(ingest).map(|log| log.sharing(recent));
    let mut source = Source { log: follow()?, catalogues: catalogues.clone() };
    let state_cursor = checkpoint::cursor(&conn, STATE_CURSOR)?;
    let readings_cursor = checkpoint::cursor(&conn, READINGS_CURSOR)?;
    let checkpoint_cursor = checkpoint::cursor(&conn, LATEST_CURSOR)?;
    let mut fleet = checkpoint::load(&conn)?;
    replay(&mut source, &mut fleet, checkpoint_cursor, readings_cursor)?;
    let fleet: SharedFleet = Arc::new(fleet.into());
    let follower = |source, wanted, name, cursor| Follower {
        source: Arc::new(Mutex::new(source)),
        writer: writer.clone(),
        fleet: Arc::clone(&fleet),
        wanted,
        name,
        seen: cursor,
        durable: cursor,
        written_at: Instant::now(),
    };
    let own = Source { log: follow()?, catalogues: catalogues.clone() };
    let state = StateReader { follower: follower(own, Wanted::AllButReadings, STATE_CURSOR, state_cursor) };
    let latest = LatestReader {
        follower: follower(source, Wanted::Readings, READINGS_CURSOR, readings_cursor),
        clock: Arc::clone(clock),
        checkpoint_cursor,
        checkpoint_at: clock.boot_time(),
    };
    Ok((state, latest))
}

impl Follower {
    /// Takes the next entries, output and cursor in one transaction. Returns whether there were any.
    async fn step(&mut self) -> Result<bool, StoreError> {
        let (source, after, wanted) = (Arc::clone(&self.source), self.seen, self.wanted);
        let opened = tokio::task::spawn_blocking(move || open_entries(&source, after, wanted));
        let (entries, through) = opened.await.map_err(|_| StoreError::Closed)??;
        if entries.is_empty() {
            self.seen = through;
            if self.written_at.elapsed() >= PASSED_OVER {
                self.write_cursor().await?;
            }
            return Ok(false);
        }
        let (fleet, published, name) = (Arc::clone(&self.fleet), Arc::clone(&self.fleet), self.name);
        let work = move |transaction: &Transaction<'_>| {
            let mut working = Working::new(transaction, &fleet);
            for (entry, changes) in entries {
                take_entry(&mut working, &entry, changes)?;
            }
            checkpoint::set_cursor(transaction, name, through)?;
            Ok(working.finish())
        };
        self.writer.transact_then(work, move |staged: Staged| staged.publish(&published)).await?;
        (self.seen, self.durable, self.written_at) = (through, through, Instant::now());
        Ok(true)
    }

    /// What was passed over needs no commit of its own at once: to look through it again changes nothing.
    async fn write_cursor(&mut self) -> Result<(), StoreError> {
        let (name, seen) = (self.name, self.seen);
        if seen > self.durable {
            self.writer.transact(move |transaction| checkpoint::set_cursor(transaction, name, seen)).await?;
            (self.durable, self.written_at) = (seen, Instant::now());
        }
        Ok(())
    }
}

impl StateReader {
    /// The devices.
    #[must_use]
    pub fn fleet(&self) -> SharedFleet {
        Arc::clone(&self.follower.fleet)
    }
}

impl Reader for StateReader {
    const NAME: &'static str = "state";
    const PACE: Duration = Duration::from_millis(10);

    async fn step(&mut self) -> Result<bool, StoreError> {
        self.follower.step().await
    }

    fn cursor(&self) -> i64 {
        self.follower.durable
    }

    fn caught_up_to(&self) -> i64 {
        self.follower.seen
    }

    async fn stop(&mut self) -> Result<(), StoreError> {
        self.follower.write_cursor().await
    }
}

impl LatestReader {
    async fn write_checkpoint(&mut self) -> Result<(), StoreError> {
        let (cursor, fleet) = (self.follower.seen, &self.follower.fleet);
        let devices = fleet.write().unwrap_or_else(PoisonError::into_inner).take_dirty();
        let write = move |transaction: &Transaction<'_>| {
            checkpoint::set_cursor(transaction, READINGS_CURSOR, cursor)?;
            checkpoint::write(transaction, &devices, cursor)
        };
        self.follower.writer.transact(write).await?;
        (self.checkpoint_cursor, self.follower.durable) = (cursor, cursor);
        self.checkpoint_at = self.clock.boot_time();
        Ok(())
    }
}

impl Reader for LatestReader {
    const NAME: &'static str = "latest";
    const PACE: Duration = Duration::from_millis(50);

    async fn step(&mut self) -> Result<bool, StoreError> {
        let found = self.follower.step().await?;
        let due = self.clock.boot_time().since_ms(self.checkpoint_at) >= CHECKPOINT_MS;
        if due && self.follower.seen > self.checkpoint_cursor {
            self.write_checkpoint().await?;
        }
        Ok(found)
    }

    fn cursor(&self) -> i64 {
        // Entries after the checkpoint are needed to rebuild memory.
        self.checkpoint_cursor.min(self.follower.durable)
    }

    fn caught_up_to(&self) -> i64 {
        self.follower.seen
    }

    async fn stop(&mut self) -> Result<(), StoreError> {
        self.write_checkpoint().await
    }
}

type Opened = Vec<(Entry, Vec<Change>)>;

fn open_entries(source: &Mutex<Source>, after: i64, wanted: Wanted) -> Result<(Opened, i64), StoreError> {
    let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
    let Source { log, catalogues } = &mut *source;
    let page = log.after(after, STEP_BYTES, wanted)?;
    let open = |entry: Entry| {
        let changes = change::of_entry(&entry, log, catalogues)?;
        Ok((entry, changes))
    };
    let opened = page.entries.into_iter().map(open).collect::<Result<_, StoreError>>()?;
    Ok((opened, page.through))
}

/// Takes the readings between the checkpoint and the cursor into memory; all else of those entries is on disk.
fn replay(source: &mut Source, fleet: &mut Fleet, mut from: i64, to: i64) -> Result<(), StoreError> {
    while from < to {
        let page = source.log.after(from, STEP_BYTES, Wanted::Readings)?;
        if page.entries.is_empty() {
            break;
        }
        for entry in page.entries.iter().filter(|entry| entry.id <= to) {
            for change in change::of_entry(entry, &mut source.log, &source.catalogues)? {
                let Change::Readings(readings) = change else { continue };
                fleet.take(&entry.agent, &readings);
            }
        }
        from = page.through;
    }
    Ok(())
}

fn take_entry(working: &mut Working<'_>, entry: &Entry, changes: Vec<Change>) -> Result<(), StoreError> {
    let origin = Origin {
        agent: entry.agent.clone(),
        site: entry.site.clone(),
        lane: entry.lane,
        epoch: entry.epoch.to_string(),
        received: entry.correction.received,
        snapshot: false,
    };
    for change in changes {
        take(working, &origin, change)?;
    }
    if entry.numbers() == 0 {
        return Ok(());
    }
    working
        .transaction
        .prepare_cached(
            "INSERT INTO lane_counts (agent, lane, epoch, numbers) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET numbers = numbers + excluded.numbers",
        )
        .and_then(|mut statement| {
            let numbers = i64::try_from(entry.numbers()).unwrap_or(i64::MAX);
            statement.execute(params![origin.agent.as_str(), origin.lane, origin.epoch, numbers])
        })
        .during("count numbers of a lane")?;
    Ok(())
}

/// Applies one change, of the log or of a snapshot.
pub(super) fn take(working: &mut Working<'_>, origin: &Origin, change: Change) -> Result<(), StoreError> {
    match change {
        Change::Catalogue(hash, catalogue) => working.describe(origin, hash, &catalogue),
        Change::Arrived(hash, catalogue) if !working.is_described(&origin.agent) => {
            working.describe(origin, hash, &catalogue)
        }
        Change::Arrived(..) => Ok(()),
        Change::Readings(readings) => working.take_readings(origin, readings),
        Change::Alarm(alarm, moment) => {
            let device = working.ensure(origin, &alarm.device)?;
            let current = working.current_boot(&origin.agent)?;
            let concerned = working.concerned(&device);
            alarms::take(working.transaction, origin, &concerned, &alarm, &moment, current)
        }
        Change::AllAlarms(named, moment) => {
            let mut standing = HashSet::new();
            for (key, condition) in named {
                standing.insert((working.ensure(origin, &key)?.to_string(), condition));
            }
            let current = working.current_boot(&origin.agent)?;
            alarms::clear_unnamed(working.transaction, origin, &standing, &moment, current)
        }
        Change::Health(health, moment) => working.take_health(origin, health, &moment),
        Change::Progress(progress, time) => {
            let device = match &progress.local {
                Some(local) => Some(working.ensure(origin, &local.device)?),
                None => None,
            };
            commands::take_progress(working.transaction, origin, device.as_ref(), &progress, time)
        }
        Change::Seen(key, kind, time) => working.saw(origin, &key, kind, time),
        Change::Gap(gap, first, last) => losses::record_gap(working.transaction, origin, &gap, first, last),
        Change::Lost(first, last, reason) => {
            losses::record_lost(working.transaction, origin, first, last, &reason)?;
            // Together with the cursor: whatever happens, commands that this side may have forgotten about wait.
            if reason == GapReason::CollectorLost.as_str() {
                commands::hold(working.transaction, Some(&origin.agent), commands::RECORDS_LOST, origin.received)?;
                let text = format!(
                    "Numbers {first} to {last} of lane {} were stored here and are not",
                    losses::lane_name(origin.lane)
                );
                let (site, agent) = (&origin.site, &origin.agent);
                let condition = alarms::COLLECTOR_RESTORED;
                alarms::raise_on_agent(working.transaction, site, agent, condition, &text, origin.received)?;
            }
            Ok(())
        }
        Change::Quarantine { .. } if origin.snapshot => Ok(()),
        Change::Quarantine { first_seq, last_seq, kind, reason, body } => {
            quarantine::record(working.transaction, origin, (first_seq, last_seq), kind, &reason, &body)
        }
    }
}
