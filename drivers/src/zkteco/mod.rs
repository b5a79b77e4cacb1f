//! Kind `zkteco-c3`: ZKTeco C3 and inBIO door controllers, over TCP port 4370 (the pull protocol).
//!
//! A controller hands out its live log once: what was read is gone from it. So events are read only when the agent has
//! room for them, and one that was read goes on whatever happens to the connection.

pub mod codec;
mod dialect;
mod events;
mod explain;
pub mod record;
mod session;
mod settings;

pub use settings::ZktecoKind;
