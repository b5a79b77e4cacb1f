//! All wiring of the agent: build, run, stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kouan_drivers::configure::{ConfiguredLink, catalogue};
use kouan_drivers::driver::Purpose;
use kouan_protocol::{BootTime, Clock, Severity};
use kouan_settings::{Bilingual, both};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::alarms::AgentAlarms;
use crate::buffer::{Buffer, BufferError, BufferThreads};
use crate::commands::{Executor, Journal, JournalError};
use crate::config::{CollectorConfig, Config};
use crate::config_facts::ConfigFacts;
use crate::data_folder::{DataFolder, DataFolderError};
use crate::local::{self, LocalFace};
use crate::own::{OwnSources, disk_is_back, watch_files};
use crate::pipeline::{self, Current, PipelineSettings};
use crate::supervisor::Supervisor;
use crate::uplink::{Client, Uplink, UplinkError, UplinkState, UplinkStatus};

/// Observations that may wait for the pipeline before drivers have to wait.
const OBSERVATION_QUEUE: usize = 1024;
/// How long drivers get to finish what they are saying.
const DRIVER_STOP: Duration = Duration::from_millis(1200);

/// How often a local socket that the disk refused is tried again.
const BIND_EVERY: Duration = Duration::from_secs(5);

/// How long what was said gets to reach the disk, three times over.
const SETTLE: Duration = Duration::from_millis(500);

/// The agent could not be built or run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The data folder.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// The buffer.
    #[error(transparent)]
    Buffer(#[from] BufferError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The connection to the collector.
    #[error(transparent)]
    Uplink(#[from] UplinkError),
    /// A part that should run as long as the agent does ended; the log before this says why.
    #[error("the {part} ended by itself; the log before this says why")]
    EndedEarly {
        /// Which part.
        part: &'static str,
    },
    /// The local socket.
    #[error("opening the local socket {path} failed: {cause}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
}

/// Why an agent ended in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// Its files were given up, and the disk takes writes again: it should be built and run once more.
    DiskIsBack,
}

/// An agent that is ready to run: everything is open, nothing talks yet.
pub struct App {
    folder: DataFolder,
    clock: Arc<dyn Clock>,
    started: BootTime,
    links: Arc<Vec<ConfiguredLink>>,
    buffer: Buffer,
    threads: BufferThreads,
    journal: Journal,
    current: Arc<Current>,
    /// None where the disk is read-only.
    listener: Option<UnixListener>,
    socket: PathBuf,
    collector: Option<(CollectorConfig, Client)>,
    facts: ConfigFacts,
    own: OwnSources,
    /// Why the configuration is not that of the file.
    rejected: Option<Bilingual>,
}

