//! Writing readings to a Prometheus, VictoriaMetrics or whatever else takes remote write 1.0
//! (prometheus.io/docs/specs/prw/remote_write_spec).
//!
//! A reader of the log with a cursor of its own, which moves only over what the receiver has taken, or has refused for
//! good: that is counted and told. What was under way when the program ended, or when no answer came, is sent again. A
//! receiver that takes no sample twice refuses it then; it is asked for a few of them, and has it all if it refuses these.

mod gather;
mod message;
mod names;
mod parts;
mod reader;
mod send;

pub use reader::{RemoteWriter, Sources};
pub use send::RemoteWriteError;
