//! The line between agent and collector: it damages on request what it passes on. It understands the requests, unless
//! they are encrypted.

mod bytes;
mod http;
mod pass;
mod promises;

pub use pass::{Damage, DamagedLine};
pub use promises::{LaneEpoch, Promises};
