//! Whether a condition holds, and when that becomes an alarm: without a clock, a store or a fleet of its own, so that
//! the running collector and a look back over history judge alike.

mod calendar;
mod condition;
mod machine;

pub use calendar::{Opening, opening};
pub use condition::{Cause, Judged, Reading, Rise, View, judge};
pub use machine::{Delays, Machine, Turn};
