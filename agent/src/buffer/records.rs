//! The writer of `urgent` and `events`: a commit at once, and those who wait share its fsync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kouan_protocol::session::LaneClaim;
use kouan_protocol::{Anchor, Batch, Clock, Digest, Epoch, Incarnation, Lane, Record, limits};
use kouan_settings::{Translate as _, both};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, warn};

use super::board::{Board, FileState};
use super::catalogues::GroupOwners;
use super::counters::{self, Baseline, Counters};
use super::epoch;
use super::error::BufferError;
use super::file::{DurableFile, at};
use super::gap::{self, LaneLimit};
use super::lanes::{self, StoredBatch, lane_state};
use super::marks::Notes;
use super::pause::{self, Pause};
use super::replace::replace;
use super::trouble::Trouble;

/// The lanes of `urgent.db`.
pub(super) const LANES: [Lane; 2] = [Lane::Urgent, Lane::Events];

/// Appends that share one commit at most.
const COMMIT_RECORDS: usize = 512;
/// What a lane keeps while it is in memory.
const VOLATILE_BYTES: u64 = 4 << 20;
/// What is dropped at a time when the disk is full and no reserve is left.
const MAKE_WAY_BYTES: usize = 64 * 1024;
/// Damaged files that are replaced before the disk itself is distrusted.
const REPLACEMENTS: u32 = 3;

/// How far the command journal has come, as far as the urgent lane knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalMark {
    /// The journal's life.
    pub incarnation: Incarnation,
    /// Changes that were made in it.
    pub changes: u64,
}

/// What a lane is asked for when it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) after: u64,
    pub(super) max_bytes: usize,
    pub(super) max_batches: usize,
}

/// What the writer is asked to do. Replies come after the commit.
pub(super) enum RecordsRequest {
    Append {
        lane: Lane,
        records: Vec<Record>,
        /// Steps that were counted from values of an earlier run, in this life of the counters.
        carried: Vec<Record>,
        life: u64,
        baselines: Vec<Baseline>,
        journal: Option<JournalMark>,
        done: oneshot::Sender<()>,
    },
    Read {
        lane: Lane,
        wanted: Wanted,
        done: oneshot::Sender<Vec<StoredBatch>>,
    },
    Acknowledge {
        lane: Lane,
        epoch: Epoch,
        seq: u64,
    },
    Damaged {
        lane: Lane,
        epoch: Epoch,
        first_seq: u64,
        done: oneshot::Sender<()>,
    },
    Replace {
        lane: Lane,
        old: Digest,
        batch: Batch,
        done: oneshot::Sender<()>,
    },
    NewEpoch {
        lane: Lane,
        epoch: Epoch,
        common: u64,
        done: oneshot::Sender<Epoch>,
    },
    Claim {
        lane: Lane,
        done: oneshot::Sender<LaneClaim>,
    },
    Baselines {
        done: oneshot::Sender<Vec<Baseline>>,
    },
    JournalMark {
        done: oneshot::Sender<Option<JournalMark>>,
    },
    /// The collector agrees to the numbers of the lanes.
    Agreed,
    /// Readings are not being kept.
    Pause(Pause),
    /// A gap in the readings tells of that pause now.
    PauseTold(i64),
    /// Note where the readings stand.
    Note,
    /// A check found the file malformed.
    Malformed {
        problem: String,
    },
}

/// Records that wait for a commit.
#[derive(Default)]
struct Pending {
    /// By lane, in the order of [`LANES`].
    lanes: [Vec<Record>; 2],
    /// Events that stand for steps of counters. They are kept together with the counters on disk or not at all: the
    /// device still has the count.
    steps: Vec<Record>,
    /// The same, counted from values of an earlier run.
    carried: Vec<Record>,
}

/// The writer of `urgent.db`; runs on its own thread until every sender is gone.
pub(super) struct RecordsWriter {
    file: DurableFile,
    clock: Arc<dyn Clock>,
    limits: [LaneLimit; 2],
    /// Last durable number per lane, in the order of [`LANES`].
    signals: [watch::Sender<u64>; 2],
    board: Arc<Board>,
    /// Set when the agent stops and has waited long enough.
    give_up: Arc<AtomicBool>,
    counters: Counters,
    journal: Option<JournalMark>,
    notes: Notes,
    owners: GroupOwners,
    replaced: u32,
}

