//! All wiring: files, threads, readers, the listener.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use kouan_protocol::Clock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::alarms::rule::load as load_rules;
use crate::alarms::{self, AlarmEngine, OwnAlarms, SharedRules};
use crate::assets::{Imports, SharedTopology};
use crate::auth::{self, Authenticator, Hashing, Right, Scope, Throttle, Token};
use crate::commands::{self, Bells, Offers};
use crate::config::{Config, ConfigError};
use crate::counters::Counters;
use crate::evidence::{self, Evidence};
use crate::http::{self, AppState, ExportSlots, Hub, Shared, Turns, UploadSlots};
use crate::ingest::{Ingest, Sessions};
use crate::monitoring::{RemoteWriteError, RemoteWriter, Sources};
use crate::notify::{self, Couriers, Follower};
use crate::oidc::{OidcError, Provider};
use crate::outages::OutageReader;
use crate::reader::{self, Progress};
use crate::restore;
use crate::state::{LatestReader, Snapshots, StateReader, open_readers};
use crate::store::log::{Catalogues, FUTURE_MS, Recent, SqliteLog};
use crate::store::{DataFolder, File, FolderLock, Readers, StoreError, Writer, open_writable};
use crate::tasks::{Tasks, Threads};
use crate::telemetry::HistoryReader;
use crate::tls::{Certificate, Front, TlsError};

/// How often commands are looked at for the end of their life.
const SWEEP: Duration = Duration::from_millis(500);
/// How often old log entries are removed.
const PRUNE: Duration = Duration::from_secs(30);
/// An alarm that this side raises on an agent clears when it was not renewed for this long.
const QUIET_MS: i64 = 10 * 60_000;
/// How long open requests may take to end after the stop.
const DRAIN: Duration = Duration::from_millis(1_000);
/// How long the threads may take to close their files.
const CLOSE: Duration = Duration::from_millis(500);

