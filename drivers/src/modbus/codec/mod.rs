//! Modbus in bytes: pure, no socket, no clock.
//!
//! Facts from *MODBUS Application Protocol Specification V1.1b3*, *MODBUS over Serial Line V1.02* and *MODBUS
//! Messaging on TCP/IP Implementation Guide V1.0b* (modbus.org).

pub mod crc;
pub mod error;
pub mod identity;
pub mod pdu;
pub mod rtu;
pub mod tcp;

#[cfg(test)]
mod tests;

pub use error::FrameError;
pub use pdu::{Answer, Exception, ReadFunction, Request};
