//! The writer of `readings`: rows wait for at most the commit interval, then become one batch and one fsync.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::session::LaneClaim;
use kouan_protocol::{
    Anchor, Batch, Catalogue, CatalogueHash, Clock, Epoch, GapReason, GroupIndex, GroupRows, GroupSpec, Lane, Row,
    limits,
};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

use super::error::BufferError;
use super::file::{self, LaneFile, gap_record, lane_state};
use super::gap::{self, LaneLimit};

/// Cells that are sealed before the interval ends, which keeps a batch far below the protocol's size.
const SEAL_CELLS: usize = 16 * 1024;
/// Rows that are sealed before the interval ends.
const SEAL_ROWS: usize = 8 * 1024;

/// What the writer is asked to do.
pub(super) enum RowsRequest {
    /// A row to keep; its number is given when the batch is sealed.
    Push {
        group: GroupIndex,
        row: Row,
    },
    /// Commit what waits now.
    Flush {
        done: oneshot::Sender<()>,
    },
    Acknowledge {
        epoch: Epoch,
        seq: u64,
    },
    CloseGap {
        done: oneshot::Sender<()>,
    },
    Damaged {
        first_seq: u64,
        done: oneshot::Sender<()>,
    },
    NewEpoch {
        common: u64,
        done: oneshot::Sender<Epoch>,
    },
    Claim {
        done: oneshot::Sender<LaneClaim>,
    },
}

/// Rows that never got a number because the file could not be written.
#[derive(Debug, Clone, Copy)]
struct Loss {
    reason: GapReason,
    rows: u64,
    since: Anchor,
}

/// The writer of `readings.db`; runs on its own thread until every sender is gone.
pub(super) struct RowsWriter {
    file: LaneFile,
    clock: Arc<dyn Clock>,
    limit: LaneLimit,
    interval: Duration,
    groups: Vec<GroupSpec>,
    catalogue: CatalogueHash,
    signal: watch::Sender<u64>,
    pending: BTreeMap<GroupIndex, Vec<Row>>,
    pending_rows: u64,
    pending_cells: usize,
    loss: Option<Loss>,
    acknowledged: Option<(Epoch, u64)>,
}

impl RowsWriter {
    pub(super) fn new(
        mut file: LaneFile,
        clock: Arc<dyn Clock>,
        limit: LaneLimit,
        interval: Duration,
        catalogue: &Catalogue,
        signal: watch::Sender<u64>,
    ) -> Result<Self, BufferError> {
        let hash = file.write("storing the catalogue", |tx| file::set_catalogue(tx, catalogue))?;
        Ok(Self {
            file,
            clock,
            limit,
            interval,
            groups: catalogue.groups().map(|(_, _, group)| group.clone()).collect(),
            catalogue: hash,
            signal,
            pending: BTreeMap::new(),
            pending_rows: 0,
            pending_cells: 0,
            loss: None,
            acknowledged: None,
        })
    }

    /// Runs until every sender is gone; then everything is on disk.
    pub(super) fn run(mut self, runtime: &tokio::runtime::Handle, mut requests: mpsc::Receiver<RowsRequest>) {
        let mut waiting = Vec::new();
        let mut oldest: Option<std::time::Instant> = None;
        loop {
            let left = oldest.map(|oldest| self.interval.saturating_sub(oldest.elapsed()));
            let open = runtime.block_on(async {
                let received = requests.recv_many(&mut waiting, 4096);
                match left {
                    None => received.await > 0,
                    Some(left) => tokio::time::timeout(left, received).await.map_or(true, |count| count > 0),
                }
            });
            self.take(&mut waiting);
            if self.pending_rows > 0 {
                oldest.get_or_insert_with(std::time::Instant::now);
            }
            if !open || oldest.is_some_and(|oldest| oldest.elapsed() >= self.interval) {
                self.commit();
            }
            if self.pending_rows == 0 {
                oldest = None;
            }
            if !open {
                return;
            }
        }
    }

    fn take(&mut self, requests: &mut Vec<RowsRequest>) {
        for request in requests.drain(..) {
            match request {
                RowsRequest::Push { group, row } => {
                    self.pending_cells += row.cells.len();
                    self.pending_rows += 1;
                    let numbered = Row { seq: self.pending_rows, ..row };
                    self.pending.entry(group).or_default().push(numbered);
                    if self.pending_cells >= SEAL_CELLS || self.pending_rows >= SEAL_ROWS as u64 {
                        self.commit();
                    }
                }
                RowsRequest::Flush { done } => {
                    self.commit();
                    let _ = done.send(());
                }
                // Forgetting what was confirmed needs no fsync of its own: it shares the next commit.
                RowsRequest::Acknowledge { epoch, seq } => {
                    self.acknowledged = Some((epoch, seq));
                    if self.pending_rows == 0 {
                        self.commit();
                    }
                }
                RowsRequest::CloseGap { done } => {
                    let anchor = self.clock.anchor();
                    self.attempt("closing a gap", |tx| gap::close(tx, Lane::Readings, anchor));
                    self.announce();
                    let _ = done.send(());
                }
                RowsRequest::Damaged { first_seq, done } => {
                    let anchor = self.clock.anchor();
                    self.attempt("replacing a damaged batch", |tx| {
                        gap::replace_damaged(tx, Lane::Readings, first_seq, anchor)
                    });
                    let _ = done.send(());
                }
                RowsRequest::NewEpoch { common, done } => {
                    self.commit();
                    let anchor = self.clock.anchor();
                    let moved =
                        self.attempt("starting a new epoch", |tx| file::new_epoch(tx, Lane::Readings, common, anchor));
                    self.announce();
                    if let Some(epoch) = moved {
                        let _ = done.send(epoch);
                    }
                }
                RowsRequest::Claim { done } => {
                    if let Some(claim) = self.attempt("reading the lane", |tx| file::claim(tx, Lane::Readings)) {
                        let _ = done.send(claim);
                    }
                }
            }
        }
    }

