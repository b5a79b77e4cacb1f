//! Making the sums, in small steps, so that the log never waits long.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior, params};
use tracing::error;

use super::codec;
use super::levels::{LevelFile, Levels};
use super::window::Windows;
use crate::store::{During as _, File, StoreError};
use crate::telemetry::chunk::Chunk;
use crate::telemetry::head::{Generation, Group, HeadDay};
use crate::telemetry::partition::open_file;
use crate::telemetry::partitions::Partitions;
use crate::telemetry::retention::{Level, Retention};
use crate::telemetry::rows::{Column, Rows};
use crate::telemetry::{day_ms, day_of, samples, seal};

/// Devices of one step: some tens of milliseconds of work.
const DEVICES: usize = 16;
/// A day is summed up when it has been over for so long; what is late by less makes nothing twice.
const GRACE_MS: i64 = 3_600_000;
/// Minutes are kept where they are at most a tenth as many as the rows. Elsewhere they would take as much room as the
/// rows and answer no sooner.
const ROWS_PER_MINUTE: i64 = 10;

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
}

/// Which readings are still there, so that sums are never made again of what is left of them.
struct Kept {
    retention: Retention,
    today: i64,
}

impl Kept {
    fn has(&self, day: i64, class: &str) -> bool {
        self.retention.of_class(Level::Readings, class).is_none_or(|kept| self.today - day <= kept)
    }
}

impl Maker {
    pub(in crate::telemetry) fn new(
        levels: Arc<Levels>,
        partitions: Arc<Partitions>,
        retention: Retention,
        now_ms: i64,
    ) -> Self {
        let kept = Kept { retention, today: day_of(kouan_protocol::Timestamp(now_ms)) };
        Self { levels, partitions, open: HashMap::new(), job: None, kept }
    }

    /// Says that the rows of a generation are about to be sealed. It is on disk before they are: a crash in between
    /// makes some sums again for nothing, and leaves none that lack a reading.
    pub(in crate::telemetry) fn before_seal(
        &self,
        index: &mut Connection,
        generation: &Generation,
    ) -> Result<(), StoreError> {
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
        if self.levels.is_made(day) {
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
        let made = self.make(day, &devices);
        if made.is_err() {
            self.job = None;
            self.open.clear();
        }
        made?;
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
                    .execute("INSERT OR IGNORE INTO rolled (day) VALUES (?1)", [day])
                    .during("note that a day is summed up")?;
                self.levels.add_day(day);
            }
            self.job = None;
            self.open.clear();
        }
        Ok(true)
    }

    fn next_job(&self, now_ms: i64) -> Result<Option<Job>, StoreError> {
        let over = |day: &i64| day_ms(day + 1) + GRACE_MS <= now_ms;
        let days = self.partitions.within(i64::MIN, i64::MAX);
        if let Some(day) = days.into_iter().find(|day| over(day) && !self.levels.is_made(*day)) {
            let devices = self.partitions.read(day, |conn| {
                conn.prepare_cached("SELECT DISTINCT agent, key FROM groups")
                    .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
                    .during("list the devices of a day")
            })?;
            return Ok(Some(Job { day, devices: devices.unwrap_or_default(), whole: true }));
        }
        Ok(self.levels.first_dirty().map(|(day, devices)| Job { day, devices: devices.into(), whole: false }))
    }

    fn make(&mut self, day: i64, devices: &[(String, String)]) -> Result<(), StoreError> {
        let mut groups = Vec::new();
        for (agent, key) in devices {
            groups.extend(self.partitions.read(day, |conn| rows_of(conn, agent, key))?.unwrap_or_default());
        }
        let (mut minutes, mut hours) = (Vec::new(), Vec::new());
        for group in groups {
            let (of_minutes, of_hours) = sum_up(&group.group.layout, &group.rows);
            let (Some(first), Some(last)) = (group.rows.times.first(), group.rows.times.last()) else { continue };
            if group.rows.len() as i64 * LevelFile::Minutes.step_ms() >= ROWS_PER_MINUTE * (last - first).max(1) {
                minutes.push((group.group.clone(), codec::encode(&of_minutes)));
            }
            hours.push((group.group, codec::encode(&of_hours)));
        }
        for (level, groups) in [(LevelFile::Minutes, minutes), (LevelFile::Hours, hours)] {
            if !groups.is_empty() {
                self.write(level, day, &groups)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, level: LevelFile, day: i64, groups: &[(Group, Vec<u8>)]) -> Result<(), StoreError> {
        let path = level.path(self.levels.folder(), day);
        if !self.open.contains_key(&path) {
            self.open.insert(path.clone(), open_file(&path, File::Rollup)?);
        }
        let conn = self.open.get_mut(&path).ok_or(StoreError::Closed)?;
        let transaction =
            conn.transaction_with_behavior(TransactionBehavior::Immediate).during("begin writing sums")?;
        let mut layouts = HashMap::new();
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
        }
        transaction.commit().during("commit sums")
    }
}