/// Why the collector could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The settings do not fit together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The certificate could not be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Readings could not be written elsewhere.
    #[error(transparent)]
    RemoteWrite(#[from] RemoteWriteError),
    /// The identity provider's settings could not be used.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// Notifications could not be prepared.
    #[error(transparent)]
    Notify(#[from] notify::PrepareError),
    /// The address could not be listened on.
    #[error("could not listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A collector that is ready to run.
pub struct App {
    shared: AppState,
    front: Front,
    certificate: Option<Certificate>,
    address: SocketAddr,
    first_key: Option<Token>,
    state_reader: StateReader,
    latest_reader: LatestReader,
    history_reader: HistoryReader,
    outage_reader: OutageReader,
    remote_writer: Option<RemoteWriter>,
    threads: Vec<JoinHandle<()>>,
    lock: FolderLock,
}

impl App {
    /// Opens the files and binds the address.
    ///
    /// # Errors
    /// When the folder is in use, a file is damaged, or the address is taken.
    pub async fn build(config: Config, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        config.check()?;
        let folder = DataFolder::new(&config.data);
        folder.create()?;
        let lock = folder.lock()?;
        let (catalogues, recent) = (Catalogues::default(), Recent::default());
        let setup = folder.lock_setup()?;
        let mut log = SqliteLog::new(open_writable(&folder.ingest(), File::Ingest)?)?.sharing(&recent);
        let mut state = open_writable(&folder.state(), File::State)?;
        let history_reader =
            HistoryReader::open(&folder.ingest(), &folder.history(), config.history(), Arc::clone(&clock))?
                .sharing(&catalogues, &recent)?;
        let certificate = config.tls().map(|tls| Certificate::open(&tls, &folder)).transpose()?;
        drop(setup);
        if let Some(restored) = restore::notice(&mut log, &mut state, history_reader.last_seen()?, clock.wall())? {
            let (incarnation, held) = (restored.incarnation, restored.held);
            error!(%incarnation, held, "The log is older than its readers, as after a restore; commands are held.");
        }

        let counters = Arc::new(Counters::default());
        let sessions = Arc::new(Sessions::default());
        let (ingest, ingest_thread) =
            Ingest::spawn(Box::new(log), Arc::clone(&sessions), Arc::clone(&clock), Arc::clone(&counters))?;
        let (state, state_thread) =
            Writer::spawn("state", state).map_err(StoreError::io("start the writer of", &folder.state()))?;
        let first_key = make_first_key(&state, &*clock).await?;
        let said = config.alarms;
        state.transact(move |transaction| said.save(transaction)).await?;
        let (state_reader, latest_reader) =
            open_readers(&folder.ingest(), &folder.state(), &state, &clock, &catalogues, &recent)?;
        state_reader.fleet().write().unwrap_or_else(PoisonError::into_inner).limit_devices(config.devices_per_agent);
        let outage_reader =
            OutageReader::open(&folder.ingest(), &folder.state(), state.clone(), Arc::clone(&clock), &recent)?;
        let state_readers = Readers::new(&folder.state());
        let bells = Bells::new(state_readers.read_blocking(commands::waiting_agents)?);

        let address = config.listen;
        let listening = |source| BuildError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let front = Front::new(listener, certificate.as_ref().map(Certificate::server).transpose()?);
        let (shutdown, state_progress, latest_progress) =
            (CancellationToken::new(), Progress::of(&state_reader), Progress::of(&latest_reader));
        let remote_writer = config.remote_write.clone().map(|settings| {
            let sources = Sources {
                catalogues: catalogues.clone(),
                fleet: state_reader.fleet(),
                state_readers: state_readers.clone(),
                state: state.clone(),
                known: [state_progress.clone(), latest_progress.clone()],
                counters: Arc::clone(&counters),
                shutdown: shutdown.clone(),
            };
            RemoteWriter::open(&folder.ingest(), &folder.state(), settings, sources)
        });
        let remote_writer = remote_writer.transpose()?;
        let notify = notify::Sender {
            readers: state_readers.clone(),
            writer: state.clone(),
            clock: Arc::clone(&clock),
            couriers: Arc::new(Couriers::new(&config.notify)?),
            public_url: config.public_url.clone(),
            bell: Arc::default(),
            counters: Arc::clone(&counters),
        };
        let pictures = (state_readers.clone(), state.clone());
        let evidence = Evidence::open(&folder, pictures, Arc::clone(&clock), config.evidence)?;
        let shared = Arc::new(Shared {
            notify,
            evidence,
            head: ingest.head(),
            snapshots: Snapshots::open(&folder.ingest(), state.clone(), state_reader.fleet(), &catalogues)?,
            live: Hub::default(),
            topology: SharedTopology::open(&state_readers)?,
            alarm_rules: SharedRules::new(
                state_readers.read_blocking(|conn| load_rules(conn, config.shipped_alarm_rules))?,
            ),
            imports: Imports::default(),
            fleet: state_reader.fleet(),
            history: history_reader.history()?,
            bells: Arc::new(bells),
            offers: Offers::new(*ingest.head().borrow()),
            authenticator: Authenticator::new(state_readers.clone(), Arc::clone(&clock), config.sign_in),
            state_progress,
            latest_progress,
            history_progress: Progress::of(&history_reader),
            outage_progress: Progress::of(&outage_reader),
            remote_progress: remote_writer.as_ref().map(Progress::of),
            provider: config.oidc.clone().map(Provider::new).transpose()?,
            throttle: Throttle::default(),
            hashing: Hashing::start().map_err(StoreError::io("start threads for passwords of", &folder.state()))?,
            upload_slots: UploadSlots::default(),
            turns: Turns::default(),
            exports: ExportSlots::new(config.exports),
            data: folder.path().to_owned(),
            shutdown,
            config,
            clock,
            ingest,
            sessions,
            state,
            state_readers,
            counters,
        });
        let threads = vec![ingest_thread, state_thread];
        Ok(Self {
            shared,
            front,
            certificate,
            address,
            first_key,
            state_reader,
            latest_reader,
            history_reader,
            outage_reader,
            remote_writer,
            threads,
            lock,
        })
    }

    /// The address that is listened on, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that is shown; `None` with plain HTTP.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// The key that was made because there was none; it can be had once.
    pub fn take_first_key(&mut self) -> Option<Token> {
        self.first_key.take()
    }

    /// Serves until `shutdown`, then puts everything on disk and closes the files.
    ///
    /// # Errors
    /// When the listener fails, or a part of the collector that should run until the stop.
    pub async fn run(self, shutdown: CancellationToken) -> std::io::Result<()> {
        let Self {
            shared,
            front,
            certificate,
            state_reader,
            latest_reader,
            history_reader,
            outage_reader,
            remote_writer,
            threads,
            lock,
            address,
            ..
        } = self;
        let stop = shared.shutdown.clone();
        let _stop_anyway = stop.clone().drop_guard();
        let follow =
            |progress: &Progress| (shared.ingest.head(), progress.clone(), Arc::clone(&shared.counters), stop.clone());
        let mut tasks = Tasks::default();
        let (head, progress, counters, token) = follow(&shared.state_progress);
        tasks.spawn("state", reader::follow(state_reader, head, progress, counters, token));
        let (head, progress, counters, token) = follow(&shared.latest_progress);
        tasks.spawn("latest", reader::follow(latest_reader, head, progress, counters, token));
        let (head, progress, counters, token) = follow(&shared.history_progress);
        tasks.spawn("history", reader::follow(history_reader, head, progress, counters, token));
        let (head, progress, counters, token) = follow(&shared.outage_progress);
        tasks.spawn("outages", reader::follow(outage_reader, head, progress, counters, token));
        if let Some((writer, progress)) = remote_writer.zip(shared.remote_progress.as_ref()) {
            let (head, progress, counters, token) = follow(progress);
            tasks.spawn("remote-write", reader::follow(writer, head, progress, counters, token));
        }
        let follower = Follower::before(&shared.notify);
        tasks.spawn("notifications of events", follower.run(stop.clone()));
        tasks.spawn("notifications", shared.notify.clone().run(stop.clone()));
        tasks.spawn("commands", sweep(Arc::clone(&shared)));
        let engine = AlarmEngine {
            fleet: Arc::clone(&shared.fleet),
            topology: shared.topology.clone(),
            sessions: Arc::clone(&shared.sessions),
            rules: shared.alarm_rules.clone(),
            writer: shared.state.clone(),
            readers: shared.state_readers.clone(),
            clock: Arc::clone(&shared.clock),
            counters: Arc::clone(&shared.counters),
            settings: shared.config.alarms,
        };
        tasks.spawn("alarms", engine.run(stop.clone()));
        let own = OwnAlarms {
            history: DataFolder::new(&shared.data).history(),
            writer: shared.state.clone(),
            clock: Arc::clone(&shared.clock),
        };
        tasks.spawn("own alarms", own.run(stop.clone()));
        tasks.spawn("pruning", prune(Arc::clone(&shared)));
        tasks.spawn("screens", http::tell_screens(Arc::clone(&shared)));
        let threads = Threads::new(threads);
        tasks.watch(&threads, stop.clone());
        if let Some(certificate) = certificate {
            tokio::spawn(certificate.follow(stop.clone()));
        }
        info!(%address, "Collector is running.");

        let mut server = tokio::spawn(http::serve(front, http::router(&shared), stop.clone()));
        let mut served = None;
        let mut failed = None;
        tokio::select! {
            ended = &mut server => served = Some(ended),
            part = tasks.failed() => failed = Some(part),
            () = shutdown.cancelled() => {}
        }
        stop.cancel();
        let result = match (served, failed) {
            (Some(served), _) => served.map_err(std::io::Error::other),
            (None, failed) => {
                if tokio::time::timeout(DRAIN, &mut server).await.is_err() {
                    warn!("Some requests had not ended and were cut off.");
                    server.abort();
                }
                failed.map_or(Ok(()), |part| Err(std::io::Error::other(part)))
            }
        };
        tasks.join().await;
        drop(shared);
        let closed = tokio::task::spawn_blocking(move || threads.join());
        if tokio::time::timeout(CLOSE, closed).await.is_err() {
            warn!("A writer's thread had not ended; what it has committed is on disk.");
        }
        drop(lock);
        info!("Collector has stopped.");
        result
    }
}

async fn make_first_key(state: &Writer, clock: &dyn Clock) -> Result<Option<Token>, StoreError> {
    let now = clock.wall();
    let made = state.transact(move |transaction| {
        if auth::key_count(transaction)? > 0 {
            return Ok(None);
        }
        auth::add_key(transaction, "first", &BTreeSet::from(Right::ALL), &Scope::All, now).map(Some)
    });
    match made.await? {
        None => Ok(None),
        Some(Ok(token)) => Ok(Some(token)),
        Some(Err(problem)) => Err(StoreError::Damaged { what: "the first key", problem: problem.to_string() }),
    }
}

/// Ends commands whose time has come, and alarms that nobody renews.
async fn sweep(shared: AppState) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shared.shutdown.cancelled() => return,
        }
        let now = shared.clock.anchor();
        let due = shared.state_readers.read(move |conn| work_is_due(conn, now.wall)).await;
        let swept = match due {
            Ok(false) => continue,
            Ok(true) => shared.state.transact(move |transaction| {
                let quiet = now.wall.plus_ms(-QUIET_MS);
                for condition in alarms::ON_AGENTS {
                    alarms::clear_quiet(transaction, condition, quiet, now.wall)?;
                }
                commands::sweep(transaction, &now)
            }),
            Err(error) => {
                warn!(%error, "Commands could not be looked at.");
                continue;
            }
        };
        match swept.await {
            Ok(0) | Err(StoreError::Closed) => {}
            Ok(ended) => info!(ended, "Commands were ended by time."),
            Err(error) => error!(%error, "Commands could not be ended by time."),
        }
    }
}

