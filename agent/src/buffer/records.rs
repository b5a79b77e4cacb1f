//! The writer of `urgent` and `events`: a commit at once, and those who wait share its fsync.

use std::sync::Arc;

use kouan_protocol::session::LaneClaim;
use kouan_protocol::{Batch, Clock, Epoch, Lane, Record, limits};
use rusqlite::params;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

use super::error::BufferError;
use super::file::{self, LaneFile, lane_state};
use super::gap::{self, LaneLimit};
use super::handle::{Baseline, NewRecord};

/// The lanes of `urgent.db`.
pub(super) const LANES: [Lane; 2] = [Lane::Urgent, Lane::Events];

/// Appends that share one commit at most.
const COMMIT_RECORDS: usize = 512;

/// What the writer is asked to do. Replies come after the commit.
pub(super) enum RecordsRequest {
    Append { lane: Lane, records: Vec<NewRecord>, baselines: Vec<Baseline>, done: oneshot::Sender<()> },
    Acknowledge { lane: Lane, epoch: Epoch, seq: u64 },
    CloseGap { lane: Lane, done: oneshot::Sender<()> },
    Damaged { lane: Lane, first_seq: u64, done: oneshot::Sender<()> },
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
}

impl RecordsWriter {
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<RecordsRequest>) {
        let mut waiting = Vec::new();
        while requests.blocking_recv_many(&mut waiting, COMMIT_RECORDS) > 0 {
            let mut pause = std::time::Duration::from_millis(100);
            while let Err(error) = self.commit(&waiting) {
                // Nothing is dropped: the queue in front of this thread is bounded and pushes back.
                error!(%error, "Urgent records cannot be written; trying again.");
                std::thread::sleep(pause);
                pause = (pause * 2).min(std::time::Duration::from_secs(5));
            }
            self.answer(&mut waiting);
        }
    }

    fn commit(&mut self, requests: &[RecordsRequest]) -> Result<(), BufferError> {
        let anchor = self.clock.anchor();
        let limits = self.limits;
        let mut dropped = 0;
        self.file.write("writing urgent records", |tx| {
            dropped = 0;
            for (lane, limit) in LANES.into_iter().zip(limits) {
                let appended = requests.iter().filter_map(|request| match request {
                    RecordsRequest::Append { lane: to, records, .. } if *to == lane => Some(records),
                    _ => None,
                });
                let records: Vec<Record> = appended.flatten().map(NewRecord::to_record).collect();
                for records in chunks_within_limits(records) {
                    let first_seq = lane_state(tx, lane)?.next_seq;
                    file::append(tx, lane, &Batch::of_records(first_seq, anchor, records))?;
                }
                dropped += gap::enforce(tx, lane, limit, anchor.wall)?;
            }
            for request in requests {
                match request {
                    RecordsRequest::Append { baselines, .. } => {
                        for baseline in baselines {
                            tx.prepare_cached(
                                "INSERT OR REPLACE INTO baseline (device, point, value) VALUES (?1, ?2, ?3)",
                            )?
                            .execute(params![
                                baseline.device.as_str(),
                                baseline.point.as_str(),
                                baseline.value
                            ])?;
                        }
                    }
                    RecordsRequest::Acknowledge { lane, epoch, seq } => file::acknowledge(tx, *lane, *epoch, *seq)?,
                    RecordsRequest::CloseGap { lane, .. } => gap::close(tx, *lane, anchor)?,
                    RecordsRequest::Damaged { lane, first_seq, .. } => {
                        gap::replace_damaged(tx, *lane, *first_seq, anchor)?;
                    }
                    RecordsRequest::NewEpoch { lane, common, .. } => {
                        file::new_epoch(tx, *lane, *common, anchor)?;
                    }
                    RecordsRequest::Claim { .. } => {}
                }
            }
            Ok(())
        })?;
        if dropped > 0 {
            warn!(records = dropped, "Urgent records were dropped at the lane's limit; a gap tells of them.");
        }
        Ok(())
    }

    fn answer(&mut self, requests: &mut Vec<RecordsRequest>) {
        for request in requests.drain(..) {
            match request {
                RecordsRequest::Append { done, .. }
                | RecordsRequest::CloseGap { done, .. }
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
        for (lane, signal) in LANES.into_iter().zip(&self.signals) {
            if let Ok(state) = self.file.write("reading the lane", |tx| lane_state(tx, lane)) {
                let last = state.next_seq - 1;
                signal.send_if_modified(|known| std::mem::replace(known, last) != last);
            }
        }
    }
}

/// Splits records so that no batch exceeds the protocol's sizes.
fn chunks_within_limits(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut chunks: Vec<Vec<Record>> = Vec::new();
    let mut bytes = 0;
    for record in records {
        let size = record.body.encode().1.len() + 32;
        match chunks.last_mut() {
            Some(chunk) if bytes + size < limits::BATCH_BYTES && chunk.len() < limits::BATCH_RECORDS => {
                chunk.push(record);
                bytes += size;
            }
            _ => {
                chunks.push(vec![record]);
                bytes = size;
            }
        }
    }
    chunks
}
