//! A cabinet with a KERONG CU16 board: 16 locks with presence sensors (frames as in jin0949/KR-CU16_locker).
//!
//! A request has five bytes, `02 address command 03 sum`; the answer to status and opening has nine,
//! `02 address 35 hooks[2] infrared[2] 03 sum`.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::{Controlled, Faults, PseudoTerminal};

const SLOTS: u8 = 16;
const START: u8 = 0x02;
const REQUEST_LENGTH: usize = 5;

/// What a cabinet would show to somebody who stands before it, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CabinetState {
    /// The board's number.
    pub board: u8,
    /// Locks that are shut, as bits; slot 1 is bit 0.
    pub locked: u16,
    /// Slots in which something lies.
    pub present: u16,
    /// Locks that do not open although they are told to.
    pub jammed: u16,
    /// How often each slot was told to open.
    pub opened: Vec<u64>,
    /// Status requests answered.
    pub polls: u64,
    /// How it misbehaves.
    pub faults: Faults,
}

/// A simulated cabinet, shut and empty.
#[derive(Debug)]
pub struct Cabinet {
    state: Mutex<CabinetState>,
}

impl Cabinet {
    /// A cabinet whose board has that number.
    #[must_use]
    pub fn new(board: u8) -> Arc<Self> {
        let state = CabinetState {
            board,
            locked: u16::MAX,
            present: 0,
            jammed: 0,
            opened: vec![0; SLOTS.into()],
            polls: 0,
            faults: Faults::default(),
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// A copy of its state.
    #[must_use]
    pub fn state(&self) -> CabinetState {
        self.lock().clone()
    }

    /// Serves the board on a pseudo-terminal named `name` until `stop`; `ready` is called once, when it can be opened.
    ///
    /// # Errors
    /// When the pseudo-terminal cannot be made or fails.
    pub async fn run(&self, name: &Path, ready: impl FnOnce(), stop: CancellationToken) -> Result<(), io::Error> {
        let line = PseudoTerminal::open(name).map_err(io::Error::other)?;
        ready();
        stop.run_until_cancelled(self.serve(line)).await.unwrap_or(Ok(()))
    }

    /// Answers requests on `line` until it ends.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub async fn serve(&self, mut line: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut pending: Vec<u8> = Vec::new();
        let mut bytes = [0; 64];
        loop {
            match line.read(&mut bytes).await? {
                0 => return Ok(()),
                count => pending.extend_from_slice(&bytes[..count]),
            }
            while let Some(request) = take_request(&mut pending) {
                let Some((answer, late)) = self.lock().carry_out(request) else { continue };
                tokio::time::sleep(late).await;
                line.write_all(&answer).await?;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, CabinetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the next request with a right sum; junk before it is dropped.
fn take_request(pending: &mut Vec<u8>) -> Option<[u8; REQUEST_LENGTH]> {
    loop {
        let start = pending.iter().position(|byte| *byte == START).unwrap_or(pending.len());
        pending.drain(..start);
        let request: [u8; REQUEST_LENGTH] = pending.get(..REQUEST_LENGTH)?.try_into().ok()?;
        if request[3] == 0x03 && request[4] == sum(&request[..4]) {
            pending.drain(..REQUEST_LENGTH);
            return Some(request);
        }
        pending.drain(..1);
    }
}

impl CabinetState {
    fn carry_out(&mut self, request: [u8; REQUEST_LENGTH]) -> Option<(Vec<u8>, std::time::Duration)> {
        let [_, address, command, ..] = request;
        let (board, slot) = (address >> 4, address & 0xF);
        if board != self.board {
            return None;
        }
        match command {
            0x30 => self.polls += 1,
            0x31 => {
                self.opened[usize::from(slot)] += 1;
                self.locked &= !(1 << slot) | self.jammed;
            }
            _ => return None,
        }
        if self.faults.silent {
            return None;
        }
        let ([hooks_low, hooks_high], [seen_low, seen_high]) = (self.locked.to_le_bytes(), self.present.to_le_bytes());
        let board = if self.faults.wrong_unit { self.board + 1 } else { self.board };
        let mut answer = vec![START, board << 4, 0x35, hooks_low, hooks_high, seen_low, seen_high, 0x03];
        let check = sum(&answer);
        answer.push(if self.faults.bad_checksum { !check } else { check });
        Some((answer, self.faults.late))
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

impl Controlled for Cabinet {
    fn help(&self) -> &'static str {
        "shut SLOT\nput SLOT\ntake SLOT\njam SLOT on|off"
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        let mut state = self.lock();
        if let Some(done) = state.faults.control(words) {
            return done;
        }
        let bit = |word: &str| match word.parse::<u8>() {
            Ok(slot @ 1..=SLOTS) => Ok(1_u16 << (slot - 1)),
            _ => Err(format!("\"{word}\" must be a slot from 1 to {SLOTS}")),
        };
        match words {
            ["shut", slot] => state.locked |= bit(slot)?,
            ["put", slot] => state.present |= bit(slot)?,
            ["take", slot] => state.present &= !bit(slot)?,
            ["jam", slot, "on"] => state.jammed |= bit(slot)?,
            ["jam", slot, "off"] => state.jammed &= !bit(slot)?,
            _ => return Err("not known; say help".to_owned()),
        }
        Ok(())
    }

    fn show(&self) -> Value {
        json!(self.state())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_requests_are_carried_out() {
        let cabinet = Cabinet::new(0);
        let mut junk_first = vec![0xFF, 0x02, 0x00, 0x30, 0x03, 0x35, 0x02, 0x00, 0x31, 0x03, 0x36];
        let status = take_request(&mut junk_first).unwrap();
        let (answer, _) = cabinet.lock().carry_out(status).unwrap();
        assert_eq!(answer, [0x02, 0x00, 0x35, 0xFF, 0xFF, 0x00, 0x00, 0x03, 0x38]);
        let open = take_request(&mut junk_first).unwrap();
        cabinet.lock().carry_out(open).unwrap();
        assert_eq!((cabinet.state().locked, cabinet.state().opened[0]), (0xFFFE, 1));
        assert!(cabinet.control(&["shut", "17"]).is_err());
    }
}
