//! What every handler can reach.

use std::path::PathBuf;
use std::sync::Arc;

use kouan_protocol::Clock;
use tokio_util::sync::CancellationToken;

use crate::alarms::SharedRules;
use crate::assets::{Imports, SharedTopology};
use crate::auth::{Authenticator, Hashing, Throttle};
use crate::commands::{Bells, Offers};
use crate::config::Config;
use crate::counters::Counters;
use crate::evidence::Evidence;
use crate::ingest::{Head, Ingest, Sessions};
use crate::oidc::Provider;
use crate::reader::Progress;
use crate::state::{SharedFleet, Snapshots};
use crate::store::{Readers, StoreError, Writer};
use crate::telemetry::History;

use super::stream::Hub;
use super::turns::{Turns, Work};
use super::upload_slots::UploadSlots;
use super::{ExportSlots, Problem};

/// The running collector as handlers see it.
pub struct Shared {
    /// The settings.
    pub config: Config,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The way into the log.
    pub ingest: Ingest,
    /// The log's newest entry.
    pub head: Head,
    /// Current sessions.
    pub sessions: Arc<Sessions>,
    /// The way of snapshots into the state.
    pub snapshots: Snapshots,
    /// Where changes go out to open screens.
    pub live: Hub,
    /// Devices in memory.
    pub fleet: SharedFleet,
    /// How assets and areas hang together.
    pub topology: SharedTopology,
    /// The rules of alarms.
    pub alarm_rules: SharedRules,
    /// Previews of imports.
    pub imports: Imports,
    /// The writer of `state.db`.
    pub state: Writer,
    /// Readers of `state.db`.
    pub state_readers: Readers,
    /// The way of notifications.
    pub notify: crate::notify::Sender,
    /// Pictures that show what happened.
    pub evidence: Evidence,
    /// The history.
    pub history: Arc<dyn History>,
    /// Wakes command polls.
    pub bells: Arc<Bells>,
    /// Until when no command is handed out.
    pub offers: Offers,
    /// Looks tokens up.
    pub authenticator: Authenticator,
    /// Where people sign in who have no password here.
    pub provider: Option<Provider>,
    /// Slows down whoever guesses passwords.
    pub throttle: Throttle,
    /// Where passwords are hashed.
    pub hashing: Hashing,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// How far the state is.
    pub state_progress: Progress,
    /// How far the latest values are.
    pub latest_progress: Progress,
    /// How far the history is.
    pub history_progress: Progress,
    /// How far the digests of outages are.
    pub outage_progress: Progress,
    /// How far the remote receiver is, if there is one.
    pub remote_progress: Option<Progress>,
    /// Uploads that may be opened at the same time.
    pub upload_slots: UploadSlots,
    /// Whose turn it is.
    pub turns: Turns,
    /// Exports that may be made at the same time.
    pub exports: ExportSlots,
    /// The data folder, for its sizes.
    pub data: PathBuf,
    /// Ends long polls.
    pub shutdown: CancellationToken,
}

/// The state of the router.
pub type AppState = Arc<Shared>;

impl Shared {
    /// Reads the history where it may block.
    ///
    /// # Errors
    /// What the history says, or that too much else is asked.
    pub async fn history<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn History) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let history = Arc::clone(&self.history);
        Ok(self.turns.work(Work::History, move || read(&*history)).await??)
    }

    /// Does something that takes a thread for milliseconds.
    ///
    /// # Errors
    /// When too much else is asked.
    pub async fn quickly<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        self.turns.work(Work::Quick, work).await
    }

    /// Turns the id of an area into what the areas of devices are compared with; another text stays.
    pub fn resolve_area(&self, wanted: &mut Option<String>) {
        if let Some(text) = wanted {
            *text = self.topology.now().area_wanted(text);
        }
    }

    /// The devices, for as long as the guard lives; it must not be held across an await.
    pub fn fleet(&self) -> std::sync::RwLockReadGuard<'_, crate::state::Fleet> {
        self.fleet.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
