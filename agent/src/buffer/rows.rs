//! The writer of `readings`: rows wait for at most the commit interval, then become one batch and one fsync.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kouan_protocol::session::LaneClaim;
use kouan_protocol::{
    Anchor, Batch, CatalogueHash, Clock, DeviceKey, Epoch, GapReason, GroupIndex, GroupRows, GroupSpec, Lane, Row,
    limits,
};
use kouan_settings::{Translate as _, both};
use rusqlite::{Connection, Transaction};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use super::absence::{self, Absence};
use super::board::{Board, FileState};
use super::catalogues::{self, GroupOwners};
use super::epoch;
use super::error::BufferError;
use super::file::{DurableFile, at};
use super::gap::{self, LaneLimit};
use super::lanes::{self, StoredBatch, append_gap, gap_of, lane_state};
use super::marks::Notes;
use super::pause::{self, Pause};
use super::records::{RecordsRequest, Wanted};
use super::trouble::Trouble;

/// Cells that are sealed before the interval ends, which keeps a batch far below the protocol's size.
const SEAL_CELLS: usize = 16 * 1024;
/// Rows that are sealed before the interval ends.
const SEAL_ROWS: usize = 8 * 1024;
/// How often the row that survives a power cut follows a pause, and how often a file that was given up tells of it.
const PAUSE_EVERY: Duration = Duration::from_secs(5);
const TELL_EVERY: Duration = Duration::from_secs(60);
/// How often `urgent.db` is asked to note where the readings stand.
const NOTE_EVERY: Duration = Duration::from_secs(30);
/// Damaged files that are replaced before the disk itself is distrusted.
const REPLACEMENTS: u32 = 3;

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
    Read {
        wanted: Wanted,
        done: oneshot::Sender<Vec<StoredBatch>>,
    },
    Acknowledge {
        epoch: Epoch,
        seq: u64,
    },
    Damaged {
        epoch: Epoch,
        first_seq: u64,
        done: oneshot::Sender<()>,
    },
    NewEpoch {
        epoch: Epoch,
        common: u64,
        done: oneshot::Sender<Epoch>,
    },
    Claim {
        done: oneshot::Sender<LaneClaim>,
    },
    Catalogue {
        hash: CatalogueHash,
        done: oneshot::Sender<Option<Vec<u8>>>,
    },
    Catalogues {
        done: oneshot::Sender<Vec<CatalogueHash>>,
    },
    /// A check found the file malformed.
    Malformed {
        problem: String,
    },
}

/// The catalogue under which rows are written.
#[derive(Debug, Clone)]
pub(super) struct CurrentCatalogue {
    pub(super) hash: CatalogueHash,
    pub(super) body: Arc<[u8]>,
    pub(super) groups: Vec<GroupSpec>,
    pub(super) owners: Vec<DeviceKey>,
}

/// The writer of `readings.db`; runs on its own thread until every sender is gone.
pub(super) struct RowsWriter {
    file: DurableFile,
    clock: Arc<dyn Clock>,
    limit: LaneLimit,
    interval: Duration,
    catalogue: CurrentCatalogue,
    /// Whether the file knows the catalogue; it learns it with the first rows.
    catalogue_stored: bool,
    signal: watch::Sender<u64>,
    board: Arc<Board>,
    /// The other writer keeps what must survive this one's file.
    records: mpsc::Sender<RecordsRequest>,
    pending: BTreeMap<GroupIndex, Vec<Row>>,
    pending_rows: u64,
    pending_cells: usize,
    /// What the last run left untold; the first rows follow a gap about it.
    absence: Option<Absence>,
    /// Set when something did not reach this thread before the agent stopped.
    incomplete: Arc<AtomicBool>,
    pause: Option<Pause>,
    pause_kept: Option<Instant>,
    /// What was lost since a gap in memory last told of it.
    untold: Option<Pause>,
    told: Instant,
    acknowledged: Option<(Epoch, u64)>,
    notes: Notes,
    noted: (Instant, u64),
    owners: GroupOwners,
    replaced: u32,
}

