//! A ticket printer with ESC/POS (Epson reference, DLE EOT; Epson TM-U220 manual, page 83).
//!
//! What it is told to print is counted and dropped; what is asked in between is answered at once, also while it is
//! off-line.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::Faults;
use super::line_device::{LineDevice, LineModel, switch};

const DLE: u8 = 0x10;
const EOT: u8 = 0x04;
const ENQ: u8 = 0x05;
/// Bits that every status byte has.
const ALWAYS: u8 = 0x12;

/// How much paper is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Paper {
    /// Enough.
    Ok,
    /// The near-end sensor shows.
    Near,
    /// None.
    Out,
}

/// What a printer would show to somebody who stands before it, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrinterState {
    /// The roll.
    pub paper: Paper,
    /// Whether the cover is open.
    pub cover_open: bool,
    /// The cutter is stuck.
    pub cutter_stuck: bool,
    /// An error that only switching off ends.
    pub unrecoverable: bool,
    /// The head is too hot; that goes by itself.
    pub too_hot: bool,
    /// Bytes that it was told to print.
    pub printed: u64,
    /// Times it was asked how it is.
    pub polls: u64,
    /// How it misbehaves.
    pub faults: Faults,
}

/// A simulated ticket printer.
pub type Printer = LineDevice<PrinterState>;

impl Printer {
    /// A printer that is ready.
    #[must_use]
    pub fn ready() -> Arc<Self> {
        Self::new(PrinterState {
            paper: Paper::Ok,
            cover_open: false,
            cutter_stuck: false,
            unrecoverable: false,
            too_hot: false,
            printed: 0,
            polls: 0,
            faults: Faults::default(),
        })
    }
}

impl PrinterState {
    fn has_error(&self) -> bool {
        self.cutter_stuck || self.unrecoverable || self.too_hot
    }

    /// The status byte for `DLE EOT n`.
    fn status(&self, n: u8) -> Option<u8> {
        let bit = |on: bool, bit: u8| u8::from(on) << bit;
        let out = self.paper == Paper::Out;
        Some(match n {
            1 => ALWAYS | bit(self.cover_open || out || self.has_error(), 3),
            2 => ALWAYS | bit(self.cover_open, 2) | bit(out, 5) | bit(self.has_error(), 6),
            3 => ALWAYS | bit(self.cutter_stuck, 3) | bit(self.unrecoverable, 5) | bit(self.too_hot, 6),
            4 => {
                ALWAYS
                    | match self.paper {
                        Paper::Ok => 0,
                        Paper::Near => 0x0C,
                        Paper::Out => 0x6C,
                    }
            }
            _ => return None,
        })
    }
}

impl LineModel for PrinterState {
    const HELP: &'static str =
        "paper ok|near|out\ncover open|closed\ncutter ok|stuck\nunrecoverable on|off\nhot on|off";

    fn take(&mut self, pending: &mut Vec<u8>) -> Option<Vec<u8>> {
        loop {
            match *pending.as_slice() {
                [DLE, EOT | ENQ, _, ..] => return Some(pending.drain(..3).collect()),
                // What may still become a question stays.
                [] | [DLE] | [DLE, EOT | ENQ] => return None,
                _ => {
                    pending.drain(..1);
                    self.printed += 1;
                }
            }
        }
    }

    fn carry_out(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let [_, what, n] = *request else { return None };
        if what == ENQ {
            // Go on after an error that can be recovered from; nothing is answered.
            self.cutter_stuck = false;
            return None;
        }
        self.polls += 1;
        let status = self.status(n)?;
        Some(vec![if self.faults.bad_checksum { status ^ 0x90 } else { status }])
    }

    fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    fn control(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["paper", "ok"] => self.paper = Paper::Ok,
            ["paper", "near"] => self.paper = Paper::Near,
            ["paper", "out"] => self.paper = Paper::Out,
            ["cover", "open"] => self.cover_open = true,
            ["cover", "closed"] => self.cover_open = false,
            ["cutter", "stuck"] => self.cutter_stuck = true,
            ["cutter", "ok"] => self.cutter_stuck = false,
            ["unrecoverable", word] => self.unrecoverable = switch(word)?,
            ["hot", word] => self.too_hot = switch(word)?,
            _ => return Err("not known; say help".to_owned()),
        }
        Ok(())
    }

    fn show(&self) -> Value {
        json!(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_answered_in_the_middle_of_a_ticket() {
        let printer = Printer::ready();
        printer.with(|state| {
            let mut pending = b"A001\n\x10\x04\x01 3\x10\x04".to_vec();
            assert_eq!(state.take(&mut pending).unwrap(), [DLE, EOT, 1]);
            assert_eq!((state.printed, state.carry_out(&[DLE, EOT, 1])), (5, Some(vec![0x12])));
            assert_eq!(state.take(&mut pending), None);
            assert_eq!((state.printed, pending.as_slice()), (7, &[DLE, EOT][..]));
            state.control(&["cover", "open"]).unwrap();
            state.control(&["paper", "near"]).unwrap();
            let bytes: Vec<_> = (1..=5).map(|n| state.carry_out(&[DLE, EOT, n])).collect();
            let published = [0x1A, 0x16, 0x12, 0x1E].map(|byte| Some(vec![byte]));
            assert_eq!(bytes[..4], published);
            assert_eq!(bytes[4], None, "there is no fifth byte");
        });
    }
}
