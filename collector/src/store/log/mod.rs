//! The ingest log: positions, extents, catalogues and the uploads themselves.

mod append;
mod catalogues;
mod follow;
mod lanes;
mod opened;
mod reconcile;
mod settle;
mod sqlite;
mod uses;

pub use append::{Placement, place};
pub use catalogues::{Catalogues, Found, OpenCatalogue};
pub use follow::SqliteFollower;
pub use opened::{Opened, Recent};
pub use reconcile::{Decision, Known, reconcile};
pub use sqlite::SqliteLog;

use std::ops::RangeInclusive;
use std::sync::Arc;

use kouan_protocol::session::{Hello, LanePosition, LaneVerdict};
use kouan_protocol::{AgentId, Anchor, BootTime, CatalogueHash, DecodeError, Digest, Epoch, Incarnation, Timestamp};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::StoreError;

/// How far a stored time may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimeStatus {
    /// The agent's clock was synchronised and agreed with the collector's.
    Trusted,
    /// Shifted by what the collector measured.
    Corrected,
    /// Nothing ties it to a clock that can be believed.
    Uncertain,
}

impl TimeStatus {
    /// The status's name in APIs and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Corrected => "corrected",
            Self::Uncertain => "uncertain",
        }
    }

    /// The status of that name; an unknown one is uncertain.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "trusted" => Self::Trusted,
            "corrected" => Self::Corrected,
            _ => Self::Uncertain,
        }
    }
}

/// What turns the agent's times of a batch into times here; computed once, at ingest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// When the upload arrived.
    pub received: Timestamp,
    /// What is added to the agent's wall time.
    pub shift_ms: i64,
    /// How far the result may be believed.
    pub status: TimeStatus,
}

impl Correction {
    /// The corrected time of a record, kept inside what can be believed, so that one mad clock cannot put records
    /// where nobody looks or in front of all later ones.
    #[must_use]
    pub fn time_of(&self, anchor: &Anchor, boot_time: BootTime) -> Timestamp {
        self.believed(anchor, boot_time).0
    }

    /// The same, and how far it may be believed: not far when it had to be kept inside.
    #[must_use]
    pub fn believed(&self, anchor: &Anchor, boot_time: BootTime) -> (Timestamp, TimeStatus) {
        let told = anchor.wall_at(boot_time).plus_ms(self.shift_ms);
        let time = told.clamp(EARLIEST, self.received.plus_ms(FUTURE_MS).max(EARLIEST));
        (time, if time == told { self.status } else { TimeStatus::Uncertain })
    }

    /// Whether a record of `time` arrived too late to act upon. One that seems to come from the future bears the time
    /// of another boot or of a clock that was wrong: it cannot be told how old it is.
    #[must_use]
    pub fn is_late(&self, time: Timestamp) -> bool {
        self.received.0.abs_diff(time.0) > LATE_MS.unsigned_abs()
    }
}

/// Times before 2020-01-01 come from clocks that were never set.
pub const EARLIEST: Timestamp = Timestamp(1_577_836_800_000);
/// How far ahead of here a time may be before it is not believed.
pub const FUTURE_MS: i64 = 24 * 3600 * 1000;
/// A record that took longer than this from happening to arriving is late.
pub const LATE_MS: i64 = 60_000;

/// A batch that passed the envelope checks.
#[derive(Debug, Clone)]
pub struct CheckedBatch {
    /// The lane's number, perhaps of a later version.
    pub lane: u32,
    /// The lane's epoch.
    pub epoch: Epoch,
    /// First number.
    pub first_seq: u64,
    /// Last number.
    pub last_seq: u64,
    /// Digest of the body.
    pub digest: Digest,
    /// The encoded batch.
    pub body: Vec<u8>,
    /// What was found in it, or why it goes into quarantine.
    pub content: Result<Content, String>,
    /// The batch itself, for those who follow the log; `None` lets them open it.
    pub opened: Option<Arc<Opened>>,
}

/// What must be known of a batch to store it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The catalogue that its rows refer to.
    pub catalogue: Option<CatalogueHash>,
    /// Its times.
    pub correction: Correction,
    /// The numbers taken by each gap in it.
    pub gaps: Vec<(u64, u64)>,
}

/// An upload on its way to the log.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Who sent it.
    pub agent: AgentId,
    /// The agent's site.
    pub site: String,
    /// When it arrived.
    pub received: Timestamp,
    /// The agent's clocks as it sent.
    pub sent: Anchor,
    /// Encoded catalogues with their hashes.
    pub catalogues: Vec<(CatalogueHash, Vec<u8>)>,
    /// Batches, oldest first in each lane.
    pub batches: Vec<CheckedBatch>,
}

/// What became of an upload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appended {
    /// The positions of the lanes that the upload touched.
    pub stored: Vec<LanePosition>,
    /// Catalogues without which batches were left out.
    pub wanted_catalogues: Vec<CatalogueHash>,
    /// Batches that went into quarantine.
    pub quarantined: u64,
    /// Batches now on disk.
    pub batches: u64,
    /// Batches that were on disk before.
    pub duplicates: u64,
    /// Why the agent must say hello again, if it must; a batch was not stored then.
    pub hello_required: Option<String>,
}

/// Why numbers after the last stored one of an epoch are lost when the agent came back with another buffer and nothing
/// in it tells of the earlier one: another disk, or a data folder that was deleted or put back from a backup.
pub const LOST_WITH_ITS_BUFFER: &str = "buffer-replaced";

