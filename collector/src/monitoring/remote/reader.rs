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
use super::parts::{Parts, probes, samples_in};
use super::send::{Receiver, RemoteWriteError};
use crate::config::RemoteWrite;
use crate::counters::Counters;
use crate::reader::{Progress, Reader};
use crate::state::SharedFleet;
use crate::store::log::{Catalogues, FollowLog as _, SqliteFollower, Wanted};
use crate::store::{During as _, Readers, StoreError, Writer, open_read_only};

/// The name under which the cursor is kept.
const CURSOR: &str = "remote-write";
/// The name under which it is kept up to which entry requests may have been sent.
const SENDING_CURSOR: &str = "remote-write-sending";
/// Bytes of batches that one step takes.
const STEP_BYTES: usize = 128 << 10;
/// Samples in a request, as the reference sender of Prometheus has them.
const SAMPLES: usize = 2_000;
/// Where nothing is sent, the cursor is written at most this often.
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

/// A request, and whether the receiver may have taken it before.
#[derive(Debug)]
struct Waiting {
    series: Vec<Series>,
    in_doubt: bool,
}

/// Sends every reading of the log to a receiver, in order.
///
/// Before anything of a step is sent, it is on disk how far the step goes. After a crash just this step is sent again,
/// in the same requests.
pub struct RemoteWriter {
    source: Arc<Mutex<Source>>,
    sources: Sources,
    receiver: Receiver,
    /// Requests that the receiver has not taken, and the entry that they go up to.
    waiting: VecDeque<Waiting>,
    waiting_through: i64,
    /// Up to here an earlier run may have sent.
    doubted_through: i64,
    /// How far the receiver has everything.
    sent: i64,
    /// How far that is on disk.
    durable: i64,
    /// It is on disk that requests up to here may have been sent.
    announced: i64,
    written_at: Instant,
    /// Everything in the last request was too old for the receiver.
    all_old: bool,
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
        let conn = open_read_only(state)?;
        let cursor = |name| {
            conn.query_row("SELECT log_id FROM cursors WHERE reader = ?1", [name], |row| row.get(0))
                .optional()
                .during("read a cursor")
        };
        let (sent, announced): (Option<i64>, Option<i64>) = (cursor(CURSOR)?, cursor(SENDING_CURSOR)?);
        let source =
            Source { log: SqliteFollower::open(ingest)?, conn: open_read_only(ingest)?, names: Names::default() };
        let sent = sent.unwrap_or(0);
        let announced = announced.unwrap_or(0).max(sent);
        Ok(Self {
            source: Arc::new(Mutex::new(source)),
            sources,
            receiver: Receiver::new(settings)?,
            waiting: VecDeque::new(),
            waiting_through: sent,
            doubted_through: announced,
            sent,
            durable: sent,
            announced,
            written_at: Instant::now(),
            all_old: false,
            pause: FIRST_PAUSE,
            again_at: None,
        })
    }

    /// Takes the next readings out of the log. Returns whether there were any.
    async fn gather(&mut self) -> Result<bool, StoreError> {
        let mut known = self.sources.known.iter().map(Progress::caught_up_to).min().unwrap_or(0);
        let in_doubt = self.sent < self.doubted_through;
        if in_doubt {
            // A step as it was before, and not one of old and new.
            known = known.min(self.doubted_through);
        }
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
        self.waiting = requests.into_iter().map(|series| Waiting { series, in_doubt }).collect();
        self.waiting_through = through;
        Ok(any)
    }

    /// Sends what waits. Returns whether all of it is settled.
    async fn send(&mut self) -> Result<bool, StoreError> {
        if self.again_at.is_some_and(|at| Instant::now() < at) {
            return Ok(false);
        }
        while let Some(request) = self.waiting.front() {
            match self.post(&request.series).await {
                None => return Ok(false),
                Some(Ok(())) => {
                    self.sources.counters.remote_samples.add(samples_in(&request.series));
                    self.waiting.pop_front();
                    self.all_old = false;
                    self.recovered();
                }
                Some(Err(error @ (RemoteWriteError::Refused { .. } | RemoteWriteError::Pack(_)))) => {
                    let Some(request) = self.waiting.pop_front() else { break };
                    self.recovered();
                    if !self.settle(request, &error).await {
                        return Ok(false);
                    }
                }
                Some(Err(error)) => {
                    // It may have arrived although no answer says so.
                    self.waiting.iter_mut().take(1).for_each(|request| request.in_doubt = true);
                    self.failed(&error);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Sends a request; `None` if the program stops meanwhile.
    async fn post(&self, series: &[Series]) -> Option<Result<(), RemoteWriteError>> {
        self.sources.shutdown.run_until_cancelled(self.receiver.send(series)).await
    }

    /// Finds out what the receiver wants of a request that it refused. Returns `false` when something else went wrong:
    /// what is left waits.
    async fn settle(&mut self, request: Waiting, error: &RemoteWriteError) -> bool {
        if request.in_doubt && error.is_about_age() {
            match self.has_already(&request.series).await {
                None => {
                    self.waiting.push_front(request);
                    return false;
                }
                Some(true) => {
                    let samples = samples_in(&request.series);
                    self.sources.counters.remote_samples_known.add(samples);
                    info!(samples, "The remote receiver has samples already that were in doubt.");
                    return true;
                }
                Some(false) => {}
            }
        }
        self.send_in_parts(request, error).await
    }

    /// Whether the receiver took all of a request before, as far as a few samples tell; `None` if it does not say.
    async fn has_already(&mut self, request: &[Series]) -> Option<bool> {
        for probe in probes(request) {
            match self.post(std::slice::from_ref(&probe)).await? {
                Ok(()) => return Some(false),
                Err(error) if error.is_about_age() => {}
                Err(RemoteWriteError::Refused { .. } | RemoteWriteError::Pack(_)) => return Some(false),
                Err(error) => {
                    self.failed(&error);
                    return None;
                }
            }
        }
        Some(true)
    }

    async fn send_in_parts(&mut self, request: Waiting, error: &RemoteWriteError) -> bool {
        let for_age = error.is_about_age();
        let (mut parts, given_up) = Parts::of(request.series, for_age, self.all_old);
        let (mut taken, mut too_old, mut refused) = if for_age { (0, given_up, 0) } else { (0, 0, given_up) };
        let is_settled = loop {
            let Some(part) = parts.next() else { break true };
            match self.post(&part.series).await {
                Some(Ok(())) => taken += samples_in(&part.series),
                Some(Err(error @ (RemoteWriteError::Refused { .. } | RemoteWriteError::Pack(_)))) => {
                    let for_age = error.is_about_age();
                    *(if for_age { &mut too_old } else { &mut refused }) += parts.refused(part, for_age);
                }
                other => {
                    if let Some(Err(error)) = other {
                        self.failed(&error);
                    }
                    // What was not told apart is tried as it is, later.
                    for series in parts.rest(part) {
                        self.waiting.push_front(Waiting { series, in_doubt: true });
                    }
                    break false;
                }
            }
        };
        self.sources.counters.remote_samples.add(taken);
        self.all_old = is_settled && taken == 0 && refused == 0;
        if too_old > 0 {
            self.sources.counters.remote_samples_too_old.add(too_old);
            warn!(samples = too_old, %error, "Samples were too old for the remote receiver; they are left out there.");
        }
        if refused > 0 {
            self.sources.counters.remote_samples_dropped.add(refused);
            warn!(samples = refused, %error, "The remote receiver refused samples; they are left out there.");
        }
        is_settled
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

    /// Puts on disk how far the receiver has everything, and how far requests may have been sent.
    async fn write_cursors(&mut self) -> Result<(), StoreError> {
        let (sent, sending) = (self.sent, self.waiting_through.max(self.sent));
        if sent > self.durable || sending > self.announced {
            let written = self.sources.state.transact(move |transaction| {
                for (name, log_id) in [(CURSOR, sent), (SENDING_CURSOR, sending)] {
                    transaction
                        .prepare_cached("INSERT OR REPLACE INTO cursors (reader, log_id) VALUES (?1, ?2)")
                        .and_then(|mut statement| statement.execute(params![name, log_id]))
                        .during("move a cursor")?;
                }
                Ok(())
            });
            written.await?;
            (self.durable, self.announced) = (sent, sending);
        }
        self.written_at = Instant::now();
        Ok(())
    }
}

impl Reader for RemoteWriter {
    const NAME: &'static str = "remote-write";
    /// Readings share requests, and these a note on disk.
    const PACE: Duration = Duration::from_millis(500);

    async fn step(&mut self) -> Result<bool, StoreError> {
        let found = if self.waiting.is_empty() { self.gather().await? } else { true };
        if !self.waiting.is_empty() && self.announced < self.waiting_through {
            self.write_cursors().await?;
        }
        if !self.send().await? {
            return Ok(false);
        }
        self.sent = self.waiting_through.max(self.sent);
        if self.written_at.elapsed() >= WRITE_EVERY {
            self.write_cursors().await?;
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
        self.write_cursors().await
    }
}
