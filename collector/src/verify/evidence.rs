//! What each file says.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use kouan_protocol::Lane;
use rusqlite::{Connection, Row, params};

use crate::state::{READINGS_CURSOR, STATE_CURSOR};
use crate::store::{DataFolder, During as _, StoreError, open_read_only};
use crate::telemetry::{HISTORY_CURSOR, partition_days, partition_path, set_aside};

/// Names a lane of an agent: agent, lane, epoch.
pub(super) type LaneKey = (String, u32, String);

/// A lane's row in the table of positions.
#[derive(Debug, Clone)]
pub(super) struct Position {
    pub(super) site: String,
    pub(super) current: bool,
    pub(super) stored_seq: u64,
    pub(super) gaps: u64,
    pub(super) gap_numbers: u64,
    pub(super) quarantined_batches: u64,
}

/// A run of numbers of one kind.
#[derive(Debug, Clone)]
pub(super) struct Extent {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) kind: String,
}

/// An entry of the log, without its body.
#[derive(Debug, Clone)]
pub(super) struct LogRow {
    pub(super) id: i64,
    pub(super) kind: String,
    pub(super) from: u64,
    pub(super) last: u64,
}

/// `ingest.db` at one instant.
#[derive(Debug, Default)]
pub(super) struct Ingest {
    pub(super) positions: BTreeMap<LaneKey, Position>,
    pub(super) extents: HashMap<LaneKey, Vec<Extent>>,
    pub(super) log: HashMap<LaneKey, Vec<LogRow>>,
    pub(super) ids: Vec<i64>,
    pub(super) head: i64,
}

/// `state.db` at one instant.
#[derive(Debug, Default)]
pub(super) struct State {
    /// How far everything but readings is.
    pub(super) cursor: i64,
    /// How far readings are.
    pub(super) readings_cursor: i64,
    pub(super) numbers: HashMap<LaneKey, u64>,
    pub(super) quarantined_records: u64,
    pub(super) quarantine_dropped: u64,
}

/// The history, read from day to day.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) cursor: i64,
    pub(super) rows: HashMap<LaneKey, u64>,
    /// Days that cannot be read, in words.
    pub(super) problems: Vec<String>,
    /// Files that were damaged and set aside.
    pub(super) set_aside: Vec<String>,
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

fn key(row: &Row<'_>) -> rusqlite::Result<LaneKey> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn collect<T>(
    conn: &Connection,
    sql: &str,
    operation: &'static str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    conn.prepare(sql).and_then(|mut statement| statement.query_map([], read)?.collect()).during(operation)
}

impl Ingest {
    pub(super) fn read(folder: &DataFolder) -> Result<Self, StoreError> {
        let mut conn = open_read_only(&folder.ingest())?;
        let conn = conn.transaction().during("read the log at one instant")?;
        let mut ingest = Self::default();
        let positions = collect(
            &conn,
            "SELECT agent, lane, epoch, site, current, stored_seq, gaps, gap_numbers, quarantined_batches FROM lanes",
            "read positions",
            |row| {
                let position = Position {
                    site: row.get(3)?,
                    current: row.get(4)?,
                    stored_seq: unsigned(row, 5)?,
                    gaps: unsigned(row, 6)?,
                    gap_numbers: unsigned(row, 7)?,
                    quarantined_batches: unsigned(row, 8)?,
                };
                Ok((key(row)?, position))
            },
        )?;
        ingest.positions = positions.into_iter().collect();
        let sql = "SELECT agent, lane, epoch, first_seq, last_seq, kind FROM extents ORDER BY first_seq";
        for (key, extent) in collect(&conn, sql, "read runs of numbers", |row| {
            Ok((key(row)?, Extent { first: unsigned(row, 3)?, last: unsigned(row, 4)?, kind: row.get(5)? }))
        })? {
            ingest.extents.entry(key).or_default().push(extent);
        }
        let sql = "SELECT agent, lane, epoch, id, kind, from_seq, last_seq FROM log ORDER BY id";
        for (key, row) in collect(&conn, sql, "read the log", |row| {
            let entry = LogRow { id: row.get(3)?, kind: row.get(4)?, from: unsigned(row, 5)?, last: unsigned(row, 6)? };
            Ok((key(row)?, entry))
        })? {
            ingest.ids.push(row.id);
            if row.kind != "catalogue" {
                ingest.log.entry(key).or_default().push(row);
            }
        }
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'log'";
        ingest.head = collect(&conn, sql, "read the head of the log", |row| row.get(0))?.pop().unwrap_or(0);
        Ok(ingest)
    }
}

