//! A year of data, made through the real ingest, and what a collector with it costs: its start, also after a crash, its
//! exports, its answers, its backup (`docs/history.md`).
//!
//! | room | holds |
//! |---|---|
//! | [`make`] | the year: an estate that lived slowly, one lively place, and a last day at full rate |
//! | [`living`] | agents that send while something is measured |
//! | [`starts`] | from the start of the program to its answers |
//! | [`asked`] | devices and points to ask about |
//! | [`questions`] | how long answers take |
//! | [`exports`] | files of a year, for quick and for slow readers |
//! | [`copy`] | a backup while readings come in |
//! | [`memory`] | the most that a process took meanwhile |
//! | [`measure`] | all of it in order, the figures, and the limits |

mod asked;
mod copy;
mod exports;
mod living;
mod make;
mod measure;
mod memory;
mod questions;
mod starts;

pub(crate) use measure::{YearOptions, measure};
