//! The buffer as the rest of the agent sees it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use kouan_protocol::session::LaneClaim;
use kouan_protocol::{
    Batch, BootTime, Catalogue, CatalogueHash, Clock, Digest, Epoch, Gap, GapReason, GroupIndex, Lane, Record,
    RecordBody, Row, Timestamp, limits,
};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use super::board::{Board, BufferCondition, LaneStatus};
use super::check::FileCheck;
use super::counters::Baseline;
use super::error::BufferError;
use super::figures::BufferFigures;
use super::file::Room;
use super::gap::LaneLimit;
use super::lanes::StoredBatch;
use super::open::{self, Opened};
use super::records::{JournalMark, RecordsRequest, RecordsWriter, Wanted};
use super::rows::{CurrentCatalogue, RowsRequest, RowsWriter};

/// Rows that may wait for the writer before whoever reads devices has to wait.
const ROW_QUEUE: usize = 4096;
/// Urgent records and events that may wait for the writer.
const RECORD_QUEUE: usize = 1024;

/// How much is kept, and how often readings reach the disk.
#[derive(Debug, Clone)]
pub struct BufferConfig {
    /// Folder of the files.
    pub folder: PathBuf,
    /// Limit of `urgent`.
    pub urgent: LaneLimit,
    /// Limit of `events`.
    pub events: LaneLimit,
    /// Limit of `readings`.
    pub readings: LaneLimit,
    /// Readings made in this time may be lost when the power fails.
    pub commit_every: Duration,
    /// Space that `urgent.db` has before the disk is full.
    pub urgent_room: Room,
    /// Space that the WAL of `readings.db` keeps.
    pub readings_room: Room,
}

/// A record without its number.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRecord {
    /// When it was made.
    pub boot_time: BootTime,
    /// What it says.
    pub body: RecordBody,
}

/// What counters did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counted {
    /// Their steps.
    pub steps: Vec<NewRecord>,
    /// Steps that were counted from values which an earlier run had kept.
    pub carried: Vec<NewRecord>,
    /// What they show now.
    pub baselines: Vec<Baseline>,
    /// The life of the counters, by [`Buffer::counters_life`], from before they were compared.
    pub life: u64,
}

impl Counted {
    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.carried.is_empty() && self.baselines.is_empty()
    }
}

/// The buffer. When the last handle is gone its writers end.
#[derive(Debug)]
pub struct Buffer {
    records: mpsc::Sender<RecordsRequest>,
    rows: mpsc::Sender<RowsRequest>,
    signals: [watch::Receiver<u64>; 3],
    paths: [PathBuf; 2],
    catalogue: CurrentCatalogue,
    board: Arc<Board>,
    counters_life: watch::Receiver<u64>,
}

/// The writers' threads; joining them means that everything is on disk.
#[derive(Debug)]
pub struct BufferThreads {
    writers: Vec<JoinHandle<()>>,
    checks: Vec<JoinHandle<()>>,
    give_up: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
    incomplete: Arc<AtomicBool>,
}

impl BufferThreads {
    /// A switch that ends attempts to write to a disk that refuses, so that the agent can stop.
    #[must_use]
    pub fn give_up_switch(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.give_up)
    }

    /// A switch that says that something was read and did not reach the buffer before the agent stopped.
    #[must_use]
    pub fn incomplete_switch(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.incomplete)
    }

    /// Waits for the writers. Every [`Buffer`] must be gone before.
    pub fn join(self) {
        self.closed.store(true, Ordering::Relaxed);
        // The checks first: they keep the writers from closing the WAL in order.
        for thread in self.checks.into_iter().chain(self.writers) {
            if thread.join().is_err() {
                error!("A thread of the buffer ended by a panic.");
            }
        }
    }
}

