//! The windows of one group and day as bytes.

mod columns;
mod counts;
mod first;
mod form;
mod numbers;
#[cfg(test)]
mod tests;
mod words;

pub(in crate::telemetry) use columns::check;
pub(super) use columns::{decode_column, encode};
