//! Kind `led-card`: control cards of LED displays: counter windows, strips, full-colour screens.
//!
//! | room | holds |
//! |---|---|
//! | [`cpower`] | packets of Lumen C-Power cards |
//! | [`huidu`] | packets and XML of Huidu cards (SDK 2.0) |
//!
//! A connection is closed after each poll and each action: such cards serve one client, and the program that shows
//! something on them must get its turn.

pub mod cpower;
mod dialect;
mod explain;
pub mod huidu;
mod session;
mod settings;
mod speak;

pub use settings::LedCardKind;
