//! Carrying commands out at most once.
//!
//! The journal says "delivered" on disk before anything happens and "started" before the first byte goes to the
//! device. What was started and has no outcome when the agent starts again is `unknown`: a person looks, nothing is
//! tried twice (`ARCHITECTURE.md`, invariants 5 to 7).
//!
//! | file | subject |
//! |---|---|
//! | `entry.rs` | a command as it stands in the journal |
//! | `journal.rs` | the journal on disk |
//! | `executor.rs` | from a delivered command to its outcome |
//! | `stock.rs` | whether the reader of a cabinet saw what was laid in or taken out |

mod entry;
mod executor;
mod journal;
mod stock;

pub use entry::{Entry, arguments_wrong};
pub use executor::{Executor, Reporter, Submission};
pub use journal::{Journal, JournalCondition, JournalError};
