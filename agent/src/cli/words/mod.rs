//! What the tool says, in English and Chinese: one catalogue, so that both are written and read together.
//!
//! Errors and what drivers say of devices come in both languages from where they arise (`kouan_settings::Bilingual`). What
//! a device, a library or another program says itself is passed on as it is.

mod help;
mod language;
mod say_device;
mod say_doctor;
mod say_files;
mod say_scan;
mod terms;

pub(super) use help::translated;
pub(super) use language::{Language, Words};
