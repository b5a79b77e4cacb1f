//! Finding out what hangs on a line, for somebody who stands before a cabinet without papers. Nothing is ever written to
//! a device: every question is a read.
//!
//! | room | holds |
//! |---|---|
//! | [`ports`] | the serial ports of this machine, their adapters, and who uses them |
//! | [`modbus`] | which speed, format and units answer Modbus |
//! | [`guess`] | which profiles fit what a Modbus unit says |
//! | [`identity`] | what a Modbus unit says of itself |
//! | [`lines`] | which units answer the questions of any other profile |

pub mod guess;
pub mod identity;
pub mod lines;
pub mod modbus;
pub mod ports;
