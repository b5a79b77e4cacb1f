//! The history: readings as blocks of rows, events as rows, one SQLite file for each UTC day of corrected time.
//!
//! History is kept by agent and the device's name there, as the records say it; which device that was follows from the
//! dated bindings when somebody asks.

mod events;
mod partition;
mod reader;
mod series;
mod span;

pub use events::{EventFilter, EventRow};
pub use partition::{day_of, partition_days, partition_path};
pub use reader::{HISTORY_CURSOR, HistoryReader};
pub use series::{ReadingRow, SeriesQuery};
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
}

/// What the API needs of the history.
pub trait History: Send + Sync {
    /// The readings of one point of one device, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    fn series(&self, query: &SeriesQuery) -> Result<Slice<ReadingRow>, StoreError>;

    /// Events, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    fn events(&self, scope: &Scope, filter: &EventFilter, limit: usize) -> Result<Slice<EventRow>, StoreError>;
}

mod files;
pub use files::HistoryFiles;
