//! The reader of the log that sends.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::gather::Gathered;
use super::message::Series;
use super::names::Names;
use super::send::{Receiver, RemoteWriteError};
use crate::config::RemoteWrite;
use crate::counters::Counters;
use crate::reader::{Progress, Reader};
use crate::state::SharedFleet;
use crate::store::log::{Catalogues, FollowLog as _, SqliteFollower, Wanted};
use crate::store::{During as _, Readers, StoreError, Writer, open_read_only};

/// The name under which the cursor is kept.
const CURSOR: &str = "remote-write";
/// Bytes of batches that one step takes.
const STEP_BYTES: usize = 128 << 10;
/// Samples in a request, as the reference sender of Prometheus has them.
const SAMPLES: usize = 2_000;
/// The cursor is written at most this often; what was sent since is sent again after a crash.
const WRITE_EVERY: Duration = Duration::from_secs(2);
/// Pauses after a failure, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What the reader needs of the collector.
pub struct Sources {
    /// Where catalogues are opened.
    pub catalogues: Catalogues,
    /// Devices.
    pub fleet: SharedFleet,
    /// Readers of `state.db`.
    pub state_readers: Readers,
    /// The writer of `state.db`.
    pub state: Writer,
    /// How far devices are known: nothing is sent of devices that are not.
    pub known: [Progress; 2],
    /// What is counted.
    pub counters: Arc<Counters>,
    /// Ends waiting.
    pub shutdown: CancellationToken,
}

/// What stands between the log and the series.
struct Source {
    log: SqliteFollower,
    conn: Connection,
    names: Names,
}

/// Sends every reading of the log to a receiver, in order.
pub struct RemoteWriter {
    source: Arc<Mutex<Source>>,
    sources: Sources,
    receiver: Receiver,
    /// Requests that the receiver has not taken, and the entry that they go up to.
    waiting: VecDeque<Vec<Series>>,
    waiting_through: i64,
    /// How far the receiver has everything.
    sent: i64,
    /// How far that is on disk.
    durable: i64,
    written_at: Instant,
    pause: Duration,
    again_at: Option<Instant>,
}

impl RemoteWriter {
    /// Goes on where it stopped; the first time, with what the log has.
    ///
    /// # Errors
    /// When a file cannot be opened or the client cannot be prepared.
    pub fn open(
        ingest: &Path,
        state: &Path,
        settings: RemoteWrite,
        sources: Sources,
    ) -> Result<Self, crate::app::BuildError> {
        let cursor: Option<i64> = open_read_only(state)?
            .query_row("SELECT log_id FROM cursors WHERE reader = ?1", [CURSOR], |row| row.get(0))
            .optional()
            .during("read a cursor")?;
        let source =
            Source { log: SqliteFollower::open(ingest)?, conn: open_read_only(ingest)?, names: Names::default() };
        let sent = cursor.unwrap_or(0);
        Ok(Self {
            source: Arc::new(Mutex::new(source)),
            sources,
            receiver: Receiver::new(settings)?,
            waiting: VecDeque::new(),
            waiting_through: sent,
            sent,
            durable: sent,
            written_at: Instant::now(),
            pause: FIRST_PAUSE,
            again_at: None,
        })
    }

    /// Takes the next readings out of the log. Returns whether there were any.
    async fn gather(&mut self) -> Result<bool, StoreError> {
        let known = self.sources.known.iter().map(Progress::caught_up_to).min().unwrap_or(0);
        let (source, readers, sent) = (Arc::clone(&self.source), self.sources.state_readers.clone(), self.sent);
        let (catalogues, fleet) = (self.sources.catalogues.clone(), Arc::clone(&self.sources.fleet));
        let gathered = tokio::task::spawn_blocking(move || {
            let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
            let Source { log, conn, names } = &mut *source;
            let oldest: Option<i64> = conn
                .prepare_cached("SELECT min(id) FROM log")
                .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
                .during("look for the log's oldest entry")?;
            let page = log.after(sent, STEP_BYTES, Wanted::Readings)?;
            let mut gathered = Gathered::default();
            let (mut through, mut any) = (page.through.min(known), false);
            readers.read_blocking(|conn| names.refresh(conn))?;
            for entry in &page.entries {
                if entry.id > known {
                    through = through.min(entry.id - 1);
                    break;
                }
                any = true;
                gathered.add(entry, log, &catalogues, (names, &fleet))?;
            }
            let skipped = oldest.map_or(0, |oldest| oldest - 1 - sent).max(0);
            Ok::<_, StoreError>((gathered.into_requests(SAMPLES), through.max(sent), any, skipped))
        });
        let (requests, through, any, skipped) = gathered.await.map_err(|_| StoreError::Closed)??;
        if skipped > 0 && self.sent > 0 {
            self.sources.counters.remote_entries_dropped.add(skipped.unsigned_abs());
            warn!(entries = skipped, "The log no longer has what the remote receiver lacks; it is left out there.");
        }
        (self.waiting, self.waiting_through) = (requests.into(), through);
        Ok(any)
    }

