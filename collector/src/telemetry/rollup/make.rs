//! Making the sums, in small steps, so that the log never waits long.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tracing::error;

use super::codec;
use super::device::{self, GroupRows, GroupSums};
use super::levels::{LevelFile, Levels, VERSION};
use crate::store::{During as _, File, StoreError};
use crate::telemetry::chunk::Chunk;
use crate::telemetry::head::{Generation, Group, HeadDay};
use crate::telemetry::mend::is_empty;
use crate::telemetry::missing::{IncompleteReason, Missing, Stretch};
use crate::telemetry::partition::open_file;
use crate::telemetry::partitions::Partitions;
use crate::telemetry::retention::{Level, Retention};
use crate::telemetry::rows::Rows;
use crate::telemetry::{day_ms, day_of, samples, seal};

/// Devices of one step: some tens of milliseconds of work.
const DEVICES: usize = 16;
/// A day is summed up when it has been over for so long; what is late by less makes nothing twice.
const GRACE_MS: i64 = 3_600_000;
/// A day that could not be summed up is tried again after so long.
const PAUSE_MS: i64 = 10_000;

/// A day that is being summed up.
struct Job {
    day: i64,
    devices: VecDeque<(String, String)>,
    /// All devices of the day, for the first time; otherwise only some, again.
    whole: bool,
}

/// Makes the sums.
pub(in crate::telemetry) struct Maker {
    levels: Arc<Levels>,
    partitions: Arc<Partitions>,
    open: HashMap<PathBuf, Connection>,
    job: Option<Job>,
    kept: Kept,
    /// Days that could not be summed up, and when that was last tried by the wall clock: others come first.
    failed: HashMap<i64, i64>,
}

/// Which readings are still there, so that sums are never made again of what is left of them.
struct Kept {
    retention: Retention,
    today: i64,
    levels: Arc<Levels>,
}

impl Kept {
    fn has(&self, day: i64, class: &str) -> bool {
        !self.levels.is_frozen(day)
            && self.retention.of_class(Level::Readings, class).is_none_or(|kept| self.today - day <= kept)
    }
}

impl Maker {
    pub(in crate::telemetry) fn new(
        levels: Arc<Levels>,
        partitions: Arc<Partitions>,
        retention: Retention,
        now_ms: i64,
    ) -> Self {
        let today = day_of(kouan_protocol::Timestamp(now_ms));
        let kept = Kept { retention, today, levels: Arc::clone(&levels) };
        Self { levels, partitions, open: HashMap::new(), job: None, kept, failed: HashMap::new() }
    }

    /// Ends what it is doing; it begins again.
    pub(in crate::telemetry) fn stop(&mut self) {
        self.job = None;
        self.open.clear();
    }

    /// Whether the readings of some class of that day are kept no longer.
    pub(in crate::telemetry) fn lacks_some(&self, day: i64) -> bool {
        self.kept.retention.shortest(Level::Readings).is_some_and(|kept| self.kept.today - day > kept)
    }

    /// Says that rows of these days are about to be sealed whose sums stay as they are: they will lack them.
    fn note_late(&self, index: &Connection, generation: &Generation) -> Result<(), StoreError> {
        for (day, rows) in generation.days.iter().filter(|(day, _)| self.levels.is_frozen(**day)) {
            let devices: HashSet<_> =
                rows.groups.values().map(|group| (group.group.agent.clone(), group.group.key.clone())).collect();
            for device in devices {
                let late = Stretch::of_sums(*day, Some(device), IncompleteReason::Late);
                self.partitions.missing().note(index, late)?;
            }
        }
        Ok(())
    }

