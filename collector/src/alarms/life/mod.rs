//! The life of an alarm: raised, perhaps cleared and raised again, closed. Whoever says that a condition holds, agent or
//! rule, speaks of the same life; what people do to it is in `act`.

mod act;
mod clear;
mod conceal;
mod hold;
mod raise;
mod step;
mod sweep;

pub use act::{ActProblem, By, Deed, act};
pub(super) use clear::{Clear, clear, close};
pub(super) use conceal::{conceal, count_hidden, mark_maintenance, reveal};
pub(super) use hold::{EdgeWord, clear_or_hold, note_raise};
pub(super) use raise::{
    Raise, Source, raise, subject_of_agent, subject_of_collector, subject_of_device, subject_of_site,
};
pub(super) use step::next_change;
pub use step::{Step, write_step};
pub(super) use sweep::{is_due, sweep};
