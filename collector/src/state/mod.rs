//! How everything is: devices with their latest values and health in memory, the rest in `state.db`.
//!
//! Two readers follow the log, one of them the readings. Latest values are written as a checkpoint from time to time and rebuilt from it
//! and the log at start. A snapshot passes the log by: it updates what is here and nothing else.

mod change;
mod changes;
mod checkpoint;
mod fleet;
mod health_log;
mod latest;
mod losses;
mod moment;
mod points;
mod quarantine;
mod reader;
mod registry;
mod snapshot;

pub use change::{Change, Origin};
pub use checkpoint::{READINGS_CURSOR, STATE_CURSOR};
pub use fleet::{Device, DeviceId, Fleet, Health, PointState, SharedFleet};
pub use health_log::{HealthChange, forget_health, old_health};
pub use latest::LatestReadings;
pub use losses::{GapRow, gaps};
pub use moment::{Known, Moment};
pub use points::Points;
pub use quarantine::{QuarantineRow, quarantine, quarantine_totals, quarantined_body};
pub use reader::{LatestReader, StateReader, open_readers};
pub use registry::bindings_of_name;
pub(crate) use registry::place;
pub use registry::{BindingRow, MoveProblem, MovedDevices, bindings, move_binding, relabel};
pub use snapshot::{SnapshotProblem, Snapshots};
