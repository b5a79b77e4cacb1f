//! The reader that counts late records.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use kouan_protocol::{AgentId, BootTime, Clock, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::Digest;
use super::recorded::Recorded;
use crate::reader::Reader;
use crate::store::log::{Entry, EntryKind, FollowLog as _, Page, Recent, SqliteFollower, Wanted};
use crate::store::{During as _, StoreError, Writer, open_read_only};

/// Bytes of batches that one step takes.
const STEP_BYTES: usize = 1 << 20;
/// The name under which the cursor is kept.
const CURSOR: &str = "outages";
/// An outage is complete when nothing late has come for this long.
const QUIET_MS: u64 = 60_000;
/// An outage that drains for longer is told of as it is; what is still late then counts as another one.
const LONGEST_MS: u64 = 3_600_000;
/// While nothing is late the cursor is written only after so many entries: to read them again changes nothing.
const IDLE_ENTRIES: i64 = 2_000;
/// When agents recorded something is written at least this often.
const RECORDED_MS: u64 = 15_000;

/// Follows the log and keeps the table of outages. Counts and cursor are written in one transaction, so that a record
/// is counted once, whenever the program is killed.
pub struct OutageReader {
    log: Arc<Mutex<SqliteFollower>>,
    writer: Writer,
    clock: Arc<dyn Clock>,
    taken: i64,
    cursor: i64,
    open: HashMap<AgentId, Outage>,
    /// Of entries behind the cursor.
    recorded: Recorded,
    recorded_at: BootTime,
}

/// An outage that is not complete.
#[derive(Debug, Clone)]
struct Outage {
    id: Option<i64>,
    site: String,
    from: Timestamp,
    to: Timestamp,
    /// Lanes that brought late records and nothing fresh since.
    lanes: BTreeSet<u32>,
    last_log_id: i64,
    digest: Digest,
    complete: Option<Timestamp>,
    changed: bool,
    began: BootTime,
    late_at: BootTime,
}

/// What an entry means for outages.
struct Finding {
    id: i64,
    agent: AgentId,
    site: String,
    lane: u32,
    received: Timestamp,
    /// What is late in it: since when, and what.
    late: Option<(Timestamp, Digest)>,
    /// It says nothing about how fresh its lane is, and counts only while an outage lasts.
    aside: Option<Digest>,
}