impl App {
    /// Opens the data folder, the buffer, the journal and the local socket.
    ///
    /// # Errors
    /// What could not be opened.
    pub async fn build(config: Config, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let folder = DataFolder::open(&config.data)?;
        let catalogue = catalogue(&config.links);
        let journal = Journal::open(&folder.path().join("journal.db"), &clock)?;
        let (buffer, threads) = Buffer::open(&config.buffer, &catalogue, &clock)?;
        if buffer.journal_mark().await?.is_some_and(|mark| journal.is_behind(mark)) {
            // What is reported later says so; here it must only never run.
            journal.begin_new_incarnation(&both!(
                "the command journal is an older copy than the agent's other files",
                "命令日志比代理的其他文件旧，是一份旧拷贝"
            ))?;
        }
        let own = OwnSources {
            buffer: buffer.figures(),
            journal: journal.condition(),
            journal_path: journal.path().to_owned(),
        };
        let own = config.own.get_or_init(|| own).clone();
        let listener = match local::bind(&config.socket) {
            Ok(listener) => Some(listener),
            Err(cause) if cause.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
                error!(socket = %config.socket.display(), error = %cause, "There is no local socket on this disk.");
                None
            }
            Err(cause) => return Err(AppError::Socket { path: config.socket.clone(), cause }),
        };
        let collector = match config.collector {
            Some(collector) => {
                let client = Client::new(&collector)?;
                Some((collector, client))
            }
            None => None,
        };
        let current = Arc::new(Current::new(catalogue).with_readers(&config.links));
        Ok(Self {
            folder,
            started: clock.boot_time(),
            clock,
            links: Arc::new(config.links),
            buffer,
            threads,
            journal,
            current,
            listener,
            socket: config.socket,
            collector,
            facts: config.facts,
            own,
            rejected: None,
        })
    }

    /// The same, which says that its configuration is an earlier one, because that of the file has these problems.
    #[must_use]
    pub fn with_rejected(self, problems: Option<Bilingual>) -> Self {
        Self { rejected: problems, ..self }
    }

    /// Runs until `shutdown` is cancelled; then everything that was learned is on disk.
    ///
    /// # Errors
    /// When the journal cannot be brought in order, or a part ended by itself.
    pub async fn run(self, shutdown: CancellationToken) -> Result<Ended, AppError> {
        let buffer = Arc::new(self.buffer);
        let (observations, observed) = mpsc::channel(OBSERVATION_QUEUE);
        let drivers_stop = CancellationToken::new();
        let supervisor = Supervisor::start(&self.links, &observations, &self.clock, Purpose::Serve, &drivers_stop);
        drop(observations);
        let (executor, reporter) = Executor::new(
            self.journal,
            Arc::clone(&self.clock),
            Arc::clone(&buffer),
            Arc::clone(&self.current),
            supervisor.requests(),
        );
        let mut reporter = tokio::spawn(reporter.run());
        let (alarms, recorder) = AgentAlarms::kept(Arc::clone(&self.clock), self.folder.path().join("alarms.json"));
        if let Some(problems) = &self.rejected {
            let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
            let first = Bilingual::new(first(&problems.english), first(&problems.chinese));
            let text = both!(
                "the configuration cannot be used, the agent runs with the last good one: {first}",
                "配置不能用，代理沿用上一次能用的那份：{first}"; first
            );
            alarms.raise(crate::last_good::CONDITION, Severity::Major, text);
        }
        let recorder_stop = CancellationToken::new();
        let mut recorder = tokio::spawn(recorder.run(Arc::clone(&buffer), recorder_stop.clone()));
        let watcher_stop = drivers_stop.clone();
        let watcher = tokio::spawn(watch_files(self.own.clone(), alarms.clone(), watcher_stop));
        let settings = PipelineSettings {
            buffer: Arc::clone(&buffer),
            current: Arc::clone(&self.current),
            alarms: alarms.clone(),
            clock: Arc::clone(&self.clock),
        };
        let pipeline_links = Arc::clone(&self.links);
        let mut pipeline = tokio::spawn(async move { pipeline::run(settings, &pipeline_links, observed).await });
        // Without the journal in order no command may be taken; with a disk that refuses this can take for ever.
        tokio::select! {
            () = shutdown.cancelled() => {}
            recovered = executor.recover() => recovered?,
        }

        let outside_stop = CancellationToken::new();
        let collector = self.collector.as_ref().map(|(config, _)| config.url.clone());
        let uplink_status = watch::Sender::new(UplinkStatus {
            state: if collector.is_some() { UplinkState::Connecting } else { UplinkState::Off },
            collector: collector.unwrap_or_default(),
            since: self.clock.wall(),
            agent: None,
            problem: None,
            problem_zh: None,
        });
        let face = LocalFace {
            clock: Arc::clone(&self.clock),
            started: self.started,
            incarnation: self.folder.incarnation(),
            buffer: Arc::clone(&buffer),
            current: Arc::clone(&self.current),
            alarms: alarms.clone(),
            executor: executor.clone(),
            links: supervisor.requests(),
            config: self.facts.clone(),
            uplink: uplink_status.subscribe(),
        };
        let mut outside = tokio::task::JoinSet::new();
        match self.listener {
            Some(listener) => outside.spawn(local::serve(face, listener, outside_stop.clone())),
            None => {
                let (socket, stop) = (self.socket, outside_stop.clone());
                outside.spawn(async move {
                    if let Some(listener) = stop.run_until_cancelled(bind_later(&socket)).await {
                        local::serve(face, listener, stop).await;
                    }
                })
            }
        };
        if let Some((config, client)) = self.collector {
            let uplink = Uplink {
                client,
                url: config.url,
                incarnation: self.folder.incarnation(),
                config_hash: self.facts.hash,
                buffer: Arc::clone(&buffer),
                current: Arc::clone(&self.current),
                alarms: alarms.clone(),
                backlog_share: config.backlog_share,
                executor: executor.clone(),
                clock: Arc::clone(&self.clock),
                status: uplink_status,
            };
            outside.spawn(uplink.run(outside_stop.clone()));
        }
        let (devices, _) = self.current.count();
        info!(devices, links = self.links.len(), data = %self.folder.path().display(), "Agent is running.");

        let mut ended = Ended::Asked;
        let ended_early = tokio::select! {
            () = shutdown.cancelled() => None,
            () = disk_is_back(self.folder.path().to_owned(), self.own, &buffer) => {
                ended = Ended::DiskIsBack;
                None
            }
            _ = &mut pipeline => Some("pipeline"),
            _ = &mut reporter => Some("command reporter"),
            _ = outside.join_next() => Some("uplink or the local face"),
        };
        match ended_early {
            None => info!("Agent is stopping."),
            Some(part) => error!(part, "A part of the agent ended by itself; stopping, so that all can start again."),
        }
        let incomplete = self.threads.incomplete_switch();
        if ended_early.is_some() {
            incomplete.store(true, Ordering::Relaxed);
        }
        // From the outside in: no new commands, then the drivers, then what they said reaches the disk.
        outside_stop.cancel();
        outside.shutdown().await;
        drivers_stop.cancel();
        if tokio::time::timeout(DRIVER_STOP, supervisor.join()).await.is_err() {
            error!("A driver did not stop in time; what it was saying is given up.");
            incomplete.store(true, Ordering::Relaxed);
        }
        let _ = watcher.await;
        recorder_stop.cancel();
        let settled = async {
            if !recorder.is_finished() {
                let _ = (&mut recorder).await;
            }
            executor.drain().await;
            drop(executor);
            if !reporter.is_finished() {
                let _ = (&mut reporter).await;
            }
            if !pipeline.is_finished() {
                let _ = (&mut pipeline).await;
            }
        };
        if tokio::time::timeout(SETTLE, settled).await.is_err() {
            error!("The disk did not take everything in time; what waits is given up.");
            incomplete.store(true, Ordering::Relaxed);
            recorder.abort();
            reporter.abort();
            pipeline.abort();
        }
        let threads = self.threads;
        let give_up = threads.give_up_switch();
        if !matches!(tokio::time::timeout(SETTLE, buffer.flush()).await, Ok(Ok(()))) {
            error!("The last readings could not be written.");
            incomplete.store(true, Ordering::Relaxed);
        }
        give_up.store(true, Ordering::Relaxed);
        drop(buffer);
        if tokio::time::timeout(SETTLE, tokio::task::spawn_blocking(move || threads.join())).await.is_err() {
            error!("The buffer's writers did not end in time.");
        }
        if let Some(part) = ended_early {
            return Err(AppError::EndedEarly { part });
        }
        info!("Agent has stopped.");
        Ok(ended)
    }
}

/// Opens the local socket once the disk takes it.
async fn bind_later(socket: &Path) -> UnixListener {
    loop {
        tokio::time::sleep(BIND_EVERY).await;
        // Why it is not there was said at the start.
        if let Ok(listener) = local::bind(socket) {
            info!(socket = %socket.display(), "The local socket is open.");
            return listener;
        }
    }
}