impl RowsWriter {
    pub(super) fn new(
        file: DurableFile,
        clock: Arc<dyn Clock>,
        (limit, interval): (LaneLimit, Duration),
        catalogue: CurrentCatalogue,
        board: Arc<Board>,
        (records, incomplete): (mpsc::Sender<RecordsRequest>, Arc<AtomicBool>),
        (pause, absence): (Option<Pause>, Option<Absence>),
    ) -> Result<Self, BufferError> {
        let noted = file.read(|connection| board.note(connection, Lane::Readings, file.is_volatile(), 0));
        let last = noted.map_err(at(file.path(), "reading a lane"))?.last_seq;
        let now = Instant::now();
        // Where the disk refuses from the start, the first gap says at once that readings are being lost.
        let told = if file.is_volatile() { now.checked_sub(TELL_EVERY).unwrap_or(now) } else { now };
        Ok(Self {
            file,
            clock,
            limit,
            interval,
            catalogue,
            catalogue_stored: false,
            signal: watch::Sender::new(last),
            board,
            records,
            pending: BTreeMap::new(),
            pending_rows: 0,
            pending_cells: 0,
            absence,
            incomplete,
            pause,
            pause_kept: None,
            untold: None,
            told,
            acknowledged: None,
            notes: Notes::about(&super::records::LANES),
            noted: (now, 0),
            owners: GroupOwners::default(),
            replaced: 0,
        })
    }

    pub(super) fn signal(&self) -> watch::Receiver<u64> {
        self.signal.subscribe()
    }

    /// Runs until every sender is gone; then everything is on disk.
    pub(super) fn run(mut self, runtime: &tokio::runtime::Handle, mut requests: mpsc::Receiver<RowsRequest>) {
        let mut waiting = Vec::new();
        let mut oldest: Option<Instant> = None;
        // What an earlier run left to be told, and the catalogue, go first.
        self.commit();
        loop {
            let left = oldest.map(|oldest| self.interval.saturating_sub(oldest.elapsed()));
            let open = runtime.block_on(async {
                let received = requests.recv_many(&mut waiting, 4096);
                match left {
                    None => received.await > 0,
                    Some(left) => tokio::time::timeout(left, received).await.map_or(true, |count| count > 0),
                }
            });
            for request in waiting.drain(..) {
                self.take(request);
            }
            if self.pending_rows > 0 || self.acknowledged.is_some() {
                oldest.get_or_insert_with(Instant::now);
            }
            if !open || oldest.is_some_and(|oldest| oldest.elapsed() >= self.interval) {
                self.commit();
            }
            if self.pending_rows == 0 && self.acknowledged.is_none() {
                oldest = None;
            } else if oldest.is_some_and(|oldest| oldest.elapsed() >= self.interval) {
                // Confirmations that could not be forgotten; with the next rows they are tried again.
                oldest = Some(Instant::now());
            }
            if !open {
                self.keep_pause(true);
                self.end_in_order();
                self.file.close();
                return;
            }
        }
    }