    /// Says that the rows of a generation are about to be sealed. It is on disk before they are: a crash in between
    /// makes some sums again for nothing, and leaves none that lack a reading.
    pub(in crate::telemetry) fn before_seal(
        &self,
        index: &mut Connection,
        generation: &Generation,
    ) -> Result<(), StoreError> {
        self.note_late(index, generation)?;
        let is_touched =
            |day: &i64| self.levels.is_made(*day) || self.job.as_ref().is_some_and(|job| job.whole && job.day == *day);
        // Sums of readings that were deleted are all that is left of them.
        let devices = |(day, rows): (&i64, &HeadDay)| {
            let groups = rows.groups.values().map(|group| &group.group);
            let kept = groups.filter(|group| self.kept.has(*day, &group.class));
            let devices: HashSet<_> = kept.map(|group| (group.agent.clone(), group.key.clone())).collect();
            (*day, devices)
        };
        let touched: Vec<_> = generation.days.iter().filter(|(day, _)| is_touched(day)).map(devices).collect();
        if touched.is_empty() {
            return Ok(());
        }
        let transaction =
            index.transaction_with_behavior(TransactionBehavior::Immediate).during("begin marking late readings")?;
        for (day, devices) in &touched {
            for (agent, key) in devices {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO dirty (day, agent, key) VALUES (?1, ?2, ?3)")
                    .and_then(|mut statement| statement.execute(params![day, agent, key]))
                    .during("mark late readings")?;
            }
        }
        transaction.commit().during("commit marks of late readings")?;
        for (day, devices) in touched {
            self.levels.add_dirty(day, devices);
        }
        Ok(())
    }

    /// Says that the day's sums may lack something: they are made again.
    pub(in crate::telemetry) fn doubt(&self, index: &Connection, day: i64) -> Result<(), StoreError> {
        if self.levels.is_made(day) && !self.levels.is_frozen(day) {
            index.execute("DELETE FROM rolled WHERE day = ?1", [day]).during("note that a day is not summed up")?;
            self.levels.remove_day(day);
        }
        Ok(())
    }

    /// Does some work, if there is any. `now_ms` is wall time. Returns whether there was.
    pub(in crate::telemetry) fn step(&mut self, index: &Connection, now_ms: i64) -> Result<bool, StoreError> {
        self.kept.today = day_of(kouan_protocol::Timestamp(now_ms));
        if self.job.is_none() {
            self.job = self.next_job(now_ms)?;
        }
        let Some(job) = &mut self.job else { return Ok(false) };
        let devices: Vec<_> = job.devices.drain(..DEVICES.min(job.devices.len())).collect();
        let (day, whole, is_last) = (job.day, job.whole, job.devices.is_empty());
        let made = self.make(index, (day, whole), &devices);
        if matches!(made, Ok(true)) {
            self.failed.remove(&day);
        } else {
            self.job = None;
            self.open.clear();
            self.failed.insert(day, now_ms);
        }
        if !made? {
            return Ok(false);
        }
        if !whole {
            for (agent, key) in &devices {
                index
                    .prepare_cached("DELETE FROM dirty WHERE day = ?1 AND agent = ?2 AND key = ?3")
                    .and_then(|mut statement| statement.execute(params![day, agent, key]))
                    .during("note that sums were made again")?;
            }
            self.levels.remove_dirty(day, &devices);
        }
        if is_last {
            if whole {
                index
                    .execute("INSERT OR REPLACE INTO rolled (day, version) VALUES (?1, ?2)", [day, VERSION])
                    .during("note that a day is summed up")?;
                self.levels.add_day(day);
            }
            self.job = None;
            self.open.clear();
        }
        Ok(true)
    }

    fn is_due(&self, day: i64, now_ms: i64) -> bool {
        let is_over = day_ms(day + 1) + GRACE_MS <= now_ms;
        // What stands of a frozen day is better than what is left; one that is being filled again would be summed up
        // by half.
        is_over
            && !self.levels.is_made(day)
            && !self.levels.is_frozen(day)
            && !self.partitions.missing().is_filling(day)
    }

    fn next_job(&self, now_ms: i64) -> Result<Option<Job>, StoreError> {
        let days = self.partitions.within(i64::MIN, i64::MAX);
        let waits = |day: i64| self.failed.get(&day).is_some_and(|at| (now_ms - at).abs() < PAUSE_MS);
        if let Some(day) = days.into_iter().find(|day| self.is_due(*day, now_ms) && !waits(*day)) {
            let devices = self.partitions.read(day, |conn| {
                conn.prepare_cached("SELECT DISTINCT agent, key FROM groups")
                    .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
                    .during("list the devices of a day")
            })?;
            // A day that cannot be read is told elsewhere.
            return Ok(devices.map(|devices| Job { day, devices, whole: true }));
        }
        Ok(self.levels.first_dirty(|day| !waits(day)).map(|(day, devices)| Job {
            day,
            devices: devices.into(),
            whole: false,
        }))
    }

