//! A tripod or swing gate with an EB board (Mach-Power AC-ATRI-018 manual, pages 12 and 13).
//!
//! A request has five bytes, `EB address command 00 xor`; the answer has the command with its highest bit set. Only
//! what the manuals publish is known here: whatever else is asked, nobody answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::Faults;
use super::line_device::{LineDevice, LineModel, take_fixed, xor};

const START: u8 = 0xEB;
const LENGTH: usize = 5;

/// What a gate with an EB board would show to somebody who stands before it, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EbGateState {
    /// Its address.
    pub address: u8,
    /// Whether the arms are raised; a gate of swing leaves has them, too, as its locked state.
    pub raised: bool,
    /// Whether nobody may pass.
    pub forbidden: bool,
    /// Passages that were released and not used yet, inwards and outwards.
    pub released: [u64; 2],
    /// Commands carried out, by name.
    pub executed: BTreeMap<&'static str, u64>,
    /// Bytes that were no request.
    pub not_understood: u64,
    /// How it misbehaves.
    pub faults: Faults,
}

/// A simulated gate with an EB board.
pub type EbGate = LineDevice<EbGateState>;

impl EbGate {
    /// A gate that is shut, with that address.
    #[must_use]
    pub fn with_address(address: u8) -> Arc<Self> {
        Self::new(EbGateState {
            address,
            raised: true,
            forbidden: false,
            released: [0, 0],
            executed: BTreeMap::new(),
            not_understood: 0,
            faults: Faults::default(),
        })
    }
}

impl LineModel for EbGateState {
    const HELP: &'static str = "pass in|out";

    fn take(&mut self, pending: &mut Vec<u8>) -> Option<Vec<u8>> {
        let whole = |frame: &[u8]| xor(&frame[..LENGTH - 1]) == frame[LENGTH - 1];
        take_fixed(pending, &[START], LENGTH, &mut self.not_understood, whole)
    }

    fn carry_out(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let [_, address, command, ..] = *request else { return None };
        if address != self.address {
            return None;
        }
        let name = match command {
            0x40 => "open-left",
            0x41 => "open-right",
            0x42 => "drop",
            0x43 => "raise",
            0x4A => "forbid",
            0x4B => "restore",
            _ => return None,
        };
        match command {
            0x40 | 0x41 if !self.forbidden => self.released[usize::from(command - 0x40)] += 1,
            0x42 => self.raised = false,
            0x43 => self.raised = true,
            0x4A => (self.forbidden, self.released) = (true, [0, 0]),
            0x4B => self.forbidden = false,
            _ => {}
        }
        *self.executed.entry(name).or_default() += 1;
        let address = if self.faults.wrong_unit { address.wrapping_add(1) } else { address };
        let mut answer = vec![START, address, command + 0x80, 0];
        let check = xor(&answer);
        answer.push(if self.faults.bad_checksum { !check } else { check });
        Some(answer)
    }

    fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    fn control(&mut self, words: &[&str]) -> Result<(), String> {
        let way = match words {
            ["pass", "in"] => 0,
            ["pass", "out"] => 1,
            _ => return Err("not known; say help".to_owned()),
        };
        if self.raised && self.released[way] == 0 {
            return Err("the arms hold: nobody released this way".to_owned());
        }
        self.released[way] = self.released[way].saturating_sub(1);
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
    fn the_six_published_frames_are_carried_out() {
        let gate = EbGate::with_address(1);
        let published = [0x40_AA, 0x41_AB, 0x42_A8, 0x43_A9, 0x4A_A0, 0x4B_A1_u16].map(u16::to_be_bytes);
        for [command, check] in published {
            let mut pending = vec![0x00, START, 0x01, command, 0x00, check];
            let request = gate.with(|state| state.take(&mut pending)).unwrap();
            let answer = gate.with(|state| state.carry_out(&request)).unwrap();
            assert_eq!((answer[2], answer.len(), xor(&answer)), (command | 0x80, LENGTH, 0));
        }
        gate.with(|state| {
            assert_eq!(state.executed.values().sum::<u64>(), 6);
            assert_eq!((state.raised, state.forbidden, state.released), (true, false, [0, 0]));
            assert!(state.carry_out(&[START, 1, 0x50, 0, 0xBA]).is_none(), "no other command was published");
            assert!(state.control(&["pass", "in"]).is_err());
        });
    }
}