    fn take(&mut self, request: RowsRequest) {
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
            RowsRequest::Read { wanted, done } => self.read(wanted, done),
            // Forgetting what was confirmed waits for the next commit, like a row. A late answer takes nothing back.
            RowsRequest::Acknowledge { epoch, seq } if epoch == self.board.lane(Lane::Readings).epoch => {
                // Nobody can have confirmed what is not written yet.
                let seq = seq.min(self.board.lane(Lane::Readings).last_seq);
                let waiting = self.acknowledged.filter(|(waiting, _)| *waiting == epoch);
                self.acknowledged = Some((epoch, waiting.map_or(seq, |(_, highest)| highest.max(seq))));
            }
            RowsRequest::Acknowledge { .. } => {}
            RowsRequest::Damaged { epoch, first_seq, done } => {
                let anchor = self.clock.anchor();
                self.change("replacing a damaged batch", |tx| {
                    gap::replace_damaged(tx, Lane::Readings, epoch, first_seq, anchor)
                });
                let _ = done.send(());
            }
            RowsRequest::NewEpoch { epoch, common, done } => {
                self.commit();
                let anchor = self.clock.anchor();
                let moved = self
                    .change("starting a new epoch", |tx| epoch::new_epoch(tx, Lane::Readings, epoch, common, anchor));
                if let Some(epoch) = moved {
                    let _ = done.send(epoch);
                }
            }
            RowsRequest::Claim { done } => {
                self.commit();
                let volatile = self.file.is_volatile();
                self.show(done, |connection| lanes::claim(connection, Lane::Readings, volatile));
            }
            RowsRequest::Catalogue { hash, done } => {
                self.show(done, |connection| catalogues::catalogue(connection, hash))
            }
            RowsRequest::Catalogues { done } => self.show(done, catalogues::catalogues),
            RowsRequest::Malformed { problem } => self.begin_new_file(&problem),
        }
    }

    fn read(&mut self, wanted: Wanted, done: oneshot::Sender<Vec<StoredBatch>>) {
        // A gap that is handed out no longer grows, which must be on disk before.
        if self.board.lane(Lane::Readings).gap_open {
            let anchor = self.clock.anchor();
            self.change("closing a gap", |tx| gap::close(tx, Lane::Readings, anchor));
        }
        let Wanted { after, max_bytes, max_batches } = wanted;
        self.show(done, |connection| lanes::read(connection, Lane::Readings, after, max_bytes, max_batches));
    }

    /// Answers with something read. Whoever asked a file that cannot be read gets no answer.
    fn show<T>(&mut self, done: oneshot::Sender<T>, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) {
        match self.file.read(read) {
            Ok(value) => {
                let _ = done.send(value);
            }
            Err(cause) => {
                let error = at(self.file.path(), "reading the readings")(cause);
                error!(%error, "The readings buffer cannot be read.");
                self.overcome(&error);
            }
        }
    }

    /// Seals what waits into a batch and commits it, with everything else that is due.
    fn commit(&mut self) {
        let paused = self.pause.is_some() && !self.file.is_volatile();
        if self.pending_rows == 0 && self.acknowledged.is_none() && !paused && self.catalogue_stored {
            self.tell_in_memory();
            return;
        }
        let (pending, rows) = (std::mem::take(&mut self.pending), std::mem::take(&mut self.pending_rows));
        self.pending_cells = 0;
        let mut lost = None;
        // The second attempt meets another file, or room that the first one's confirmations made.
        for attempt in 0..=REPLACEMENTS {
            match self.try_commit(&pending, rows) {
                Ok(kept) => {
                    lost = (!kept).then_some(GapReason::Damaged);
                    break;
                }
                Err(error) => {
                    let again = self.overcome(&error) && attempt < REPLACEMENTS;
                    lost = Some(match error.trouble() {
                        Trouble::Full => GapReason::DiskFull,
                        Trouble::Passing => GapReason::Overload,
                        Trouble::Damaged | Trouble::Refused => GapReason::Damaged,
                    });
                    if !again {
                        break;
                    }
                }
            }
        }
        if let Some(reason) = lost.filter(|_| rows > 0) {
            self.lose(reason, &pending, rows);
        }
        self.tell_in_memory();
        self.file.tend_reserve();
        if let Some(cause) = self.file.take_broken() {
            let error = at(self.file.path(), "copying the WAL into the file")(cause);
            self.overcome(&error);
        }
        self.ask_for_note();
    }

    /// `false`: the rows are not kept, because the file was given up.
    fn try_commit(&mut self, pending: &BTreeMap<GroupIndex, Vec<Row>>, rows: u64) -> Result<bool, BufferError> {
        if self.file.is_volatile() {
            self.acknowledge_alone()?;
            return Ok(rows == 0);
        }
        let (anchor, began) = (self.clock.anchor(), Instant::now());
        let (catalogue, limit) = (&self.catalogue, self.limit);
        let (pause, acknowledged, new_catalogue) = (&self.pause, self.acknowledged, !self.catalogue_stored);
        let absence = self.absence;
        let (board, notes, owners) = (&self.board, &mut self.notes, &mut self.owners);
        let path = self.file.path().to_owned();
        let durable = rows > 0 || pause.is_some() || new_catalogue;
        let written = self.file.write(durable, |tx| {
            if let Some((epoch, seq)) = acknowledged {
                lanes::acknowledge(tx, Lane::Readings, epoch, seq)?;
            }
            if new_catalogue {
                catalogues::set_catalogue(tx, catalogue.hash, &catalogue.body)?;
                absence::begin_run(tx)?;
            }
            if let (Some(absence), true) = (absence, rows > 0) {
                append_gap(tx, Lane::Readings, anchor, absence.gap(&anchor), false)?;
            }
            if let Some(pause) = pause {
                append_gap(tx, Lane::Readings, anchor, pause.gap(&anchor), false)?;
                pause::set_told(tx, pause.id())?;
            }
            if rows > 0 {
                append_rows(tx, pending, 1..rows + 1, anchor, catalogue)?;
                absence::set_kept(tx, anchor.wall)?;
            }
            notes.write(tx, board, &anchor)?;
            gap::enforce(tx, Lane::Readings, limit, &anchor, owners)
        });
        let dropped = written.map_err(at(&path, "writing readings"))?;
        if durable {
            self.board.committed(1, began.elapsed());
        }
        self.catalogue_stored = true;
        self.acknowledged = None;
        self.absence = self.absence.filter(|_| rows == 0);
        if let Some(pause) = self.pause.take() {
            info!(reason = %pause.reason(), "Readings are kept again; a gap tells of those that were not.");
            self.pause_kept = None;
            self.board.change_condition(|condition| condition.paused = None);
            // If it is not told now, the next start finds that the gap is there already.
            let _ = self.records.try_send(RecordsRequest::PauseTold(pause.id()));
        }
        if dropped > 0 {
            warn!(rows = dropped, "The oldest readings were dropped at the lane's limit; a gap tells of them.");
        }
        self.note(dropped)?;
        Ok(true)
    }

    /// Confirmations only, which need little and make room.
    fn acknowledge_alone(&mut self) -> Result<(), BufferError> {
        let Some((epoch, seq)) = self.acknowledged else { return Ok(()) };
        let done = self.file.write(false, |tx| lanes::acknowledge(tx, Lane::Readings, epoch, seq));
        done.map_err(at(self.file.path(), "forgetting what was confirmed"))?;
        self.acknowledged = None;
        self.note(0)
    }

    /// Does what an error calls for. `true`: the commit may be tried again.
    fn overcome(&mut self, error: &BufferError) -> bool {
        match error.trouble() {
            Trouble::Full => self.acknowledged.is_some() && self.acknowledge_alone().is_ok(),
            Trouble::Passing => {
                warn!(%error, "The readings could not be written; trying once more.");
                std::thread::sleep(Duration::from_millis(50));
                true
            }
            Trouble::Damaged if !self.file.is_volatile() && self.replaced < REPLACEMENTS => {
                self.begin_new_file(&error.to_string());
                true
            }
            Trouble::Damaged | Trouble::Refused if !self.file.is_volatile() => {
                self.give_file_up(error);
                false
            }
            Trouble::Damaged | Trouble::Refused => false,
        }
    }

    /// Rows could not be kept. What tells of them survives a power cut.
    fn lose(&mut self, reason: GapReason, pending: &BTreeMap<GroupIndex, Vec<Row>>, rows: u64) {
        let anchor = self.clock.anchor();
        let owners = &self.catalogue.owners;
        let devices = || pending.keys().filter_map(|group| owners.get(group.0 as usize));
        if self.pause.is_none() {
            error!(%reason, "Readings are not kept until the disk takes them again; a gap will tell of them.");
        }
        self.pause.get_or_insert_with(|| Pause::begin(reason, &anchor)).widen(rows, &anchor, devices());
        if self.file.is_volatile() {
            self.untold.get_or_insert_with(|| Pause::begin(reason, &anchor)).widen(rows, &anchor, devices());
        }
        self.board.lost(Lane::Readings, rows);
        self.board.change_condition(|condition| condition.paused = Some(reason));
        self.keep_pause(false);
    }

    /// Has the pause written down where it survives, at a bounded rate.
    fn keep_pause(&mut self, now: bool) {
        let due = now || self.pause_kept.is_none_or(|kept| kept.elapsed() >= PAUSE_EVERY);
        if let Some(pause) = self.pause.as_ref().filter(|_| due)
            && self.records.try_send(RecordsRequest::Pause(pause.clone())).is_ok()
        {
            self.pause_kept = Some(Instant::now());
        }
    }

    /// Notes that everything is kept. Where that is not so, the next start tells of what is missing.
    fn end_in_order(&mut self) {
        if self.file.is_volatile() || self.pause.is_some() || self.incomplete.load(Ordering::Relaxed) {
            return;
        }
        let (absence, now) = (self.absence, self.clock.wall());
        if let Err(cause) = self.file.write(true, |tx| absence::end_run(tx, absence, now)) {
            let error = at(self.file.path(), "noting the end of the run")(cause);
            warn!(%error, "The next start will tell of a gap.");
        }
    }

    /// A file that was given up cannot say later what was lost: gaps in memory say it meanwhile.
    fn tell_in_memory(&mut self) {
        if !self.file.is_volatile() || self.untold.is_none() || self.told.elapsed() < TELL_EVERY {
            return;
        }
        let anchor = self.clock.anchor();
        if let Some(pause) = self.untold.take() {
            self.told = Instant::now();
            self.change("telling of lost readings", |tx| {
                append_gap(tx, Lane::Readings, anchor, pause.gap(&anchor), true)
            });
        }
    }

    /// The disk refused: the file is given up for as long as this process lives.
    fn give_file_up(&mut self, error: &BufferError) {
        error!(%error, "Readings are not kept until the agent is started again.");
        if let Err(error) = self.file.abandon(self.clock.wall()) {
            error!(%error, "The readings buffer could not go on in memory.");
            return;
        }
        // The first gap says at once that readings are being lost.
        self.told = Instant::now().checked_sub(TELL_EVERY).unwrap_or_else(Instant::now);
        self.begin(None);
        self.board.change_condition(|condition| {
            condition.readings = FileState::Volatile;
            condition.say(error.translate());
        });
    }

    /// The file is malformed: it is moved aside, and a new one begins with what is known of it.
    fn begin_new_file(&mut self, problem: &str) {
        if self.file.is_volatile() {
            return;
        }
        error!(file = %self.file.path().display(), problem, "The readings buffer is malformed.");
        self.replaced += 1;
        let anchor = self.clock.anchor();
        let replaced = self.file.replace(anchor.wall);
        self.begin(Some(anchor));
        self.board.change_condition(|condition| {
            condition.moved_aside += 1;
            condition.say(both!("the file is malformed: {problem}", "文件损坏：{problem}"));
            if let Err(error) = &replaced {
                condition.readings = FileState::Volatile;
                condition.say(error.translate());
            }
        });
        if let Err(error) = replaced {
            error!(%error, "Readings are not kept until the agent is started again.");
        }
    }

    /// Fills a file that has just begun. `lost`: the one before it is gone.
    fn begin(&mut self, lost: Option<Anchor>) {
        let volatile = self.file.is_volatile();
        let mark = lost.as_ref().and_then(|anchor| self.board.mark(Lane::Readings, anchor));
        let catalogue = &self.catalogue;
        self.catalogue_stored = true;
        self.notes = Notes::about(&super::records::LANES);
        let begun = self.file.write(true, |tx| {
            lanes::create(tx, &[Lane::Readings])?;
            catalogues::set_catalogue(tx, catalogue.hash, &catalogue.body)?;
            match lost {
                Some(anchor) if !volatile => {
                    absence::set_kept(tx, anchor.wall)?;
                    epoch::tell_of_lost_file(tx, Lane::Readings, mark, anchor)
                }
                _ => Ok(()),
            }
        });
        let noted = begun.map_err(at(self.file.path(), "beginning a file")).and_then(|()| self.note(0));
        if let Err(error) = noted {
            error!(%error, "A new file of the readings buffer could not be begun.");
        }
    }

    /// Runs a change outside the interval.
    fn change<T>(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Option<T> {
        let changed = self.file.write(true, work).map_err(at(self.file.path(), operation));
        match changed.and_then(|value| self.note(0).map(|()| value)) {
            Ok(value) => Some(value),
            Err(error) => {
                error!(%error, "The readings buffer refused an operation.");
                self.overcome(&error);
                None
            }
        }
    }

    fn note(&mut self, dropped: u64) -> Result<(), BufferError> {
        let volatile = self.file.is_volatile();
        let noted = self.file.read(|connection| self.board.note(connection, Lane::Readings, volatile, dropped));
        let last = noted.map_err(at(self.file.path(), "reading a lane"))?.last_seq;
        self.signal.send_if_modified(|known| std::mem::replace(known, last) != last);
        Ok(())
    }

    fn ask_for_note(&mut self) {
        let last = *self.signal.borrow();
        if self.noted.0.elapsed() >= NOTE_EVERY && self.noted.1 != last {
            let _ = self.records.try_send(RecordsRequest::Note);
            self.noted = (Instant::now(), last);
        }
    }
}

