//! Kind `rfid`: UHF readers of tags that lie in a cabinet, a drawer, a shelf.
//!
//! A reader never sees every tag in one round. So a poll is a **pass**: rounds until no new tag answers any more. A tag
//! is there from the first pass that saw it, and missing only after several whole passes in a row did not.
//!
//! | room | holds |
//! |---|---|
//! | [`stock`] | passes and what they say about what is there; pure |
//! | [`m100`] | modules with frames `BB … 7E` |
//! | [`chafon`] | UHFReader18 and UHFReader288M |
//! | [`llrp`] | the Low Level Reader Protocol 1.0.1 |

pub mod chafon;
mod dialect;
mod driver;
mod explain;
mod heard;
pub mod llrp;
pub mod m100;
mod network;
mod serial;
pub mod stock;

pub use driver::RfidKind;