impl Buffer {
    /// Opens or creates the files and starts their writers. Takes the same time however much is kept.
    ///
    /// A malformed file is moved aside; one that the disk refuses is left alone, and its lanes are in memory.
    ///
    /// # Errors
    /// When a file cannot be opened or a thread not started.
    pub fn open(
        config: &BufferConfig,
        catalogue: &Catalogue,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Self, BufferThreads), BufferError> {
        let paths = [config.folder.join("urgent.db"), config.folder.join("readings.db")];
        let board = Arc::new(Board::new());
        let Opened { urgent, readings, pause, absence, checks } =
            open::files([&paths[0], &paths[1]], [config.urgent_room, config.readings_room], &clock.anchor(), &board)?;
        let [give_up, closed, incomplete] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
        let check = |at: usize| FileCheck {
            path: paths[at].clone(),
            must_end: [&urgent, &readings][at].reader_must_end(),
            stop: Arc::clone(&closed),
        };
        let checks = [checks[0].then(|| check(0)), checks[1].then(|| check(1))];
        let (records, records_requests) = mpsc::channel(RECORD_QUEUE);
        let (rows, rows_requests) = mpsc::channel(ROW_QUEUE);
        let body: Arc<[u8]> = catalogue.encode().into();
        let catalogue = CurrentCatalogue {
            hash: Catalogue::hash_of(&body),
            body,
            groups: catalogue.groups().map(|(_, _, group)| group.clone()).collect(),
            owners: catalogue.groups().map(|(_, device, _)| device.key.clone()).collect(),
        };
        let limits = [config.urgent, config.events];
        let records_writer =
            RecordsWriter::new(urgent, Arc::clone(clock), limits, Arc::clone(&board), Arc::clone(&give_up))?;
        let rows_writer = RowsWriter::new(
            readings,
            Arc::clone(clock),
            (config.readings, config.commit_every),
            catalogue.clone(),
            Arc::clone(&board),
            (records.clone(), Arc::clone(&incomplete)),
            (pause, absence),
        )?;
        let counters_life = records_writer.counters_life();
        let [urgent, events] = records_writer.signals();
        let signals = [urgent, events, rows_writer.signal()];
        let runtime = tokio::runtime::Handle::current();
        let writers = vec![
            spawn(&paths[0], "urgent-writer", move || records_writer.run(records_requests))?,
            spawn(&paths[1], "readings-writer", move || rows_writer.run(&runtime, rows_requests))?,
        ];
        let [urgent_check, readings_check] = checks;
        let mut checks = Vec::new();
        if let Some(check) = urgent_check {
            let records = records.downgrade();
            checks.push(spawn(&paths[0], "urgent-check", move || {
                if let (Some(problem), Some(records)) = (check.run(), records.upgrade()) {
                    let _ = records.blocking_send(RecordsRequest::Malformed { problem });
                }
            })?);
        }
        if let Some(check) = readings_check {
            let rows = rows.downgrade();
            checks.push(spawn(&paths[1], "readings-check", move || {
                if let (Some(problem), Some(rows)) = (check.run(), rows.upgrade()) {
                    let _ = rows.blocking_send(RowsRequest::Malformed { problem });
                }
            })?);
        }
        Ok((
            Self { records, rows, signals, paths, catalogue, board, counters_life },
            BufferThreads { writers, checks, give_up, closed, incomplete },
        ))
    }

