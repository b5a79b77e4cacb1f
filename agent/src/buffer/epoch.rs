//! A lane goes on under a new epoch: because the two sides disagree, or because its file was lost.

use kouan_protocol::{Anchor, Batch, Epoch, Gap, GapReason, Lane, Record, RecordBody, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::gap;
use super::lanes::{append_gap, gap_of, insert, lane_state, set_lane_state};

/// Moves everything after `common` of `epoch` into a new epoch. Nothing happens if the lane is in another one by now.
///
/// The records keep their numbers, so their bytes and digests stay as they are and the time does not depend on how
/// many wait. A gap takes the numbers before them; where there are none before them it stands at the end.
pub(super) fn new_epoch(
    tx: &Transaction<'_>,
    lane: Lane,
    epoch: Epoch,
    common: u64,
    anchor: Anchor,
) -> rusqlite::Result<Epoch> {
    let mut state = lane_state(tx, lane)?;
    if state.epoch != epoch {
        return Ok(state.epoch);
    }
    let number = lane.number();
    let freed: i64 = tx.query_row(
        &format!("SELECT COALESCE(SUM(LENGTH(body)), 0) FROM batch_{number} WHERE last_seq <= ?1"),
        [common as i64],
        |row| row.get(0),
    )?;
    tx.execute(&format!("DELETE FROM batch_{number} WHERE last_seq <= ?1"), [common as i64])?;
    tx.execute("DELETE FROM gap WHERE lane = ?1 AND last_seq <= ?2", params![number, common as i64])?;
    tx.execute("DELETE FROM confirmed WHERE lane = ?1", [number])?;
    let oldest: Option<i64> =
        tx.query_row(&format!("SELECT MIN(first_seq) FROM batch_{number}"), [], |row| row.get(0))?;
    let open = gap::open_gap(tx, lane)?.map(|open| open.first_seq());
    let first = [oldest.map(|first| first as u64), open].into_iter().flatten().min().unwrap_or(state.next_seq);
    // What was confirmed and what the collector has in common leave nothing to be told again, unless the collector
    // lost it; that is for the collector to say, who knows which of it is gone.
    let diverged = Gap {
        more_devices: false,
        earlier_epoch: Some(state.epoch),
        ..gap_of(GapReason::Diverged, 0, anchor.wall, anchor.wall)
    };
    state.epoch = Epoch::random();
    state.acked_seq = 0;
    state.bytes = state.bytes.saturating_sub(freed as u64);
    set_lane_state(tx, lane, state)?;
    if first <= 1 {
        append_gap(tx, lane, anchor, diverged, false)?;
    } else {
        let record = Record { boot_time: anchor.boot_time, body: RecordBody::Gap(diverged), span: first - 1 };
        let batch = Batch::of_records(1, anchor, vec![record]);
        let body = batch.encode();
        insert(tx, lane, &batch, &body)?;
        state.bytes += body.len() as u64;
        set_lane_state(tx, lane, state)?;
    }
    Ok(state.epoch)
}

/// What is known of a lane from outside its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LaneMark {
    pub(super) epoch: Epoch,
    pub(super) last_seq: u64,
    pub(super) acked_seq: u64,
    /// When the oldest record that waited was written.
    pub(super) from: Timestamp,
    /// When the mark was made.
    pub(super) to: Timestamp,
}

/// Keeps a mark of a lane of the other file.
pub(super) fn set_mark(tx: &Transaction<'_>, lane: Lane, mark: LaneMark) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO mark (lane, epoch, last_seq, acked_seq, from_ms, to_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        lane.number(),
        mark.epoch.0 as i64,
        mark.last_seq as i64,
        mark.acked_seq as i64,
        mark.from.0,
        mark.to.0
    ])
    .map(|_| ())
}

/// The mark that this file keeps of a lane of the other.
pub(super) fn mark(connection: &Connection, lane: Lane) -> rusqlite::Result<Option<LaneMark>> {
    connection
        .query_row(
            "SELECT epoch, last_seq, acked_seq, from_ms, to_ms FROM mark WHERE lane = ?1",
            [lane.number()],
            |row| {
                Ok(LaneMark {
                    epoch: Epoch(row.get::<_, i64>(0)? as u64),
                    last_seq: row.get::<_, i64>(1)? as u64,
                    acked_seq: row.get::<_, i64>(2)? as u64,
                    from: Timestamp(row.get(3)?),
                    to: Timestamp(row.get(4)?),
                })
            },
        )
        .optional()
}

/// The first word of a lane whose file was lost: what is known of it.
pub(super) fn tell_of_lost_file(
    tx: &Transaction<'_>,
    lane: Lane,
    known: Option<LaneMark>,
    anchor: Anchor,
) -> rusqlite::Result<()> {
    let gap = match known {
        Some(mark) => Gap {
            earlier_epoch: Some(mark.epoch),
            ..gap_of(GapReason::Damaged, mark.last_seq.saturating_sub(mark.acked_seq), mark.from, anchor.wall)
        },
        None => gap_of(GapReason::Damaged, 0, anchor.wall, anchor.wall),
    };
    append_gap(tx, lane, anchor, gap, false)
}
