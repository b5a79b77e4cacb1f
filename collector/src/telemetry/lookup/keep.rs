//! Bringing the files up to the partitions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, params};
use serde_json::Value;
use tracing::{error, warn};

use super::claim::Claim;
use super::files::{Lookup, Tail, Unit};
use super::keys;
use super::settle::{Settled, WHOLE, settle_slice};
use crate::store::{During as _, File, StoreError};
use crate::telemetry::day_ms;
use crate::telemetry::partition::{delete_file, open_file};
use crate::telemetry::partitions::Partitions;

/// Files that stay open for writing.
const OPEN: usize = 4;
/// After a failure the files are left alone for so long.
const PAUSE: Duration = Duration::from_secs(60);

/// The one who writes the files. What goes wrong here is told and costs searches time; it never stops the history.
pub(in crate::telemetry) struct Keeper {
    lookup: Arc<Lookup>,
    partitions: Arc<Partitions>,
    /// Days whose file has not been compared with its partition since the start.
    unknown: BTreeSet<i64>,
    /// Days with events that are not in the file.
    behind: BTreeSet<i64>,
    /// Days whose partition could not be read, and since when. Searches read what they can of them.
    doubtful: BTreeMap<i64, Instant>,
    pending: usize,
    through: HashMap<i64, i64>,
    /// Months that are in one part.
    whole: BTreeSet<i64>,
    open: HashMap<i64, Connection>,
    paused: Option<Instant>,
}

impl Keeper {
    pub(in crate::telemetry) fn new(lookup: Arc<Lookup>, partitions: Arc<Partitions>) -> Self {
        let unknown = partitions.within(i64::MIN, i64::MAX).into_iter().collect();
        Self {
            lookup,
            partitions,
            unknown,
            behind: BTreeSet::new(),
            doubtful: BTreeMap::new(),
            pending: 0,
            through: HashMap::new(),
            whole: BTreeSet::new(),
            open: HashMap::new(),
            paused: None,
        }
    }

    /// The day is about to get events: told before they are committed.
    pub(in crate::telemetry) fn grows(&mut self, day: i64, events: usize) {
        self.pending += events;
        if self.unknown.contains(&day) {
            return;
        }
        if self.partitions.has(day) {
            self.lookup.set_tail(day, Tail::After(self.through.get(&day).copied().unwrap_or(0)));
            self.behind.insert(day);
        } else {
            // A file of an earlier life may know the day.
            self.lookup.set_tail(day, Tail::After(0));
            self.unknown.insert(day);
        }
    }

    /// Works for a while. `idle` says that nothing else waits. Returns whether there is more to do.
    pub(in crate::telemetry) fn step(&mut self, idle: bool) -> bool {
        if self.paused.is_some_and(|since| since.elapsed() < PAUSE) {
            return false;
        }
        self.paused = None;
        let started = Instant::now();
        for month in self.lookup.take_doubts() {
            self.make_again(month);
        }
        while let Some((day, _)) = self.doubtful.first_key_value().filter(|(_, since)| since.elapsed() >= PAUSE) {
            self.unknown.insert(*day);
            self.doubtful.pop_first();
        }
        loop {
            let take_new = idle || self.pending >= self.lookup.limits.pending;
            // The newest first: they are asked for most.
            let day = self.unknown.last().copied();
            let Some(day) = day.or_else(|| self.behind.last().copied().filter(|_| take_new)) else {
                return idle && self.settle();
            };
            match self.fill(day) {
                Ok(true) => {
                    self.unknown.remove(&day);
                    self.behind.remove(&day);
                    if self.behind.is_empty() {
                        self.pending = 0;
                    }
                }
                Ok(false) => {}
                Err(error) => {
                    self.failed(Unit::of(day).month, &error);
                    return false;
                }
            }
            if started.elapsed() >= self.lookup.limits.slice {
                return true;
            }
        }
    }

