//! Lock boards of cabinets: KERONG CU48 (public code of the authors of a CU16 client) and the `8A/80` board
//! (blog.csdn.net/u012909822/article/details/147892413).
//!
//! CU48: a request has six bytes, `02 board lock command 03 sum`. `8A/80`: five, `80 board lock 33 xor` and
//! `8A board lock 11 xor`; lock 0 of an opening means all.

use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::Faults;
use super::line_device::{LineDevice, LineModel, number, switch, take_fixed, xor};

/// What a board speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum LockModel {
    /// KERONG CU48.
    #[serde(rename = "kerong-cu48")]
    KerongCu48,
    /// The `8A/80` board with 12 locks.
    #[serde(rename = "lock-board-8a80-12")]
    Xor12,
    /// The `8A/80` board with 24 locks.
    #[serde(rename = "lock-board-8a80-24")]
    Xor24,
}

impl FromStr for LockModel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "kerong-cu48" => Ok(Self::KerongCu48),
            "lock-board-8a80-12" => Ok(Self::Xor12),
            "lock-board-8a80-24" => Ok(Self::Xor24),
            other => Err(format!("\"{other}\" must be kerong-cu48, lock-board-8a80-12 or lock-board-8a80-24")),
        }
    }
}

/// What a cabinet would show to somebody who stands before it, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockBoardState {
    /// What it speaks.
    pub model: LockModel,
    /// The board's number.
    pub board: u8,
    /// Locks that are shut, as bits; slot 1 is bit 0.
    pub locked: u64,
    /// Locks that do not open although they are told to.
    pub jammed: u64,
    /// The feedback switch is of the other kind: what it says is the other way round.
    pub other_switch: bool,
    /// How often each slot was told to open.
    pub opened: Vec<u64>,
    /// Status requests answered.
    pub polls: u64,
    /// Bytes that were no request.
    pub not_understood: u64,
    /// How it misbehaves.
    pub faults: Faults,
}

/// A simulated lock board.
pub type LockBoard = LineDevice<LockBoardState>;

impl LockBoard {
    /// A board of that number, all slots shut.
    #[must_use]
    pub fn of_model(model: LockModel, board: u8) -> Arc<Self> {
        Self::new(LockBoardState {
            model,
            board,
            locked: u64::MAX,
            jammed: 0,
            other_switch: false,
            opened: vec![0; model.slots().into()],
            polls: 0,
            not_understood: 0,
            faults: Faults::default(),
        })
    }
}

impl LockModel {
    fn slots(self) -> u8 {
        match self {
            Self::KerongCu48 => 48,
            Self::Xor12 => 12,
            Self::Xor24 => 24,
        }
    }
}

impl LockBoardState {
    fn open(&mut self, slot: u8) {
        self.opened[usize::from(slot - 1)] += 1;
        self.locked &= !(1 << (slot - 1)) | self.jammed;
    }

    /// What the feedback of all slots says, as bits.
    fn feedback(&self) -> u64 {
        if self.other_switch { !self.locked } else { self.locked }
    }

    fn cu48(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let [_, board, lock, command, ..] = *request else { return None };
        if board != self.board || lock >= self.model.slots() {
            return None;
        }
        let board = if self.faults.wrong_unit { board.wrapping_add(1) } else { board };
        match command {
            0x60 => {
                self.polls += 1;
                let mut answer = vec![0x02, board, 0x00, 0x75, 0x06];
                answer.extend_from_slice(&self.feedback().to_le_bytes()[..6]);
                Some(answer)
            }
            0x61 => {
                self.open(lock + 1);
                Some(vec![0x02, board, lock, 0x75, 0x00])
            }
            _ => None,
        }
    }

