//! The writer of `urgent` and `events`: a commit at once, and those who wait share its fsync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kouan_protocol::session::LaneClaim;
use kouan_protocol::{Anchor, Batch, Clock, Digest, Epoch, Lane, Record, limits};
use rusqlite::{Transaction, params};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

use super::error::BufferError;
use super::file::{self, LaneFile, lane_state};
use super::gap::{self, LaneLimit};
use super::handle::Baseline;
use super::replace::replace;

/// The lanes of `urgent.db`.
pub(super) const LANES: [Lane; 2] = [Lane::Urgent, Lane::Events];

/// Appends that share one commit at most.
const COMMIT_RECORDS: usize = 512;

/// What the writer is asked to do. Replies come after the commit.
pub(super) enum RecordsRequest {
    Append { lane: Lane, records: Vec<Record>, baselines: Vec<Baseline>, done: oneshot::Sender<()> },
    Acknowledge { lane: Lane, epoch: Epoch, seq: u64 },
    CloseGap { lane: Lane, done: oneshot::Sender<()> },
    Damaged { lane: Lane, first_seq: u64, done: oneshot::Sender<()> },
    Replace { lane: Lane, old: Digest, batch: Batch, done: oneshot::Sender<()> },
    NewEpoch { lane: Lane, common: u64, done: oneshot::Sender<Epoch> },
    Claim { lane: Lane, done: oneshot::Sender<LaneClaim> },
}

/// The writer of `urgent.db`; runs on its own thread until every sender is gone.
pub(super) struct RecordsWriter {
    pub(super) file: LaneFile,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: [LaneLimit; 2],
    /// Last durable number per lane, in the order of [`LANES`].
    pub(super) signals: [watch::Sender<u64>; 2],
    /// Set when the agent stops and has waited long enough.
    pub(super) give_up: Arc<AtomicBool>,
}

impl RecordsWriter {
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<RecordsRequest>) {
        let mut waiting = Vec::new();
        while requests.blocking_recv_many(&mut waiting, COMMIT_RECORDS) > 0 {
            let mut pending = [Vec::new(), Vec::new()];
            for request in &mut waiting {
                if let RecordsRequest::Append { lane, records, .. } = request {
                    pending[usize::from(*lane == Lane::Events)].append(records);
                }
            }
            let mut pause = Duration::from_millis(100);
            let last = loop {
                match self.commit(&mut pending, &waiting) {
                    Ok(last) => break last,
                    // Nothing is dropped: the queue in front of this thread is bounded and pushes back.
                    Err(error) if self.give_up.load(Ordering::Relaxed) => {
                        error!(%error, "Urgent records are lost: the agent stops and they cannot be written.");
                        return;
                    }
                    Err(error) => {
                        error!(%error, "Urgent records cannot be written; trying again.");
                        std::thread::sleep(pause);
                        pause = (pause * 2).min(Duration::from_secs(1));
                    }
                }
            };
            self.answer(&mut waiting, last);
        }
    }

    /// Writes everything in one transaction. Returns the last number of each lane.
    fn commit(&mut self, pending: &mut [Vec<Record>; 2], requests: &[RecordsRequest]) -> Result<[u64; 2], BufferError> {
        let anchor = self.clock.anchor();
        let limits = self.limits;
        let (last, dropped) = self.file.write("writing urgent records", |tx| {
            let mut dropped = 0;
            for ((lane, limit), records) in LANES.into_iter().zip(limits).zip(pending) {
                append_within_limits(tx, lane, anchor, records)?;
                dropped += gap::enforce(tx, lane, limit, &anchor)?;
            }
            for request in requests {
                carry_out(tx, request, anchor)?;
            }
            let last = [lane_state(tx, LANES[0])?.next_seq - 1, lane_state(tx, LANES[1])?.next_seq - 1];
            Ok((last, dropped))
        })?;
        if dropped > 0 {
            warn!(records = dropped, "Urgent records were dropped at the lane's limit; a gap tells of them.");
        }
        Ok(last)
    }

    fn answer(&mut self, requests: &mut Vec<RecordsRequest>, last: [u64; 2]) {
        for request in requests.drain(..) {
            match request {
                RecordsRequest::Append { done, .. }
                | RecordsRequest::CloseGap { done, .. }
                | RecordsRequest::Replace { done, .. }
                | RecordsRequest::Damaged { done, .. } => {
                    let _ = done.send(());
                }
                RecordsRequest::Acknowledge { .. } => {}
                RecordsRequest::NewEpoch { lane, done, .. } => {
                    if let Ok(state) = self.file.write("reading the lane", |tx| lane_state(tx, lane)) {
                        let _ = done.send(state.epoch);
                    }
                }
                RecordsRequest::Claim { lane, done } => {
                    if let Ok(claim) = self.file.write("reading the lane", |tx| file::claim(tx, lane)) {
                        let _ = done.send(claim);
                    }
                }
            }
        }
        for (last, signal) in last.into_iter().zip(&self.signals) {
            signal.send_if_modified(|known| std::mem::replace(known, last) != last);
        }
    }
}

/// Everything a request asks for besides appending.
fn carry_out(tx: &Transaction<'_>, request: &RecordsRequest, anchor: Anchor) -> rusqlite::Result<()> {
    match request {
        RecordsRequest::Append { baselines, .. } => baselines.iter().try_for_each(|baseline| {
            let values = params![baseline.device.as_str(), baseline.point.as_str(), baseline.value];
            tx.prepare_cached("INSERT OR REPLACE INTO baseline (device, point, value) VALUES (?1, ?2, ?3)")?
                .execute(values)
                .map(|_| ())
        }),
        RecordsRequest::Acknowledge { lane, epoch, seq } => file::acknowledge(tx, *lane, *epoch, *seq),
        RecordsRequest::CloseGap { lane, .. } => gap::close(tx, *lane, anchor),
        RecordsRequest::Damaged { lane, first_seq, .. } => gap::replace_damaged(tx, *lane, *first_seq, anchor),
        RecordsRequest::Replace { lane, old, batch, .. } => replace(tx, *lane, *old, batch),
        RecordsRequest::NewEpoch { lane, common, .. } => file::new_epoch(tx, *lane, *common, anchor).map(|_| ()),
        RecordsRequest::Claim { .. } => Ok(()),
    }
}

/// Appends records as one batch, or as several where one would exceed the protocol's size. `records` stays as it is,
/// so that a failed commit can be tried again.
fn append_within_limits(
    tx: &Transaction<'_>,
    lane: Lane,
    anchor: Anchor,
    records: &mut Vec<Record>,
) -> rusqlite::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let first_seq = lane_state(tx, lane)?.next_seq;
    let batch = Batch::of_records(first_seq, anchor, std::mem::take(records));
    let body = batch.encode();
    // One record is always carried: `Buffer::append` lets none in that is not.
    let fits = body.len() <= limits::BATCH_BYTES && batch.records.len() <= limits::BATCH_RECORDS;
    let appended = if fits || batch.records.len() == 1 {
        file::append_encoded(tx, lane, &batch, &body)
    } else {
        let (front, back) = batch.records.split_at(batch.records.len() / 2);
        [front, back].into_iter().try_for_each(|half| append_within_limits(tx, lane, anchor, &mut half.to_vec()))
    };
    *records = batch.records;
    appended
}
