//! How Kouan speaks to devices.
//!
//! Protocol is code, device model is data: a driver kind owns one folder (settings, pure codec, session, simulator),
//! a profile in `configs/profiles/` says what one model's points, events and actions are. This crate imports neither
//! the agent nor the collector (`ARCHITECTURE.md`, invariant 1).
//!
//! | room | holds |
//! |---|---|
//! | [`driver`] | the [`Driver`](driver::Driver) trait and everything a driver gets and gives |
//! | [`registry`] | one line per driver kind |
//! | [`configure`] | `[[link]]` and `[[link.device]]` of an agent's configuration, checked |
//! | [`link`] | one talker at a time: opening, turns, back-off, health |
//! | [`profile`] | device models as data, and their checker |
//! | [`host`] | this very machine |
//! | [`listener`] | devices that speak by themselves on a line |
//! | [`led_card`] | control cards of LED displays |
//! | [`modbus`] | Modbus TCP and RTU |
//! | [`mqtt`] | devices that publish to a broker |
//! | [`search`] | finding out what hangs on a line |
//! | [`osdp`] | card readers and door panels on RS-485 |
//! | [`rfid`] | UHF readers of tags, and stock-taking with them |
//! | [`serial_line`] | frames of a maker's own on serial lines |
//! | [`uhppote`] | UHPPOTE door controllers |
//! | [`ydt`] | YD/T 1363 power and cooling equipment |
//! | [`zkteco`] | ZKTeco C3 door controllers |
//! | `simulator` | simulated devices (feature `simulators`) |

pub mod configure;
mod device_clock;
pub mod driver;
pub mod host;
pub mod led_card;
pub mod link;
pub mod listener;
pub mod modbus;
pub mod mqtt;
pub mod osdp;
pub mod profile;
pub mod registry;
pub mod rfid;
pub mod search;
pub mod serial_line;
#[cfg(feature = "simulators")]
pub mod simulator;
pub mod uhppote;
pub mod ydt;
pub mod zkteco;