impl State {
    pub(super) fn read(folder: &DataFolder) -> Result<Self, StoreError> {
        let mut conn = open_read_only(&folder.state())?;
        let conn = conn.transaction().during("read the state at one instant")?;
        let cursors: HashMap<String, i64> =
            collect(&conn, "SELECT reader, log_id FROM cursors", "read the state's cursors", |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .into_iter()
            .collect();
        let cursor = |reader: &str| cursors.get(reader).copied().unwrap_or(0);
        let counts = "SELECT agent, lane, epoch, numbers FROM lane_counts";
        let (quarantined_records, quarantine_dropped) = crate::state::quarantine_totals(&conn)?;
        Ok(Self {
            cursor: cursor(STATE_CURSOR),
            readings_cursor: cursor(READINGS_CURSOR),
            numbers: collect(&conn, counts, "read the state's counts", |row| Ok((key(row)?, unsigned(row, 3)?)))?
                .into_iter()
                .collect(),
            quarantined_records,
            quarantine_dropped,
        })
    }
}

impl History {
    pub(super) fn read(folder: &DataFolder) -> Result<Self, StoreError> {
        let index = folder.history().join("index.db");
        if !index.exists() {
            return Ok(Self::default());
        }
        let conn = open_read_only(&index)?;
        let mut gone = removed(&conn)?;
        loop {
            let history = Self::read_files(folder, &conn, &gone);
            // A day that is deleted meanwhile stands neither in its file nor in what was read of the index.
            let now = removed(&conn)?;
            if now == gone {
                return history;
            }
            gone = now;
        }
    }

    fn read_files(folder: &DataFolder, index: &Connection, gone: &Removed) -> Result<Self, StoreError> {
        let cursor = index
            .prepare("SELECT log_id FROM cursors WHERE reader = ?1")
            .and_then(|mut statement| statement.query_map(params![HISTORY_CURSOR], |row| row.get(0))?.collect())
            .during("read the history's cursor")
            .map(|mut found: Vec<i64>| found.pop().unwrap_or(0))?;
        let mut history = Self {
            cursor,
            rows: gone.rows.iter().cloned().collect(),
            problems: Vec::new(),
            set_aside: set_aside(&folder.history())?,
        };
        for day in partition_days(&folder.history())?.into_iter().filter(|day| !gone.days.contains(day)) {
            let path = partition_path(&folder.history(), day);
            match rows_of(&path) {
                Ok(counted) => {
                    for (key, rows) in counted {
                        *history.rows.entry(key).or_default() += rows;
                    }
                }
                Err(error) => history.problems.push(format!("{}: {error}", path.display())),
            }
        }
        Ok(history)
    }
}

/// The numbers that the file of a day accounts for.
fn rows_of(path: &Path) -> Result<Vec<(LaneKey, u64)>, StoreError> {
    let partition = open_read_only(path)?;
    let readings = "SELECT agent, epoch, rows FROM counts";
    let events = "SELECT agent, epoch, count(*) FROM events GROUP BY agent, epoch
                  UNION ALL SELECT agent, epoch, rows FROM removed_events";
    let mut counted = Vec::new();
    for (sql, lane) in [(readings, Lane::Readings), (events, Lane::Events)] {
        counted.extend(collect(&partition, sql, "count the history", |row| {
            Ok(((row.get(0)?, lane.number(), row.get(1)?), unsigned(row, 2)?))
        })?);
    }
    Ok(counted)
}

/// What days that are gone, or about to go, account for.
#[derive(Debug, PartialEq, Eq)]
struct Removed {
    rows: Vec<(LaneKey, u64)>,
    /// Their files count no longer.
    days: Vec<i64>,
}

fn removed(index: &Connection) -> Result<Removed, StoreError> {
    let transaction = index.unchecked_transaction().during("read what was deleted at one instant")?;
    let rows = "SELECT agent, lane, epoch, rows FROM removed ORDER BY agent, lane, epoch";
    Ok(Removed {
        rows: collect(&transaction, rows, "read what was deleted", |row| Ok((key(row)?, unsigned(row, 3)?)))?,
        days: collect(&transaction, "SELECT day FROM removing", "read what is being deleted", |row| row.get(0))?,
    })
}
