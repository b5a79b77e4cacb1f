//! One SQLite file with one or more lanes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kouan_protocol::session::{BatchDigest, LaneClaim};
use kouan_protocol::{
    Anchor, Batch, Catalogue, CatalogueHash, Digest, Epoch, Gap, GapReason, Lane, Record, RecordBody, Timestamp,
};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::error::BufferError;
use super::gap::{self, OpenGap};

mod migrations {
    refinery::embed_migrations!("migrations/buffer");
}

/// Digests of confirmed batches that are remembered per lane, for the hello.
const REMEMBERED: i64 = 32;
/// Digests of unconfirmed batches that a hello shows per lane.
const SHOWN: usize = 32;

/// A batch as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    /// The lane's epoch as it was read; another one than before means that the lane began anew.
    pub epoch: Epoch,
    /// First number.
    pub first_seq: u64,
    /// Last number.
    pub last_seq: u64,
    /// Digest of the body.
    pub digest: Digest,
    /// The catalogue that its rows refer to.
    pub catalogue: Option<CatalogueHash>,
    /// The encoded batch.
    pub body: Vec<u8>,
}

/// Where a lane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LaneState {
    pub(super) epoch: Epoch,
    pub(super) next_seq: u64,
    pub(super) acked_seq: u64,
    pub(super) bytes: u64,
}

/// The file as its only writer sees it.
#[derive(Debug)]
pub(super) struct LaneFile {
    path: PathBuf,
    connection: Connection,
}

impl LaneFile {
    /// Opens or creates the file, with a row for each of `lanes`.
    pub(super) fn open(path: &Path, lanes: &[Lane]) -> Result<Self, BufferError> {
        let failed = |operation| at(path, operation);
        let mut connection = Connection::open(path).map_err(failed("opening the buffer"))?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(failed("setting the busy time-out"))?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
                 PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 8388608; PRAGMA cache_size = -1024;",
            )
            .map_err(failed("setting the durability"))?;
        migrations::migrations::runner()
            .run(&mut connection)
            .map_err(|cause| BufferError::Migration { file: path.to_owned(), cause: Box::new(cause) })?;
        for lane in lanes {
            connection
                .execute(
                    "INSERT OR IGNORE INTO lane (lane, epoch, next_seq, acked_seq, bytes) VALUES (?1, ?2, 1, 0, 0)",
                    params![lane.number(), Epoch::random().0 as i64],
                )
                .map_err(failed("creating a lane"))?;
        }
        Ok(Self { path: path.to_owned(), connection })
    }

    /// A second connection that only reads. In WAL mode it never waits for the writer.
    pub(super) fn open_reader(path: &Path) -> Result<Connection, BufferError> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(at(path, "opening the buffer for reading"))?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(at(path, "setting the busy time-out"))?;
        Ok(connection)
    }

    /// Runs `work` in one transaction; its commit is on disk when this returns.
    pub(super) fn write<T>(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, BufferError> {
        let run = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run(&mut self.connection).map_err(at(&self.path, operation))
    }
}

/// Makes an error of this file.
pub(super) fn at(path: &Path, operation: &'static str) -> impl Fn(rusqlite::Error) -> BufferError {
    let file = path.to_owned();
    move |cause| BufferError::Sqlite { operation, file: file.clone(), cause }
}

pub(super) fn lane_state(connection: &Connection, lane: Lane) -> rusqlite::Result<LaneState> {
    connection.prepare_cached("SELECT epoch, next_seq, acked_seq, bytes FROM lane WHERE lane = ?1")?.query_row(
        [lane.number()],
        |row| {
            Ok(LaneState {
                epoch: Epoch(row.get::<_, i64>(0)? as u64),
                next_seq: row.get::<_, i64>(1)? as u64,
                acked_seq: row.get::<_, i64>(2)? as u64,
                bytes: row.get::<_, i64>(3)? as u64,
            })
        },
    )
}

pub(super) fn set_lane_state(tx: &Transaction<'_>, lane: Lane, state: LaneState) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE lane SET epoch = ?2, next_seq = ?3, acked_seq = ?4, bytes = ?5 WHERE lane = ?1")?
        .execute(params![
            lane.number(),
            state.epoch.0 as i64,
            state.next_seq as i64,
            state.acked_seq as i64,
            state.bytes as i64
        ])
        .map(|_| ())
}

/// Appends a batch whose numbers begin at the lane's next one.
pub(super) fn append(tx: &Transaction<'_>, lane: Lane, batch: &Batch) -> rusqlite::Result<()> {
    append_encoded(tx, lane, batch, &batch.encode())
}

/// Like [`append`], for a batch whose bytes are known.
pub(super) fn append_encoded(tx: &Transaction<'_>, lane: Lane, batch: &Batch, body: &[u8]) -> rusqlite::Result<()> {
    let mut state = lane_state(tx, lane)?;
    debug_assert_eq!(batch.first_seq, state.next_seq, "numbers of a lane have no holes");
    insert(tx, lane, batch, body)?;
    state.next_seq = batch.last_seq() + 1;
    state.bytes += body.len() as u64;
    set_lane_state(tx, lane, state)
}

