//! The buffer as the rest of the agent sees it.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use kouan_protocol::session::LaneClaim;
use kouan_protocol::{
    Batch, BootTime, Catalogue, CatalogueHash, Clock, DeviceKey, Digest, Epoch, Gap, GapReason, GroupIndex, Lane,
    PointName, Record, RecordBody, Row, Timestamp, limits,
};
use rusqlite::Connection;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use super::error::BufferError;
use super::file::{self, LaneFile, StoredBatch, at, lane_state};
use super::gap::{self, LaneLimit};
use super::records::{LANES, RecordsRequest, RecordsWriter};
use super::rows::{RowsRequest, RowsWriter};

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
}

/// A record without its number.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRecord {
    /// When it was made.
    pub boot_time: BootTime,
    /// What it says.
    pub body: RecordBody,
}

/// The last value of a counter whose steps are events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// Whose counter it is.
    pub device: DeviceKey,
    /// Which point.
    pub point: PointName,
    /// The last value whose steps were stored as events.
    pub value: i64,
}

/// Where a lane stands, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct LaneStatus {
    /// Which lane.
    pub lane: Lane,
    /// Its buffer's lifetime.
    pub epoch: Epoch,
    /// Records that the collector has not confirmed.
    pub waiting: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// The number of the newest record.
    pub last_seq: u64,
    /// The highest number that the collector confirmed.
    pub confirmed_seq: u64,
    /// Whether records were dropped and the gap is not yet sent.
    pub gap_open: bool,
}

/// The buffer. Dropping every clone and [`Buffer::close`] end the writers.
#[derive(Debug)]
pub struct Buffer {
    // Dropped first: a reading connection that closes last would leave the WAL behind.
    readers: [Arc<Mutex<Connection>>; 2],
    records: mpsc::Sender<RecordsRequest>,
    rows: mpsc::Sender<RowsRequest>,
    signals: [watch::Receiver<u64>; 3],
    paths: [PathBuf; 2],
    catalogue: CatalogueHash,
}

/// The writers' threads; joining them means that everything is on disk.
#[derive(Debug)]
pub struct BufferThreads {
    threads: Vec<JoinHandle<()>>,
    give_up: Arc<AtomicBool>,
}

impl BufferThreads {
    /// A switch that ends attempts to write to a disk that refuses, so that the agent can stop.
    #[must_use]
    pub fn give_up_switch(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.give_up)
    }

    /// Waits for the writers. Every [`Buffer`] must be gone before.
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                error!("A writer of the buffer ended by a panic.");
            }
        }
    }
}

impl Buffer {
    /// Opens or creates the files and starts their writers. Takes the same time however much is kept.
    ///
    /// # Errors
    /// When a file cannot be opened or a thread not started.
    pub fn open(
        config: &BufferConfig,
        catalogue: &Catalogue,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Self, BufferThreads), BufferError> {
        let paths = [config.folder.join("urgent.db"), config.folder.join("readings.db")];
        let urgent_file = LaneFile::open(&paths[0], &LANES)?;
        let readings_file = LaneFile::open(&paths[1], &[Lane::Readings])?;
        let readers = [
            Arc::new(Mutex::new(LaneFile::open_reader(&paths[0])?)),
            Arc::new(Mutex::new(LaneFile::open_reader(&paths[1])?)),
        ];
        let last = |reader: usize, lane| {
            let connection = lock(&readers[reader]);
            let state = lane_state(&connection, lane).map_err(at(&paths[reader], "reading a lane"))?;
            Ok::<_, BufferError>(watch::channel(state.next_seq - 1))
        };
        let (urgent_signal, urgent) = last(0, Lane::Urgent)?;
        let (events_signal, events) = last(0, Lane::Events)?;
        let (readings_signal, readings) = last(1, Lane::Readings)?;
        let give_up = Arc::new(AtomicBool::new(false));
        let records_writer = RecordsWriter {
            file: urgent_file,
            clock: Arc::clone(clock),
            limits: [config.urgent, config.events],
            signals: [urgent_signal, events_signal],
            give_up: Arc::clone(&give_up),
        };
        let rows_writer = RowsWriter::new(
            readings_file,
            Arc::clone(clock),
            config.readings,
            config.commit_every,
            catalogue,
            readings_signal,
        )?;
        let (records, records_requests) = mpsc::channel(RECORD_QUEUE);
        let (rows, rows_requests) = mpsc::channel(ROW_QUEUE);
        let runtime = tokio::runtime::Handle::current();
        let threads = vec![
            spawn(&paths[0], "urgent-writer", move || records_writer.run(records_requests))?,
            spawn(&paths[1], "readings-writer", move || rows_writer.run(&runtime, rows_requests))?,
        ];
        let buffer = Self {
            records,
            rows,
            signals: [urgent, events, readings],
            readers,
            paths,
            catalogue: Catalogue::hash_of(&catalogue.encode()),
        };
        Ok((buffer, BufferThreads { threads, give_up }))
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
        let (done, answer) = oneshot::channel();
        let records = records.into_iter().map(carried).collect();
        let request = RecordsRequest::Append { lane, records, baselines, done };
        self.records.send(request).await.map_err(|_| self.stopped(lane))?;
        answer.await.map_err(|_| self.stopped(lane))
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
        if self.with_reader(lane, "looking for a gap", move |connection| gap::is_open(connection, lane)).await? {
            match lane {
                Lane::Readings => self.ask_rows(|done| RowsRequest::CloseGap { done }).await?,
                _ => self.ask_records(lane, |done| RecordsRequest::CloseGap { lane, done }).await?,
            }
        }
        let read = move |connection: &Connection| file::read(connection, lane, after, max_bytes, max_batches);
        let mut batches = self.with_reader(lane, "reading batches", read).await?;
        let wrong =
            |batch: &StoredBatch| Digest::of(&batch.body) != batch.digest || batch.body.len() > limits::BATCH_BYTES;
        if let Some(damaged) = batches.iter().position(wrong) {
            let first_seq = batches[damaged].first_seq;
            error!(%lane, first_seq, "A batch in the buffer is damaged; a gap takes its place.");
            self.give_up_batch(lane, first_seq).await?;
            batches.truncate(damaged);
        }
        Ok(batches)
    }

