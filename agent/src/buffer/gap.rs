//! Limits of a lane, and the gap that takes the place of what they drop.

use std::time::Duration;

use kouan_protocol::{Anchor, Batch, DeviceKey, Epoch, Gap, GapReason, Lane, Record, RecordBody, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::catalogues::GroupOwners;
use super::lanes::{insert, lane_state, set_lane_state};

/// How much of a lane is kept while the collector is away. The oldest goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLimit {
    /// Bytes of encoded batches.
    pub bytes: u64,
    /// Age of a batch, by the wall clock of when it was written.
    pub age: Duration,
}

/// The open gap of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenGap {
    first_seq: u64,
    last_seq: u64,
    reason: GapReason,
    from_ms: i64,
    to_ms: i64,
    devices: Vec<DeviceKey>,
    more_devices: bool,
}

/// Drops the oldest batches until the lane is within its limit. Returns how many records were dropped.
pub(super) fn enforce(
    tx: &Transaction<'_>,
    lane: Lane,
    limit: LaneLimit,
    now: &Anchor,
    owners: &mut GroupOwners,
) -> rusqlite::Result<u64> {
    let limit_ms = u64::try_from(limit.age.as_millis()).unwrap_or(u64::MAX);
    let mut dropped = 0;
    loop {
        let state = lane_state(tx, lane)?;
        let Some((first_seq, last_seq, made_ms)) = oldest(tx, lane)? else { return Ok(dropped) };
        let too_old = now.wall.0.saturating_sub(made_ms) > i64::try_from(limit_ms).unwrap_or(i64::MAX);
        // The newest batch stays, however small the limit: without it nothing would ever be sent.
        let reason = match (state.bytes > limit.bytes, too_old) {
            _ if last_seq + 1 >= state.next_seq => return Ok(dropped),
            (true, _) => GapReason::BytesLimit,
            (_, true) => GapReason::AgeLimit,
            _ => return Ok(dropped),
        };
        let body = body_of(tx, lane, first_seq)?;
        if reason == GapReason::AgeLimit && !is_older(&body, now, limit_ms) {
            return Ok(dropped);
        }
        drop_batch(tx, lane, Oldest { first_seq, last_seq, made_ms, body }, reason, owners)?;
        dropped += last_seq - first_seq + 1;
    }
}

/// Drops the oldest batches of at least `bytes` because the disk is full, but never the newest. Returns how many records
/// were dropped.
pub(super) fn make_way(
    tx: &Transaction<'_>,
    lane: Lane,
    bytes: usize,
    owners: &mut GroupOwners,
) -> rusqlite::Result<u64> {
    let (mut dropped, mut freed) = (0, 0);
    while freed < bytes {
        let next_seq = lane_state(tx, lane)?.next_seq;
        let Some((first_seq, last_seq, made_ms)) = oldest(tx, lane)?.filter(|(_, last, _)| last + 1 < next_seq) else {
            break;
        };
        let body = body_of(tx, lane, first_seq)?;
        freed += body.len();
        dropped += last_seq - first_seq + 1;
        drop_batch(tx, lane, Oldest { first_seq, last_seq, made_ms, body }, GapReason::DiskFull, owners)?;
    }
    Ok(dropped)
}

/// The batch that goes first.
struct Oldest {
    first_seq: u64,
    last_seq: u64,
    made_ms: i64,
    body: Vec<u8>,
}

fn oldest(connection: &Connection, lane: Lane) -> rusqlite::Result<Option<(u64, u64, i64)>> {
    connection
        .prepare_cached(&format!(
            "SELECT first_seq, last_seq, made_ms FROM batch_{} ORDER BY first_seq LIMIT 1",
            lane.number()
        ))?
        .query_row([], |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64, row.get(2)?)))
        .optional()
}

fn body_of(connection: &Connection, lane: Lane, first_seq: u64) -> rusqlite::Result<Vec<u8>> {
    connection
        .prepare_cached(&format!("SELECT body FROM batch_{} WHERE first_seq = ?1", lane.number()))?
        .query_row([first_seq as i64], |row| row.get(0))
}

