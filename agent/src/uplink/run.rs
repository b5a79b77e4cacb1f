//! Sessions, one after another.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kouan_protocol::session::{Hello, PROTOCOL, Welcome};
use kouan_protocol::{CatalogueHash, Clock, Incarnation, Lane, RecordKind, Severity, Timestamp};
use kouan_settings::{Bilingual, Translate as _, both};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::agree::stands_for;
use super::client::{Client, UplinkError};
use super::lane::LaneSender;
use super::pace::Pace;
use super::poll::CommandPoller;
use super::prepare::Preparer;
use super::retry::Retry;
use super::snapshots::SnapshotSender;
use super::traffic::Traffic;
use crate::alarms::AgentAlarms;
use crate::buffer::Buffer;
use crate::commands::Executor;
use crate::pipeline::Current;

/// A session that lasted longer was a good one, and the next attempt follows at once.
const GOOD_SESSION_MS: u64 = 10_000;
/// Hellos in a row that may disagree about numbers; a collector that never agrees is asked again after a pause.
const DISAGREEMENTS: u32 = 4;
/// The alarm of the agent itself while the other side shows a certificate that is not accepted.
const CERTIFICATE: &str = "collector.certificate";

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
    /// The same in Chinese.
    #[serde(default)]
    pub problem_zh: Option<String>,
}

/// The pace of each lane, kept from session to session.
#[derive(Debug)]
struct Paces([Arc<Mutex<Pace>>; Lane::ALL.len()]);

impl Paces {
    fn new(backlog_share: f64) -> Self {
        Self(Lane::ALL.map(|lane| {
            let share = if lane == Lane::Readings { backlog_share } else { 1.0 };
            Arc::new(Mutex::new(Pace::new(share)))
        }))
    }