/// All rows of a group and day, by time.
struct GroupRows {
    group: Group,
    rows: Rows,
}

fn rows_of(conn: &Connection, agent: &str, key: &str) -> Result<Vec<GroupRows>, StoreError> {
    let mut found: Vec<(i64, i64, GroupRows)> = Vec::new();
    let mut statement = conn
        .prepare_cached(
            "SELECT g.id, c.layout_id, g.name, g.site, g.class, c.checksum, c.body
             FROM groups g JOIN chunks c ON c.group_id = g.id WHERE g.agent = ?1 AND g.key = ?2
             ORDER BY c.first_entry, c.id",
        )
        .during("read a device's day")?;
    let mut rows = statement.query([agent, key]).during("read a device's day")?;
    while let Some(row) = rows.next().during("read a device's day")? {
        let (id, layout_id, checksum): (i64, i64, u32) =
            (|| Ok((row.get(0)?, row.get(1)?, row.get(5)?)))().during("read a device's day")?;
        let at = match found.iter().position(|(group, layout, _)| (*group, *layout) == (id, layout_id)) {
            Some(at) => at,
            None => {
                let layout = samples::layout(conn, layout_id)?;
                let rows = Rows::new(&layout);
                let (name, site, class) = (|| Ok((row.get(2)?, row.get(3)?, row.get(4)?)))().during("read a group")?;
                let group = Group { agent: agent.to_owned(), key: key.to_owned(), name, site, class, layout };
                found.push((id, layout_id, GroupRows { group, rows }));
                found.len() - 1
            }
        };
        let group = &mut found[at].2;
        let body = row.get_ref(6).and_then(|body| Ok(body.as_blob()?)).during("read a device's day")?;
        let opened = (crc32fast::hash(body) == checksum)
            .then(|| Chunk::open(body).and_then(|chunk| chunk.rows(&group.group.layout)).ok())
            .flatten();
        match opened {
            Some(rows) => {
                let all: Vec<u32> = (0..rows.len() as u32).collect();
                group.rows.append(&rows, &all);
            }
            None => error!(agent, key, "A chunk of the history is broken and is missing in the sums."),
        }
    }
    Ok(found
        .into_iter()
        .map(|(_, _, GroupRows { group, rows })| GroupRows { rows: rows.into_sorted(&group.layout), group })
        .collect())
}

/// Minutes and hours of each column.
fn sum_up(layout: &[Column], rows: &Rows) -> (Vec<codec::ColumnWindows>, Vec<codec::ColumnWindows>) {
    let column = |(column, cells): (&Column, &crate::telemetry::cells::Cells)| {
        let mut minutes = Windows::new(LevelFile::Minutes.step_ms());
        for (row, _, place) in cells.iter() {
            let value = place.and_then(|place| cells.values.get(place));
            minutes.take(rows.times[row], value.as_ref(), column.is_words());
        }
        let mut hours = Windows::new(LevelFile::Hours.step_ms());
        for (at, summary) in minutes.list() {
            hours.join(*at, summary.clone());
        }
        (minutes.into_list(), hours.into_list())
    };
    layout.iter().zip(&rows.columns).map(column).unzip()
}
