//! Current state that an agent sends beside the lanes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use kouan_protocol::{AgentId, Anchor, Batch, CatalogueHash, Timestamp};

use super::SharedFleet;
use super::change::{self, Change, Origin};
use super::reader::{Source, take};
use super::registry::{Staged, Working};
use crate::ingest::correct;
use crate::store::log::{Catalogues, FollowLog as _, Opened, SqliteFollower};
use crate::store::{StoreError, Writer};

/// Why a snapshot was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotProblem {
    /// It does not read.
    #[error("the snapshot does not read: {0}")]
    Unreadable(String),
    /// Its catalogue is not here.
    #[error("catalogue {0} is not stored")]
    WantedCatalogue(CatalogueHash),
    /// The state could not be changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies snapshots.
#[derive(Clone)]
pub struct Snapshots {
    source: Arc<Mutex<Source>>,
    writer: Writer,
    fleet: SharedFleet,
}

impl Snapshots {
    /// Opens a connection of its own to the log, for catalogues.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub fn open(
        ingest: &Path,
        writer: Writer,
        fleet: SharedFleet,
        catalogues: &Catalogues,
    ) -> Result<Self, StoreError> {
        let source = Source { log: SqliteFollower::open(ingest)?, catalogues: catalogues.clone() };
        Ok(Self { source: Arc::new(Mutex::new(source)), writer, fleet })
    }

    /// Updates the state by a snapshot; newer values that are known already stay. It was received at a time, so many
    /// milliseconds later than the quickest would have been.
    ///
    /// # Errors
    /// When it cannot be read or its catalogue is missing.
    pub async fn apply(
        &self,
        agent: &AgentId,
        site: &str,
        (received, delay_ms): (Timestamp, u64),
        sent: Anchor,
        body: Vec<u8>,
    ) -> Result<(), SnapshotProblem> {
        let origin = Origin {
            agent: agent.clone(),
            site: site.to_owned(),
            lane: 0,
            epoch: String::new(),
            received,
            snapshot: true,
        };
        let (source, owner) = (Arc::clone(&self.source), agent.clone());
        let opened = tokio::task::spawn_blocking(move || open(&source, &owner, (received, delay_ms), &sent, &body));
        let changes = opened.await.map_err(|_| StoreError::Closed)??;
        let (fleet, published) = (Arc::clone(&self.fleet), Arc::clone(&self.fleet));
        self.writer
            .transact_then(
                move |transaction| {
                    let mut working = Working::new(transaction, &fleet);
                    for change in changes {
                        take(&mut working, &origin, change)?;
                    }
                    Ok(working.finish())
                },
                move |staged: Staged| staged.publish(&published),
            )
            .await?;
        Ok(())
    }
}

fn open(
    source: &Mutex<Source>,
    agent: &AgentId,
    (received, delay_ms): (Timestamp, u64),
    sent: &Anchor,
    body: &[u8],
) -> Result<Vec<Change>, SnapshotProblem> {
    let unreadable = |error: kouan_protocol::DecodeError| SnapshotProblem::Unreadable(error.to_string());
    let batch = Batch::decode(body).map_err(unreadable)?;
    if batch.first_seq != 0 {
        return Err(SnapshotProblem::Unreadable("it has numbers, as batches of a lane have".to_owned()));
    }
    let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
    let Source { log, catalogues } = &mut *source;
    if let Some(hash) = batch.catalogue
        && log.catalogue(agent, hash)?.is_none()
    {
        return Err(SnapshotProblem::WantedCatalogue(hash));
    }
    let correction = correct(received, delay_ms, sent, &batch.anchor);
    let opened = Arc::new(Opened::from(batch));
    change::of_batch(agent, &opened, &correction, 0, log, catalogues)?.map_err(SnapshotProblem::Unreadable)
}