/// Whether a sweep could find anything; asked of a reader, so that an idle collector does not write.
fn work_is_due(conn: &rusqlite::Connection, now: kouan_protocol::Timestamp) -> Result<bool, StoreError> {
    use crate::store::During as _;
    conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM commands WHERE state IN ('queued', 'held') AND origin = 'api')
             OR EXISTS (SELECT 1 FROM alarm_words WHERE state = 'raised' AND device = ''
                        AND (changed_ms < ?1 OR changed_ms > ?2))",
    )
    .and_then(|mut statement| statement.query_row([now.0 - QUIET_MS, now.0], |row| row.get(0)))
    .during("look for due work")
}

/// Removes log entries that every reader has passed and that are old enough.
async fn prune(shared: AppState) {
    let mut ticks = tokio::time::interval(PRUNE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut forgetting, mut care) = (crate::forget::Forgetting::default(), evidence::Care::default());
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shared.shutdown.cancelled() => return,
        }
        let readers =
            [&shared.state_progress, &shared.latest_progress, &shared.history_progress, &shared.outage_progress];
        let through = readers.into_iter().map(Progress::cursor).min().unwrap_or(0);
        let _leave = match DataFolder::new(&shared.data).may_delete() {
            Ok(Some(leave)) => leave,
            // Somebody copies the folder.
            Ok(None) => continue,
            Err(error) => {
                warn!(%error, "Old log entries stay for now.");
                continue;
            }
        };
        let ms = |kept: Duration| i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        let retention = ms(shared.config.log_retention);
        // What the remote receiver has not taken stays, but not for ever.
        let remote = shared.remote_progress.as_ref().map_or(i64::MAX, Progress::cursor);
        if remote < through
            && let Some(settings) = &shared.config.remote_write
        {
            prune_once(&shared, through, retention.max(ms(settings.keep))).await;
        }
        prune_once(&shared, through.min(remote), retention).await;
        let believed = crate::forget::believed(&shared).await.unwrap_or_else(|error| {
            warn!(%error, "It is not known which time to believe; nothing is old.");
            None
        });
        forgetting.step(&shared, believed).await;
        care.step(&shared.evidence, &*shared.clock, believed).await;
    }
}

/// Removes entries up to `through` that are older than `retention`, in milliseconds.
async fn prune_once(shared: &AppState, through: i64, retention: i64) {
    loop {
        // What seems to come from the future came before this machine's clock was set back; else it would stand in
        // the way until that time comes again.
        let now = shared.clock.wall();
        let kept = now.plus_ms(retention.saturating_neg())..=now.plus_ms(FUTURE_MS);
        match shared.ingest.prune(through, kept).await {
            Ok(removed) if removed > 0 && !shared.shutdown.is_cancelled() => tokio::task::yield_now().await,
            Ok(_) => break,
            Err(error) => {
                warn!(%error, "Old log entries stay for now.");
                break;
            }
        }
    }
}
