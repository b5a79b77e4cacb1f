//! The conversation with the collector. The agent always calls.
//!
//! A session begins with a hello that compares positions and digests. Then the snapshot goes up, each lane sends on
//! its own, oldest first, and a long poll waits for commands. Whatever fails ends the session; the next hello puts
//! both sides in order again, after a jittered pause.
//!
//! | file | subject |
//! |---|---|
//! | `client.rs` | requests over HTTPS, and what an answer means |
//! | `run.rs` | sessions, one after another |
//! | `lane.rs` | one lane within a session |
//! | `poll.rs` | the command poll within a session |

mod client;
mod lane;
mod poll;
mod run;

pub use client::{Client, UplinkError};
pub use run::{Uplink, UplinkState, UplinkStatus};