/// Inserts a batch at its numbers.
pub(super) fn insert(tx: &Transaction<'_>, lane: Lane, batch: &Batch, body: &[u8]) -> rusqlite::Result<()> {
    tx.prepare_cached(&format!(
        "INSERT INTO batch_{} (first_seq, last_seq, digest, catalogue, made_ms, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        lane.number()
    ))?
    .execute(params![
        batch.first_seq as i64,
        batch.last_seq() as i64,
        Digest::of(body).0 as i64,
        batch.catalogue.map_or(0, |hash| hash.0) as i64,
        batch.anchor.wall.0,
        body
    ])
    .map(|_| ())
}

/// The collector has everything up to `seq` on disk.
pub(super) fn acknowledge(tx: &Transaction<'_>, lane: Lane, epoch: Epoch, seq: u64) -> rusqlite::Result<()> {
    let mut state = lane_state(tx, lane)?;
    let seq = seq.min(state.next_seq - 1);
    if state.epoch != epoch || seq <= state.acked_seq {
        return Ok(());
    }
    let number = lane.number();
    tx.prepare_cached(&format!(
        "INSERT OR REPLACE INTO confirmed (lane, first_seq, last_seq, digest)
         SELECT ?1, first_seq, last_seq, digest FROM batch_{number} WHERE last_seq <= ?2
         ORDER BY first_seq DESC LIMIT ?3"
    ))?
    .execute(params![number, seq as i64, REMEMBERED])?;
    tx.prepare_cached(
        "DELETE FROM confirmed WHERE lane = ?1 AND first_seq <
             (SELECT MIN(first_seq) FROM (SELECT first_seq FROM confirmed WHERE lane = ?1
                                          ORDER BY first_seq DESC LIMIT ?2))",
    )?
    .execute(params![number, REMEMBERED])?;
    let freed: i64 = tx
        .prepare_cached(&format!(
            "SELECT COALESCE(SUM(LENGTH(body)), 0) FROM batch_{number} WHERE first_seq <= ?1 AND last_seq <= ?1"
        ))?
        .query_row([seq as i64], |row| row.get(0))?;
    tx.prepare_cached(&format!("DELETE FROM batch_{number} WHERE first_seq <= ?1 AND last_seq <= ?1"))?
        .execute([seq as i64])?;
    tx.prepare_cached("DELETE FROM gap WHERE lane = ?1 AND last_seq <= ?2")?.execute(params![number, seq as i64])?;
    state.acked_seq = seq;
    state.bytes = state.bytes.saturating_sub(freed as u64);
    set_lane_state(tx, lane, state)
}

/// Batches that end after `after`, oldest first: at least one if there is any, at most `max_bytes` beyond the first.
///
/// A gap may begin at or before `after`, when it took the place of batches that were on their way.
pub(super) fn read(
    connection: &Connection,
    lane: Lane,
    after: u64,
    max_bytes: usize,
    max_batches: usize,
) -> rusqlite::Result<Vec<StoredBatch>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT first_seq, last_seq, digest, catalogue, body, (SELECT epoch FROM lane WHERE lane = {0})
         FROM batch_{0} WHERE last_seq > ?1 ORDER BY first_seq LIMIT ?2",
        lane.number()
    ))?;
    let mut rows = statement.query(params![after as i64, max_batches as i64])?;
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let batch = StoredBatch {
            epoch: Epoch(row.get::<_, i64>(5)? as u64),
            first_seq: row.get::<_, i64>(0)? as u64,
            last_seq: row.get::<_, i64>(1)? as u64,
            digest: Digest(row.get::<_, i64>(2)? as u64),
            catalogue: match row.get::<_, i64>(3)? {
                0 => None,
                hash => Some(CatalogueHash(hash as u64)),
            },
            body: row.get(4)?,
        };
        bytes += batch.body.len();
        if !batches.is_empty() && bytes > max_bytes {
            break;
        }
        batches.push(batch);
    }
    Ok(batches)
}

/// What a hello says about a lane.
pub(super) fn claim(connection: &Connection, lane: Lane) -> rusqlite::Result<LaneClaim> {
    let state = lane_state(connection, lane)?;
    let number = lane.number();
    let digest = |row: &rusqlite::Row<'_>| {
        Ok(BatchDigest {
            first_seq: row.get::<_, i64>(0)? as u64,
            last_seq: row.get::<_, i64>(1)? as u64,
            digest: Digest(row.get::<_, i64>(2)? as u64),
            gap: false,
        })
    };
    let mut digests = connection
        .prepare_cached("SELECT first_seq, last_seq, digest FROM confirmed WHERE lane = ?1 ORDER BY first_seq")?
        .query_map([number], digest)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let unconfirmed = connection
        .prepare_cached(&format!("SELECT first_seq, last_seq, digest FROM batch_{number} ORDER BY first_seq LIMIT ?1"))?
        .query_map([SHOWN as i64], digest)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    digests.extend(unconfirmed);
    Ok(LaneClaim {
        lane,
        epoch: state.epoch,
        oldest_seq: state.acked_seq + 1,
        next_seq: state.next_seq,
        digests,
        volatile: false,
    })
}

