//! Power cuts. SIGKILL leaves everything in the kernel's cache and proves little; here the files are built anew as
//! they may be found after the power failed, and opened with the real code.
//!
//! The programs run on a disk that records ([`crate::DiskFaults::record_to`]). [`Recording`] plays that record up to
//! a moment and leaves out, tears or reorders what no sync had covered. What the other side knew by that moment must
//! then still be there.

//!
//! | file | subject |
//! |---|---|
//! | `record.rs` | what the disk library wrote down |
//! | `disk.rs` | what a disk may keep when the power fails |
//! | `cuts.rs` | cuts at many moments of a recording |
//! | `site.rs`, `witness.rs` | the real programs under load, and what each told the other |
//! | `agent.rs`, `collector.rs` | what must be there afterwards |
//! | `play.rs` | all of it together |

mod agent;
mod collector;
mod cuts;
mod disk;
mod play;
mod record;
mod site;
mod witness;

pub use cuts::{Cut, Recording, now, recording_folder};
pub use disk::Honesty;
pub use play::{PowerLoss, PowerLossReport};
