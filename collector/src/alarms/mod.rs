//! The life of an alarm that was raised at the edge: raised, cleared.

mod list;
mod take;

pub use list::{AlarmFilter, AlarmRow, count_by_device, list};
pub use take::{
    COLLECTOR_RESTORED, DUPLICATE_IDENTITY, TOO_MANY_DEVICES, clear_quiet, clear_unnamed, raise_on_agent, take,
};
