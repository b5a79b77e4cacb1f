//! A passenger gate with the DS205A line protocol (public notes at <https://github.com/dumacp/ds205a>).
//!
//! A request has 8 bytes, `7E 00 machine command d0 d1 d2 check`; the answer to any request has 18. What the bits of
//! the fault, gate and alarm bytes mean is not published: the values here are inventions.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{Controlled, Faults, PseudoTerminal};

/// Which way a person passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Counted as left.
    In,
    /// Counted as right.
    Out,
}

/// What a gate would show to somebody who stands before it, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateState {
    /// Its number on the line.
    pub machine: u8,
    /// People who passed inwards, 24 bits.
    pub left: u32,
    /// People who passed outwards, 24 bits.
    pub right: u32,
    /// Fault bits.
    pub fault: u8,
    /// Leaf bits.
    pub gate: u8,
    /// Alarm bits.
    pub alarm: u8,
    /// Light barriers that are interrupted, as bits.
    pub infrared: u8,
    /// Supply voltage in volts.
    pub volt: u8,
    /// Status requests answered.
    pub polls: u64,
    /// Requests whose checksum was wrong, or bytes between requests.
    pub not_understood: u64,
    /// Commands carried out, by name.
    pub executed: BTreeMap<&'static str, u64>,
    /// Times it was restarted.
    pub restarts: u64,
    /// How it misbehaves.
    pub faults: Faults,
}

/// A simulated gate.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<GateState>,
    restart: Notify,
    rhythm: watch::Sender<Option<Duration>>,
}

const REQUEST_START: u8 = 0x7E;
const REQUEST_LENGTH: usize = 8;
const ANSWER_START: u8 = 0x7F;
const COUNTER_END: u32 = 1 << 24;

impl Gate {
    /// A closed gate with that number on its line.
    #[must_use]
    pub fn new(machine: u8) -> Arc<Self> {
        let state = GateState {
            machine,
            left: 0,
            right: 0,
            fault: 0,
            gate: 0,
            alarm: 0,
            infrared: 0,
            volt: 24,
            polls: 0,
            not_understood: 0,
            executed: BTreeMap::new(),
            restarts: 0,
            faults: Faults::default(),
        };
        Arc::new(Self { state: Mutex::new(state), restart: Notify::new(), rhythm: watch::Sender::new(None) })
    }

    /// A copy of its state.
    #[must_use]
    pub fn state(&self) -> GateState {
        self.lock().clone()
    }

