//! Disks that fail on request: full, read-only, with failing or slow syncs, for the files of one folder.
//!
//! `tests/faults/disk.c` does it inside the tested program, [`DiskFaults`] says what and when. The same library writes
//! down every change and sync, from which a power cut can be played at any moment.

mod clock;
mod control;
mod library;

pub use clock::{ClockFaults, together};
pub use control::{DiskCounts, DiskFaults};
pub use library::disk_library;
