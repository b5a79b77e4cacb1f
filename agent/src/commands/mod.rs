//! Carrying commands out at most once.
//!
//! The journal says "delivered" on disk before anything happens and "started" before the first byte goes to the
//! device. What was started and has no outcome when the agent starts again is `unknown`: a person looks, nothing is
//! tried twice (`ARCHITECTURE.md`, invariants 5 to 7).
//!
//! | file | subject |
//! |---|---|
//! | `journal.rs` | the journal on disk |
//! | `executor.rs` | from a delivered command to its outcome |

mod executor;
mod journal;

pub use executor::{Executor, Reporter, Submission};
pub use journal::{Entry, Journal, JournalError};
