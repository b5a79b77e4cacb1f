//! Reading the history's files.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kouan_protocol::{AgentId, CatalogueHash};

use super::{EventFilter, EventRow, History, ReadingRow, SeriesQuery, Slice, events, series};
use crate::auth::Scope;
use crate::store::StoreError;
use crate::store::log::{Catalogues, Found, SqliteFollower};

/// The history as it is on disk.
pub struct HistoryFiles {
    pub(super) folder: PathBuf,
    catalogues: Mutex<(SqliteFollower, Catalogues)>,
}

impl HistoryFiles {
    /// The history in `folder`; catalogues come from the log at `ingest`.
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub fn open(ingest: &Path, folder: &Path) -> Result<Self, StoreError> {
        let log = SqliteFollower::open(ingest)?;
        Ok(Self { folder: folder.to_owned(), catalogues: Mutex::new((log, Catalogues::default())) })
    }

    pub(super) fn catalogue(&self, agent: &AgentId, hash: CatalogueHash) -> Result<Found, StoreError> {
        let mut source = self.catalogues.lock().unwrap_or_else(PoisonError::into_inner);
        let (log, catalogues) = &mut *source;
        catalogues.find(log, agent, hash)
    }
}

impl History for HistoryFiles {
    fn series(&self, query: &SeriesQuery) -> Result<Slice<ReadingRow>, StoreError> {
        series::read(self, query)
    }

    fn events(&self, scope: &Scope, filter: &EventFilter, limit: usize) -> Result<Slice<EventRow>, StoreError> {
        events::read(&self.folder, scope, filter, limit)
    }
}
