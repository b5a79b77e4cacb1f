//! The conversation with the collector. The agent always calls.
//!
//! A session begins with a hello that compares positions and digests. Then the snapshot goes up, each lane sends on
//! its own, oldest first, and a long poll waits for commands. Readings give way to the other lanes and leave a part
//! of the line to others. Whatever fails ends the session; the next hello puts
//! both sides in order again, after a jittered pause.
//!
//! | file | subject |
//! |---|---|
//! | `client.rs` | requests over HTTPS, and what an answer means |
//! | `trust.rs` | which certificate the collector must show |
//! | `run.rs` | sessions, one after another |
//! | `retry.rs` | when to try again, and how often to say so |
//! | `traffic.rs` | what the parts of a session know of each other |
//! | `snapshots.rs` | the state of the site within a session |
//! | `lane.rs` | one lane within a session |
//! | `prepare.rs` | an upload made ready |
//! | `pace.rs` | how much is sent at once, and the share of the line |
//! | `kinds.rs` | only what the collector knows is sent |
//! | `poll.rs` | the command poll within a session |

mod agree;
mod client;
mod kinds;
mod lane;
mod pace;
mod poll;
mod prepare;
mod retry;
mod run;
mod snapshots;
mod traffic;
mod trust;

pub use client::{Client, UplinkError};
pub use run::{Uplink, UplinkState, UplinkStatus};
pub use trust::{Trust, TrustError, WrongCertificate};
