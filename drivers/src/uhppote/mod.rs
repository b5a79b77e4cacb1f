//! Kind `uhppote`: UHPPOTE / Weigeng UT0311-L0x door controllers, over UDP.
//!
//! Every packet has 64 bytes and names the controller, but not the request that it answers. So each exchange has a
//! socket of its own: an answer that comes late finds nobody and cannot pass for another one.
//!
//! A controller numbers its events, and remembers up to which number they were fetched. It is told to move on only when
//! the agent has them on disk: after a power cut they are fetched again.

pub mod codec;
mod dialect;
mod events;
mod explain;
mod session;
mod settings;

pub use settings::UhppoteKind;
