//! From a request body to the log: checks, correction of time, sessions, and the group commit.

mod check;
mod queue;
mod sessions;
mod time;
mod transit;

pub use check::{Checked, check};
pub use queue::{Greeted, Head, Ingest, IngestError};
pub use sessions::{Session, SessionProblem, Sessions};
pub use time::correct;
