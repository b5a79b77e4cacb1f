//! Conditions of the agent itself and of its devices that somebody must care about: raised and cleared once, recorded in the urgent
//! lane, and named in every snapshot as long as they hold.
//!
//! | file | subject |
//! |---|---|
//! | `registry.rs` | which conditions hold now |
//! | `kept.rs` | those of devices in a file, over a restart |
//! | `recorder.rs` | the task that puts every change into the urgent lane |

mod kept;
mod recorder;
mod registry;

pub use recorder::AlarmRecorder;
pub use registry::{ActiveAlarm, AgentAlarms, agent_device};
