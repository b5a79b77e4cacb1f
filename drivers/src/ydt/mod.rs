//! Kind `ydt1363`: YD/T 1363.3 (电总协议), the text protocol of telecom power: UPS, rectifiers, batteries, air
//! conditioners.
//!
//! The frame is the standard's ([`codec`]); what stands in the INFO of an answer, and at which byte, is in the profile:
//! makers differ, above all those of air conditioners.

pub mod codec;
mod dialect;
mod explain;
mod session;
mod settings;

pub use settings::YdtKind;
