//! Copies of the data folder that are made while the collector runs, and putting one back.
//!
//! A copy is made file by file, each as it is at one instant ([`copy`]), in an order in which no file is newer than one
//! that it relies on ([`make`]). What the copied files do not agree on yet, the readers of the log settle as after a
//! crash.

mod copy;
mod error;
mod make;
mod put_back;
mod sums;

pub use error::BackupError;
pub use make::{Made, make};
pub use put_back::put_back;
pub use sums::SUMS;