fn drop_batch(
    tx: &Transaction<'_>,
    lane: Lane,
    batch: Oldest,
    reason: GapReason,
    owners: &mut GroupOwners,
) -> rusqlite::Result<()> {
    let Oldest { first_seq, last_seq, made_ms, body } = batch;
    let (from_ms, to_ms, devices) = describe(&body, made_ms, tx, owners)?;
    widen(tx, lane, OpenGap { first_seq, last_seq, reason, from_ms, to_ms, devices, more_devices: false })?;
    tx.prepare_cached(&format!("DELETE FROM batch_{} WHERE first_seq = ?1", lane.number()))?
        .execute([first_seq as i64])?;
    let mut state = lane_state(tx, lane)?;
    state.bytes = state.bytes.saturating_sub(body.len() as u64);
    set_lane_state(tx, lane, state)
}

/// Whether the boot clock agrees that a batch is older than `limit_ms`: the wall clock may have jumped. A batch of an
/// earlier boot is at least as old as this boot.
fn is_older(body: &[u8], now: &Anchor, limit_ms: u64) -> bool {
    let age_ms = match Batch::decode(body) {
        Ok(batch) if batch.anchor.boot == now.boot => now.boot_time.since_ms(batch.anchor.boot_time),
        _ => now.boot_time.0,
    };
    age_ms > limit_ms
}

/// A batch could not be read back: a gap takes its numbers.
pub(super) fn replace_damaged(
    tx: &Transaction<'_>,
    lane: Lane,
    epoch: Epoch,
    first_seq: u64,
    anchor: Anchor,
) -> rusqlite::Result<()> {
    if lane_state(tx, lane)?.epoch != epoch {
        return Ok(());
    }
    put_gap(tx, lane, first_seq, GapReason::Damaged, anchor)
}

/// Gaps take the numbers of what is marked as doubtful.
pub(super) fn replace_doubtful(tx: &Transaction<'_>, lane: Lane, anchor: Anchor) -> rusqlite::Result<()> {
    let number = lane.number();
    let doubtful = tx
        .prepare(&format!("SELECT first_seq FROM batch_{number} WHERE doubtful = 1"))?
        .query_map([], |row| row.get::<_, i64>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    doubtful.into_iter().try_for_each(|first_seq| put_gap(tx, lane, first_seq as u64, GapReason::Diverged, anchor))
}

/// Puts a gap in the place of a batch, if it is there.
fn put_gap(
    tx: &Transaction<'_>,
    lane: Lane,
    first_seq: u64,
    reason: GapReason,
    anchor: Anchor,
) -> rusqlite::Result<()> {
    let number = lane.number();
    let found = tx
        .query_row(
            &format!("SELECT last_seq, made_ms, LENGTH(body) FROM batch_{number} WHERE first_seq = ?1"),
            [first_seq as i64],
            |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)?, row.get::<_, i64>(2)? as u64)),
        )
        .optional()?;
    let Some((last_seq, made_ms, length)) = found else { return Ok(()) };
    tx.execute(&format!("DELETE FROM batch_{number} WHERE first_seq = ?1"), [first_seq as i64])?;
    let (from_ms, to_ms) = (made_ms, made_ms);
    let gap = OpenGap { first_seq, last_seq, reason, from_ms, to_ms, devices: vec![], more_devices: true };
    let batch = gap.into_batch(anchor);
    let body = batch.encode();
    insert(tx, lane, &batch, &body)?;
    let mut state = lane_state(tx, lane)?;
    state.bytes = state.bytes.saturating_sub(length) + body.len() as u64;
    set_lane_state(tx, lane, state)
}

/// Whether the lane has an open gap.
pub(super) fn is_open(connection: &Connection, lane: Lane) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM gap WHERE lane = ?1)")?
        .query_row([lane.number()], |row| row.get(0))
}

/// Turns the open gap, if there is one, into a batch at its place, so that it can be sent. It no longer grows.
pub(super) fn close(tx: &Transaction<'_>, lane: Lane, anchor: Anchor) -> rusqlite::Result<()> {
    let Some(gap) = open_gap(tx, lane)? else { return Ok(()) };
    tx.execute("DELETE FROM gap WHERE lane = ?1", [lane.number()])?;
    let batch = gap.into_batch(anchor);
    let body = batch.encode();
    insert(tx, lane, &batch, &body)?;
    let mut state = lane_state(tx, lane)?;
    state.bytes += body.len() as u64;
    set_lane_state(tx, lane, state)
}

