//! The engine: judges rules by live state, a few times a second, and writes what becomes of alarms.
//!
//! A round looks only at devices that changed since the last one and at what is due by time, so that it costs what
//! happened and not what there is. What it finds is written in one transaction; the next round begins after that. Nothing
//! of the engine is stored but the alarms: at a start it finds what stands in `state.db`, and delays count anew. If a
//! transaction fails, it begins anew in the same way.

mod count;
mod devices;
mod estate;
mod explain;
mod groups;
mod last_read;
#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod restart_tests;
mod round;
mod run;
mod samples;
mod standing;
mod strays;
mod surroundings;
#[cfg(test)]
mod tests;
mod view;
mod wording;
#[cfg(test)]
mod world;
mod write;

pub use run::{AlarmEngine, SharedRules};
