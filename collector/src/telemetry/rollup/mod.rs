//! Sums over hours and minutes: made once a day is over, made again when something late arrives.

mod codec;
mod device;
mod levels;
mod make;
mod numbers;
mod query;
#[cfg(test)]
mod tests;
mod window;
mod words;

pub(in crate::telemetry) use codec::check;
pub(in crate::telemetry) use levels::Levels;
pub(in crate::telemetry) use make::Maker;
pub(in crate::telemetry) use query::read;
pub use query::{Aggregate, Figure, Resolution, WindowsAnswer, WindowsQuery};