    /// Puts a bit more of a month that is over into one part. Returns whether there is more to do.
    fn settle(&mut self) -> bool {
        let days = self.partitions.within(i64::MIN, i64::MAX);
        let Some(newest) = days.last().map(|day| Unit::of(*day).month) else { return false };
        let months: BTreeSet<i64> = days.iter().map(|day| Unit::of(*day).month).collect();
        let Some(month) = months.into_iter().rev().find(|month| *month < newest && !self.whole.contains(month)) else {
            return false;
        };
        match self.writable(month).and_then(settle_slice) {
            Ok(is_whole) => {
                if is_whole {
                    self.whole.insert(month);
                }
                true
            }
            Err(error) => {
                self.failed(month, &error);
                false
            }
        }
    }

    /// The day's partition is about to be deleted, or has lost its events: what was said in them goes as well.
    pub(in crate::telemetry) fn forget(&mut self, day: i64) {
        let Unit { month, part } = Unit::of(day);
        self.unknown.remove(&day);
        self.behind.remove(&day);
        self.doubtful.remove(&day);
        self.through.remove(&day);
        let others = self.partitions.within(day - 31, day + 31).into_iter();
        let is_last = !others.into_iter().any(|other| other != day && Unit::of(other).month == month);
        let forgotten = if is_last {
            self.delete(month)
        } else {
            self.writable(month).and_then(|file| forget_day(file, part, day))
        };
        if let Err(error) = forgotten {
            error!(%error, day, "A deleted day stays in its index of events; searches find nothing there.");
        }
        self.unknown.remove(&day);
        self.lookup.end_tail(day);
    }

    /// Takes events of the day into its month's file. Returns whether it has them all now.
    fn fill(&mut self, day: i64) -> Result<bool, StoreError> {
        let unit = Unit::of(day);
        let known = self.through.get(&day).copied();
        let claim = if known.is_some() { None } else { Claim::of_day(self.writable(unit.month)?, day)? };
        let found = self.partitions.read(day, |partition| {
            let from = match (known, claim) {
                (Some(through), _) => through,
                (None, Some(claim)) => claim.believed(partition)?,
                (None, None) => 0,
            };
            let newest: Option<i64> = partition
                .query_row("SELECT max(id) FROM events", [], |row| row.get(0))
                .during("look for new events of a day")?;
            let (entries, last) = new_events(partition, from, self.lookup.limits.commit)?;
            Ok((newest.unwrap_or(0), entries, Claim::up_to(partition, last.unwrap_or(from))?))
        })?;
        let Some((newest, mut entries, now)) = found else {
            if self.partitions.has(day) {
                // Damaged, or not: a second look will tell. Until then the file cannot be said to have all of it.
                self.doubtful.insert(day, Instant::now());
            } else {
                self.lookup.end_tail(day);
            }
            return Ok(true);
        };
        if known.map_or(claim != Some(now), |through| through != now.through) {
            // In the order of the file: each page is touched once.
            entries.sort_unstable();
            let transaction = self
                .writable(unit.month)?
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .during("begin writing an index of events")?;
            insert(&transaction, unit.part, &entries)?;
            now.save(&transaction, day)?;
            transaction.commit().during("commit an index of events")?;
        }
        self.through.insert(day, now.through);
        if now.through < newest {
            self.lookup.set_tail(day, Tail::After(now.through));
            return Ok(false);
        }
        self.lookup.end_tail(day);
        Ok(true)
    }

    fn writable(&mut self, month: i64) -> Result<&mut Connection, StoreError> {
        if !self.open.contains_key(&month) {
            if self.open.len() >= OPEN {
                self.open.clear();
            }
            let path = self.lookup.path(month);
            let file = open_file(&path, File::EventIndex)?;
            // What a power cut takes back is taken again from the partition, which has it: `days` goes back with it.
            file.pragma_update(None, "synchronous", "normal").during("set synchronous")?;
            self.open.insert(month, file);
        }
        self.open.get_mut(&month).ok_or(StoreError::Closed)
    }

    fn failed(&mut self, month: i64, error: &StoreError) {
        let is_broken = error.is_damage() || matches!(error, StoreError::Migrate { .. });
        if is_broken && self.delete(month).is_ok() {
            let path = self.lookup.path(month);
            warn!(%error, path = %path.display(), "An index of events was broken; it is made again.");
        } else {
            let path = self.lookup.path(month);
            warn!(%error, path = %path.display(), "An index of events could not be written; searches read the days themselves.");
            self.paused = Some(Instant::now());
        }
    }