    /// Puts a gap in the place of a batch that can never be sent.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn give_up_batch(&self, lane: Lane, first_seq: u64) -> Result<(), BufferError> {
        match lane {
            Lane::Readings => self.ask_rows(|done| RowsRequest::Damaged { first_seq, done }).await,
            _ => self.ask_records(lane, |done| RecordsRequest::Damaged { lane, first_seq, done }).await,
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

    /// Moves everything after `common` into a new epoch.
    ///
    /// # Errors
    /// When the writer has stopped or the file refuses.
    pub async fn new_epoch(&self, lane: Lane, common: u64) -> Result<Epoch, BufferError> {
        match lane {
            Lane::Readings => self.ask_rows(|done| RowsRequest::NewEpoch { common, done }).await,
            _ => self.ask_records(lane, |done| RecordsRequest::NewEpoch { lane, common, done }).await,
        }
    }

    /// The catalogue under which rows are written now.
    #[must_use]
    pub fn current_catalogue(&self) -> CatalogueHash {
        self.catalogue
    }

    /// The encoded catalogue of that hash, if batches may still refer to it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn catalogue(&self, hash: CatalogueHash) -> Result<Option<Vec<u8>>, BufferError> {
        self.with_reader(Lane::Readings, "reading a catalogue", move |connection| file::catalogue(connection, hash))
            .await
    }

    /// Every catalogue that batches may still refer to.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn catalogues(&self) -> Result<Vec<CatalogueHash>, BufferError> {
        self.with_reader(Lane::Readings, "reading the catalogues", file::catalogues).await
    }

    /// Counter values whose steps are already stored as events.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn baselines(&self) -> Result<Vec<Baseline>, BufferError> {
        let read = |connection: &Connection| {
            let mut statement = connection.prepare("SELECT device, point, value FROM baseline")?;
            let rows = statement
                .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = self.with_reader(Lane::Urgent, "reading the counters", read).await?;
        let baseline = |(device, point, value): (String, String, i64)| {
            Some(Baseline { device: device.parse().ok()?, point: point.parse().ok()?, value })
        };
        Ok(rows.into_iter().filter_map(baseline).collect())
    }

    /// Where each lane stands.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn status(&self) -> Result<Vec<LaneStatus>, BufferError> {
        let mut lanes = Vec::new();
        for lane in Lane::ALL {
            let read =
                move |connection: &Connection| Ok((lane_state(connection, lane)?, gap::is_open(connection, lane)?));
            let (state, gap_open) = self.with_reader(lane, "reading a lane", read).await?;
            lanes.push(LaneStatus {
                lane,
                epoch: state.epoch,
                waiting: state.next_seq - 1 - state.acked_seq,
                bytes: state.bytes,
                last_seq: state.next_seq - 1,
                confirmed_seq: state.acked_seq,
                gap_open,
            });
        }
        Ok(lanes)
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

    async fn with_reader<T: Send + 'static>(
        &self,
        lane: Lane,
        operation: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BufferError> {
        let which = file_of(lane);
        let (reader, path) = (Arc::clone(&self.readers[which]), self.paths[which].clone());
        let work = move || read(&lock(&reader)).map_err(at(&path, operation));
        tokio::task::spawn_blocking(work).await.map_err(|_| self.stopped(lane))?
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

fn lock(connection: &Mutex<Connection>) -> std::sync::MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn spawn(path: &Path, name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, BufferError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|cause| BufferError::Thread { file: path.to_owned(), cause })
}