impl OutageReader {
    /// Loads what is not complete.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(
        ingest: &Path,
        state: &Path,
        writer: Writer,
        clock: Arc<dyn Clock>,
        recent: &Recent,
    ) -> Result<Self, StoreError> {
        let conn = open_read_only(state)?;
        let cursor: Option<i64> = conn
            .query_row("SELECT log_id FROM cursors WHERE reader = ?1", [CURSOR], |row| row.get(0))
            .optional()
            .during("read a cursor")?;
        // A folder of an earlier version: what it has read of the log acted long ago.
        let cursor = match cursor {
            Some(cursor) => cursor,
            None => conn
                .query_row("SELECT max(log_id) FROM cursors WHERE reader = 'state'", [], |row| row.get(0))
                .map(|found: Option<i64>| found.unwrap_or(0))
                .during("read a cursor")?,
        };
        let open = load(&conn, clock.boot_time())?;
        let log = Arc::new(Mutex::new(SqliteFollower::open(ingest)?.sharing(recent)));
        let (recorded, recorded_at) = (Recorded::default(), clock.boot_time());
        Ok(Self { log, writer, clock, taken: cursor, cursor, open, recorded, recorded_at })
    }

    fn apply(&self, open: &mut HashMap<AgentId, Outage>, finding: Finding, now: BootTime) {
        let Finding { id, agent, site, lane, received, late, aside } = finding;
        if let Some((from, digest)) = late {
            let outage = open.entry(agent).or_insert_with(|| Outage {
                id: None,
                site,
                from,
                to: received,
                lanes: BTreeSet::new(),
                last_log_id: id,
                digest: Digest::default(),
                complete: None,
                changed: true,
                began: now,
                late_at: now,
            });
            outage.from = outage.from.min(from);
            outage.lanes.insert(lane);
            outage.late_at = now;
            outage.take(id, &digest);
        } else if let Some(outage) = open.get_mut(&agent) {
            match aside {
                Some(digest) => outage.take(id, &digest),
                None if outage.lanes.remove(&lane) => {
                    outage.changed = true;
                    outage.complete = outage.lanes.is_empty().then_some(received);
                }
                None => {}
            }
        }
    }

    /// Completes what has been quiet, or has lasted, for long enough.
    fn complete_quiet(&self, open: &mut HashMap<AgentId, Outage>) {
        let now = self.clock.anchor();
        for outage in open.values_mut().filter(|outage| outage.complete.is_none()) {
            let quiet = now.boot_time.since_ms(outage.late_at) >= QUIET_MS;
            if quiet || now.boot_time.since_ms(outage.began) >= LONGEST_MS {
                outage.complete = Some(now.wall);
                outage.changed = true;
            }
        }
    }

    async fn write(&mut self, mut open: HashMap<AgentId, Outage>, cursor: i64) -> Result<(), StoreError> {
        let changed = open.values().any(|outage| outage.changed);
        if !changed && open.is_empty() && cursor - self.cursor < IDLE_ENTRIES && !self.recorded_is_due() {
            self.taken = cursor;
            return Ok(());
        }
        let recorded = self.recorded.clone();
        let written = self.writer.transact(move |transaction| {
            recorded.write(transaction)?;
            for (agent, outage) in &mut open {
                outage.write(transaction, agent)?;
            }
            transaction
                .prepare_cached("INSERT OR REPLACE INTO cursors (reader, log_id) VALUES (?1, ?2)")
                .and_then(|mut statement| statement.execute(params![CURSOR, cursor]))
                .during("move a cursor")?;
            open.retain(|_, outage| outage.complete.is_none());
            Ok(open)
        });
        self.open = written.await?;
        self.taken = cursor;
        self.cursor = cursor;
        (self.recorded, self.recorded_at) = (Recorded::default(), self.clock.boot_time());
        Ok(())
    }

    fn recorded_is_due(&self) -> bool {
        !self.recorded.is_empty() && self.clock.boot_time().since_ms(self.recorded_at) >= RECORDED_MS
    }
}

impl Reader for OutageReader {
    const NAME: &'static str = "outages";
    const PACE: std::time::Duration = std::time::Duration::from_millis(100);

    async fn step(&mut self) -> Result<bool, StoreError> {
        let (log, cursor) = (Arc::clone(&self.log), self.taken);
        // Should this fail the entries are read again.
        let mut recorded = self.recorded.clone();
        let found = tokio::task::spawn_blocking(move || {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            let Page { entries, through } = log.after(cursor, STEP_BYTES, Wanted::All)?;
            let last = (!entries.is_empty()).then_some(through);
            let findings: Vec<_> = entries.iter().filter_map(|entry| finding(entry, &mut recorded)).collect();
            Ok::<_, StoreError>((last, findings, recorded))
        });
        let (last, findings, recorded) = found.await.map_err(|_| StoreError::Closed)??;
        self.recorded = recorded;
        let now = self.clock.boot_time();
        let mut open = self.open.clone();
        for finding in findings {
            // A complete one is told of as it is; what comes behind it begins another.
            if open.get(&finding.agent).is_some_and(|outage| outage.complete.is_some()) {
                self.write(open, finding.id - 1).await?;
                open = self.open.clone();
            }
            self.apply(&mut open, finding, now);
        }
        if last.is_none() {
            self.complete_quiet(&mut open);
        }
        if last.is_some() || open.values().any(|outage| outage.changed) || self.recorded_is_due() {
            self.write(open, last.unwrap_or(self.taken)).await?;
        }
        Ok(last.is_some())
    }

