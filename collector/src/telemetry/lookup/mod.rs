//! Finding events by what they say, without opening every day: a file for each month that tells where the events of a
//! device, of a kind, and with a value in a field are.
//!
//! The files are made from the partitions, which alone hold the events, and are made again from them if they are lost.
//! What a file does not cover yet is looked up in the partition itself, so an answer is whole at any time: also before
//! the keeper has compared a file with its days after a start, which whoever searches then does.

mod claim;
mod files;
mod keep;
mod keys;
#[cfg(test)]
mod model_tests;
mod search;
mod settle;

pub(super) use files::{Lookup, same_month};
pub(super) use keep::Keeper;
pub(super) use keys::text_of;
pub(super) use search::{Wanted, find};
