//! Reading the history: its newest part in memory, and its files.

use std::sync::Arc;

use super::head::Head;
use super::lookup::Lookup;
use super::partitions::Partitions;
use super::rollup::{self, Levels, WindowsAnswer, WindowsQuery};
use super::{
    EventFilter, EventId, EventRow, EventSlice, History, ReadingRow, SeriesColumns, SeriesQuery, Slice, events, series,
};
use crate::auth::Scope;
use crate::store::StoreError;

/// The history as it is in memory and on disk.
pub struct HistoryFiles {
    pub(super) head: Arc<Head>,
    pub(super) partitions: Arc<Partitions>,
    pub(super) levels: Arc<Levels>,
    pub(super) lookup: Arc<Lookup>,
}

impl HistoryFiles {
    /// The days from `first` to `last` that hold something.
    pub(super) fn days(&self, first: i64, last: i64) -> Vec<i64> {
        let mut days = self.partitions.within(first, last);
        days.extend(self.head.days().into_iter().filter(|day| (first..=last).contains(day)));
        days.sort_unstable();
        days.dedup();
        days
    }
}

impl History for HistoryFiles {
    fn series(&self, query: &SeriesQuery) -> Result<Slice<ReadingRow>, StoreError> {
        series::read(self, query)
    }

    fn columns(&self, query: &SeriesQuery) -> Result<SeriesColumns, StoreError> {
        series::columns(self, query)
    }

    fn columns_if_few(&self, query: &SeriesQuery) -> Result<Option<SeriesColumns>, StoreError> {
        series::columns_if_few(self, query)
    }

    fn windows(&self, query: &WindowsQuery) -> Result<WindowsAnswer, StoreError> {
        rollup::read(self, query)
    }

    fn events(&self, scope: &Scope, filter: &EventFilter, limit: usize) -> Result<EventSlice, StoreError> {
        events::read((&self.lookup, &self.partitions), scope, filter, (limit, events::PATIENCE))
    }

    fn event(&self, scope: &Scope, id: &EventId) -> Result<Option<EventRow>, StoreError> {
        events::find(&self.partitions, scope, id)
    }

    fn files_set_aside(&self) -> u64 {
        self.partitions.set_aside()
    }
}