    /// Makes the sums of some devices, of a whole day or of what came late. Returns false if the day's file cannot be
    /// read as it is.
    fn make(
        &mut self,
        index: &Connection,
        (day, whole): (i64, bool),
        devices: &[(String, String)],
    ) -> Result<bool, StoreError> {
        let (mut minutes, mut hours, mut remade) = (Vec::new(), Vec::new(), Vec::new());
        for (agent, key) in devices {
            let missing = self.partitions.missing();
            let Some(groups) = self.partitions.read(day, |conn| rows_of(missing, conn, day, (agent, key)))? else {
                // A day that was deleted meanwhile leaves its sums as they are.
                return Ok(!self.partitions.has(day));
            };
            // What is broken is set aside first, and known to be missing.
            let Some(groups) = groups else { return Ok(false) };
            if self.knows_more(day, (agent, key), &groups)? {
                if !whole {
                    let late = Stretch::of_sums(day, Some((agent.clone(), key.clone())), IncompleteReason::Late);
                    missing.note(index, late)?;
                }
                continue;
            }
            remade.push((agent.clone(), key.clone()));
            for GroupSums { group, minutes: own, hours: own_hours } in device::sum_up(groups) {
                if let Some(own) = own {
                    minutes.push((group.clone(), codec::encode(&own)));
                }
                hours.push((group, codec::encode(&own_hours)));
            }
        }
        // On disk before the sums are: a crash in between says too much, never too little.
        self.partitions.missing().before_sums(index, day, &remade)?;
        for (level, groups) in [(LevelFile::Minutes, minutes), (LevelFile::Hours, hours)] {
            let path = level.path(self.levels.folder(), day);
            let written = self.write(&path, day, &remade, &groups);
            written.inspect_err(|error| self.levels.doubt(&path, error))?;
        }
        Ok(true)
    }

