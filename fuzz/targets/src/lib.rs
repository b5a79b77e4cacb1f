//! Everything that reads bytes from outside, as functions that a fuzzer may call with any bytes.
//!
//! A target panics when a promise is broken: a decoder that panics, that takes nothing and says that it found
//! something, that finds other frames in the same bytes when they come in pieces, or that does not read what it wrote.
//! `tests/brief.rs` runs each of them on stable Rust, within the normal tests; `cargo fuzz` runs the same functions
//! (`fuzz/README.md`).

mod devices;
mod displays;
mod lines;
mod modbus;
mod profiles;
mod protocol;
mod stream;
mod tags;

/// A function that must bear any bytes, with bytes that are good for it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also that of its folder of inputs and of its program for `cargo fuzz`.
    pub name: &'static str,
    /// Bears any bytes.
    pub run: fn(&[u8]),
    /// Where to begin: whole messages.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    protocol::BATCH,
    protocol::CATALOGUE,
    protocol::SESSION,
    protocol::UPLOAD,
    modbus::RTU,
    modbus::TCP,
    modbus::IDENTITY,
    lines::FRAME,
    lines::EAR,
    lines::CHECKSUM,
    devices::YDT,
    devices::OSDP,
    devices::UHPPOTE,
    devices::ZKTECO,
    tags::LLRP,
    tags::M100,
    tags::CHAFON,
    displays::CPOWER,
    displays::HUIDU,
    profiles::PROFILE,
];

/// Runs the target of that name; for the programs of `cargo fuzz`.
///
/// # Panics
/// When there is no such target, and when it finds something.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("the name is one of TARGETS").run)(data);
}