/// Moves everything after `common` into a new epoch that begins with a gap.
///
/// Rows carry their numbers relative to the batch, so a batch moves by changing its first number. The batches are
/// streamed from one table to the other: memory does not depend on how many there are.
pub(super) fn new_epoch(tx: &Transaction<'_>, lane: Lane, common: u64, anchor: Anchor) -> rusqlite::Result<Epoch> {
    let old = lane_state(tx, lane)?;
    let number = lane.number();
    // Numbers that a limit had already taken cannot be given out again; what they stood for is announced anew.
    let dropped = gap::open_gap(tx, lane)?.map(OpenGap::into_gap);
    tx.execute_batch(&format!(
        "ALTER TABLE batch_{number} RENAME TO moving;
         CREATE TABLE batch_{number} (first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, digest INTEGER NOT NULL,
                                      catalogue INTEGER NOT NULL, made_ms INTEGER NOT NULL, body BLOB NOT NULL);
         DELETE FROM gap WHERE lane = {number};"
    ))?;
    tx.execute("DELETE FROM confirmed WHERE lane = ?1", [number])?;
    let epoch = Epoch::random();
    set_lane_state(tx, lane, LaneState { epoch, next_seq: 1, acked_seq: 0, bytes: 0 })?;
    let announce = gap_record(anchor, GapReason::Diverged, 0, anchor.wall, anchor.wall, Some(old.epoch));
    append(tx, lane, &Batch::of_records(1, anchor, vec![announce]))?;
    if let Some(gap) = dropped {
        let record = Record::new(anchor.boot_time, RecordBody::Gap(Gap { earlier_epoch: Some(old.epoch), ..gap }));
        append(tx, lane, &Batch::of_records(2, anchor, vec![record]))?;
    }
    let mut statement = tx.prepare("SELECT body FROM moving WHERE last_seq > ?1 ORDER BY first_seq")?;
    let mut rows = statement.query([common as i64])?;
    while let Some(row) = rows.next()? {
        let body: Vec<u8> = row.get(0)?;
        let next_seq = lane_state(tx, lane)?.next_seq;
        let batch = match Batch::decode(&body) {
            Ok(batch) => Batch { first_seq: next_seq, ..batch },
            Err(_) => {
                let lost = gap_record(anchor, GapReason::Damaged, 0, anchor.wall, anchor.wall, Some(old.epoch));
                Batch::of_records(next_seq, anchor, vec![lost])
            }
        };
        append(tx, lane, &batch)?;
    }
    drop(rows);
    drop(statement);
    tx.execute_batch("DROP TABLE moving")?;
    Ok(epoch)
}

/// A gap that takes one number.
pub(super) fn gap_record(
    anchor: Anchor,
    reason: GapReason,
    lost: u64,
    from: Timestamp,
    to: Timestamp,
    earlier_epoch: Option<Epoch>,
) -> Record {
    let gap = Gap { reason, lost, from, to, devices: Vec::new(), more_devices: false, earlier_epoch };
    Record::new(anchor.boot_time, RecordBody::Gap(gap))
}

/// Makes `catalogue` the current one and forgets those that no unconfirmed batch can refer to.
pub(super) fn set_catalogue(tx: &Transaction<'_>, catalogue: &Catalogue) -> rusqlite::Result<CatalogueHash> {
    let body = catalogue.encode();
    let hash = Catalogue::hash_of(&body);
    let state = lane_state(tx, Lane::Readings)?;
    tx.execute(
        "UPDATE catalogue SET until_seq = ?2 WHERE hash <> ?1 AND until_seq IS NULL",
        params![hash.0 as i64, state.next_seq as i64 - 1],
    )?;
    tx.execute("DELETE FROM catalogue WHERE until_seq <= ?1", [state.acked_seq as i64])?;
    tx.execute(
        "INSERT INTO catalogue (hash, until_seq, body) VALUES (?1, NULL, ?2)
         ON CONFLICT (hash) DO UPDATE SET until_seq = NULL",
        params![hash.0 as i64, body],
    )?;
    Ok(hash)
}

/// The encoded catalogue of that hash.
pub(super) fn catalogue(connection: &Connection, hash: CatalogueHash) -> rusqlite::Result<Option<Vec<u8>>> {
    connection.query_row("SELECT body FROM catalogue WHERE hash = ?1", [hash.0 as i64], |row| row.get(0)).optional()
}

/// Every catalogue in the file.
pub(super) fn catalogues(connection: &Connection) -> rusqlite::Result<Vec<CatalogueHash>> {
    let mut statement = connection.prepare("SELECT hash FROM catalogue")?;
    statement.query_map([], |row| Ok(CatalogueHash(row.get::<_, i64>(0)? as u64)))?.collect()
}
