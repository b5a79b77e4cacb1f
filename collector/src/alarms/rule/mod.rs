//! Rules: which condition of what is an alarm. They are texts in TOML; some are shipped with the program.

mod model;
mod read;
mod shipped;
#[cfg(test)]
mod shipped_tests;
mod store;

pub use model::{Flap, Is, Matching, Pattern, Rule, Test, Text, When};
pub use read::{RuleProblem, read};
pub use shipped::shipped;
pub use store::{RuleSet, Stored, load, remove, save, set_enabled};