    fn xor_board(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let [start, board, lock, what, _] = *request else { return None };
        if board != self.board || lock > self.model.slots() {
            return None;
        }
        match (start, lock, what) {
            (0x80, 1.., 0x33) => self.polls += 1,
            (0x8A, 1.., 0x11) => self.open(lock),
            (0x8A, 0, 0x11) => (1..=self.model.slots()).for_each(|slot| self.open(slot)),
            // The answer about all locks is not published.
            _ => return None,
        }
        let open = lock > 0 && self.feedback() >> (lock - 1) & 1 == 0;
        let board = if self.faults.wrong_unit { board.wrapping_add(1) } else { board };
        Some(vec![start, board, lock, if open { 0x11 } else { 0x00 }])
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

impl LineModel for LockBoardState {
    const HELP: &'static str = "shut SLOT\njam SLOT on|off\nother-switch on|off";

    fn take(&mut self, pending: &mut Vec<u8>) -> Option<Vec<u8>> {
        let lost = &mut self.not_understood;
        match self.model {
            LockModel::KerongCu48 => {
                let whole = |frame: &[u8]| frame[4] == 0x03 && sum(&frame[..5]) == frame[5];
                take_fixed(pending, &[0x02], 6, lost, whole)
            }
            LockModel::Xor12 | LockModel::Xor24 => {
                take_fixed(pending, &[0x80, 0x8A], 5, lost, |frame| xor(&frame[..4]) == frame[4])
            }
        }
    }

    fn carry_out(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let (mut answer, check): (_, fn(&[u8]) -> u8) = match self.model {
            LockModel::KerongCu48 => (self.cu48(request)?, sum),
            LockModel::Xor12 | LockModel::Xor24 => (self.xor_board(request)?, xor),
        };
        let check = check(&answer);
        answer.push(if self.faults.bad_checksum { !check } else { check });
        Some(answer)
    }

    fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    fn control(&mut self, words: &[&str]) -> Result<(), String> {
        let slots = self.model.slots();
        let bit = |word: &str| match number::<u8>(word)? {
            slot if (1..=slots).contains(&slot) => Ok(1_u64 << (slot - 1)),
            _ => Err(format!("\"{word}\" must be a slot from 1 to {slots}")),
        };
        match words {
            ["shut", slot] => self.locked |= bit(slot)?,
            ["jam", slot, word] => {
                let (slot, on) = (bit(slot)?, switch(word)?);
                self.jammed = if on { self.jammed | slot } else { self.jammed & !slot };
            }
            ["other-switch", word] => self.other_switch = switch(word)?,
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

    fn said(board: &LockBoard, request: &[u8]) -> Option<Vec<u8>> {
        board.with(|state| {
            let mut pending = [&[0xFF], request].concat();
            let request = state.take(&mut pending).unwrap();
            state.carry_out(&request)
        })
    }

    #[test]
    fn the_published_frames_of_a_cu48_are_answered() {
        let board = LockBoard::of_model(LockModel::KerongCu48, 0);
        let all_shut = vec![0x02, 0x00, 0x00, 0x75, 0x06, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x77];
        assert_eq!(said(&board, &[0x02, 0x00, 0x00, 0x60, 0x03, 0x65]), Some(all_shut));
        assert!(said(&board, &[0x02, 0x00, 0x00, 0x61, 0x03, 0x66]).is_some());
        assert_eq!(said(&board, &[0x02, 0x00, 0x00, 0x60, 0x03, 0x65]).unwrap()[5], 0xFE);
    }

    #[test]
    fn the_published_frames_of_an_xor_board_are_answered() {
        let board = LockBoard::of_model(LockModel::Xor12, 1);
        assert_eq!(said(&board, &[0x80, 0x01, 0x01, 0x33, 0xB3]), Some(vec![0x80, 0x01, 0x01, 0x00, 0x80]));
        assert_eq!(said(&board, &[0x8A, 0x01, 0x01, 0x11, 0x9B]), Some(vec![0x8A, 0x01, 0x01, 0x11, 0x9B]));
        assert_eq!(said(&board, &[0x80, 0x01, 0x01, 0x33, 0xB3]), Some(vec![0x80, 0x01, 0x01, 0x11, 0x91]));
        board.with(|state| state.control(&["other-switch", "on"])).unwrap();
        assert_eq!(said(&board, &[0x80, 0x01, 0x01, 0x33, 0xB3]), Some(vec![0x80, 0x01, 0x01, 0x00, 0x80]));
        assert_eq!(said(&board, &[0x80, 0x01, 0x00, 0x33, 0xB2]), None);
        assert!(said(&board, &[0x8A, 0x01, 0x00, 0x11, 0x9A]).is_some(), "all at once");
        assert_eq!(board.with(|state| state.opened.iter().sum::<u64>()), 13);
    }
}
