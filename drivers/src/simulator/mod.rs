//! Simulated devices that people and tests use, and that misbehave when told.
//!
//! A simulated device answers over its real transport: a TCP port, a pseudo-terminal, an MQTT broker. The program
//! `kouan-sim` runs one and takes control lines on standard input. A simulator never proves a protocol by itself: the
//! codecs are also tested against published frames and programs of others.

mod barrier;
mod c3;
mod cabinet;
mod card_reader;
mod door_controller;
mod eb_gate;
mod faults;
mod gate;
mod kiosk;
mod led_card;
mod line_device;
mod lock_board;
mod modbus;
mod paced;
mod printer;
mod pseudo_terminal;
mod speaker;
mod tag_reader;
mod ydt_device;

pub use barrier::{Barrier, BarrierState, Boom};
pub use c3::{C3, C3State};
pub use cabinet::{Cabinet, CabinetState};
pub use card_reader::{CardReader, CardReaderState};
pub use door_controller::{DoorController, DoorControllerState};
pub use eb_gate::{EbGate, EbGateState};
pub use faults::Faults;
pub use gate::{Direction, Gate, GateState};
pub use kiosk::{Kiosk, KioskSettings};
pub use led_card::{LedCard, LedCardState, LedModel};
pub use line_device::{LineDevice, LineModel};
pub use lock_board::{LockBoard, LockBoardState, LockModel};
pub use modbus::serve_on_pseudo_terminal;
pub use paced::{Pace, paced};
pub use printer::{Paper, Printer, PrinterState};
pub use pseudo_terminal::{PseudoTerminal, PseudoTerminalError};
pub use speaker::{Speaker, SpeakerState};
pub use tag_reader::{ReaderModel, TagReader, TagReaderState};
pub use ydt_device::{YdtDevice, YdtModel, YdtState};

use serde_json::Value;

/// A simulated device that takes control lines.
pub trait Controlled: Send + Sync {
    /// The control lines it takes besides `help`, `show` and `quit`, one a line.
    fn help(&self) -> &'static str;

    /// Carries out one control line, split into words.
    ///
    /// # Errors
    /// What was wrong with the line, for a person.
    fn control(&self, words: &[&str]) -> Result<(), String>;

    /// Its state, with what it was asked and what it carried out.
    fn show(&self) -> Value;
}
