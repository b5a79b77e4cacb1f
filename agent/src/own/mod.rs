//! The agent as a device of its own: always in the catalogue, its points say how the buffer stands.
//!
//! | file | subject |
//! |---|---|
//! | `point.rs` | the points |
//! | `link.rs` | the built-in link with its device |
//! | `driver.rs` | reads the points, like the driver of any device |
//! | `recovery.rs` | notices that a disk that refused takes writes again |
//! | `watch.rs` | turns what is wrong with the files into the agent's own alarms |

mod driver;
mod link;
mod point;
mod recovery;
mod watch;

pub use link::{OwnSources, SourceSlot, own_link};
pub use recovery::disk_is_back;
pub use watch::watch_files;
