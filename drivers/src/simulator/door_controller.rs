//! A UHPPOTE door controller for four doors, over UDP.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::DateTime;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::{Controlled, Faults};
use crate::uhppote::codec::{Event, Packet, function};

/// What a controller would show to somebody who stands before it, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoorControllerState {
    /// Its number.
    pub controller: u32,
    /// Doors that stand open.
    pub open: [bool; 4],
    /// How often each door was opened from afar.
    pub released: [u64; 4],
    /// How each door is controlled: 1 free, 2 forbidden, 3 controlled.
    pub modes: [u8; 4],
    /// How long each door stays open, in seconds.
    pub delays: [u8; 4],
    /// Whether the fire input is on.
    pub fire: bool,
    /// Number of the newest event.
    pub newest: u32,
    /// Number of the oldest event that it still has.
    pub oldest: u32,
    /// Up to which number events were fetched.
    pub fetched: u32,
    /// How often it was asked for events.
    pub asked: u64,
    /// How it misbehaves.
    pub faults: Faults,
}

#[derive(Debug)]
struct Inner {
    state: DoorControllerState,
    clock: Option<DateTime>,
    events: Vec<Event>,
}

/// A simulated controller.
#[derive(Debug)]
pub struct DoorController {
    inner: Mutex<Inner>,
}

impl DoorController {
    /// A controller with that number, its doors shut.
    #[must_use]
    pub fn new(controller: u32) -> Arc<Self> {
        let state = DoorControllerState {
            controller,
            open: [false; 4],
            released: [0; 4],
            modes: [3; 4],
            delays: [5; 4],
            fire: false,
            newest: 0,
            oldest: 1,
            fetched: 0,
            asked: 0,
            faults: Faults::default(),
        };
        Arc::new(Self { inner: Mutex::new(Inner { state, clock: None, events: Vec::new() }) })
    }

    /// A copy of its state.
    #[must_use]
    pub fn state(&self) -> DoorControllerState {
        self.lock().state.clone()
    }

    /// Sets its clock, which then stands still.
    pub fn set_clock(&self, clock: DateTime) {
        self.lock().clock = Some(clock);
    }

    /// Something happens: a kind (1 card, 2 door, 3 alarm), whether somebody was let in, door, card, reason.
    pub fn happen(&self, kind: u8, granted: bool, door: u8, card: u32, reason: u8) {
        let mut inner = self.lock();
        inner.state.newest += 1;
        let index = inner.state.newest;
        let time = inner.clock;
        inner.events.push(Event { index, kind, granted, door, direction: 1, card, time, reason });
    }

    /// Overwrites events up to this number.
    pub fn overwrite(&self, up_to: u32) {
        let mut inner = self.lock();
        inner.events.retain(|event| event.index > up_to);
        inner.state.oldest = up_to + 1;
    }