    fn of(&self, lane: Lane) -> Arc<Mutex<Pace>> {
        Arc::clone(&self.0[lane.number() as usize - 1])
    }
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
    /// The agent's own alarms.
    pub alarms: AgentAlarms,
    /// Share of the line that a backlog of readings may take, 0 to 1.
    pub backlog_share: f64,
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
        let mut retry = Retry::new();
        let paces = Paces::new(self.backlog_share);
        loop {
            let began = self.clock.boot_time();
            let ended = tokio::select! {
                () = shutdown.cancelled() => return,
                ended = self.session(&paces) => ended,
            };
            let Err(problem) = ended;
            let now = self.clock.boot_time();
            // A session that ends as soon as it began is no success, whatever was agreed in it; nor is a hello that
            // hung for long.
            let connected = self.status.borrow().state == UplinkState::Connected;
            if connected && now.since_ms(began) > GOOD_SESSION_MS {
                retry = Retry::new();
            }
            let next = retry.after(&problem, now);
            self.tell(UplinkState::Connecting, None, Some(problem.translate()));
            if next.say {
                log(&problem, next.attempts);
            }
            self.judge_certificate(&problem);
            // Nobody reconnects in step: a collector that starts again is not met by every agent at once.
            let wait = next.pause.mul_f64(rand::rng().random_range(0.5..1.0));
            let asked =
                if let UplinkError::Busy { retry_after, .. } = &problem { *retry_after } else { Duration::ZERO };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(wait.max(asked)) => {}
            }
        }
    }

    /// A wrong certificate is an alarm until the right one was seen; a line that is cut says nothing about it.
    fn judge_certificate(&self, problem: &UplinkError) {
        match problem {
            UplinkError::Certificate { problem, .. } => {
                self.alarms.raise(CERTIFICATE, Severity::Critical, problem.translate());
            }
            UplinkError::Busy { .. } | UplinkError::HelloRequired { .. } | UplinkError::Refused { .. } => {
                self.alarms.clear(CERTIFICATE);
            }
            _ => {}
        }
    }

    /// One session. It only ever ends with the reason why it did.
    async fn session(&self, paces: &Paces) -> Result<std::convert::Infallible, UplinkError> {
        let client = self.client.renewed()?;
        let (welcome, journal) = self.greet(&client).await?;
        self.alarms.clear(CERTIFICATE);
        self.tell(UplinkState::Connected, Some(welcome.agent.to_string()), None);
        info!(session = %welcome.session, agent = %welcome.agent, site = welcome.site, "Connected to the collector.");
        let wanted: HashSet<CatalogueHash> = welcome.wanted_catalogues.iter().copied().collect();
        let kinds: Arc<[RecordKind]> = welcome.kinds.as_slice().into();
        let traffic = Traffic::new();
        let snapshots = SnapshotSender {
            session: welcome.session,
            client: client.clone(),
            clock: Arc::clone(&self.clock),
            buffer: Arc::clone(&self.buffer),
            current: Arc::clone(&self.current),
            alarms: self.alarms.clone(),
            traffic: traffic.clone(),
            wanted: wanted.clone(),
            kinds: Arc::clone(&kinds),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { snapshots.run().await.map(|never| match never {}) });
        tasks.spawn(
            CommandPoller {
                session: welcome.session,
                client: client.clone(),
                clock: Arc::clone(&self.clock),
                executor: self.executor.clone(),
                journal,
            }
            .run(),
        );
        for verdict in &welcome.lanes {
            let preparer = Preparer {
                lane: verdict.lane,
                epoch: verdict.epoch,
                buffer: Arc::clone(&self.buffer),
                kinds: Arc::clone(&kinds),
            };
            let sender = LaneSender {
                preparer,
                stored: verdict.stored_seq,
                session: welcome.session,
                client: client.clone(),
                clock: Arc::clone(&self.clock),
                wanted: wanted.clone(),
                pace: paces.of(verdict.lane),
                traffic: traffic.clone(),
            };
            tasks.spawn(sender.run());
        }
        match tasks.join_next().await {
            Some(Ok(Err(problem))) => Err(problem),
            Some(Err(panicked)) if panicked.is_panic() => std::panic::resume_unwind(panicked.into_panic()),
            _ => {
                Err(UplinkError::HelloRequired { request: "session", detail: "a part of the session ended".to_owned() })
            }
        }
    }

    /// Says hello until both sides agree about every lane. Returns also which journal was named.
    async fn greet(&self, client: &Client) -> Result<(Welcome, Incarnation), UplinkError> {
        for _ in 0..DISAGREEMENTS {
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
            let welcome = client.hello(&hello).await?;
            let mut agreed = true;
            for verdict in &welcome.lanes {
                if verdict.new_epoch {
                    agreed = false;
                    let epoch = self.buffer.new_epoch(verdict.lane, verdict.epoch, verdict.stored_seq).await?;
                    warn!(lane = %verdict.lane, %epoch, reason = verdict.reason, "The lane goes on in a new epoch.");
                } else if !stands_for(&self.buffer, verdict).await? {
                    agreed = false;
                    let known = hello.lanes.iter().find(|claim| claim.lane == verdict.lane);
                    let common = known.map_or(0, |claim| claim.oldest_seq.saturating_sub(1));
                    let epoch = self.buffer.new_epoch(verdict.lane, verdict.epoch, common).await?;
                    let stored = verdict.stored_seq;
                    warn!(lane = %verdict.lane, %epoch, stored, "The collector has other records; a new epoch begins.");
                } else {
                    self.buffer.acknowledge(verdict.lane, verdict.epoch, verdict.stored_seq).await?;
                }
            }
            if agreed {
                self.buffer.agreed().await?;
                self.executor.confirm_journal(hello.journal);
                return Ok((welcome, hello.journal));
            }
            let reason = both!(
                "the data folder may be an older copy: the collector's positions differ",
                "数据文件夹可能是一份旧拷贝：采集中心的位置与它不同"
            );
            self.executor.begin_new_incarnation(&reason).await?;
        }
        let detail = "the two sides cannot agree about the numbers".to_owned();
        Err(UplinkError::HelloRequired { request: "hello", detail })
    }

    fn tell(&self, state: UplinkState, agent: Option<String>, problem: Option<Bilingual>) {
        self.status.send_modify(|status| {
            if status.state != state {
                status.state = state;
                status.since = self.clock.wall();
            }
            status.agent = agent.or_else(|| status.agent.take());
            (status.problem, status.problem_zh) = problem.map(|why| (why.english, why.chinese)).unzip();
        });
    }
}

fn log(problem: &UplinkError, attempts: u64) {
    match problem {
        UplinkError::HelloRequired { detail, .. } => info!(detail, attempts, "The session ended; saying hello again."),
        UplinkError::Buffer(_) | UplinkError::Journal(_) => {
            error!(error = %problem, attempts, "The uplink cannot go on.");
        }
        UplinkError::Certificate { problem, .. } => {
            error!(%problem, attempts, "The collector is not talked to; everything is kept here.");
        }
        UplinkError::Refused { .. } => warn!(error = %problem, attempts, "The collector refused."),
        _ => warn!(error = %problem, attempts, "The collector cannot be reached."),
    }
}
