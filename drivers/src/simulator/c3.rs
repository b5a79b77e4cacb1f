//! A ZKTeco C3 controller for four doors, over TCP.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use jiff::civil::{DateTime, date};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Controlled, Faults};
use crate::zkteco::codec::{self, Frame, command};
use crate::zkteco::record::write_time;

/// What a controller would show to somebody who stands before it, and what it was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct C3State {
    /// Alarm bits of each door.
    pub alarms: [u8; 4],
    /// 0 no contact, 1 closed, 2 open.
    pub doors: [u8; 4],
    /// How often each door was released.
    pub released: [u64; 4],
    /// How often each output was switched.
    pub outputs: [u64; 4],
    /// How often alarms were cancelled.
    pub cancelled: u64,
    /// It knows no sessions.
    pub plain: bool,
    /// It hands out its log as text.
    pub text: bool,
    /// Sessions begun.
    pub sessions: u64,
    /// How it misbehaves.
    pub faults: Faults,
}

#[derive(Debug)]
struct Inner {
    state: C3State,
    clock: DateTime,
    log: VecDeque<[u8; 16]>,
    session: u16,
}

/// A simulated controller.
#[derive(Debug)]
pub struct C3 {
    password: String,
    inner: Mutex<Inner>,
}

impl C3 {
    /// A controller with that password; empty for none.
    #[must_use]
    pub fn new(password: &str) -> Arc<Self> {
        let state = C3State { doors: [1; 4], ..C3State::default() };
        let clock = date(2026, 3, 1).at(8, 0, 5, 0);
        let inner = Inner { state, clock, log: VecDeque::new(), session: 0x66EB };
        Arc::new(Self { password: password.to_owned(), inner: Mutex::new(inner) })
    }

    /// A copy of its state.
    #[must_use]
    pub fn state(&self) -> C3State {
        self.lock().state.clone()
    }

    /// Changes its state or its faults.
    pub fn change(&self, change: impl FnOnce(&mut C3State)) {
        change(&mut self.lock().state);
    }

    /// Something happens at a door.
    pub fn happen(&self, code: u8, door: u8, card: u32, direction: u8) {
        let mut inner = self.lock();
        let mut record = [0; 16];
        record[..4].copy_from_slice(&card.to_le_bytes());
        record[8..12].copy_from_slice(&[4, door, code, direction]);
        record[12..].copy_from_slice(&write_time(inner.clock).to_le_bytes());
        inner.log.push_back(record);
    }