    /// Answers packets until the socket fails.
    ///
    /// # Errors
    /// When receiving or sending fails.
    pub async fn serve(&self, socket: UdpSocket) -> io::Result<()> {
        let mut datagram = [0; 128];
        loop {
            let (count, from) = socket.recv_from(&mut datagram).await?;
            let Ok(request) = Packet::decode(&datagram[..count]) else { continue };
            let (answer, late) = {
                let mut inner = self.lock();
                let faults = inner.state.faults.clone();
                let Some(answer) = inner.answer(&request) else { continue };
                if faults.silent {
                    continue;
                }
                (answer, faults.late)
            };
            tokio::time::sleep(late).await;
            socket.send_to(&answer.0, from).await?;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bcd(number: i64) -> u8 {
    (number / 10 % 10 * 16 + number % 10) as u8
}

impl Inner {
    fn answer(&mut self, request: &Packet) -> Option<Packet> {
        let state = &mut self.state;
        if request.controller() != state.controller {
            return None;
        }
        let door = request.0[8];
        let at = usize::from(door).checked_sub(1).filter(|at| *at < 4);
        let mut answer = Packet::request(request.function(), state.controller, &[]);
        let bytes = &mut answer.0;
        match request.function() {
            function::STATUS => {
                put_event(bytes, self.events.last());
                for door in 0..4 {
                    bytes[28 + door] = u8::from(state.open[door]);
                }
                bytes[50] = if state.fire { 2 } else { 0 };
                if let Some(clock) = self.clock {
                    let date = [clock.year() % 100, clock.month().into(), clock.day().into()];
                    bytes[51..54].copy_from_slice(&date.map(|part| bcd(part.into())));
                    let time = [clock.hour(), clock.minute(), clock.second()];
                    bytes[37..40].copy_from_slice(&time.map(|part| bcd(part.into())));
                }
            }
            function::OPEN_DOOR => {
                bytes[8] = u8::from(at.is_some_and(|at| state.modes[at] != 2));
                if let Some(at) = at.filter(|at| state.modes[*at] != 2) {
                    state.released[at] += 1;
                }
            }
            function::GET_DOOR => {
                let at = at?;
                bytes[8..11].copy_from_slice(&[door, state.modes[at], state.delays[at]]);
            }
            function::SET_DOOR => {
                let at = at?;
                (state.modes[at], state.delays[at]) = (request.0[9], request.0[10]);
                bytes[8..11].copy_from_slice(&[door, state.modes[at], state.delays[at]]);
            }
            function::EVENT => {
                state.asked += 1;
                let index = match request.number(8) {
                    0 => state.oldest,
                    u32::MAX => state.newest,
                    index => index,
                };
                let found = self.events.iter().find(|event| event.index == index);
                put_event(bytes, found);
                if found.is_none() {
                    bytes[8..12].copy_from_slice(&index.to_le_bytes());
                    bytes[12] = if index < state.oldest { 0xFF } else { 0 };
                }
            }
            function::GET_INDEX => bytes[8..12].copy_from_slice(&state.fetched.to_le_bytes()),
            function::SET_INDEX => {
                let right = request.number(12) == 0x55AA_AA55;
                if right {
                    state.fetched = request.number(8);
                }
                bytes[8] = u8::from(right);
            }
            _ => return None,
        }
        if state.faults.wrong_unit {
            answer.0[4] ^= 1;
        }
        Some(answer)
    }
}

fn put_event(bytes: &mut [u8; 64], event: Option<&Event>) {
    let Some(event) = event else { return };
    bytes[8..12].copy_from_slice(&event.index.to_le_bytes());
    bytes[12..16].copy_from_slice(&[event.kind, u8::from(event.granted), event.door, event.direction]);
    bytes[16..20].copy_from_slice(&event.card.to_le_bytes());
    if let Some(time) = event.time {
        let parts: [i64; 7] = [
            (time.year() / 100).into(),
            (time.year() % 100).into(),
            time.month().into(),
            time.day().into(),
            time.hour().into(),
            time.minute().into(),
            time.second().into(),
        ];
        bytes[20..27].copy_from_slice(&parts.map(bcd));
    }
    bytes[27] = event.reason;
}

impl Controlled for DoorController {
    fn help(&self) -> &'static str {
        "swipe DOOR CARD granted|denied\nalarm DOOR REASON\ndoor 1..4 open|closed\nfire on|off"
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        if let Some(done) = self.lock().state.faults.control(words) {
            return done;
        }
        let number = |word: &str| word.parse::<u32>().map_err(|error| format!("\"{word}\" is no number: {error}"));
        let door = |word: &str| match number(word) {
            Ok(door @ 1..=4) => Ok(door as u8),
            _ => Err(format!("\"{word}\" must be a door from 1 to 4")),
        };
        match words {
            ["swipe", at, card, granted @ ("granted" | "denied")] => {
                let granted = *granted == "granted";
                self.happen(1, granted, door(at)?, number(card)?, if granted { 1 } else { 6 });
            }
            ["alarm", at, reason] => {
                let reason = u8::try_from(number(reason)?).map_err(|_| "a reason is at most 255".to_owned())?;
                self.happen(3, false, door(at)?, 0, reason);
            }
            ["door", at, word @ ("open" | "closed")] => {
                let (at, open) = (door(at)?, *word == "open");
                self.lock().state.open[usize::from(at) - 1] = open;
                self.happen(2, false, at, 0, if open { 23 } else { 24 });
            }
            ["fire", word @ ("on" | "off")] => self.lock().state.fire = *word == "on",
            _ => return Err("not known; say help".to_owned()),
        }
        Ok(())
    }

    fn show(&self) -> Value {
        json!(self.state())
    }
}
