//! Measured figures and what the system says of a process, for the programs that measure.

mod figure;
pub mod process;

pub use figure::{Figure, print, quantile};
