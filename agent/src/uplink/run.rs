//! Sessions, one after another.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::session::{Hello, PROTOCOL, Upload, Welcome};
use kouan_protocol::{CatalogueHash, Clock, Incarnation, Lane, RecordKind, SessionId, Timestamp};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::client::{Client, UplinkError};
use super::lane::LaneSender;
use super::poll::CommandPoller;
use crate::buffer::Buffer;
use crate::commands::Executor;
use crate::pipeline::Current;

/// The first pause after a failed session; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two attempts to reach the collector.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A session that lasted longer was a good one, and the next attempt follows at once.
const GOOD_SESSION_MS: u64 = 10_000;
/// How often the snapshot is repeated while readings lag.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(2);
/// Readings lag when more rows than this wait.
const LAG_ROWS: u64 = 2000;

/// Where the conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UplinkState {
    /// No collector is configured.
    Off,
    /// No session; trying.
    Connecting,
    /// A session is up.
    Connected,
}

/// What people are told about the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkStatus {
    /// Where it stands.
    pub state: UplinkState,
    /// The collector's address.
    pub collector: String,
    /// Since when, by the agent's wall clock.
    pub since: Timestamp,
    /// Under which name the agent is enrolled, once the collector said so.
    pub agent: Option<String>,
    /// Why the last session ended or did not begin.
    pub problem: Option<String>,
}

/// Everything the uplink needs.
#[derive(Debug)]
pub struct Uplink {
    /// Talks to the collector.
    pub client: Client,
    /// The collector's address, for people.
    pub url: String,
    /// The life of the data folder.
    pub incarnation: Incarnation,
    /// Hash of the configuration.
    pub config_hash: String,
    /// What waits.
    pub buffer: Arc<Buffer>,
    /// What is known now.
    pub current: Arc<Current>,
    /// Carries commands out.
    pub executor: Executor,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where people are told how it stands.
    pub status: watch::Sender<UplinkStatus>,
}

impl Uplink {
    /// Runs sessions until `shutdown` is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = self.clock.boot_time();
            let ended = tokio::select! {
                () = shutdown.cancelled() => return,
                ended = self.session() => ended,
            };
            let Err(problem) = ended;
            // A session that ends as soon as it began is no success, whatever was agreed in it.
            if self.clock.boot_time().since_ms(began) > GOOD_SESSION_MS {
                pause = FIRST_PAUSE;
            }
            self.tell(UplinkState::Connecting, None, Some(problem.to_string()));
            // Nobody reconnects in step: a collector that starts again is not met by every agent at once.
            let jitter = rand::rng().random_range(0.5..1.0);
            let mut wait = pause.mul_f64(jitter);
            match &problem {
                UplinkError::Busy { retry_after, .. } => wait = wait.max(*retry_after),
                UplinkError::HelloRequired { detail, .. } => info!(detail, "The session ended; saying hello again."),
                UplinkError::Buffer(_) | UplinkError::Journal(_) => {
                    error!(error = %problem, "The uplink cannot go on.")
                }
                _ => warn!(error = %problem, "The collector cannot be reached."),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One session. It only ever ends with the reason why it did.
    async fn session(&self) -> Result<std::convert::Infallible, UplinkError> {
        let welcome = self.greet().await?;
        self.tell(UplinkState::Connected, Some(welcome.agent.to_string()), None);
        info!(session = %welcome.session, agent = %welcome.agent, site = welcome.site, "Connected to the collector.");
        let wanted: HashSet<CatalogueHash> = welcome.wanted_catalogues.iter().copied().collect();
        let mut tasks = JoinSet::new();
        tasks.spawn(
            CommandPoller {
                session: welcome.session,
                client: self.client.clone(),
                clock: Arc::clone(&self.clock),
                executor: self.executor.clone(),
            }
            .run(),
        );
        for verdict in &welcome.lanes {
            tasks.spawn(
                LaneSender {
                    lane: verdict.lane,
                    epoch: verdict.epoch,
                    stored: verdict.stored_seq,
                    session: welcome.session,
                    client: self.client.clone(),
                    buffer: Arc::clone(&self.buffer),
                    clock: Arc::clone(&self.clock),
                    wanted: wanted.clone(),
                }
                .run(),
            );
        }
        let snapshots = self.send_snapshots(welcome.session, wanted);
        tokio::pin!(snapshots);
        tokio::select! {
            ended = &mut snapshots => ended,
            Some(ended) = tasks.join_next() => match ended {
                Ok(Err(problem)) => Err(problem),
                Ok(Ok(())) => Err(UplinkError::HelloRequired {
                    request: "session",
                    detail: "a part of the session ended".to_owned(),
                }),
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            },
        }
    }

    /// Says hello until both sides agree about every lane.
    async fn greet(&self) -> Result<Welcome, UplinkError> {
        loop {
            let hello = Hello {
                protocol: PROTOCOL,
                software: concat!("kouan-agent ", env!("CARGO_PKG_VERSION")).to_owned(),
                incarnation: self.incarnation,
                journal: self.executor.journal().incarnation(),
                lanes: self.buffer.claims().await?,
                kinds: RecordKind::KNOWN.to_vec(),
                catalogues: self.buffer.catalogues().await?,
                config_hash: self.config_hash.clone(),
                now: self.clock.anchor(),
            };
            let welcome = self.client.hello(&hello).await?;
            let mut agreed = true;
            for verdict in &welcome.lanes {
                if verdict.new_epoch {
                    agreed = false;
                    let epoch = self.buffer.new_epoch(verdict.lane, verdict.stored_seq).await?;
                    warn!(lane = %verdict.lane, %epoch, reason = verdict.reason, "The lane goes on in a new epoch.");
                } else {
                    self.buffer.acknowledge(verdict.lane, verdict.epoch, verdict.stored_seq).await?;
                }
            }
            if agreed {
                return Ok(welcome);
            }
        }
    }

    /// Sends the snapshot at once, and again while readings lag behind.
    async fn send_snapshots(
        &self,
        session: SessionId,
        mut wanted: HashSet<CatalogueHash>,
    ) -> Result<std::convert::Infallible, UplinkError> {
        loop {
            let now = self.clock.anchor();
            let current = self.buffer.current_catalogue();
            let mut catalogues = Vec::new();
            if wanted.contains(&current) {
                catalogues.extend(self.buffer.catalogue(current).await?);
            }
            let snapshots = self.current.snapshots(now, crate::pipeline::Version::START).bodies;
            let upload = Upload { session, now, catalogues, batches: Vec::new(), snapshots };
            match self.client.upload(upload).await {
                Err(UplinkError::Busy { retry_after, .. }) => {
                    tokio::time::sleep(retry_after).await;
                    continue;
                }
                Ok(receipt) => {
                    let lacked = wanted.remove(&current);
                    wanted.extend(receipt.wanted_catalogues);
                    if wanted.contains(&current) && !lacked {
                        continue;
                    }
                }
                Err(error) => return Err(error),
            }
            loop {
                tokio::time::sleep(SNAPSHOT_EVERY).await;
                let lanes = self.buffer.status().await?;
                if lanes.iter().any(|lane| lane.lane == Lane::Readings && lane.waiting > LAG_ROWS) {
                    break;
                }
            }
        }
    }

    fn tell(&self, state: UplinkState, agent: Option<String>, problem: Option<String>) {
        self.status.send_modify(|status| {
            if status.state != state {
                status.state = state;
                status.since = self.clock.wall();
            }
            status.agent = agent.or_else(|| status.agent.take());
            status.problem = problem;
        });
    }
}
