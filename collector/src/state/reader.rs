//! The reader that keeps the state.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use kouan_protocol::{BootTime, Clock, GapReason};
use rusqlite::{Transaction, params};

use super::change::{self, Change, Origin};
use super::checkpoint::{self, LATEST_CURSOR, STATE_CURSOR};
use super::registry::{Staged, Working};
use super::{Fleet, SharedFleet, losses, quarantine};
use crate::reader::Reader;
use crate::store::log::{Catalogues, Entry, FollowLog, SqliteFollower};
use crate::store::{During as _, StoreError, Writer, open_read_only};
use crate::{alarms, commands};

/// Bytes of batches that one step takes.
const STEP_BYTES: usize = 1 << 20;
/// Time between checkpoints of the latest values; what came after the last is read again from the log.
const CHECKPOINT_MS: u64 = 15_000;

/// The log with the catalogues that its batches need.
pub(super) struct Source {
    pub(super) log: SqliteFollower,
    pub(super) catalogues: Catalogues,
}

/// Follows the log and keeps `state.db` and the fleet.
pub struct StateReader {
    source: Arc<Mutex<Source>>,
    writer: Writer,
    fleet: SharedFleet,
    clock: Arc<dyn Clock>,
    cursor: i64,
    checkpoint_cursor: i64,
    checkpoint_at: BootTime,
}

impl StateReader {
    /// Loads the state into memory and brings the latest values up to the cursor.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(ingest: &Path, state: &Path, writer: Writer, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let conn = open_read_only(state)?;
        let mut source = Source { log: SqliteFollower::open(ingest)?, catalogues: Catalogues::default() };
        let cursor = checkpoint::cursor(&conn, STATE_CURSOR)?;
        let checkpoint_cursor = checkpoint::cursor(&conn, LATEST_CURSOR)?;
        let mut fleet = checkpoint::load(&conn)?;
        replay(&mut source, &mut fleet, checkpoint_cursor, cursor)?;
        let checkpoint_at = clock.boot_time();
        Ok(Self {
            source: Arc::new(Mutex::new(source)),
            writer,
            fleet: Arc::new(fleet.into()),
            clock,
            cursor,
            checkpoint_cursor,
            checkpoint_at,
        })
    }

    /// The devices.
    #[must_use]
    pub fn fleet(&self) -> SharedFleet {
        Arc::clone(&self.fleet)
    }

    async fn write_checkpoint(&mut self) -> Result<(), StoreError> {
        let cursor = self.cursor;
        let devices = self.fleet.write().unwrap_or_else(PoisonError::into_inner).take_dirty();
        self.writer.transact(move |transaction| checkpoint::write(transaction, &devices, cursor)).await?;
        self.checkpoint_cursor = cursor;
        self.checkpoint_at = self.clock.boot_time();
        Ok(())
    }
}

impl Reader for StateReader {
    const NAME: &'static str = "state";

    async fn step(&mut self) -> Result<bool, StoreError> {
        let (source, cursor) = (Arc::clone(&self.source), self.cursor);
        let opened = tokio::task::spawn_blocking(move || open_entries(&source, cursor));
        let entries = opened.await.map_err(|_| StoreError::Closed)??;
        let found = !entries.is_empty();
        if let Some((last, _)) = entries.last() {
            let last = last.id;
            let (fleet, published) = (Arc::clone(&self.fleet), Arc::clone(&self.fleet));
            let work = move |transaction: &Transaction<'_>| {
                let mut working = Working::new(transaction, &fleet);
                for (entry, changes) in entries {
                    take_entry(&mut working, &entry, changes)?;
                }
                checkpoint::set_cursor(transaction, STATE_CURSOR, last)?;
                Ok(working.finish())
            };
            self.writer.transact_then(work, move |staged: Staged| staged.publish(&published)).await?;
            self.cursor = last;
        }
        let due = self.clock.boot_time().since_ms(self.checkpoint_at) >= CHECKPOINT_MS;
        if due && self.cursor > self.checkpoint_cursor {
            self.write_checkpoint().await?;
        }
        Ok(found)
    }

    fn cursor(&self) -> i64 {
        // Entries after the checkpoint are needed to rebuild memory.
        self.checkpoint_cursor.min(self.cursor)
    }

    fn caught_up_to(&self) -> i64 {
        self.cursor
    }

    async fn stop(&mut self) -> Result<(), StoreError> {
        self.write_checkpoint().await
    }
}

type Opened = Vec<(Entry, Vec<Change>)>;

fn open_entries(source: &Mutex<Source>, cursor: i64) -> Result<Opened, StoreError> {
    let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
    let Source { log, catalogues } = &mut *source;
    let entries = log.after(cursor, STEP_BYTES)?;
    let open = |entry: Entry| {
        let changes = change::of_entry(&entry, log, catalogues)?;
        Ok((entry, changes))
    };
    entries.into_iter().map(open).collect()
}

/// Takes the readings between the checkpoint and the cursor into memory; all else of those entries is on disk.
fn replay(source: &mut Source, fleet: &mut Fleet, mut from: i64, to: i64) -> Result<(), StoreError> {
    while from < to {
        let entries = source.log.after(from, STEP_BYTES)?;
        let Some(last) = entries.last().map(|entry| entry.id) else { break };
        for entry in entries.iter().filter(|entry| entry.id <= to) {
            for change in change::of_entry(entry, &mut source.log, &mut source.catalogues)? {
                let Change::Readings(key, points) = change else { continue };
                let Some(id) = fleet.bound(&entry.agent, &key).map(|device| device.id.clone()) else { continue };
                fleet.take(&id, points);
            }
        }
        from = last;
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
        Change::Readings(key, points) => {
            let id = working.ensure(origin, &key)?;
            working.take_readings(id, points);
            Ok(())
        }
        Change::Alarm(alarm, moment) => {
            let device = working.ensure(origin, &alarm.device)?;
            let current = working.current_boot(&origin.agent)?;
            alarms::take(working.transaction, origin, device.as_str(), &alarm, &moment, current)
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
        Change::Seen(key) => working.ensure(origin, &key).map(|_| ()),
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
