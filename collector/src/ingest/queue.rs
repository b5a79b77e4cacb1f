//! The thread that owns the log: it takes every waiting upload into one commit, then answers them all.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use kouan_protocol::session::Hello;
use kouan_protocol::{AgentId, Clock, Incarnation, SessionId, Timestamp};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use super::{Session, SessionProblem, Sessions};
use crate::counters::Counters;
use crate::store::StoreError;
use crate::store::log::{Appended, Arrival, CheckedBatch, IngestLog, Reconciled};

/// Uploads that may wait; beyond it agents are asked to come again. Two thousand agents send one each in a second, and
/// a commit takes a tenth of one where the disk is busy.
const QUEUE: usize = 1_024;
/// Memory of batches that may wait, so that large ones do not fill it.
const WAITING_BYTES: usize = 64 << 20;
/// Memory of batches that one commit takes at most, so that a commit stays short.
const COMMIT_BYTES: usize = 16 << 20;

/// Why an upload or a hello was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Too many uploads wait.
    #[error("too many uploads wait to be stored")]
    Busy,
    /// The session has ended.
    #[error(transparent)]
    Session(#[from] SessionProblem),
    /// The log could not be written; nothing of this commit was stored.
    #[error("{0}")]
    Store(Arc<StoreError>),
}

/// Follows the id of the newest entry of the log; a wake-up that carries no data.
pub type Head = watch::Receiver<i64>;

type Answer<T> = oneshot::Sender<Result<T, IngestError>>;

enum Request {
    Append { session: SessionId, arrival: Box<Arrival>, answer: Answer<Appended> },
    Hello { agent: AgentId, site: String, hello: Box<Hello>, now: Timestamp, session: Session, answer: Answer<Greeted> },
    Prune { through: i64, kept: RangeInclusive<Timestamp>, answer: Answer<usize> },
}

/// What a hello led to.
#[derive(Debug)]
pub struct Greeted {
    /// Lanes and catalogues.
    pub reconciled: Reconciled,
    /// Why two machines seem to use the agent's identity, if they do.
    pub duplicate: Option<String>,
    /// The log's newest entry; what the hello wrote is not after it.
    pub head: i64,
}

/// Hands uploads and hellos to the log's thread.
#[derive(Debug, Clone)]
pub struct Ingest {
    requests: mpsc::Sender<Request>,
    /// Bytes of the batches that wait.
    waiting: Arc<AtomicUsize>,
    head: Head,
    incarnation: Incarnation,
}

impl Ingest {
    /// Gives the log to its thread, which ends when the last [`Ingest`] is dropped.
    ///
    /// # Errors
    /// When the log cannot be read or the thread cannot be started.
    pub fn spawn(
        log: Box<dyn IngestLog>,
        sessions: Arc<Sessions>,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let incarnation = log.incarnation()?;
        let (head_sender, head) = watch::channel(log.head()?);
        let (requests, waiting) = mpsc::channel(QUEUE);
        let waiting_bytes = Arc::<AtomicUsize>::default();
        let bytes = Arc::clone(&waiting_bytes);
        let thread = Thread { log, sessions, clock, counters, head: head_sender, waiting: bytes };
        let thread = std::thread::Builder::new()
            .name("ingest".to_owned())
            .spawn(move || thread.run(waiting))
            .map_err(StoreError::io("start the thread of", std::path::Path::new("ingest.db")))?;
        Ok((Self { requests, waiting: waiting_bytes, head, incarnation }, thread))
    }

