//! What changes, as it changes: one stream of server-sent events (WHATWG HTML, section 9.2) for each screen.
//!
//! One task finds out what changed and writes each change down once; every screen gets the same bytes, as far as it may
//! see the site. A screen that cannot keep up is told to fetch everything anew. Nothing is lost between a list and the
//! stream if the list is fetched after the event `hello`.

mod connection;
mod follow;
mod frame;
mod hub;

pub(super) use connection::{__path_open, open};
pub(crate) use follow::follow;
pub use hub::Hub;