impl OpenGap {
    pub(super) fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// What the gap says, wherever it is announced.
    fn into_gap(self) -> Gap {
        Gap {
            reason: self.reason,
            lost: self.last_seq - self.first_seq + 1,
            from: Timestamp(self.from_ms),
            to: Timestamp(self.to_ms),
            devices: self.devices,
            more_devices: self.more_devices,
            earlier_epoch: None,
        }
    }

    fn into_batch(self, anchor: Anchor) -> Batch {
        let (first_seq, span) = (self.first_seq, self.last_seq - self.first_seq + 1);
        let gap = self.into_gap();
        let record = Record { boot_time: anchor.boot_time, body: RecordBody::Gap(gap), span };
        Batch::of_records(first_seq, anchor, vec![record])
    }
}

pub(super) fn open_gap(connection: &Connection, lane: Lane) -> rusqlite::Result<Option<OpenGap>> {
    connection
        .query_row(
            "SELECT first_seq, last_seq, reason, from_ms, to_ms, devices, more_devices FROM gap WHERE lane = ?1",
            [lane.number()],
            |row| {
                Ok(OpenGap {
                    first_seq: row.get::<_, i64>(0)? as u64,
                    last_seq: row.get::<_, i64>(1)? as u64,
                    reason: GapReason::from_number(row.get(2)?).unwrap_or(GapReason::BytesLimit),
                    from_ms: row.get(3)?,
                    to_ms: row.get(4)?,
                    devices: serde_json::from_str(&row.get::<_, String>(5)?).unwrap_or_default(),
                    more_devices: row.get(6)?,
                })
            },
        )
        .optional()
}

/// Adds what was just dropped, which always follows the open gap.
fn widen(tx: &Transaction<'_>, lane: Lane, dropped: OpenGap) -> rusqlite::Result<()> {
    let gap = match open_gap(tx, lane)? {
        None => dropped,
        Some(mut gap) => {
            gap.last_seq = dropped.last_seq;
            gap.from_ms = gap.from_ms.min(dropped.from_ms);
            gap.to_ms = gap.to_ms.max(dropped.to_ms);
            for device in dropped.devices {
                if gap.devices.contains(&device) {
                    continue;
                }
                if gap.devices.len() < Gap::DEVICES { gap.devices.push(device) } else { gap.more_devices = true }
            }
            gap
        }
    };
    let devices = serde_json::to_string(&gap.devices).unwrap_or_default();
    tx.execute(
        "INSERT OR REPLACE INTO gap (lane, first_seq, last_seq, reason, from_ms, to_ms, devices, more_devices)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            lane.number(),
            gap.first_seq as i64,
            gap.last_seq as i64,
            gap.reason.number(),
            gap.from_ms,
            gap.to_ms,
            devices,
            gap.more_devices
        ],
    )
    .map(|_| ())
}

/// Time range and devices of a batch that is about to be dropped.
fn describe(
    body: &[u8],
    made_ms: i64,
    connection: &Connection,
    owners: &mut GroupOwners,
) -> rusqlite::Result<(i64, i64, Vec<DeviceKey>)> {
    let Ok(batch) = Batch::decode(body) else { return Ok((made_ms, made_ms, Vec::new())) };
    let mut devices: Vec<DeviceKey> = Vec::new();
    let mut add = |device: &DeviceKey| {
        if devices.len() < Gap::DEVICES && !devices.contains(device) {
            devices.push(device.clone());
        }
    };
    for record in &batch.records {
        match &record.body {
            RecordBody::Event(event) => add(&event.device),
            RecordBody::Alarm(alarm) => add(&alarm.device),
            RecordBody::Health(health) => add(&health.device),
            RecordBody::Gap(gap) => gap.devices.iter().for_each(&mut add),
            RecordBody::Command(_) | RecordBody::Opaque { .. } => {}
        }
    }
    if let Some(hash) = batch.catalogue {
        let owners = owners.of(connection, hash)?;
        batch.groups.iter().filter_map(|rows| owners.get(rows.group().0 as usize)).for_each(&mut add);
    }
    let first = batch.records.iter().map(|record| batch.anchor.wall_at(record.boot_time).0).min();
    Ok((first.unwrap_or(made_ms), made_ms, devices))
}
