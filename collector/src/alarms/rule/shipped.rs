//! The rules that are shipped with the program.

/// Their texts, by id.
const TEXTS: &[(&str, &str)] = &include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/alarms/rule/shipped_texts.rs"));

/// The texts of the shipped rules, by id.
#[must_use]
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    TEXTS
}
