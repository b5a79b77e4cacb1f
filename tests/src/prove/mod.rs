//! The proof: the real programs against devices that number everything they say and count everything they are told to
//! do, while a schedule drawn from a seed breaks programs, line and disk. `docs/proof.md` says what it shows.

mod asking;
mod check;
mod device;
mod drive;
mod line;
mod peers;
mod round;
mod schedule;
mod site;
mod stored;
mod table;
mod tally;
mod usage;

pub(crate) use device::PROFILE as NUMBERED_DEVICE;
pub use device::{Act, NumberedDevice};
pub use line::{Damage, DamagedLine, LaneEpoch, Promises};
pub use peers::{Outcome, Scenario};
pub use round::Round;
pub use schedule::{AgentFile, DiskTrouble, Fault, Schedule, Step};
pub use site::{Shape, Site};
pub use stored::{Stored, StoredGap, StoredNumber};
pub use table::{peers_table, table};
pub use tally::{Commands, Records, Tally};
pub use usage::Usage;