impl RecordsWriter {
    pub(super) fn new(
        file: DurableFile,
        clock: Arc<dyn Clock>,
        limits: [LaneLimit; 2],
        board: Arc<Board>,
        give_up: Arc<AtomicBool>,
    ) -> Result<Self, BufferError> {
        let path = file.path().to_owned();
        let failed = |operation| at(&path, operation);
        let counters = file.read(Counters::stored).map_err(failed("reading the counters"))?;
        let journal = file.read(journal_mark).map_err(failed("reading the journal's mark"))?;
        let mut last = [0; 2];
        for (last, lane) in last.iter_mut().zip(LANES) {
            let noted = file.read(|connection| board.note(connection, lane, file.is_volatile(), 0));
            *last = noted.map_err(failed("reading a lane"))?.last_seq;
        }
        Ok(Self {
            file,
            clock,
            limits,
            signals: last.map(watch::Sender::new),
            board,
            give_up,
            counters,
            journal,
            notes: Notes::about(&[Lane::Readings]),
            owners: GroupOwners::default(),
            replaced: 0,
        })
    }

    pub(super) fn counters_life(&self) -> watch::Receiver<u64> {
        self.counters.life()
    }

    pub(super) fn signals(&self) -> [watch::Receiver<u64>; 2] {
        [self.signals[0].subscribe(), self.signals[1].subscribe()]
    }

    pub(super) fn run(mut self, mut requests: mpsc::Receiver<RecordsRequest>) {
        let mut waiting = Vec::new();
        while requests.blocking_recv_many(&mut waiting, COMMIT_RECORDS) > 0 {
            if let Some(problem) = waiting.iter().find_map(malformed) {
                self.begin_new_file(&problem);
            }
            let mut pending = self.take_appends(&mut waiting);
            let mut pause = Duration::from_millis(100);
            loop {
                match self.commit(&mut pending, &waiting) {
                    Ok(()) => break,
                    // Nothing is dropped: the queue in front of this thread is bounded and pushes back.
                    Err(error) if self.give_up.load(Ordering::Relaxed) => {
                        error!(%error, "Urgent records are lost: the agent stops and they cannot be written.");
                        return;
                    }
                    Err(error) => self.overcome(&error, &mut pause),
                }
            }
            self.answer(&mut waiting);
            self.file.tend_reserve();
            if let Some(cause) = self.file.take_broken() {
                let error = at(self.file.path(), "copying the WAL into the file")(cause);
                self.overcome(&error, &mut pause);
            }
        }
        self.file.close();
    }

    fn take_appends(&mut self, waiting: &mut [RecordsRequest]) -> Pending {
        let mut pending = Pending::default();
        for request in waiting {
            if let RecordsRequest::Append { lane, records, carried, life, baselines, journal, .. } = request {
                let steps = *lane == Lane::Events && !baselines.is_empty();
                let place =
                    if steps { &mut pending.steps } else { &mut pending.lanes[usize::from(*lane == Lane::Events)] };
                place.append(records);
                // What was counted from values that are forgotten by now is in the gap that told of that.
                if self.counters.is_life(*life) {
                    pending.carried.append(carried);
                }
                baselines.iter().for_each(|baseline| self.counters.set(baseline));
                self.journal = journal.or(self.journal);
            }
        }
        pending
    }

