//! A vehicle barrier on a relay board: a boom that pulses move, its limits, a loop, a photocell, a fire panel.
//!
//! The board is a simulated Waveshare board with the wiring of the profile `barrier-waveshare`. What counts is how often
//! the boom moved, and whether it moved down on something.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Controlled;
use crate::modbus::simulator::{Misbehaviour, Model, Simulator, Table};

/// The unit number of the board.
const UNIT: u8 = 1;
/// How often the boom looks at its relays.
const TICK: Duration = Duration::from_millis(5);

/// Inputs of the board.
mod input {
    pub(super) const UP: u16 = 0;
    pub(super) const DOWN: u16 = 1;
    pub(super) const LOOP: u16 = 2;
    pub(super) const PHOTOCELL: u16 = 3;
    pub(super) const FIRE: u16 = 4;
    pub(super) const RELEASE: u16 = 5;
}

/// Where the boom is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Boom {
    /// At its upper limit.
    Up,
    /// At its lower limit.
    Down,
    /// On its way up.
    Rising,
    /// On its way down.
    Falling,
    /// Stopped on its way.
    Between,
}

/// What somebody before the barrier would see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BarrierState {
    /// Where the boom is.
    pub boom: Boom,
    /// How often it began to move up.
    pub raised: u64,
    /// How often it began to move down.
    pub lowered: u64,
    /// How often it moved down although something was in the way, fire was reported or the drive disengaged.
    pub lowered_wrongly: u64,
    /// It does not move, whatever the relays do.
    pub jammed: bool,
    /// How long it is under way, in milliseconds.
    pub travel_ms: u64,
    /// A vehicle on the loop, or the loop's wire is broken.
    pub loop_occupied: bool,
    /// Something in the beam.
    pub beam_interrupted: bool,
    /// The fire panel's contact is open.
    pub fire: bool,
    /// Somebody disengaged the drive.
    pub released: bool,
}

/// A simulated barrier, its boom up and nothing in the way.
#[derive(Debug)]
pub struct Barrier {
    board: Simulator,
    state: Mutex<BarrierState>,
}

impl Barrier {
    /// A barrier whose boom is under way for so long.
    #[must_use]
    pub fn new(travel: Duration) -> Arc<Self> {
        let state = BarrierState {
            boom: Boom::Up,
            raised: 0,
            lowered: 0,
            lowered_wrongly: 0,
            jammed: false,
            travel_ms: u64::try_from(travel.as_millis()).unwrap_or(u64::MAX),
            loop_occupied: false,
            beam_interrupted: false,
            fire: false,
            released: false,
        };
        let barrier = Self { board: Simulator::new([(UNIT, Model::WaveshareRelay8ch)]), state: Mutex::new(state) };
        barrier.wire(&barrier.state());
        Arc::new(barrier)
    }

    /// Its relay board, to be served.
    #[must_use]
    pub fn board(&self) -> &Simulator {
        &self.board
    }

    /// A copy of its state.
    #[must_use]
    pub fn state(&self) -> BarrierState {
        self.lock().clone()
    }

    /// Changes what is before it.
    pub fn change(&self, change: impl FnOnce(&mut BarrierState)) {
        let mut state = self.lock();
        change(&mut state);
        self.wire(&state);
    }

    /// Pulses that the relays gave: open, close, stop.
    #[must_use]
    pub fn pulses(&self) -> [u64; 3] {
        [0, 1, 2].map(|relay| self.board.coil_writes(UNIT, relay))
    }

    /// Moves the boom as its relays say, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut seen = self.pulses();
        let mut left = Duration::ZERO;
        let mut ticks = tokio::time::interval(TICK);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let now = self.pulses();
            let given = [0, 1, 2].map(|relay| now[relay] > seen[relay]);
            seen = now;
            let mut state = self.lock();
            left = left.saturating_sub(TICK);
            if left.is_zero() {
                state.boom = match state.boom {
                    Boom::Rising => Boom::Up,
                    Boom::Falling => Boom::Down,
                    still => still,
                };
            }
            if state.begin(given) {
                left = Duration::from_millis(state.travel_ms);
            }
            self.wire(&state);
        }
    }

    /// Puts the state onto the board's inputs: a broken wire looks like danger.
    fn wire(&self, state: &BarrierState) {
        for (address, on) in [
            (input::UP, state.boom == Boom::Up),
            (input::DOWN, state.boom == Boom::Down),
            (input::LOOP, !state.loop_occupied),
            (input::PHOTOCELL, !state.beam_interrupted),
            (input::FIRE, !state.fire),
            (input::RELEASE, !state.released),
        ] {
            self.board.set(UNIT, Table::Inputs, address, on.into());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BarrierState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BarrierState {
    /// Whether pulses on the relays (open, close, stop) set the boom in motion.
    fn begin(&mut self, [open, close, stop]: [bool; 3]) -> bool {
        if self.jammed {
            return false;
        }
        if stop && matches!(self.boom, Boom::Rising | Boom::Falling) {
            self.boom = Boom::Between;
        }
        if open && !matches!(self.boom, Boom::Up | Boom::Rising) {
            self.boom = Boom::Rising;
            self.raised += 1;
            return true;
        }
        if close && !matches!(self.boom, Boom::Down | Boom::Falling) {
            self.boom = Boom::Falling;
            self.lowered += 1;
            let danger = self.loop_occupied || self.beam_interrupted || self.fire || self.released;
            self.lowered_wrongly += u64::from(danger);
            return true;
        }
        false
    }
}

impl Controlled for Barrier {
    fn help(&self) -> &'static str {
        "loop occupied|free\nbeam interrupted|free\nfire on|off\nrelease on|off\njam on|off\nsilent on|off"
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        match words {
            ["loop", word @ ("occupied" | "free")] => self.change(|state| state.loop_occupied = *word == "occupied"),
            ["beam", word @ ("interrupted" | "free")] => {
                self.change(|state| state.beam_interrupted = *word == "interrupted");
            }
            ["fire", word @ ("on" | "off")] => self.change(|state| state.fire = *word == "on"),
            ["release", word @ ("on" | "off")] => self.change(|state| state.released = *word == "on"),
            ["jam", word @ ("on" | "off")] => self.change(|state| state.jammed = *word == "on"),
            ["silent", "on"] => drop(self.board.misbehave(UNIT, Misbehaviour::Silent)),
            ["silent", "off"] => drop(self.board.misbehave(UNIT, Misbehaviour::None)),
            _ => return Err("not known; say help".to_owned()),
        }
        Ok(())
    }

    fn show(&self) -> Value {
        json!(self.state())
    }
}
