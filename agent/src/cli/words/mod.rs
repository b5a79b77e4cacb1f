//! What the tool says, in English and Chinese: one catalogue, so that both are written and read together.
//!
//! What devices and the system say is passed on as it is, in English; of problems in the configuration the place and the
//! most frequent sentences are translated.

mod help;
mod language;
mod problems;
mod say_device;
mod say_doctor;
mod say_files;
mod say_scan;
mod terms;

pub(super) use help::translated;
pub(super) use language::{Language, Words};
pub(super) use problems::in_chinese;
