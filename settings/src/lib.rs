//! Strict, helpful reading of TOML settings.
//!
//! A reader takes what it knows out of a [`Section`]; whatever is left when the section is dropped is reported as
//! unknown, with the nearest known key. Every problem goes into one [`Problems`] list with file, line and what would
//! be right, so that a person can mend a file in one go.

mod bilingual;
mod problems;
mod section;
mod size;

pub use bilingual::{Bilingual, Translate};
pub use problems::{Problem, Problems};
pub use section::{Document, Hint, Section};
pub use size::parse_bytes;