    fn cursor(&self) -> i64 {
        self.cursor
    }

    fn caught_up_to(&self) -> i64 {
        self.taken
    }

    async fn stop(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn finding(entry: &Entry, recorded: &mut Recorded) -> Option<Finding> {
    let mut digest = Digest::default();
    let (mut late, mut aside) = (None, None);
    match entry.kind {
        EntryKind::Catalogue => return None,
        EntryKind::Batch => {
            let opened = entry.open().ok()?;
            recorded.add(entry, &opened.batch);
            late = digest.add(entry, &opened.batch).map(|from| (from, digest));
        }
        EntryKind::Quarantined => aside = Some(Digest { quarantined: 1, ..digest }),
        EntryKind::Lost => aside = Some(Digest { gaps: 1, lost: entry.numbers(), ..digest }),
    }
    let (id, agent, site, lane) = (entry.id, entry.agent.clone(), entry.site.clone(), entry.lane);
    Some(Finding { id, agent, site, lane, received: entry.correction.received, late, aside })
}

impl Outage {
    fn take(&mut self, id: i64, more: &Digest) {
        self.digest.merge(more);
        self.last_log_id = id;
        self.changed = true;
    }

    fn write(&mut self, transaction: &Transaction<'_>, agent: &AgentId) -> Result<(), StoreError> {
        if !self.changed {
            return Ok(());
        }
        let lanes = serde_json::to_string(&self.lanes).map_err(StoreError::damaged("an outage"))?;
        let digest = serde_json::to_string(&self.digest).map_err(StoreError::damaged("an outage"))?;
        transaction
            .prepare_cached(
                "INSERT INTO outages (id, site, agent, from_ms, to_ms, complete_ms, last_log_id, lanes, digest)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (id) DO UPDATE SET from_ms = excluded.from_ms, complete_ms = excluded.complete_ms,
                     last_log_id = excluded.last_log_id, lanes = excluded.lanes, digest = excluded.digest",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    self.id,
                    self.site,
                    agent.as_str(),
                    self.from.0,
                    self.to.0,
                    self.complete.map(|time| time.0),
                    self.last_log_id,
                    lanes,
                    digest
                ])
            })
            .during("write an outage")?;
        if self.id.is_none() {
            self.id = Some(transaction.last_insert_rowid());
        }
        self.changed = false;
        Ok(())
    }
}

fn load(conn: &Connection, now: BootTime) -> Result<HashMap<AgentId, Outage>, StoreError> {
    let mut statement = conn
        .prepare(
            "SELECT id, site, agent, from_ms, to_ms, last_log_id, lanes, digest FROM outages WHERE complete_ms IS NULL",
        )
        .during("load outages")?;
    let rows = statement
        .query_map([], |row| {
            let outage = Outage {
                id: row.get(0)?,
                site: row.get(1)?,
                from: Timestamp(row.get(3)?),
                to: Timestamp(row.get(4)?),
                lanes: BTreeSet::new(),
                last_log_id: row.get(5)?,
                digest: Digest::default(),
                complete: None,
                changed: false,
                began: now,
                late_at: now,
            };
            Ok((row.get::<_, String>(2)?, row.get::<_, String>(6)?, row.get::<_, String>(7)?, outage))
        })
        .during("load outages")?;
    let mut open = HashMap::new();
    for row in rows {
        let (agent, lanes, digest, mut outage) = row.during("load outages")?;
        outage.lanes = serde_json::from_str(&lanes).map_err(StoreError::damaged("the lanes of an outage"))?;
        outage.digest = serde_json::from_str(&digest).map_err(StoreError::damaged("the digest of an outage"))?;
        open.insert(agent.parse().map_err(StoreError::damaged("an agent's name"))?, outage);
    }
    Ok(open)
}
