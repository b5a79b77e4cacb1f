//! What the agent learned and the collector has not confirmed, on disk.
//!
//! `urgent.db` holds the lanes `urgent` and `events`, `readings.db` the lane `readings`; each file has one writer
//! thread. A batch is encoded once, when it is written, and travels as it was stored: its digest is checksum in the
//! file and identity in the hello.
//!
//! Invariants kept here (`ARCHITECTURE.md`): a record is handed to the uplink only after its commit was fsynced
//! (`synchronous=FULL`); it leaves only when the collector confirmed it or when a declared limit dropped it, and then
//! a gap takes its numbers.
//!
//! | file | subject |
//! |---|---|
//! | `file.rs` | one SQLite file: open, transactions, acknowledgement, new epochs |
//! | `gap.rs` | limits, and the gap that takes the place of what they drop |
//! | `records.rs` | the writer of `urgent` and `events`: commit at once, waiting commits share an fsync |
//! | `replace.rs` | another batch in the place of a stored one |
//! | `rows.rs` | the writer of `readings`: commit at an interval |
//! | `handle.rs` | what the rest of the agent sees |

mod error;
mod file;
mod gap;
mod handle;
mod records;
mod replace;
mod rows;

pub use error::BufferError;
pub use file::StoredBatch;
pub use gap::LaneLimit;
pub use handle::{Baseline, Buffer, BufferConfig, BufferThreads, LaneStatus, NewRecord};
