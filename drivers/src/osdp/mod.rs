//! Kind `osdp`: OSDP v2 (IEC 60839-11-5), card readers and door panels on RS-485, from the control side.
//!
//! The agent is the only master of such a bus: it must never be put beside an access controller that polls it already.
//! Packets carry an address, a sequence number and a CRC, so that a late answer never passes for another one. A device
//! that has a key is spoken to through a secure channel or not at all.
//!
//! | room | holds |
//! |---|---|
//! | [`codec`] | packets; pure |
//! | [`secure`] | keys, message codes and encryption of a secure channel; pure |
//! | `channel` | sequence numbers and secure channel of one device |
//! | `reply` | what a device said |

mod channel;
pub mod codec;
mod dialect;
mod explain;
mod reply;
pub mod secure;
mod session;
mod settings;

pub(crate) use session::WANTS_KEY;
pub use settings::OsdpKind;
