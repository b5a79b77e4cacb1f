//! What the agent learned and the collector has not confirmed, on disk.
//!
//! `urgent.db` holds the lanes `urgent` and `events`, `readings.db` the lane `readings`; each file has one writer
//! thread, which also reads it. A batch is encoded once, when it is written, and travels as it was stored: its digest
//! is checksum in the file and identity in the hello.
//!
//! Invariants kept here (`ARCHITECTURE.md`): a record is handed to the uplink only after its commit was fsynced
//! (`synchronous=FULL`); it leaves only when the collector confirmed it or when a declared limit dropped it, and then
//! a gap takes its numbers.
//!
//! What goes wrong with a disk ends in one of these ways:
//!
//! | trouble | `urgent`, `events` | `readings` |
//! |---|---|---|
//! | full | space grown beforehand, then the reserve, then the oldest go | pause; a gap when there is space again |
//! | read-only, failed fsync | a new epoch in memory, its batches marked volatile | pause until the files are opened anew |
//! | malformed file | moved aside; a new epoch begins with a gap | the same |
//! | malformed batch | a gap in its place | the same |
//!
//! | file | subject |
//! |---|---|
//! | `file.rs` | one SQLite file: durable commits, space ahead of need, giving up, moving aside |
//! | `control.rs` | what SQLite offers only through its C interface |
//! | `trouble.rs` | what an error means for its file |
//! | `open.rs` | both files at the start |
//! | `lanes.rs` | the tables of a lane: append, read, confirm |
//! | `catalogues.rs` | the catalogues that readings refer to |
//! | `epoch.rs` | a lane under a new epoch, and what one file knows of the other |
//! | `marks.rs` | keeping that knowledge fresh |
//! | `counters.rs` | counters whose steps are events |
//! | `gap.rs` | limits, and the gap that takes the place of what they drop |
//! | `absence.rs` | the time before a start in which no readings were kept |
//! | `pause.rs` | a time in which readings are not kept |
//! | `records.rs` | the writer of `urgent` and `events`: commit at once, waiting commits share an fsync |
//! | `replace.rs` | another batch in the place of a stored one |
//! | `rows.rs` | the writer of `readings`: commit at an interval |
//! | `check.rs` | the background check of a file's structure |
//! | `board.rs` | what the writers tell everybody else |
//! | `figures.rs` | what the agent tells about its buffer |
//! | `handle.rs` | what the rest of the agent sees |

mod absence;
mod board;
mod catalogues;
mod check;
mod control;
mod counters;
mod epoch;
mod error;
mod figures;
mod file;
mod gap;
mod handle;
mod lanes;
mod marks;
mod open;
mod pause;
mod records;
mod replace;
mod rows;
mod trouble;

pub use board::{BufferCondition, CommitFigures, FileState, LaneStatus};
pub use counters::Baseline;
pub use error::BufferError;
pub use figures::{BufferFigures, FileSizes};
pub use file::Room;
pub(crate) use file::{DurableFile, at, forget_given_up, given_up_since, move_aside};
pub use gap::LaneLimit;
pub use handle::{Buffer, BufferConfig, BufferThreads, Counted, NewRecord};
pub use lanes::StoredBatch;
pub use records::JournalMark;
pub(crate) use trouble::Trouble;