/// What a hello settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Where each lane goes on.
    pub lanes: Vec<LaneVerdict>,
    /// Catalogues that the agent named and the log lacks.
    pub wanted_catalogues: Vec<CatalogueHash>,
    /// The agent was told that numbers are stored which are not: this side lost them.
    pub lost_here: bool,
    /// The agent's numbers stand for other records than those stored here: its disk holds an earlier state.
    pub agent_restored: bool,
    /// An epoch that had been followed by another one is in use again: a copy of a disk, or a backup.
    pub returned: Option<Epoch>,
}

/// What ingest needs of the log. One implementation is used by one thread.
pub trait IngestLog: Send {
    /// Appends all uploads in one commit; they are on disk when this returns.
    ///
    /// # Errors
    /// When the commit failed; then nothing of them was stored.
    fn append(&mut self, arrivals: &[Arrival]) -> Result<Vec<Appended>, StoreError>;

    /// Settles where each lane of the agent goes on, and records what was lost here.
    ///
    /// # Errors
    /// When the commit failed.
    fn reconcile(
        &mut self,
        agent: &AgentId,
        site: &str,
        hello: &Hello,
        now: Timestamp,
    ) -> Result<Reconciled, StoreError>;

    /// Drops entries up to `through` that were received outside of `kept`, from the oldest on. Returns how many.
    ///
    /// # Errors
    /// When the commit failed.
    fn prune(&mut self, through: i64, kept: &RangeInclusive<Timestamp>) -> Result<usize, StoreError>;

    /// The id of the newest entry.
    ///
    /// # Errors
    /// When it cannot be read.
    fn head(&self) -> Result<i64, StoreError>;

    /// The life of this data folder.
    ///
    /// # Errors
    /// When it cannot be read.
    fn incarnation(&self) -> Result<Incarnation, StoreError>;
}

/// What an entry of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A batch that opens.
    Batch,
    /// A batch that does not; `reason` says why.
    Quarantined,
    /// Numbers that will never come, as this side knows: `reason` says why. Where an epoch ended and nobody knows how
    /// much it still held, the entry takes no numbers. No body.
    Lost,
    /// An agent's catalogue arrived; the body holds its hash.
    Catalogue,
}

impl EntryKind {
    const ALL: [Self; 4] = [Self::Batch, Self::Quarantined, Self::Lost, Self::Catalogue];

    /// The kind's name in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Quarantined => "quarantined",
            Self::Lost => "lost",
            Self::Catalogue => "catalogue",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One entry of the log as a reader sees it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its place in the log.
    pub id: i64,
    /// What it is.
    pub kind: EntryKind,
    /// Whose it is.
    pub agent: AgentId,
    /// The agent's site.
    pub site: String,
    /// The lane's number; 0 for catalogues.
    pub lane: u32,
    /// The lane's epoch.
    pub epoch: Epoch,
    /// First number of the batch.
    pub first_seq: u64,
    /// Last number of the batch.
    pub last_seq: u64,
    /// The first number that earlier entries do not hold.
    pub from_seq: u64,
    /// The times of the batch.
    pub correction: Correction,
    /// Why it is quarantined or lost.
    pub reason: String,
    /// Bytes of the encoded batch.
    pub size: usize,
    /// The encoded batch; empty if it is there in another form. See [`FollowLog::body_of`].
    body: Vec<u8>,
    /// The batch as it was opened when it arrived, if that is still in memory.
    opened: Option<Arc<Opened>>,
}

impl Entry {
    /// The batch.
    ///
    /// # Errors
    /// When it does not open.
    pub fn open(&self) -> Result<Arc<Opened>, DecodeError> {
        match &self.opened {
            Some(opened) => Ok(Arc::clone(opened)),
            None => Opened::decode(&self.body).map(Arc::new),
        }
    }

    /// How many numbers the entry adds to its lane.
    #[must_use]
    pub fn numbers(&self) -> u64 {
        if self.kind == EntryKind::Catalogue { 0 } else { self.last_seq + 1 - self.from_seq }
    }
}

/// Which entries a reader wants. Readings are the volume: who waits for other records does not wait behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Every entry.
    All,
    /// Batches of the lane of readings.
    Readings,
    /// Everything but those.
    AllButReadings,
}

/// A run of the log.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The entries that were wanted, oldest first.
    pub entries: Vec<Entry>,
    /// The log was looked through up to this entry; the next page begins after it.
    pub through: i64,
}

/// What a reader needs of the log.
pub trait FollowLog: Send {
    /// Wanted entries after `id`, at least one if there is one, until their bodies reach about `bytes`.
    ///
    /// # Errors
    /// When they cannot be read.
    fn after(&mut self, id: i64, bytes: usize, wanted: Wanted) -> Result<Page, StoreError>;

    /// The encoded batch of an entry.
    ///
    /// # Errors
    /// When it cannot be read.
    fn body_of(&mut self, entry: &Entry) -> Result<Vec<u8>, StoreError>;

    /// The encoded catalogue of that hash, if the agent sent it.
    ///
    /// # Errors
    /// When it cannot be read.
    fn catalogue(&mut self, agent: &AgentId, hash: CatalogueHash) -> Result<Option<Vec<u8>>, StoreError>;
}