    /// Whether the sums that stand know of readings that are there no longer: then they are all that is left. One group
    /// says what all groups brought, so it is enough that the readings of one of them are gone, as those of a class are
    /// that the device had for a part of the day.
    fn knows_more(&self, day: i64, (agent, key): (&str, &str), groups: &[GroupRows]) -> Result<bool, StoreError> {
        for level in [LevelFile::Hours, LevelFile::Minutes] {
            let path = level.path(self.levels.folder(), day);
            let standing = self.levels.read(&path, |conn| groups_that_stand(conn, day, agent, key))?;
            let is_gone = |(name, site, class): &(String, String, String)| {
                let mut of_group = groups.iter().map(|rows| &rows.group);
                !self.kept.has(day, class)
                    || !of_group.any(|group| (&group.name, &group.site, &group.class) == (name, site, class))
            };
            if standing.unwrap_or_default().iter().any(is_gone) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes the sums of those devices in place of what stood there.
    fn write(
        &mut self,
        path: &Path,
        day: i64,
        devices: &[(String, String)],
        groups: &[(Group, Vec<u8>)],
    ) -> Result<(), StoreError> {
        if !self.open.contains_key(path) {
            if groups.is_empty() && !path.exists() {
                return Ok(());
            }
            if is_empty(path) {
                let problem = format!("{} is empty", path.display());
                return Err(StoreError::Damaged { what: "a file of sums", problem });
            }
            self.open.insert(path.to_owned(), open_file(path, File::Rollup)?);
        }
        let conn = self.open.get_mut(path).ok_or(StoreError::Closed)?;
        let transaction =
            conn.transaction_with_behavior(TransactionBehavior::Immediate).during("begin writing sums")?;
        let mut layouts = HashMap::new();
        let mut written = BTreeSet::new();
        for (group, body) in groups {
            let group_id = seal::group_id(&transaction, group)?;
            let layout_id = seal::layout_id(&transaction, &mut layouts, &group.layout)?;
            transaction
                .prepare_cached(
                    "INSERT INTO windows (group_id, layout_id, day, checksum, body) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET checksum = excluded.checksum, body = excluded.body",
                )
                .and_then(|mut statement| {
                    statement.execute(params![group_id, layout_id, day, crc32fast::hash(body), body])
                })
                .during("write sums")?;
            written.insert((group_id, layout_id));
        }
        for (agent, key) in devices {
            for (group_id, layout_id) in rows_that_stand(&transaction, day, agent, key)? {
                if !written.contains(&(group_id, layout_id)) {
                    transaction
                        .prepare_cached("DELETE FROM windows WHERE group_id = ?1 AND layout_id = ?2 AND day = ?3")
                        .and_then(|mut statement| statement.execute([group_id, layout_id, day]))
                        .during("remove sums that hold no longer")?;
                }
            }
        }
        transaction.commit().during("commit sums")
    }
}

/// The groups of a device whose sums of a day stand: name, site and class.
fn groups_that_stand(
    conn: &Connection,
    day: i64,
    agent: &str,
    key: &str,
) -> Result<Vec<(String, String, String)>, StoreError> {
    conn.prepare_cached(
        "SELECT g.name, g.site, g.class FROM groups g WHERE g.agent = ?1 AND g.key = ?2
         AND EXISTS (SELECT 1 FROM windows w WHERE w.group_id = g.id AND w.day = ?3)",
    )
    .and_then(|mut statement| {
        let found = statement.query_map(params![agent, key, day], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        found.collect()
    })
    .during("look for sums that stand")
}

/// The sums of a device and day as they stand: group and layout.
fn rows_that_stand(
    transaction: &Transaction<'_>,
    day: i64,
    agent: &str,
    key: &str,
) -> Result<Vec<(i64, i64)>, StoreError> {
    transaction
        .prepare_cached(
            "SELECT w.group_id, w.layout_id FROM groups g JOIN windows w ON w.group_id = g.id
             WHERE g.agent = ?1 AND g.key = ?2 AND w.day = ?3",
        )
        .and_then(|mut statement| {
            let found = statement.query_map(params![agent, key, day], |row| Ok((row.get(0)?, row.get(1)?)))?;
            found.collect()
        })
        .during("look for sums that stand")
}

/// The rows of a device, chunk after chunk; `None` if one of them does not open.
fn rows_of(
    missing: &Missing,
    conn: &Connection,
    day: i64,
    (agent, key): (&str, &str),
) -> Result<Option<Vec<GroupRows>>, StoreError> {
    let mut found: Vec<(i64, i64, GroupRows)> = Vec::new();
    let mut statement = conn
        .prepare_cached(
            "SELECT g.id, c.layout_id, g.name, g.site, g.class, c.checksum, c.body, c.id, c.t_min,
                 c.t_max
             FROM groups g JOIN chunks c ON c.group_id = g.id WHERE g.agent = ?1 AND g.key = ?2
             ORDER BY c.first_entry, c.id",
        )
        .during("read a device's day")?;
    let mut rows = statement.query([agent, key]).during("read a device's day")?;
    let mut chunk = 0;
    while let Some(row) = rows.next().during("read a device's day")? {
        let broken = || {
            let (id, t_min, t_max): (i64, i64, i64) =
                (|| Ok((row.get(7)?, row.get(8)?, row.get(9)?)))().during("read a device's day")?;
            missing.find_chunk(id, (t_min, t_max), day, (agent, key));
            error!(chunk = id, day, agent, key, "A chunk of the history is broken; sums wait until it is set aside.");
            Ok(None)
        };
        let (id, layout_id, checksum): (i64, i64, i64) =
            (|| Ok((row.get(0)?, row.get(1)?, row.get(5)?)))().during("read a device's day")?;
        let at = match found.iter().position(|(group, layout, _)| (*group, *layout) == (id, layout_id)) {
            Some(at) => at,
            None => {
                let Some(layout) = samples::layout(conn, layout_id)? else { return broken() };
                let rows = Rows::new(&layout);
                let (name, site, class) = (|| Ok((row.get(2)?, row.get(3)?, row.get(4)?)))().during("read a group")?;
                let group = Group { agent: agent.to_owned(), key: key.to_owned(), name, site, class, layout };
                found.push((id, layout_id, GroupRows { group, rows, chunks: Vec::new() }));
                found.len() - 1
            }
        };
        chunk += 1;
        let group = &mut found[at].2;
        let body = row.get_ref(6).and_then(|body| Ok(body.as_blob()?)).during("read a device's day")?;
        let opened = (i64::from(crc32fast::hash(body)) == checksum)
            .then(|| Chunk::open(body).and_then(|chunk| chunk.rows(&group.group.layout)).ok())
            .flatten();
        match opened {
            Some(rows) => {
                let all: Vec<u32> = (0..rows.len() as u32).collect();
                group.chunks.push((chunk, group.rows.len()));
                group.rows.append(&rows, &all);
            }
            None => return broken(),
        }
    }
    Ok(Some(found.into_iter().map(|(_, _, group)| group).collect()))
}
