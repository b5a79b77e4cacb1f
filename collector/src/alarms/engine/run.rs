//! Running the engine.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kouan_protocol::Clock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::round::State;
use super::standing;
use super::surroundings::Surroundings;
use super::write::{mark_worked_on, write};
use crate::alarms::AlarmSettings;
use crate::alarms::life;
use crate::alarms::rule::RuleSet;
use crate::assets::SharedTopology;
use crate::counters::Counters;
use crate::ingest::Sessions;
use crate::state::SharedFleet;
use crate::store::{Readers, StoreError, Writer};

/// Time between two rounds.
const ROUND: Duration = Duration::from_millis(250);
/// Time between two looks at what is around.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// How long the engine waits after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// A round that takes longer is told of.
const SLOW: Duration = Duration::from_secs(1);

/// The rules as everybody shares them. Only the thread that writes `state.db` replaces them, after its commits.
#[derive(Debug, Clone, Default)]
pub struct SharedRules(Arc<RwLock<Arc<RuleSet>>>);

impl SharedRules {
    /// These rules.
    #[must_use]
    pub fn new(rules: RuleSet) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(rules))))
    }

    /// The rules as they are now.
    #[must_use]
    pub fn now(&self) -> Arc<RuleSet> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces them.
    pub fn replace(&self, rules: RuleSet) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}

/// What the engine works with.
pub struct AlarmEngine {
    /// Devices in memory.
    pub fleet: SharedFleet,
    /// How devices hang together.
    pub topology: SharedTopology,
    /// Which agents are heard of.
    pub sessions: Arc<Sessions>,
    /// The rules.
    pub rules: SharedRules,
    /// The writer of `state.db`.
    pub writer: Writer,
    /// Readers of `state.db`.
    pub readers: Readers,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// What the settings say about alarms.
    pub settings: AlarmSettings,
}

/// The engine between two rounds.
struct Between {
    state: State,
    rules: Arc<RuleSet>,
    looked_around: Option<Instant>,
    /// The windows by which alarms were marked.
    marked: Option<Vec<i64>>,
    /// Whether a look around is due to be acted on.
    look: Option<(bool, bool)>,
}

impl AlarmEngine {
    /// Judges rules until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let engine = Arc::new(self);
        let mut between = None;
        let mut ticks = tokio::time::interval(ROUND);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.cancelled() => return,
            }
            match round(&engine, between.take()).await {
                Ok(next) => between = Some(next),
                // What stands is found in the store again, and everything is judged anew.
                Err(Failed::Store(StoreError::Closed)) => return,
                Err(Failed::Store(error)) => {
                    engine.counters.store_failures.add(1);
                    error!(%error, "Alarms could not be written; the engine begins anew.");
                }
                Err(Failed::Judging(error)) if error.is_cancelled() => return,
                Err(Failed::Judging(error)) => {
                    engine.counters.store_failures.add(1);
                    error!(%error, "Rules of alarms could not be judged; the engine begins anew.");
                }
            }
            if between.is_none() {
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => {}
                    () = shutdown.cancelled() => return,
                }
            }
        }
    }

    /// The engine as it begins, or as it goes on with other rules: with what stands in the store.
    fn begin(&self, rules: Arc<RuleSet>, before: Option<Between>) -> Result<Between, StoreError> {
        let found = self.readers.read_blocking(|conn| standing::load(conn, &rules))?;
        let started = before.as_ref().map_or_else(|| self.clock.boot_time(), |before| before.state.started);
        let mut state = State::new(&rules, found, started, &self.settings);
        if let Some(before) = before {
            state.go_on_from(before.state);
        }
        Ok(Between { state, rules, looked_around: None, marked: None, look: None })
    }

    fn look_around(&self, between: &mut Between) -> Result<(), StoreError> {
        if between.looked_around.is_some_and(|at| at.elapsed() < LOOK_AROUND) {
            return Ok(());
        }
        let now = self.clock.wall();
        let surroundings = self.readers.read_blocking(|conn| Surroundings::read(conn, now))?;
        let windows_changed = between.marked.as_ref() != Some(&surroundings.holding);
        between.marked = Some(surroundings.holding.clone());
        between.look = Some((windows_changed, surroundings.is_due));
        between.state.surroundings = surroundings;
        between.state.look_for_strays = true;
        between.looked_around = Some(Instant::now());
        Ok(())
    }
}

/// Why a round came to nothing.
#[derive(Debug)]
enum Failed {
    /// The store failed.
    Store(StoreError),
    /// The judging itself ended early, which it should not.
    Judging(tokio::task::JoinError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn round(engine: &Arc<AlarmEngine>, between: Option<Between>) -> Result<Between, Failed> {
    let began = Instant::now();
    let judging = Arc::clone(engine);
    let judged = tokio::task::spawn_blocking(move || {
        let rules = judging.rules.now();
        let mut between = match between {
            Some(between) if Arc::ptr_eq(&between.rules, &rules) => between,
            before => {
                info!(rules = rules.rules.len(), "Rules of alarms are judged.");
                judging.begin(rules, before)?
            }
        };
        judging.look_around(&mut between)?;
        let (now, topology) = (judging.clock.anchor(), judging.topology.now());
        let fleet = judging.fleet.read().unwrap_or_else(PoisonError::into_inner);
        let outcomes = between.state.round(&fleet, &topology, &judging.sessions, &now);
        Ok::<_, StoreError>((between, outcomes, now.wall))
    });
    let (mut between, outcomes, now) = judged.await.map_err(Failed::Judging)??;
    let (windows_changed, is_due) = between.look.take().unwrap_or_default();
    if !outcomes.is_empty() || windows_changed || is_due {
        let work = move |transaction: &rusqlite::Transaction<'_>| {
            write(transaction, &outcomes, now)?;
            if windows_changed {
                mark_worked_on(transaction, now)?;
            }
            if is_due {
                life::sweep(transaction, now)?;
            }
            Ok(())
        };
        engine.writer.transact(work).await?;
    }
    let took = began.elapsed();
    if took > SLOW {
        warn!(took_ms = took.as_millis(), "Judging rules of alarms was slow.");
    }
    Ok(between)
}