    /// The life of the data folder.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Follows the newest entry.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head.clone()
    }

    /// Stores an upload; it is on disk when this returns.
    ///
    /// # Errors
    /// When it was not stored.
    pub async fn append(&self, session: SessionId, arrival: Arrival) -> Result<Appended, IngestError> {
        let (answer, answered) = oneshot::channel();
        let bytes = bytes_of(&arrival);
        let waiting = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let request = Request::Append { session, arrival: Box::new(arrival), answer };
        // One alone is taken whatever its size.
        let sent = if waiting > 0 && waiting + bytes > WAITING_BYTES {
            Err(IngestError::Busy)
        } else {
            self.requests.try_send(request).map_err(|error| match error {
                TrySendError::Full(_) => IngestError::Busy,
                TrySendError::Closed(_) => closed(),
            })
        };
        if sent.is_err() {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        }
        sent?;
        answered.await.map_err(|_| closed())?
    }

    /// Settles the lanes and begins the session, in one step with respect to appends.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn hello(
        &self,
        agent: AgentId,
        site: String,
        hello: Hello,
        now: Timestamp,
        session: Session,
    ) -> Result<Greeted, IngestError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Hello { agent, site, hello: Box::new(hello), now, session, answer };
        self.requests.send(request).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Drops some entries up to `through` that were received outside of `kept`. Returns how many.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn prune(&self, through: i64, kept: RangeInclusive<Timestamp>) -> Result<usize, IngestError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Prune { through, kept, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

fn bytes_of(arrival: &Arrival) -> usize {
    let opened = |batch: &CheckedBatch| batch.opened.as_ref().map_or(0, |opened| opened.memory());
    arrival.batches.iter().map(|batch| batch.body.len() + opened(batch)).sum()
}

fn closed() -> IngestError {
    IngestError::Store(Arc::new(StoreError::Closed))
}

struct Thread {
    log: Box<dyn IngestLog>,
    sessions: Arc<Sessions>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    head: watch::Sender<i64>,
    waiting: Arc<AtomicUsize>,
}

impl Thread {
    fn run(mut self, mut waiting: mpsc::Receiver<Request>) {
        let mut next = waiting.blocking_recv();
        while let Some(request) = next.take() {
            match request {
                Request::Append { session, arrival, answer } => {
                    next = self.append(session, *arrival, answer, &mut waiting);
                }
                Request::Hello { agent, site, hello, now, session, answer } => {
                    let result = self.log.reconcile(&agent, &site, &hello, now).map_err(store_error);
                    // The old session ends only when the new one is certain.
                    self.publish_head();
                    let result = result.map(|reconciled| {
                        let duplicate = self.sessions.begin(&agent, session);
                        Greeted { reconciled, duplicate, head: *self.head.borrow() }
                    });
                    let _ = answer.send(result);
                }
                Request::Prune { through, kept, answer } => {
                    let _ = answer.send(self.log.prune(through, &kept).map_err(store_error));
                }
            }
            if next.is_none() {
                next = waiting.blocking_recv();
            }
        }
    }

    /// Appends this upload and all that wait behind it; returns a request of another kind that ended the group.
    fn append(
        &mut self,
        session: SessionId,
        arrival: Arrival,
        answer: Answer<Appended>,
        waiting: &mut mpsc::Receiver<Request>,
    ) -> Option<Request> {
        let mut group = Vec::new();
        let mut bytes = 0;
        self.admit(session, arrival, answer, &mut group, &mut bytes);
        let mut other = None;
        while bytes < COMMIT_BYTES {
            match waiting.try_recv() {
                Ok(Request::Append { session, arrival, answer }) => {
                    self.admit(session, *arrival, answer, &mut group, &mut bytes);
                }
                Ok(request) => {
                    other = Some(request);
                    break;
                }
                Err(_) => break,
            }
        }
        let (arrivals, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        if !arrivals.is_empty() {
            self.commit(&arrivals, answers);
        }
        other
    }

    /// Lets an upload into the commit, unless a hello has ended its session while it waited.
    fn admit(
        &self,
        session: SessionId,
        arrival: Arrival,
        answer: Answer<Appended>,
        group: &mut Vec<(Arrival, Answer<Appended>)>,
        bytes: &mut usize,
    ) {
        let taken = bytes_of(&arrival);
        self.waiting.fetch_sub(taken, Ordering::Relaxed);
        match self.sessions.touch(&arrival.agent, session, self.clock.boot_time()) {
            Ok(_) => {
                *bytes += taken;
                group.push((arrival, answer));
            }
            Err(problem) => {
                let _ = answer.send(Err(problem.into()));
            }
        }
    }

    fn commit(&mut self, arrivals: &[Arrival], answers: Vec<Answer<Appended>>) {
        let started = std::time::Instant::now();
        let result = self.log.append(arrivals);
        self.counters.commits.add(1);
        self.counters.commit_micros.add(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
        match result {
            Ok(appended) => {
                self.publish_head();
                for (appended, answer) in appended.into_iter().zip(answers) {
                    self.counters.uploads.add(1);
                    self.counters.batches.add(appended.batches);
                    self.counters.duplicate_batches.add(appended.duplicates);
                    self.counters.quarantined_batches.add(appended.quarantined);
                    let _ = answer.send(Ok(appended));
                }
            }
            Err(error) => {
                self.counters.store_failures.add(1);
                error!(%error, uploads = arrivals.len(), "Uploads could not be stored; the agents keep them.");
                let error = Arc::new(error);
                for answer in answers {
                    let _ = answer.send(Err(IngestError::Store(Arc::clone(&error))));
                }
            }
        }
    }

    fn publish_head(&self) {
        match self.log.head() {
            Ok(head) => {
                self.head.send_replace(head);
            }
            Err(error) => error!(%error, "The head of the log could not be read; readers wake up later."),
        }
    }
}

fn store_error(error: StoreError) -> IngestError {
    error!(%error, "The log could not be written.");
    IngestError::Store(Arc::new(error))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use kouan_protocol::{BootId, BootTime, ManualClock};

    use super::*;

    /// A log that commits when it is told to, and says how many uploads each commit held.
    struct SlowLog {
        go: mpsc::Receiver<()>,
        commits: mpsc::Sender<usize>,
    }

    impl IngestLog for SlowLog {
        fn append(&mut self, arrivals: &[Arrival]) -> Result<Vec<Appended>, StoreError> {
            self.commits.send(arrivals.len()).unwrap();
            self.go.recv().unwrap();
            Ok(vec![Appended::default(); arrivals.len()])
        }

        fn reconcile(&mut self, _: &AgentId, _: &str, _: &Hello, _: Timestamp) -> Result<Reconciled, StoreError> {
            Err(StoreError::Closed)
        }

        fn prune(&mut self, _: i64, _: &RangeInclusive<Timestamp>) -> Result<usize, StoreError> {
            Ok(0)
        }

        fn head(&self) -> Result<i64, StoreError> {
            Ok(0)
        }

        fn incarnation(&self) -> Result<Incarnation, StoreError> {
            Ok(Incarnation(1))
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn waiting_uploads_share_a_commit_and_a_full_queue_pushes_back() {
        let (go, gone) = mpsc::channel();
        let (committing, commits) = mpsc::channel();
        let clock = Arc::new(ManualClock::at(0));
        let (sessions, counters) = (Arc::new(Sessions::default()), Arc::new(Counters::default()));
        let agent: AgentId = "hall-1".parse().unwrap();
        let session = Session {
            id: SessionId(1),
            incarnation: Incarnation(1),
            journal: Incarnation(1),
            boot: BootId(1),
            seen: BootTime(0),
        };
        sessions.begin(&agent, session);
        let arrival = Arrival {
            agent,
            site: "hall".to_owned(),
            received: clock.wall(),
            sent: clock.anchor(),
            catalogues: Vec::new(),
            batches: Vec::new(),
        };
        let log = Box::new(SlowLog { go: gone, commits: committing });
        let (ingest, _thread) = Ingest::spawn(log, sessions, clock, counters).unwrap();
        let append = || {
            let (ingest, arrival) = (ingest.clone(), arrival.clone());
            tokio::spawn(async move { ingest.append(SessionId(1), arrival).await })
        };
        let first = append();
        assert_eq!(commits.recv().unwrap(), 1, "the first is being committed");
        let waiting: Vec<_> = (0..QUEUE).map(|_| append()).collect();
        while ingest.requests.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(append().await.unwrap(), Err(IngestError::Busy)));
        let stale = SessionId(2);
        assert!(matches!(ingest.append(stale, arrival.clone()).await, Err(IngestError::Busy)));
        go.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert_eq!(commits.recv().unwrap(), QUEUE, "all that waited share one commit");
        go.send(()).unwrap();
        for append in waiting {
            append.await.unwrap().unwrap();
        }
        let superseded = ingest.append(stale, arrival.clone()).await;
        assert!(matches!(superseded, Err(IngestError::Session(SessionProblem::Superseded))));
    }
}
