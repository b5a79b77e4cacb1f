//! Many people who look at once: sessions with an open stream at a collector with the whole fleet, how long a change
//! takes to be on their screens, and what the collector needs for it (`docs/console.md`).
//!
//! | room | holds |
//! |---|---|
//! | [`people`] | users, and their sessions |
//! | [`screen`] | an open stream, and when changes arrived on it |
//! | [`changes`] | devices that fail and recover at known instants |
//! | [`browsing`] | what people ask meanwhile |
//! | [`window`] | a real browser among them |
//! | [`measure`](measure()) | all of it together, and the figures |

mod browsing;
mod changes;
mod measure;
mod people;
mod screen;
mod window;

pub(crate) use measure::{ScreensOptions, measure};
pub(crate) use people::Person;