    /// Writes everything in one transaction.
    fn commit(&mut self, pending: &mut Pending, requests: &[RecordsRequest]) -> Result<(), BufferError> {
        let needs = requests.iter().map(|request| self.need(request)).max().unwrap_or(Need::Nothing);
        if needs == Need::Nothing {
            return Ok(());
        }
        let (anchor, began) = (self.clock.anchor(), Instant::now());
        let volatile = self.file.is_volatile();
        let mut limits = self.limits;
        if volatile {
            limits.iter_mut().for_each(|limit| limit.bytes = limit.bytes.min(VOLATILE_BYTES));
        }
        let (board, counters, notes, owners) = (&self.board, &self.counters, &mut self.notes, &mut self.owners);
        let begins_anew = |request: &RecordsRequest| matches!(request, RecordsRequest::NewEpoch { lane: Lane::Events, epoch, .. } if *epoch == board.lane(Lane::Events).epoch);
        let forgets = !volatile && requests.iter().any(begins_anew);
        let mut dropped = [0; 2];
        let path = self.file.path().to_owned();
        self.file
            .write(needs == Need::Durable, |tx| {
                for (at, lane) in LANES.into_iter().enumerate() {
                    append_within_limits(tx, lane, anchor, &mut pending.lanes[at], volatile)?;
                    if lane == Lane::Events && !volatile {
                        // What was counted from an earlier run's value came before what followed it.
                        if !pending.carried.is_empty() {
                            let first_seq = lane_state(tx, lane)?.next_seq;
                            append_within_limits(tx, lane, anchor, &mut pending.carried, volatile)?;
                            counters.mark_doubtful(tx, first_seq)?;
                        }
                        append_within_limits(tx, lane, anchor, &mut pending.steps, volatile)?;
                    }
                    dropped[at] = gap::enforce(tx, lane, limits[at], &anchor, owners)?;
                }
                requests.iter().try_for_each(|request| carry_out(tx, request, anchor, board))?;
                if forgets {
                    counters.forget(tx, anchor)?;
                }
                notes.write(tx, board, &anchor)
            })
            .map_err(at(&path, "writing urgent records"))?;
        if forgets {
            self.counters.forgotten();
        }
        if needs == Need::Durable {
            self.board.committed(0, began.elapsed());
        }
        if dropped.iter().sum::<u64>() > 0 {
            let [urgent, events] = dropped;
            warn!(urgent, events, "Records were dropped at a lane's limit; a gap tells of them.");
        }
        self.note(dropped)
    }

    /// Tells where the lanes stand, and wakes whoever waits for something durable.
    fn note(&mut self, dropped: [u64; 2]) -> Result<(), BufferError> {
        for (at_lane, lane) in LANES.into_iter().enumerate() {
            let volatile = self.file.is_volatile();
            let noted = self.file.read(|connection| self.board.note(connection, lane, volatile, dropped[at_lane]));
            let last = noted.map_err(at(self.file.path(), "reading a lane"))?.last_seq;
            self.signals[at_lane].send_if_modified(|known| std::mem::replace(known, last) != last);
        }
        Ok(())
    }

    /// What a request needs of the disk.
    fn need(&self, request: &RecordsRequest) -> Need {
        match request {
            RecordsRequest::Append { .. }
            | RecordsRequest::Damaged { .. }
            | RecordsRequest::Replace { .. }
            | RecordsRequest::NewEpoch { .. }
            | RecordsRequest::Pause(_) => Need::Durable,
            // A gap that is handed out no longer grows, which must be on disk before.
            RecordsRequest::Read { lane, .. } if self.board.lane(*lane).gap_open => Need::Durable,
            // Sent twice is better than an fsync for every answer.
            RecordsRequest::Acknowledge { .. }
            | RecordsRequest::Agreed
            | RecordsRequest::PauseTold(_)
            | RecordsRequest::Note => Need::Written,
            RecordsRequest::Read { .. }
            | RecordsRequest::Claim { .. }
            | RecordsRequest::Baselines { .. }
            | RecordsRequest::JournalMark { .. }
            | RecordsRequest::Malformed { .. } => Need::Nothing,
        }
    }

    /// Does what an error calls for, so that the commit can be tried again.
    fn overcome(&mut self, error: &BufferError, pause: &mut Duration) {
        match error.trouble() {
            Trouble::Full => match self.make_room() {
                Ok(true) => return,
                Ok(false) => {}
                Err(cause) if Trouble::of(&cause) != Trouble::Full => {
                    let error = at(self.file.path(), "making room")(cause);
                    return self.overcome(&error, pause);
                }
                Err(_) => {}
            },
            Trouble::Damaged if !self.file.is_volatile() && self.replaced < REPLACEMENTS => {
                return self.begin_new_file(&error.to_string());
            }
            Trouble::Damaged | Trouble::Refused if !self.file.is_volatile() => return self.give_file_up(error),
            _ => {}
        }
        error!(%error, "Urgent records cannot be written; trying again.");
        std::thread::sleep(*pause);
        *pause = (*pause * 2).min(Duration::from_secs(1));
    }