/// Appends the rows that were numbered `range` while they waited: as one batch, or as several where one would exceed
/// the protocol's size. A single row that exceeds it becomes a gap.
fn append_rows(
    tx: &Transaction<'_>,
    pending: &BTreeMap<GroupIndex, Vec<Row>>,
    range: std::ops::Range<u64>,
    anchor: Anchor,
    catalogue: &CurrentCatalogue,
) -> rusqlite::Result<()> {
    let first_seq = lane_state(tx, Lane::Readings)?.next_seq;
    let groups = pending.iter().filter_map(|(index, rows)| {
        let spec = catalogue.groups.get(index.0 as usize)?;
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
        catalogue: Some(catalogue.hash),
        groups: groups.collect(),
        records: Vec::new(),
        volatile: false,
        all_alarms: false,
    };
    let body = batch.encode();
    if body.len() <= limits::BATCH_BYTES {
        return lanes::append_encoded(tx, Lane::Readings, &batch, &body);
    }
    if count == 1 {
        error!(bytes = body.len(), "A row is larger than the protocol carries; a gap takes its place.");
        return append_gap(tx, Lane::Readings, anchor, gap_of(GapReason::TooLarge, 1, anchor.wall, anchor.wall), false);
    }
    let middle = range.start + count / 2;
    append_rows(tx, pending, range.start..middle, anchor, catalogue)?;
    append_rows(tx, pending, middle..range.end, anchor, catalogue)
}