    /// Seals what waits into a batch and commits it, with everything else that is due.
    fn commit(&mut self) {
        if self.pending_rows == 0 && self.acknowledged.is_none() && self.loss.is_none() {
            return;
        }
        let anchor = self.clock.anchor();
        let (pending, rows) = (std::mem::take(&mut self.pending), std::mem::take(&mut self.pending_rows));
        self.pending_cells = 0;
        let (groups, catalogue, limit) = (&self.groups, self.catalogue, self.limit);
        let (loss, acknowledged) = (self.loss, self.acknowledged);
        let written = self.file.write("writing readings", |tx| {
            if let Some((epoch, seq)) = acknowledged {
                file::acknowledge(tx, Lane::Readings, epoch, seq)?;
            }
            if let Some(loss) = loss {
                let first_seq = lane_state(tx, Lane::Readings)?.next_seq;
                let record = gap_record(anchor, loss.reason, loss.rows, loss.since.wall, anchor.wall, None);
                file::append(tx, Lane::Readings, &Batch::of_records(first_seq, anchor, vec![record]))?;
            }
            if rows > 0 {
                append_rows(tx, &pending, 1..rows + 1, anchor, groups, catalogue)?;
            }
            let dropped = gap::enforce(tx, Lane::Readings, limit, &anchor)?;
            Ok((dropped, lane_state(tx, Lane::Readings)?.next_seq - 1))
        });
        match written {
            Ok((dropped, last)) => {
                self.loss = None;
                self.acknowledged = None;
                if dropped > 0 {
                    warn!(rows = dropped, "The oldest readings were dropped at the lane's limit; a gap tells of them.");
                }
                self.signal.send_if_modified(|known| std::mem::replace(known, last) != last);
            }
            Err(error) => {
                let reason = if error.is_disk_full() { GapReason::DiskFull } else { GapReason::Damaged };
                let loss = self.loss.get_or_insert(Loss { reason, rows: 0, since: anchor });
                loss.rows += rows;
                error!(%error, rows, "Readings were lost because they cannot be written; a gap will tell of them.");
            }
        }
    }

    fn attempt<T>(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Option<T> {
        match self.file.write(operation, work) {
            Ok(value) => Some(value),
            Err(error) => {
                error!(%error, "The readings buffer refused an operation.");
                None
            }
        }
    }

    fn announce(&mut self) {
        if let Some(state) = self.attempt("reading the lane", |tx| lane_state(tx, Lane::Readings)) {
            let last = state.next_seq - 1;
            self.signal.send_if_modified(|known| std::mem::replace(known, last) != last);
        }
    }
}

/// Appends the rows that were numbered `range` while they waited: as one batch, or as several where one would exceed
/// the protocol's size. A single row that exceeds it becomes a gap.
fn append_rows(
    tx: &rusqlite::Transaction<'_>,
    pending: &BTreeMap<GroupIndex, Vec<Row>>,
    range: std::ops::Range<u64>,
    anchor: Anchor,
    specs: &[GroupSpec],
    catalogue: CatalogueHash,
) -> rusqlite::Result<()> {
    let first_seq = lane_state(tx, Lane::Readings)?.next_seq;
    let groups = pending.iter().filter_map(|(index, rows)| {
        let spec = specs.get(index.0 as usize)?;
        let from = rows.partition_point(|row| row.seq < range.start);
        let to = rows.partition_point(|row| row.seq < range.end);
        let rows = rows.get(from..to).filter(|rows| !rows.is_empty())?;
        // Numbers are relative to the batch, so the waiting numbers serve with the range's start as their base.
        Some(GroupRows::encode(*index, spec, rows, range.start, &anchor))
    });
    let count = range.end - range.start;
    let batch = Batch {
        first_seq,
        count,
        anchor,
        catalogue: Some(catalogue),
        groups: groups.collect(),
        records: Vec::new(),
        volatile: false,
        all_alarms: false,
    };
    let body = batch.encode();
    if body.len() <= limits::BATCH_BYTES {
        return file::append_encoded(tx, Lane::Readings, &batch, &body);
    }
    if count == 1 {
        error!(bytes = body.len(), "A row is larger than the protocol carries; a gap takes its place.");
        let record = gap_record(anchor, GapReason::TooLarge, 1, anchor.wall, anchor.wall, None);
        return file::append(tx, Lane::Readings, &Batch::of_records(first_seq, anchor, vec![record]));
    }
    let middle = range.start + count / 2;
    append_rows(tx, pending, range.start..middle, anchor, specs, catalogue)?;
    append_rows(tx, pending, middle..range.end, anchor, specs, catalogue)
}
