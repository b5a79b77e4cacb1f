//! Files on disk: the data folder and its lock, SQLite connections and their writer threads, and the ingest log.
//!
//! Each SQLite file has exactly one writing connection, owned by one thread ([`Writer`]); everybody else reads
//! through [`Readers`]. What the program needs from the log is the traits of [`log`].

mod error;
mod folder;
pub mod log;
mod open;
mod readers;
mod writer;

pub use error::{During, StoreError};
pub use folder::{DataFolder, FolderLock, RESTORING_MARK};
pub use open::{File, open_read_only, open_resting, open_writable};
pub use readers::Readers;
pub use writer::Writer;
