//! What came and went while an agent could not be heard: one digest for each outage.
//!
//! Late records amend history and never act. So that people need not find them there, a reader of the log counts them:
//! an outage begins with the first late record of an agent and is complete once every lane that brought late records
//! has brought a fresh one, or nothing late has come for a minute. The same reader notes when each agent recorded
//! something at all.

mod digest;
mod list;
mod reader;
mod recorded;

pub use digest::{AlarmCount, Digest};
pub use list::{OutageRow, list};
pub use reader::OutageReader;
pub use recorded::PATIENCE_MS;