    /// The disk is full: the reserve first, then the oldest events, then the oldest urgent records.
    fn make_room(&mut self) -> rusqlite::Result<bool> {
        if self.file.give_reserve_back()? {
            return Ok(true);
        }
        for (at_lane, lane) in [(1, Lane::Events), (0, Lane::Urgent)] {
            let owners = &mut self.owners;
            let dropped = self.file.write(false, |tx| gap::make_way(tx, lane, MAKE_WAY_BYTES, owners))?;
            if dropped > 0 {
                error!(%lane, records = dropped, "The disk is full: the oldest records were dropped; a gap tells of them.");
                self.board.lost(LANES[at_lane], dropped);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The disk refused: what is urgent goes on in memory, in an epoch of its own.
    fn give_file_up(&mut self, error: &BufferError) {
        error!(%error, "Urgent records and events are kept in memory only until the agent is started again.");
        if let Err(error) = self.file.abandon(self.clock.wall()) {
            error!(%error, "The buffer could not go on in memory.");
            return;
        }
        self.begin(None);
        self.board.change_condition(|condition| {
            condition.urgent = FileState::Volatile;
            condition.say(error.translate());
        });
    }

    /// The file is malformed: it is moved aside, and a new one begins with what is known of it.
    fn begin_new_file(&mut self, problem: &str) {
        if self.file.is_volatile() {
            return;
        }
        error!(file = %self.file.path().display(), problem, "The buffer's file is malformed.");
        self.replaced += 1;
        let anchor = self.clock.anchor();
        let replaced = self.file.replace(anchor.wall);
        self.begin(Some(anchor));
        self.board.change_condition(|condition| {
            condition.moved_aside += 1;
            condition.say(both!("the file is malformed: {problem}", "文件损坏：{problem}"));
            if let Err(error) = &replaced {
                condition.urgent = FileState::Volatile;
                condition.say(error.translate());
            }
        });
        if let Err(error) = replaced {
            error!(%error, "Urgent records and events are kept in memory only until the agent is started again.");
        }
    }

    /// Fills a file that has just begun. `lost`: the one before it is gone.
    fn begin(&mut self, lost: Option<Anchor>) {
        let volatile = self.file.is_volatile();
        let marks = LANES.map(|lane| lost.as_ref().and_then(|anchor| self.board.mark(lane, anchor)));
        let (counters, journal) = (&self.counters, self.journal);
        let begun = self.file.write(true, |tx| {
            lanes::create(tx, &LANES)?;
            if let (Some(anchor), false) = (lost, volatile) {
                for (lane, mark) in LANES.into_iter().zip(marks) {
                    epoch::tell_of_lost_file(tx, lane, mark, anchor)?;
                }
            }
            counters.store_all(tx)?;
            journal.map_or(Ok(()), |mark| store_journal_mark(tx, mark))
        });
        self.notes = Notes::about(&[Lane::Readings]);
        let noted = begun.map_err(at(self.file.path(), "beginning a file")).and_then(|()| self.note([0; 2]));
        if let Err(error) = noted {
            error!(%error, "A new file of the buffer could not be begun.");
        }
    }

    fn answer(&mut self, requests: &mut Vec<RecordsRequest>) {
        let volatile = self.file.is_volatile();
        for request in requests.drain(..) {
            match request {
                RecordsRequest::Append { done, .. }
                | RecordsRequest::Replace { done, .. }
                | RecordsRequest::Damaged { done, .. } => {
                    let _ = done.send(());
                }
                RecordsRequest::Agreed => self.counters.agree(),
                RecordsRequest::Acknowledge { .. }
                | RecordsRequest::Pause(_)
                | RecordsRequest::PauseTold(_)
                | RecordsRequest::Note
                | RecordsRequest::Malformed { .. } => {}
                RecordsRequest::Read { lane, wanted, done } => {
                    let Wanted { after, max_bytes, max_batches } = wanted;
                    self.show(done, |connection| lanes::read(connection, lane, after, max_bytes, max_batches));
                }
                RecordsRequest::NewEpoch { lane, done, .. } => {
                    self.show(done, |connection| lane_state(connection, lane).map(|state| state.epoch));
                }
                RecordsRequest::Claim { lane, done } => {
                    self.show(done, |connection| lanes::claim(connection, lane, volatile));
                }
                RecordsRequest::Baselines { done } => {
                    let _ = done.send(self.counters.all());
                }
                RecordsRequest::JournalMark { done } => {
                    let _ = done.send(self.journal);
                }
            }
        }
    }

    /// Answers with something read. Whoever asked a file that cannot be read gets no answer.
    fn show<T>(&mut self, done: oneshot::Sender<T>, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) {
        match self.file.read(read) {
            Ok(value) => {
                let _ = done.send(value);
            }
            Err(cause) => {
                let error = at(self.file.path(), "reading a lane")(cause);
                self.overcome(&error, &mut Duration::ZERO.clone());
            }
        }
    }
}

/// What a request needs of the disk, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Nothing,
    Written,
    Durable,
}

fn malformed(request: &RecordsRequest) -> Option<String> {
    match request {
        RecordsRequest::Malformed { problem } => Some(problem.clone()),
        _ => None,
    }
}

/// Everything a request asks for besides appending.
fn carry_out(tx: &Transaction<'_>, request: &RecordsRequest, anchor: Anchor, board: &Board) -> rusqlite::Result<()> {
    match request {
        RecordsRequest::Append { baselines, journal, .. } => {
            for baseline in baselines {
                counters::store(tx, &baseline.device, &baseline.point, baseline.value)?;
            }
            journal.map_or(Ok(()), |mark| store_journal_mark(tx, mark))
        }
        // Nobody can have confirmed what this commit brings.
        RecordsRequest::Acknowledge { lane, epoch, seq } => {
            lanes::acknowledge(tx, *lane, *epoch, (*seq).min(board.lane(*lane).last_seq))
        }
        RecordsRequest::Agreed => counters::settle(tx),
        RecordsRequest::Read { lane, .. } => gap::close(tx, *lane, anchor),
        RecordsRequest::Damaged { lane, epoch, first_seq, .. } => {
            gap::replace_damaged(tx, *lane, *epoch, *first_seq, anchor)
        }
        RecordsRequest::Replace { lane, old, batch, .. } => replace(tx, *lane, *old, batch),
        RecordsRequest::NewEpoch { lane, epoch, common, .. } => {
            epoch::new_epoch(tx, *lane, *epoch, *common, anchor).map(|_| ())
        }
        RecordsRequest::Pause(pause) => pause::store(tx, pause),
        RecordsRequest::PauseTold(id) => pause::clear(tx, *id),
        RecordsRequest::Claim { .. }
        | RecordsRequest::Baselines { .. }
        | RecordsRequest::JournalMark { .. }
        | RecordsRequest::Note
        | RecordsRequest::Malformed { .. } => Ok(()),
    }
}

/// Appends records as one batch, or as several where one would exceed the protocol's size. `records` stays as it is,
/// so that a failed commit can be tried again.
fn append_within_limits(
    tx: &Transaction<'_>,
    lane: Lane,
    anchor: Anchor,
    records: &mut Vec<Record>,
    volatile: bool,
) -> rusqlite::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let first_seq = lane_state(tx, lane)?.next_seq;
    let batch = Batch { volatile, ..Batch::of_records(first_seq, anchor, std::mem::take(records)) };
    let body = batch.encode();
    // One record is always carried: `Buffer::append` lets none in that is not.
    let fits = body.len() <= limits::BATCH_BYTES && batch.records.len() <= limits::BATCH_RECORDS;
    let appended = if fits || batch.records.len() == 1 {
        lanes::append_encoded(tx, lane, &batch, &body)
    } else {
        let (front, back) = batch.records.split_at(batch.records.len() / 2);
        [front, back]
            .into_iter()
            .try_for_each(|half| append_within_limits(tx, lane, anchor, &mut half.to_vec(), volatile))
    };
    *records = batch.records;
    appended
}

fn store_journal_mark(tx: &Transaction<'_>, mark: JournalMark) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO journal_mark (only_row, incarnation, changes) VALUES (1, ?1, ?2)")?
        .execute(params![mark.incarnation.0 as i64, mark.changes as i64])
        .map(|_| ())
}

fn journal_mark(connection: &Connection) -> rusqlite::Result<Option<JournalMark>> {
    connection
        .query_row("SELECT incarnation, changes FROM journal_mark", [], |row| {
            Ok(JournalMark {
                incarnation: Incarnation(row.get::<_, i64>(0)? as u64),
                changes: row.get::<_, i64>(1)? as u64,
            })
        })
        .optional()
}
