//! The encoding of `docs/wire.md`: golden files, refusals, round trips.

mod golden;
mod refusal;
mod samples;
