//! For how much of a time devices could be used, with time that does not count left out and time that nobody knows
//! anything about kept apart. `docs/availability.md` defines it.

mod evidence;
mod maintenance;
mod tally;

pub use evidence::{Evidence, evidence};
pub use maintenance::{EndProblem, MaintenanceRow, NewWindow, Windows, add, end, list};
pub use tally::{Step, Tally, tally};