    /// Makes a file again that somebody could not read.
    fn make_again(&mut self, month: i64) {
        let path = self.lookup.path(month);
        match self.delete(month) {
            Ok(_) => warn!(path = %path.display(), "An index of events could not be read; it is made again."),
            Err(error) => self.failed(month, &error),
        }
    }

    /// Deletes a month's file; the days that still have partitions are taken again.
    fn delete(&mut self, month: i64) -> Result<usize, StoreError> {
        self.open.remove(&month);
        self.whole.remove(&month);
        for day in self.partitions.within(i64::MIN, i64::MAX).into_iter().filter(|day| Unit::of(*day).month == month) {
            self.lookup.set_tail(day, Tail::After(0));
            self.through.remove(&day);
            self.doubtful.remove(&day);
            self.unknown.insert(day);
        }
        // Only now, so that a search that finds no file, or a new one, knows the days that it lacks.
        self.lookup.close(month);
        delete_file(&self.lookup.path(month))?;
        Ok(0)
    }
}

fn forget_day(file: &mut Connection, part: i64, day: i64) -> Result<usize, StoreError> {
    let forgetting = "forget a day in an index of events";
    let transaction = file.transaction_with_behavior(TransactionBehavior::Immediate).during(forgetting)?;
    let values = params![part, day_ms(day), day_ms(day + 1), WHOLE];
    transaction
        .execute("DELETE FROM lookup WHERE part IN (?1, ?4) AND time_ms >= ?2 AND time_ms < ?3", values)
        .during(forgetting)?;
    // A new partition of that day counts its events from one again.
    let forgotten = transaction.execute("DELETE FROM days WHERE day = ?1", [day]).during(forgetting)?;
    transaction.commit().during(forgetting)?;
    Ok(forgotten)
}

/// A key, and the event's time and id.
type Entry = (i64, i64, i64);

/// The keys of at most so many events after an id, and the last id that was looked at.
fn new_events(partition: &Connection, after: i64, most: i64) -> Result<(Vec<Entry>, Option<i64>), StoreError> {
    let mut statement = partition
        .prepare_cached(
            "SELECT id, time_ms, agent, key, kind, details, opaque, site FROM events WHERE id > ?1 ORDER BY id LIMIT ?2",
        )
        .during("read new events of a day")?;
    let mut rows = statement.query([after, most]).during("read new events of a day")?;
    let (mut entries, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next().during("read new events of a day")? {
        let (id, time_ms, opaque): (i64, i64, bool) = (column(row, 0)?, column(row, 1)?, column(row, 6)?);
        last = Some(id);
        if opaque {
            continue;
        }
        let (agent, key, kind): (String, String, String) = (column(row, 2)?, column(row, 3)?, column(row, 4)?);
        let details: Value = serde_json::from_str(&column::<String>(row, 5)?).unwrap_or_default();
        let site: String = column(row, 7)?;
        let keys = keys::of_event(&site, (&agent, &key), &kind, &details);
        entries.extend(keys.into_iter().map(|hash| (hash, time_ms, id)));
    }
    Ok((entries, last))
}

fn column<T: rusqlite::types::FromSql>(row: &rusqlite::Row<'_>, index: usize) -> Result<T, StoreError> {
    row.get(index).during("read new events of a day")
}

fn insert(file: &Connection, part: i64, entries: &[Entry]) -> Result<(), StoreError> {
    let settled = Settled::read(file)?;
    let mut statement = file
        .prepare_cached("INSERT OR IGNORE INTO lookup (part, hash, time_ms, id) VALUES (?1, ?2, ?3, ?4)")
        .during("write an index of events")?;
    for (hash, time_ms, id) in entries {
        statement
            .execute(params![settled.part_of(part, *hash), hash, time_ms, id])
            .during("write an index of events")?;
    }
    Ok(())
}