    /// Sends what waits. Returns whether all of it is settled.
    async fn send(&mut self) -> Result<bool, StoreError> {
        if self.again_at.is_some_and(|at| Instant::now() < at) {
            return Ok(false);
        }
        while let Some(request) = self.waiting.front() {
            let shutdown = self.sources.shutdown.clone();
            let Some(sent) = shutdown.run_until_cancelled(self.receiver.send(request)).await else { return Ok(false) };
            match sent {
                Ok(()) => {
                    self.sources.counters.remote_samples.add(samples_in(request));
                    self.waiting.pop_front();
                    self.recovered();
                }
                Err(error @ (RemoteWriteError::Refused { .. } | RemoteWriteError::Pack(_))) => {
                    let Some(request) = self.waiting.pop_front() else { break };
                    self.recovered();
                    if samples_in(&request) <= 1 {
                        self.report_dropped(samples_in(&request), &error);
                    } else if !self.send_in_parts(request, &error).await {
                        return Ok(false);
                    }
                }
                Err(error) => {
                    self.failed(&error);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// A receiver refuses a request as a whole for one sample that it does not want. The others must not be lost with it,
    /// so the request is halved until each refused sample is alone: at worst two requests for each sample. Returns `false` when something else went wrong: what is left waits.
    async fn send_in_parts(&mut self, request: Vec<Series>, error: &RemoteWriteError) -> bool {
        let (first, second) = halves(request);
        let (mut parts, mut dropped) = (vec![second, first], 0);
        while let Some(part) = parts.pop() {
            let shutdown = self.sources.shutdown.clone();
            match shutdown.run_until_cancelled(self.receiver.send(&part)).await {
                Some(Ok(())) => self.sources.counters.remote_samples.add(samples_in(&part)),
                Some(Err(RemoteWriteError::Refused { .. } | RemoteWriteError::Pack(_))) => {
                    if samples_in(&part) <= 1 {
                        dropped += samples_in(&part);
                        continue;
                    }
                    let (first, second) = halves(part);
                    parts.extend([second, first]);
                }
                other => {
                    if let Some(Err(error)) = other {
                        self.failed(&error);
                    }
                    // What was not told apart is tried as it is, later.
                    parts.push(part);
                    parts.into_iter().for_each(|part| self.waiting.push_front(part));
                    self.report_dropped(dropped, error);
                    return false;
                }
            }
        }
        self.report_dropped(dropped, error);
        true
    }

    fn report_dropped(&self, dropped: u64, error: &RemoteWriteError) {
        if dropped > 0 {
            self.sources.counters.remote_samples_dropped.add(dropped);
            warn!(samples = dropped, %error, "The remote receiver refused samples; they are left out there.");
        }
    }

    fn recovered(&mut self) {
        if self.again_at.take().is_some() {
            info!("The remote receiver takes samples again.");
        }
        self.pause = FIRST_PAUSE;
    }

    fn failed(&mut self, error: &RemoteWriteError) {
        self.sources.counters.remote_failures.add(1);
        let wanted = match error {
            RemoteWriteError::Later { retry_after, .. } => *retry_after,
            _ => None,
        };
        // Somewhere between half and all of it, so that several collectors do not come back at one instant.
        let pause = wanted.unwrap_or_else(|| self.pause.mul_f64(rand::random_range(0.5..1.0)));
        if self.again_at.is_none() {
            warn!(%error, "The remote receiver does not take samples; they wait in the log.");
        }
        self.again_at = Some(Instant::now() + pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    async fn write_cursor(&mut self) -> Result<(), StoreError> {
        let sent = self.sent;
        if sent > self.durable {
            let written = self.sources.state.transact(move |transaction| {
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO cursors (reader, log_id) VALUES (?1, ?2)")
                    .and_then(|mut statement| statement.execute(params![CURSOR, sent]))
                    .during("move a cursor")
            });
            written.await?;
            self.durable = sent;
        }
        self.written_at = Instant::now();
        Ok(())
    }
}

fn samples_in(request: &[Series]) -> u64 {
    request.iter().map(|series| series.samples.len() as u64).sum()
}

/// Two halves of a request: of its series, or of the samples of its only one.
fn halves(mut request: Vec<Series>) -> (Vec<Series>, Vec<Series>) {
    if let [only] = request.as_mut_slice() {
        let second = only.samples.split_off(only.samples.len() / 2);
        let second = Series { name: only.name.clone(), samples: second };
        return (request, vec![second]);
    }
    let second = request.split_off(request.len() / 2);
    (request, second)
}

impl Reader for RemoteWriter {
    const NAME: &'static str = "remote-write";

    async fn step(&mut self) -> Result<bool, StoreError> {
        let found = if self.waiting.is_empty() { self.gather().await? } else { true };
        if !self.send().await? {
            return Ok(false);
        }
        self.sent = self.waiting_through.max(self.sent);
        if self.written_at.elapsed() >= WRITE_EVERY {
            self.write_cursor().await?;
        }
        Ok(found)
    }

    fn cursor(&self) -> i64 {
        self.durable
    }

    fn caught_up_to(&self) -> i64 {
        self.sent
    }

    async fn stop(&mut self) -> Result<(), StoreError> {
        self.write_cursor().await
    }
}
