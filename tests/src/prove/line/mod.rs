//! The line between agent and collector: it understands the requests that it passes on, and damages them on request.

mod http;
mod pass;
mod promises;

pub use pass::{Damage, DamagedLine};
pub use promises::{LaneEpoch, Promises};
