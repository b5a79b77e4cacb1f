//! Following the log with a read connection.

use std::path::Path;

use kouan_protocol::{AgentId, CatalogueHash, Lane, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Correction, Entry, EntryKind, FollowLog, Page, Recent, TimeStatus, Wanted};
use crate::store::{During as _, StoreError, open_read_only};

/// Most entries in one step.
const ENTRIES: usize = 512;

/// A reader's own connection to `ingest.db`.
#[derive(Debug)]
pub struct SqliteFollower {
    conn: Connection,
    recent: Option<Recent>,
}

impl SqliteFollower {
    /// Opens the log at `path`, which its writer has made.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { conn: open_read_only(path)?, recent: None })
    }

    /// Takes batches that were appended just now as they were opened then.
    #[must_use]
    pub fn sharing(mut self, recent: &Recent) -> Self {
        self.recent = Some(recent.clone());
        self
    }
}

impl SqliteFollower {
    /// The oldest entry that is there, and when it was received.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn oldest(&self) -> Result<Option<(i64, Timestamp)>, StoreError> {
        self.conn
            .prepare_cached("SELECT id, received_ms FROM log ORDER BY id LIMIT 1")
            .and_then(|mut statement| {
                statement.query_row([], |row| Ok((row.get(0)?, Timestamp(row.get(1)?)))).optional()
            })
            .during("look for the oldest log entry")
    }

    fn body(&self, id: i64) -> Result<Vec<u8>, StoreError> {
        self.conn
            .prepare_cached("SELECT body FROM log WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([id], |row| row.get(0)))
            .during("read a batch in the log")
    }
}

impl FollowLog for SqliteFollower {
    fn after(&mut self, id: i64, bytes: usize, wanted: Wanted) -> Result<Page, StoreError> {
        // The newest entry is read first: what arrives in between is found by the next page.
        let newest = self
            .conn
            .prepare_cached("SELECT max(id) FROM log")
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, Option<i64>>(0)))
            .during("follow the log")?;
        let through = newest.unwrap_or(id).max(id);
        let readings = match wanted {
            Wanted::All => None,
            Wanted::Readings => Some(true),
            Wanted::AllButReadings => Some(false),
        };
        let mut statement = self
            .conn
            .prepare_cached(
                "SELECT id, kind, agent, site, lane, epoch, first_seq, last_seq, from_seq, received_ms, shift_ms,
                     time_status, reason, length(body)
                 FROM log WHERE id > ?1 AND id <= ?2
                     AND (?3 IS NULL OR (lane = ?4 AND kind = 'batch') = ?3) ORDER BY id",
            )
            .during("follow the log")?;
        let mut rows =
            statement.query(params![id, through, readings, Lane::Readings.number()]).during("follow the log")?;
        let (mut entries, mut size) = (Vec::new(), 0);
        while let Some(row) = rows.next().during("follow the log")? {
            let mut entry = read_entry(row)?;
            entry.opened = self.recent.as_ref().and_then(|recent| recent.take(entry.id));
            if entry.opened.is_none() {
                entry.body = self.body(entry.id)?;
            }
            size += entry.size;
            let through = entry.id;
            entries.push(entry);
            if size >= bytes || entries.len() >= ENTRIES {
                return Ok(Page { entries, through });
            }
        }
        Ok(Page { entries, through })
    }

    fn body_of(&mut self, entry: &Entry) -> Result<Vec<u8>, StoreError> {
        if entry.opened.is_some() { self.body(entry.id) } else { Ok(entry.body.clone()) }
    }

    fn catalogue(&mut self, agent: &AgentId, hash: CatalogueHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.conn
            .prepare_cached("SELECT body FROM catalogues WHERE agent = ?1 AND hash = ?2")
            .and_then(|mut statement| {
                statement.query_row(params![agent.as_str(), hash.to_string()], |row| row.get(0)).optional()
            })
            .during("read a catalogue")
    }
}

fn read_entry(row: &Row<'_>) -> Result<Entry, StoreError> {
    let kind: String = row.get(1).during("read the log")?;
    let agent: String = row.get(2).during("read the log")?;
    let epoch: String = row.get(5).during("read the log")?;
    let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs).during("read the log");
    let status: String = row.get(11).during("read the log")?;
    Ok(Entry {
        id: row.get(0).during("read the log")?,
        kind: EntryKind::from_name(&kind).ok_or(kind).map_err(StoreError::damaged("the kind of a log entry"))?,
        agent: agent.parse().map_err(StoreError::damaged("the agent of a log entry"))?,
        site: row.get(3).during("read the log")?,
        lane: row.get(4).during("read the log")?,
        epoch: epoch.parse().map_err(StoreError::damaged("the epoch of a log entry"))?,
        first_seq: number(6)?,
        last_seq: number(7)?,
        from_seq: number(8)?,
        correction: Correction {
            received: Timestamp(row.get(9).during("read the log")?),
            shift_ms: row.get(10).during("read the log")?,
            status: TimeStatus::from_name(&status),
        },
        reason: row.get(12).during("read the log")?,
        size: row.get::<_, i64>(13).during("read the log")?.unsigned_abs() as usize,
        body: Vec::new(),
        opened: None,
    })
}