    /// Answers one client until it goes.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut connection = Connection::default();
        let (mut pending, mut bytes) = (BytesMut::new(), [0; 256]);
        loop {
            match stream.read(&mut bytes).await? {
                0 => return Ok(()),
                count => pending.extend_from_slice(&bytes[..count]),
            }
            while let Ok(Some(frame)) = codec::decode(&mut pending) {
                let Some((answer, late)) = self.answer(&mut connection, &frame) else { continue };
                tokio::time::sleep(late).await;
                stream.write_all(&answer).await?;
            }
        }
    }

    fn answer(&self, connection: &mut Connection, frame: &Frame) -> Option<(Vec<u8>, Duration)> {
        let mut inner = self.lock();
        let answer = inner.carry_out(connection, frame, &self.password);
        let faults = &inner.state.faults;
        if faults.silent {
            return None;
        }
        let mut bytes = answer.encode();
        if faults.bad_checksum
            && let [.., crc, _, _] = bytes.as_mut_slice()
        {
            *crc ^= 0x5A;
        }
        Some((bytes, faults.late))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a controller knows of one client.
#[derive(Debug, Default)]
struct Connection {
    session: Option<u16>,
    plain: bool,
    answered: u16,
}

fn refused(code: i8) -> Frame {
    Frame { command: command::ERROR, data: code.to_le_bytes().to_vec() }
}

impl Inner {
    fn carry_out(&mut self, connection: &mut Connection, frame: &Frame, password: &str) -> Frame {
        match frame.command {
            command::CONNECT if self.state.plain => return refused(-13),
            command::CONNECT => {
                // Clients begin with FEFE FEFE, or with nothing.
                let given = frame.data.get(4..).unwrap_or_default();
                if given != password.as_bytes() {
                    return refused(-14);
                }
                self.state.sessions += 1;
                self.session = self.session.wrapping_add(1);
                connection.session = Some(self.session);
                return Frame { command: command::OK, data: [self.session.to_le_bytes(), [0; 2]].concat() };
            }
            command::CONNECT_PLAIN if frame.data == password.as_bytes() => {
                connection.plain = true;
                return Frame { command: command::OK, data: Vec::new() };
            }
            command::CONNECT_PLAIN => return refused(-14),
            _ => {}
        }
        let data = match (connection.session, frame.data.get(..4)) {
            _ if connection.plain => &frame.data[..],
            (Some(session), Some([low, high, ..])) if u16::from_le_bytes([*low, *high]) == session => &frame.data[4..],
            _ => return refused(-1),
        };
        let said = match (frame.command, data) {
            (command::LIVE_LOG, []) if self.state.text => vec![0; 360],
            (command::LIVE_LOG, []) => self.log.pop_front().unwrap_or_else(|| self.status()).to_vec(),
            (command::LIVE_LOG_TEXT, []) => self.text_line().into_bytes(),
            (command::CONTROL, [1, at @ 1..=4, 1, _, _]) => {
                self.state.released[usize::from(*at) - 1] += 1;
                Vec::new()
            }
            (command::CONTROL, [1, at @ 1..=4, 2, _, _]) => {
                self.state.outputs[usize::from(*at) - 1] += 1;
                Vec::new()
            }
            (command::CONTROL, [2, ..]) => {
                self.state.cancelled += 1;
                self.state.alarms = [0; 4];
                Vec::new()
            }
            // Parameters that clients ask for.
            (0x04, _) => {
                let door = |n: u8| format!(",Door{n}SensorType=2,Door{n}Drivertime=5,Door{n}Detectortime=15");
                let doors: String = (1..=4).map(door).collect();
                format!("~SerialNumber=KOUAN01,LockCount=4,AuxInCount=4,AuxOutCount=4{doors}").into_bytes()
            }
            _ => return refused(-13),
        };
        let mut data = Vec::new();
        if let Some(session) = connection.session {
            connection.answered = connection.answered.wrapping_add(1);
            data = [session.to_le_bytes(), connection.answered.to_le_bytes()].concat();
        }
        data.extend(said);
        Frame { command: command::OK, data }
    }

    fn status(&self) -> [u8; 16] {
        let mut record = [0; 16];
        record[..4].copy_from_slice(&self.state.alarms);
        record[4..8].copy_from_slice(&self.state.doors);
        record[9..11].copy_from_slice(&[1, 255]);
        record[12..].copy_from_slice(&write_time(self.clock).to_le_bytes());
        record
    }

    fn text_line(&mut self) -> String {
        let time = self.clock.to_string().replace('T', " ");
        match self.log.pop_front() {
            Some(r) => {
                let card = u32::from_le_bytes([r[0], r[1], r[2], r[3]]);
                format!("time={time}\tpin=0\tcardno={card}\teventaddr={}\tevent={}\tinoutstatus={}", r[9], r[10], r[11])
            }
            None => {
                let sensor = (0..4).fold(0, |sum, door| sum | u32::from(self.state.doors[door]) << (2 * door));
                let alarm = u32::from_be_bytes(self.state.alarms);
                format!("time={time}\tsensor={sensor:02x}\trelay=00\talarm={alarm:08x}")
            }
        }
    }
}

impl Controlled for C3 {
    fn help(&self) -> &'static str {
        "event CODE DOOR CARD\ndoor 1..4 open|closed\nalarm 1..4 on|off\nplain on|off\ntext on|off"
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        if let Some(done) = self.lock().state.faults.control(words) {
            return done;
        }
        let number = |word: &str| word.parse::<u32>().map_err(|error| format!("\"{word}\" is no number: {error}"));
        let byte = |word: &str| u8::try_from(number(word)?).map_err(|_| format!("{word} is more than 255"));
        let door = |word: &str| match byte(word) {
            Ok(door @ 1..=4) => Ok(usize::from(door) - 1),
            _ => Err(format!("\"{word}\" must be a door from 1 to 4")),
        };
        match words {
            ["event", code, at, card] => self.happen(byte(code)?, byte(at)?, number(card)?, 0),
            ["door", at, word @ ("open" | "closed")] => {
                let at = door(at)?;
                self.lock().state.doors[at] = if *word == "open" { 2 } else { 1 };
            }
            ["alarm", at, word @ ("on" | "off")] => {
                let at = door(at)?;
                self.lock().state.alarms[at] = u8::from(*word == "on");
            }
            ["plain", word @ ("on" | "off")] => self.lock().state.plain = *word == "on",
            ["text", word @ ("on" | "off")] => self.lock().state.text = *word == "on",
            _ => return Err("not known; say help".to_owned()),
        }
        Ok(())
    }

    fn show(&self) -> Value {
        json!(self.state())
    }
}
