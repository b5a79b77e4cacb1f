//! From what a driver said to what is worth keeping: scale and unit, plausible range, quality, counter steps,
//! dead-band and heartbeat. A value that was not read again is never stamped as fresh.
//!
//! | file | subject |
//! |---|---|
//! | `point.rs` | one value: raw to reading, and whether it is worth sending |
//! | `counter.rs` | steps of a counter, through wraps and resets |
//! | `device.rs` | one device: rows, events, health |
//! | `state.rs` | what the changes of a state mean: events and alarms |
//! | `limit.rs` | one alarm: a limit with hysteresis and delays, a word, stale data, health |
//! | `shelf.rs` | which tags lie before a reader: what came and what went |
//! | `current.rs` | what is known now, for the snapshot and the local face |
//! | `run.rs` | the task that takes observations and fills the buffer |

mod counter;
mod current;
mod device;
mod limit;
mod point;
mod run;
mod shelf;
mod state;

pub use current::{Current, CurrentCell, DeviceNow, Snapshots, Version};
pub use run::{PipelineError, PipelineSettings, run, show_health, show_rows};
