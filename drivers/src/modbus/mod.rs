//! Kind `modbus`: Modbus TCP, Modbus RTU, and RTU through a transparent serial server.
//!
//! | room | holds |
//! |---|---|
//! | [`codec`] | requests and answers in bytes; pure |
//! | [`planner`] | which reads fetch a group's points; pure |
//! | [`value`], [`scale`] | registers to raw values and back; pure |
//! | [`dialect`], [`action`] | the keys of a Modbus profile, checked |
//! | [`session`] | one open link: exchanges, retries, late answers |
//! | [`kind`] | the settings of links and devices, and the driver |
//! | `simulator` | units that answer, and misbehave on request (feature `simulators`) |

pub mod action;
pub mod codec;
pub mod dialect;
mod explain;
pub mod kind;
mod owed;
pub mod planner;
pub mod scale;
pub mod session;
#[cfg(feature = "simulators")]
pub mod simulator;
pub mod value;

pub use kind::Modbus;