    /// Changes its state or its faults.
    pub fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.lock());
    }

    /// Lets `count` people pass.
    pub fn pass(&self, direction: Direction, count: u32) {
        self.change(|state| {
            let counter = match direction {
                Direction::In => &mut state.left,
                Direction::Out => &mut state.right,
            };
            *counter = (*counter % COUNTER_END + count % COUNTER_END) % COUNTER_END;
        });
    }

    /// Lets somebody pass inwards at this interval; `None` stops it.
    pub fn set_rhythm(&self, every: Option<Duration>) {
        self.rhythm.send_replace(every);
    }

    /// Switches it off and on: the line is closed and opened again, and the counters start at zero.
    pub fn restart(&self) {
        self.change(|state| {
            (state.left, state.right, state.gate) = (0, 0, 0);
            state.restarts += 1;
        });
        self.restart.notify_one();
    }

    /// Serves the gate on a pseudo-terminal named `name` until `stop`; `ready` is called once, when it can be opened.
    ///
    /// # Errors
    /// When the pseudo-terminal cannot be made or fails.
    pub async fn run(
        self: Arc<Self>,
        name: &Path,
        ready: impl FnOnce(),
        stop: CancellationToken,
    ) -> Result<(), io::Error> {
        let rhythm = tokio::spawn(stop.clone().run_until_cancelled_owned(Arc::clone(&self).pass_in_rhythm()));
        let mut ready = Some(ready);
        while !stop.is_cancelled() {
            let line = PseudoTerminal::open(name).map_err(io::Error::other)?;
            if let Some(ready) = ready.take() {
                ready();
            }
            tokio::select! {
                served = self.serve(line) => served?,
                () = self.restart.notified() => {}
                () = stop.cancelled() => {}
            }
        }
        // Cancelled above: it only ends, it cannot fail.
        let _ = rhythm.await;
        Ok(())
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
            while let Some(request) = self.take_request(&mut pending) {
                let Some((answer, late)) = self.answer(request) else { continue };
                tokio::time::sleep(late).await;
                line.write_all(&answer).await?;
            }
        }
    }

    async fn pass_in_rhythm(self: Arc<Self>) {
        let mut rhythm = self.rhythm.subscribe();
        loop {
            let every = *rhythm.borrow_and_update();
            tokio::select! {
                changed = rhythm.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(every.unwrap_or(Duration::MAX)), if every.is_some() => {
                    self.pass(Direction::In, 1);
                }
            }
        }
    }

    /// Takes the next request with a right checksum out of `pending`; junk before it is dropped.
    fn take_request(&self, pending: &mut Vec<u8>) -> Option<[u8; REQUEST_LENGTH]> {
        loop {
            let start = pending.iter().position(|byte| *byte == REQUEST_START).unwrap_or(pending.len());
            pending.drain(..start);
            let request: [u8; REQUEST_LENGTH] = pending.get(..REQUEST_LENGTH)?.try_into().ok()?;
            if request[7] == !sum(&request[..7]) {
                pending.drain(..REQUEST_LENGTH);
                return Some(request);
            }
            pending.drain(..1);
            self.lock().not_understood += 1;
        }
    }

    /// Carries out a request. `None`: it is for another machine, or the gate is silent.
    fn answer(&self, request: [u8; REQUEST_LENGTH]) -> Option<([u8; 18], Duration)> {
        let mut state = self.lock();
        let [_, _, machine, command, first, ..] = request;
        if machine != state.machine {
            return None;
        }
        let done = state.carry_out(command, first);
        if state.faults.silent {
            return None;
        }
        Some((state.answer(done), state.faults.late))
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GateState {
    /// Whether the gate knows the command.
    fn carry_out(&mut self, command: u8, first: u8) -> bool {
        let (name, gate) = match command {
            0x10 => {
                self.polls += 1;
                return true;
            }
            0x20 => ("clear-left", self.gate),
            0x21 => ("clear-right", self.gate),
            0x35 if first == 0x60 => ("restart", 0),
            0x80 => ("open-left", 0x01),
            0x82 => ("open-right", 0x02),
            0x81 => ("hold-left", 0x11),
            0x83 => ("hold-right", 0x12),
            0x84 => ("close", 0x00),
            0x88 => ("forbid-left", 0x21),
            0x89 => ("forbid-right", 0x22),
            0x8F => ("clear", 0x00),
            _ => return false,
        };
        self.gate = gate;
        if matches!(command, 0x20 | 0x35) {
            self.left = 0;
        }
        if matches!(command, 0x21 | 0x35) {
            self.right = 0;
        }
        *self.executed.entry(name).or_default() += 1;
        true
    }

    fn answer(&self, done: bool) -> [u8; 18] {
        let [_, left @ ..] = self.left.to_be_bytes();
        let [_, right @ ..] = self.right.to_be_bytes();
        let machine = if self.faults.wrong_unit { self.machine.wrapping_add(1) } else { self.machine };
        let mut answer = [0; 18];
        answer[..6].copy_from_slice(&[ANSWER_START, 0x01, machine, self.fault, self.gate, self.alarm]);
        answer[6..9].copy_from_slice(&left);
        answer[9..12].copy_from_slice(&right);
        answer[12] = self.infrared;
        answer[13] = if done { 0x55 } else { 0x00 };
        answer[14] = self.volt;
        answer[17] = !sum(&answer[..17]);
        if self.faults.bad_checksum {
            answer[17] ^= 0x5A;
        }
        answer
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

impl Controlled for Gate {
    fn help(&self) -> &'static str {
        "pass in|out [COUNT]\nrhythm 5s|off\nset fault|gate|alarm|infrared|volt NUMBER\nset left|right COUNT\nrestart"
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        if let Some(done) = self.lock().faults.control(words) {
            return done;
        }
        let count = |word: &str| word.parse::<u32>().map_err(|error| format!("\"{word}\" is not a count: {error}"));
        match words {
            ["pass", direction, rest @ ..] => {
                let direction = match *direction {
                    "in" => Direction::In,
                    "out" => Direction::Out,
                    other => return Err(format!("\"{other}\" must be in or out")),
                };
                self.pass(direction, rest.first().map_or(Ok(1), |word| count(word))?);
            }
            ["rhythm", "off"] => self.set_rhythm(None),
            ["rhythm", word] => {
                let every = humantime::parse_duration(word).map_err(|error| format!("\"{word}\": {error}"))?;
                self.set_rhythm(Some(every.max(Duration::from_millis(1))));
            }
            ["set", name, number] => {
                let number = count(number)?;
                let byte = u8::try_from(number).map_err(|_| format!("{number} is more than 255"));
                self.lock().set(name, number, byte)?;
            }
            ["restart"] => self.restart(),
            _ => return Err("not known; say help".to_owned()),
        }
        Ok(())
    }

    fn show(&self) -> Value {
        json!(self.state())
    }
}

impl GateState {
    fn set(&mut self, name: &str, number: u32, byte: Result<u8, String>) -> Result<(), String> {
        match name {
            "fault" => self.fault = byte?,
            "gate" => self.gate = byte?,
            "alarm" => self.alarm = byte?,
            "infrared" => self.infrared = byte?,
            "volt" => self.volt = byte?,
            "left" => self.left = number % COUNTER_END,
            "right" => self.right = number % COUNTER_END,
            other => return Err(format!("\"{other}\" is nothing that can be set; say help")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status request of the public notes.
    const STATUS: [u8; 8] = [0x7E, 0x00, 0x01, 0x10, 0x00, 0x00, 0x00, 0x70];

    #[tokio::test]
    async fn the_published_status_request_is_answered() {
        let gate = Gate::new(1);
        gate.pass(Direction::In, 3);
        let (mut line, device) = tokio::io::duplex(64);
        let serving = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.serve(device).await }
        });
        let mut junk_first = vec![0x00, 0x7E, 0xFF];
        junk_first.extend_from_slice(&STATUS);
        line.write_all(&junk_first).await.unwrap();
        let mut answer = [0; 18];
        line.read_exact(&mut answer).await.unwrap();
        assert_eq!(sum(&answer).wrapping_add(1), 0);
        assert_eq!(answer[..13], [0x7F, 1, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0]);
        drop(line);
        serving.await.unwrap().unwrap();
        assert_eq!((gate.state().polls, gate.state().not_understood), (1, 1));
    }

    #[test]
    fn commands_are_counted_even_when_silent() {
        let gate = Gate::new(1);
        gate.control(&["silent", "on"]).unwrap();
        assert!(gate.answer([0x7E, 0, 1, 0x80, 1, 0, 0, 0]).is_none());
        assert_eq!(gate.state().executed.get("open-left"), Some(&1));
        gate.control(&["set", "left", "16777215"]).unwrap();
        gate.control(&["pass", "in", "2"]).unwrap();
        assert_eq!(gate.state().left, 1);
    }
}
