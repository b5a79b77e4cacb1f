//! What the tool says, in English and Chinese: one catalogue, so that both are written and read together.
//!
//! Problems in the configuration and what devices and the system say are passed on as they are, in English.

mod help;
mod language;
mod say_device;
mod say_doctor;
mod say_files;
mod say_scan;
mod terms;

pub(super) use help::translated;
pub(super) use language::{Language, Words};
