//! The tables of a file's lanes: appending, reading, confirming.

use kouan_protocol::session::{BatchDigest, LaneClaim};
use kouan_protocol::{Anchor, Batch, Digest, Epoch, Gap, GapReason, Lane, Record, RecordBody, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

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
    /// The lane's epoch when the batch was read.
    pub epoch: Epoch,
    /// First number.
    pub first_seq: u64,
    /// Last number.
    pub last_seq: u64,
    /// Digest of the body.
    pub digest: Digest,
    /// The catalogue that its rows refer to.
    pub catalogue: Option<kouan_protocol::CatalogueHash>,
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

/// Brings the tables up to date, in one transaction: a kill in between must not leave a change without its note.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), refinery::Error> {
    migrations::migrations::runner().set_grouped(true).run(connection).map(|_| ())
}

/// Makes sure that each of `lanes` is there. A new one begins a random epoch.
pub(super) fn create(tx: &Transaction<'_>, lanes: &[Lane]) -> rusqlite::Result<()> {
    lanes.iter().try_for_each(|lane| {
        tx.execute(
            "INSERT OR IGNORE INTO lane (lane, epoch, next_seq, acked_seq, bytes) VALUES (?1, ?2, 1, 0, 0)",
            params![lane.number(), Epoch::random().0 as i64],
        )
        .map(|_| ())
    })
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

/// Appends a gap that takes one number.
pub(super) fn append_gap(
    tx: &Transaction<'_>,
    lane: Lane,
    anchor: Anchor,
    gap: Gap,
    volatile: bool,
) -> rusqlite::Result<()> {
    let first_seq = lane_state(tx, lane)?.next_seq;
    let record = Record::new(anchor.boot_time, RecordBody::Gap(gap));
    append(tx, lane, &Batch { volatile, ..Batch::of_records(first_seq, anchor, vec![record]) })
}

/// Inserts a batch at its numbers.
pub(super) fn insert(tx: &Transaction<'_>, lane: Lane, batch: &Batch, body: &[u8]) -> rusqlite::Result<()> {
    let gap = batch.records.first().is_some_and(|record| matches!(record.body, RecordBody::Gap(_)));
    tx.prepare_cached(&format!(
        "INSERT INTO batch_{} (first_seq, last_seq, digest, catalogue, made_ms, body, gap)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        lane.number()
    ))?
    .execute(params![
        batch.first_seq as i64,
        batch.last_seq() as i64,
        Digest::of(body).0 as i64,
        batch.catalogue.map_or(0, |hash| hash.0) as i64,
        batch.anchor.wall.0,
        body,
        gap && batch.records.len() == 1
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
        "INSERT OR REPLACE INTO confirmed (lane, first_seq, last_seq, digest, gap)
         SELECT ?1, first_seq, last_seq, digest, gap FROM batch_{number} WHERE last_seq <= ?2
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
    let epoch = lane_state(connection, lane)?.epoch;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT first_seq, last_seq, digest, catalogue, body FROM batch_{} WHERE last_seq > ?1
         ORDER BY first_seq LIMIT ?2",
        lane.number()
    ))?;
    let mut rows = statement.query(params![after as i64, max_batches as i64])?;
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let batch = StoredBatch {
            epoch,
            first_seq: row.get::<_, i64>(0)? as u64,
            last_seq: row.get::<_, i64>(1)? as u64,
            digest: Digest(row.get::<_, i64>(2)? as u64),
            catalogue: match row.get::<_, i64>(3)? {
                0 => None,
                hash => Some(kouan_protocol::CatalogueHash(hash as u64)),
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

/// When the oldest batch that waits was written, by the wall clock.
pub(super) fn oldest(connection: &Connection, lane: Lane) -> rusqlite::Result<Option<Timestamp>> {
    connection
        .prepare_cached(&format!("SELECT made_ms FROM batch_{} ORDER BY first_seq LIMIT 1", lane.number()))?
        .query_row([], |row| row.get(0).map(Timestamp))
        .optional()
}

/// What a hello says about a lane.
pub(super) fn claim(connection: &Connection, lane: Lane, volatile: bool) -> rusqlite::Result<LaneClaim> {
    let state = lane_state(connection, lane)?;
    let number = lane.number();
    let digest = |row: &rusqlite::Row<'_>| {
        Ok(BatchDigest {
            first_seq: row.get::<_, i64>(0)? as u64,
            last_seq: row.get::<_, i64>(1)? as u64,
            digest: Digest(row.get::<_, i64>(2)? as u64),
            gap: row.get(3)?,
        })
    };
    let mut digests = connection
        .prepare_cached("SELECT first_seq, last_seq, digest, gap FROM confirmed WHERE lane = ?1 ORDER BY first_seq")?
        .query_map([number], digest)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let unconfirmed = connection
        .prepare_cached(&format!(
            "SELECT first_seq, last_seq, digest, gap FROM batch_{number} ORDER BY first_seq LIMIT ?1"
        ))?
        .query_map([SHOWN as i64], digest)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    digests.extend(unconfirmed);
    let (oldest_seq, next_seq) = (state.acked_seq + 1, state.next_seq);
    Ok(LaneClaim { lane, epoch: state.epoch, oldest_seq, next_seq, digests, volatile })
}

/// A gap of what never had a number, or of another epoch.
pub(super) fn gap_of(reason: GapReason, lost: u64, from: Timestamp, to: Timestamp) -> Gap {
    Gap { reason, lost, from, to, devices: Vec::new(), more_devices: true, earlier_epoch: None }
}
