//! The encoding of `docs/wire.md`: golden files, refusals, round trips.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod golden;
mod refusal;
mod samples;
