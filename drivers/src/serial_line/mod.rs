//! Devices with a request and an answer of their own on a serial line, or on TCP behind a serial server.
//!
//! What a frame looks like is in the profile: start bytes, length or delimiter, checksum; requests are written as bytes
//! with placeholders. `configs/profiles/ds205a-gate.toml` is an example.
//!
//! Such answers rarely say which request they belong to. After a time-out the device is left alone until its late
//! answer can no longer be expected, and an action is not sent before that either: a late answer to a poll must not
//! pass for the confirmation of an action.

mod check;
mod checksum;
pub(crate) mod dialect;
mod explain;
mod frame;
pub(crate) mod place;
mod session;
mod settings;
pub(crate) mod template;

pub(crate) use frame::LONGEST;

pub use check::{Check, Written};
pub use checksum::Checksum;
pub use frame::{Ending, Fixed, FrameFormat, FrameReader, LengthField, Rejected, UnitAt};
pub use settings::SerialLineKind;
