//! For how much of a time devices could be used, with time that does not count left out and time that nobody knows
//! anything about kept apart. `docs/availability.md` defines it.

mod evidence;
mod maintenance;
mod repeat;
mod tally;

pub use evidence::{Evidence, evidence};
pub use maintenance::{EndProblem, MaintenanceRow, NewWindow, Place, Windows, add, end, is_worked_on, list, zone_of};
pub use repeat::{Repeat, RepeatKind, time_of_day, zone};
pub use tally::{Step, Tally, tally};
