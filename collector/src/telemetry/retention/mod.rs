//! Deleting what is kept no longer. The space comes back at once: whole files are deleted, and where a file holds more
//! than what is too old, it becomes shorter.

mod clock;
mod days;
mod keep;
mod levels;
mod pass;
mod shrink;

pub use clock::believed_time;
pub(super) use days::finish;
pub(super) use keep::Level;
pub use keep::{KeepClass, Retention};
pub(super) use pass::{Files, Pass};
