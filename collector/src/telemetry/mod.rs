//! The history: readings in chunks of columns, events as rows, one SQLite file for each UTC day of corrected time.
//!
//! The newest readings are in memory only ([`head`]): the ingest log holds them, and the history's cursor passes an
//! entry once its rows are sealed in partitions ([`seal`]). After a crash they are read from the log again.
//!
//! History is kept by agent and the device's name there, as the records say it; which device that was follows from the
//! dated bindings when somebody asks.

mod cells;
mod check;
mod chunk;
mod columns;
mod day_locks;
mod event_match;
mod event_rows;
mod events;
mod files;
mod head;
mod integers;
mod lookup;
mod mend;
mod missing;
mod partition;
mod partitions;
mod reader;
mod retention;
mod rice;
mod rollup;
mod rows;
mod samples;
mod seal;
mod series;
mod sizes;
mod span;
mod take;
mod waiting;

pub use check::{HistoryReport, check};
pub use columns::{SeriesColumns, SeriesFlaw, SeriesValues};
pub use events::{EventFilter, EventId, EventPlace, EventRow, EventSlice};
pub use files::HistoryFiles;
pub use mend::set_aside;
pub use missing::{Incomplete, IncompleteReason};
use partition::day_ms;
pub use partition::{day_of, partition_days, partition_path};
pub use reader::{HISTORY_CURSOR, HistoryReader, HistorySettings, history_last_seen};
pub use retention::{KeepClass, Retention, believed_time};
pub use rollup::{Aggregate, Figure, Resolution, WindowsAnswer, WindowsQuery};
pub use series::{ReadingRow, SeriesPlace, SeriesQuery};
pub use sizes::{ClassSizes, HistorySizes, LevelSizes, sizes};
pub use span::Span;

use crate::auth::Scope;
use crate::store::StoreError;

/// A page of a list, and where the next one begins.
#[derive(Debug)]
pub struct Slice<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The next page's cursor, if there is more.
    pub next: Option<String>,
    /// Of which times something may be missing.
    pub incomplete: Vec<Incomplete>,
}

/// What the API needs of the history.
pub trait History: Send + Sync {
    /// The readings of one point of one device, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    fn series(&self, query: &SeriesQuery) -> Result<Slice<ReadingRow>, StoreError>;

    /// The same readings by column.
    ///
    /// # Errors
    /// When they cannot be read.
    fn columns(&self, query: &SeriesQuery) -> Result<SeriesColumns, StoreError>;

    /// The same if there are at most `query.limit` of them; `None` if there are more. It takes no more memory than
    /// so many and a chunk need, however many there are.
    ///
    /// # Errors
    /// When they cannot be read.
    fn columns_if_few(&self, query: &SeriesQuery) -> Result<Option<SeriesColumns>, StoreError> {
        let columns = self.columns(query)?;
        Ok(columns.next.is_none().then_some(columns))
    }

    /// What one point of one device did in windows of time.
    ///
    /// # Errors
    /// When it cannot be read.
    fn windows(&self, query: &WindowsQuery) -> Result<WindowsAnswer, StoreError>;

    /// Events, newest or oldest first. A page is short although there is another one only if it took some seconds to find
    /// that much: then the next page goes on where this one ended.
    ///
    /// # Errors
    /// When they cannot be read.
    fn events(&self, scope: &Scope, filter: &EventFilter, limit: usize) -> Result<EventSlice, StoreError>;

    /// The event of that id, without its device.
    ///
    /// # Errors
    /// When it cannot be read.
    fn event(&self, scope: &Scope, id: &EventId) -> Result<Option<EventRow>, StoreError>;

    /// How many damaged files were set aside since the start.
    fn files_set_aside(&self) -> u64 {
        0
    }
}