    /// Stores records of `urgent` or `events` and moves baselines in the same transaction. On disk when it returns.
    /// A record that the protocol does not carry becomes a gap.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn append(
        &self,
        lane: Lane,
        records: Vec<NewRecord>,
        baselines: Vec<Baseline>,
    ) -> Result<(), BufferError> {
        let records = records.into_iter().map(carried).collect();
        let request = |done| RecordsRequest::Append {
            lane,
            records,
            carried: Vec::new(),
            life: 0,
            baselines,
            journal: None,
            done,
        };
        self.ask_records(lane, request).await
    }

    /// Stores steps of counters as events, and in the same transaction what the counters show. On disk when it returns.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn append_counted(&self, counted: Counted) -> Result<(), BufferError> {
        let Counted { steps, carried: doubtful, baselines, life } = counted;
        let lane = Lane::Events;
        let records = steps.into_iter().map(carried).collect();
        let doubtful = doubtful.into_iter().map(carried).collect();
        let request =
            |done| RecordsRequest::Append { lane, records, carried: doubtful, life, baselines, journal: None, done };
        self.ask_records(lane, request).await
    }

    /// Changes whenever values of counters that an earlier run had kept were forgotten.
    #[must_use]
    pub fn counters_life(&self) -> watch::Receiver<u64> {
        self.counters_life.clone()
    }

    /// The collector agrees to the numbers of all lanes.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn agreed(&self) -> Result<(), BufferError> {
        self.records.send(RecordsRequest::Agreed).await.map_err(|_| self.stopped(Lane::Events))
    }

    /// Stores states of commands, and in the same transaction how far the journal has come.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn append_commands(&self, records: Vec<NewRecord>, journal: JournalMark) -> Result<(), BufferError> {
        let records = records.into_iter().map(carried).collect();
        let request = |done| RecordsRequest::Append {
            lane: Lane::Urgent,
            records,
            carried: Vec::new(),
            life: 0,
            baselines: Vec::new(),
            journal: Some(journal),
            done,
        };
        self.ask_records(Lane::Urgent, request).await
    }

    /// How far the journal has come, as far as the urgent lane knows.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn journal_mark(&self) -> Result<Option<JournalMark>, BufferError> {
        self.ask_records(Lane::Urgent, |done| RecordsRequest::JournalMark { done }).await
    }

    /// Hands over a row of readings. It is on disk after the commit interval at the latest.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn push(&self, group: GroupIndex, row: Row) -> Result<(), BufferError> {
        self.rows.send(RowsRequest::Push { group, row }).await.map_err(|_| self.stopped(Lane::Readings))
    }

    /// Commits the rows that wait.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn flush(&self) -> Result<(), BufferError> {
        self.ask_rows(|done| RowsRequest::Flush { done }).await
    }

    /// The last durable number of a lane; changes wake the uplink.
    #[must_use]
    pub fn signal(&self, lane: Lane) -> watch::Receiver<u64> {
        self.signals[lane.number() as usize - 1].clone()
    }

    /// Batches after `after`, oldest first: at least one if there is any, and about `max_bytes`. A batch whose bytes
    /// are damaged has become a gap; an open gap that is next has been closed.
    ///
    /// # Errors
    /// When the file cannot be read or the writer has stopped.
    pub async fn read(
        &self,
        lane: Lane,
        after: u64,
        max_bytes: usize,
        max_batches: usize,
    ) -> Result<Vec<StoredBatch>, BufferError> {
        let wanted = Wanted { after, max_bytes, max_batches };
        let mut batches = match lane {
            Lane::Readings => self.ask_rows(|done| RowsRequest::Read { wanted, done }).await?,
            _ => self.ask_records(lane, |done| RecordsRequest::Read { lane, wanted, done }).await?,
        };
        let wrong =
            |batch: &StoredBatch| Digest::of(&batch.body) != batch.digest || batch.body.len() > limits::BATCH_BYTES;
        if let Some(damaged) = batches.iter().position(wrong) {
            let StoredBatch { epoch, first_seq, .. } = batches[damaged];
            error!(%lane, first_seq, "A batch in the buffer is damaged; a gap takes its place.");
            self.give_up_batch(lane, epoch, first_seq).await?;
            batches.truncate(damaged);
        }
        Ok(batches)
    }

    /// Puts a gap in the place of a batch that can never be sent.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn give_up_batch(&self, lane: Lane, epoch: Epoch, first_seq: u64) -> Result<(), BufferError> {
        match lane {
            Lane::Readings => self.ask_rows(|done| RowsRequest::Damaged { epoch, first_seq, done }).await,
            _ => self.ask_records(lane, |done| RecordsRequest::Damaged { lane, epoch, first_seq, done }).await,
        }
    }

    /// Puts `batch` in the place of the one of the same numbers in `urgent` or `events`, if that still has the digest
    /// `old`. On disk when it returns.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn replace_batch(&self, lane: Lane, old: Digest, batch: Batch) -> Result<(), BufferError> {
        self.ask_records(lane, |done| RecordsRequest::Replace { lane, old, batch, done }).await
    }

    /// The collector has everything up to `seq` of that epoch on disk.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn acknowledge(&self, lane: Lane, epoch: Epoch, seq: u64) -> Result<(), BufferError> {
        let sent = match lane {
            Lane::Readings => self.rows.send(RowsRequest::Acknowledge { epoch, seq }).await.is_ok(),
            _ => self.records.send(RecordsRequest::Acknowledge { lane, epoch, seq }).await.is_ok(),
        };
        if sent { Ok(()) } else { Err(self.stopped(lane)) }
    }

    /// What the hello says about each lane. Comes from the writer, so it knows of everything handed over before.
    ///
    /// # Errors
    /// When a writer has stopped.
    pub async fn claims(&self) -> Result<Vec<LaneClaim>, BufferError> {
        let mut claims = Vec::new();
        for lane in Lane::ALL {
            claims.push(match lane {
                Lane::Readings => self.ask_rows(|done| RowsRequest::Claim { done }).await?,
                _ => self.ask_records(lane, |done| RecordsRequest::Claim { lane, done }).await?,
            });
        }
        Ok(claims)
    }

    /// The lane's epoch now. It changes when the lane begins anew, also in the middle of a session.
    #[must_use]
    pub fn epoch(&self, lane: Lane) -> Epoch {
        self.board.lane(lane).epoch
    }

    /// Moves everything after `common` of `epoch` into a new epoch. Does nothing if the lane is in another one by now.
    ///
    /// # Errors
    /// When the writer has stopped or the file refuses.
    pub async fn new_epoch(&self, lane: Lane, epoch: Epoch, common: u64) -> Result<Epoch, BufferError> {
        match lane {
            Lane::Readings => self.ask_rows(|done| RowsRequest::NewEpoch { epoch, common, done }).await,
            _ => self.ask_records(lane, |done| RecordsRequest::NewEpoch { lane, epoch, common, done }).await,
        }
    }

    /// The catalogue under which rows are written now.
    #[must_use]
    pub fn current_catalogue(&self) -> CatalogueHash {
        self.catalogue.hash
    }

    /// The encoded catalogue of that hash, if batches may still refer to it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn catalogue(&self, hash: CatalogueHash) -> Result<Option<Vec<u8>>, BufferError> {
        if hash == self.catalogue.hash {
            return Ok(Some(self.catalogue.body.to_vec()));
        }
        self.ask_rows(|done| RowsRequest::Catalogue { hash, done }).await
    }

    /// Every catalogue that batches may still refer to.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn catalogues(&self) -> Result<Vec<CatalogueHash>, BufferError> {
        let mut catalogues = self.ask_rows(|done| RowsRequest::Catalogues { done }).await?;
        if !catalogues.contains(&self.catalogue.hash) {
            catalogues.push(self.catalogue.hash);
        }
        Ok(catalogues)
    }

    /// Counter values whose steps are already stored as events.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn baselines(&self) -> Result<Vec<Baseline>, BufferError> {
        self.ask_records(Lane::Urgent, |done| RecordsRequest::Baselines { done }).await
    }

    /// Where each lane stands. Answered without the disk.
    ///
    /// # Errors
    /// None; the signature is that of the other questions.
    pub async fn status(&self) -> Result<Vec<LaneStatus>, BufferError> {
        Ok(self.board.lanes())
    }

    /// How the files are kept, and every change of it.
    #[must_use]
    pub fn condition(&self) -> watch::Receiver<BufferCondition> {
        self.board.condition()
    }

    /// What the agent tells about its buffer as points of its own.
    #[must_use]
    pub fn figures(&self) -> BufferFigures {
        BufferFigures::new(Arc::clone(&self.board), self.paths.clone())
    }

    async fn ask_records<T>(
        &self,
        lane: Lane,
        request: impl FnOnce(oneshot::Sender<T>) -> RecordsRequest,
    ) -> Result<T, BufferError> {
        let (done, answer) = oneshot::channel();
        self.records.send(request(done)).await.map_err(|_| self.stopped(lane))?;
        answer.await.map_err(|_| self.stopped(lane))
    }

    async fn ask_rows<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> RowsRequest) -> Result<T, BufferError> {
        let (done, answer) = oneshot::channel();
        self.rows.send(request(done)).await.map_err(|_| self.stopped(Lane::Readings))?;
        answer.await.map_err(|_| self.stopped(Lane::Readings))
    }

    fn stopped(&self, lane: Lane) -> BufferError {
        BufferError::Stopped { file: self.paths[file_of(lane)].clone() }
    }
}

/// The record, or a gap in its place where a reader would not take it.
fn carried(record: NewRecord) -> Record {
    if record.body.is_carried() {
        return Record::new(record.boot_time, record.body);
    }
    let (kind, body) = record.body.encode();
    error!(kind = kind.0, bytes = body.len(), "A record is larger than the protocol carries; a gap takes its place.");
    let gap = Gap {
        reason: GapReason::TooLarge,
        lost: 1,
        from: Timestamp(0),
        to: Timestamp(0),
        devices: Vec::new(),
        more_devices: true,
        earlier_epoch: None,
    };
    Record::new(record.boot_time, RecordBody::Gap(gap))
}

fn file_of(lane: Lane) -> usize {
    usize::from(lane == Lane::Readings)
}

fn spawn(path: &Path, name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, BufferError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|cause| BufferError::Thread { file: path.to_owned(), cause })
}
