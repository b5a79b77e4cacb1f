//! A control card of an LED display: Lumen C-Power or Huidu.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kouan_protocol::Clock;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Controlled, Faults, PseudoTerminal};
use crate::led_card::cpower::{self, Packet, command};
use crate::led_card::huidu::{self, Assembly, kind};

/// What the card speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LedModel {
    /// Lumen C-Power.
    Cpower,
    /// Huidu SDK 2.0; only on the network.
    Huidu,
}

impl std::str::FromStr for LedModel {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "cpower" => Ok(Self::Cpower),
            "huidu" => Ok(Self::Huidu),
            other => Err(format!("\"{other}\" is neither cpower nor huidu")),
        }
    }
}

/// What somebody before the display would see, and what the card was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedCardState {
    /// What it speaks.
    pub model: LedModel,
    /// Its number.
    pub card: u8,
    /// Whether the screen is on.
    pub on: bool,
    /// Brightness by the hour: 0 to 31 of C-Power, percent of Huidu; above, the sensor decides.
    pub brightness: Vec<u8>,
    /// Seconds that its clock is ahead of UTC.
    pub ahead_s: i64,
    /// What was shown last.
    pub text: String,
    /// How often it was told to do something.
    pub orders: u64,
    /// Somebody else is connected.
    pub occupied: bool,
    /// How it misbehaves.
    pub faults: Faults,
}

/// A simulated card whose display is on and empty.
#[derive(Debug)]
pub struct LedCard {
    state: Mutex<LedCardState>,
    clock: Arc<dyn Clock>,
}

impl LedCard {
    /// A card of that model with that number.
    #[must_use]
    pub fn new(model: LedModel, card: u8, clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = LedCardState {
            model,
            card,
            on: true,
            brightness: vec![31; 24],
            ahead_s: 0,
            text: String::new(),
            orders: 0,
            occupied: false,
            faults: Faults::default(),
        };
        Arc::new(Self { state: Mutex::new(state), clock })
    }

    /// A copy of its state.
    #[must_use]
    pub fn state(&self) -> LedCardState {
        self.lock().clone()
    }

    /// Serves a pseudo-terminal named `name` until `stop`; `ready` is called once, when it can be opened.
    ///
    /// # Errors
    /// When the pseudo-terminal cannot be made or fails.
    pub async fn run(&self, name: &Path, ready: impl FnOnce(), stop: CancellationToken) -> Result<(), io::Error> {
        let line = PseudoTerminal::open(name).map_err(io::Error::other)?;
        ready();
        stop.run_until_cancelled(self.serve(line, true)).await.unwrap_or(Ok(()))
    }

    /// Serves one connection after the other.
    ///
    /// # Errors
    /// When no connection can be taken any more.
    pub async fn serve_tcp(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            // A client that leaves in the middle is its own affair.
            drop(self.serve(stream, false).await);
        }
    }

    /// Answers requests on `line` until it ends.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub async fn serve(&self, mut line: impl AsyncRead + AsyncWrite + Unpin, is_serial: bool) -> io::Result<()> {
        let model = self.lock().model;
        let (mut pending, mut assembly) = (BytesMut::new(), Assembly::default());
        while line.read_buf(&mut pending).await? > 0 {
            loop {
                let answer = match model {
                    LedModel::Cpower => self.take_cpower(&mut pending, is_serial),
                    LedModel::Huidu => self.take_huidu(&mut pending, &mut assembly),
                };
                let Some((answer, late)) = answer else { break };
                tokio::time::sleep(late).await;
                line.write_all(&answer).await?;
            }
        }
        Ok(())
    }

    /// The next request, carried out; what is answered may be nothing.
    fn take_cpower(&self, pending: &mut BytesMut, is_serial: bool) -> Option<(Vec<u8>, Duration)> {
        let packet = loop {
            let decoded = if is_serial { cpower::decode_serial(pending) } else { cpower::decode_network(pending) };
            match decoded {
                Ok(packet) => break packet?,
                Err(_) => continue,
            }
        };
        let mut state = self.lock();
        if packet.card != state.card && packet.card != 0xFF {
            return Some((Vec::new(), Duration::ZERO));
        }
        let (shown, true_now) = (self.now(state.ahead_s), self.now(0));
        let answer = state.cpower(&packet, shown, true_now);
        if state.faults.silent {
            return Some((Vec::new(), Duration::ZERO));
        }
        let mut bytes = if is_serial { answer.on_serial() } else { answer.on_network(cpower::ANYBODY) };
        if state.faults.bad_checksum {
            let sum = bytes.len() - if is_serial { 2 } else { 1 };
            // The high byte of the sum of so short a packet is never near an escape.
            bytes[sum] ^= 0x40;
        }
        Some((bytes, state.faults.late))
    }

    fn take_huidu(&self, pending: &mut BytesMut, assembly: &mut Assembly) -> Option<(Vec<u8>, Duration)> {
        let packet = huidu::decode(pending).ok()??;
        let mut state = self.lock();
        let shown = self.now(state.ahead_s);
        let bytes = match packet.kind {
            _ if state.occupied => huidu::Packet { kind: kind::ERROR, data: vec![4, 0] }.encode(),
            kind::VERSION => huidu::Packet { kind: kind::VERSION_ANSWER, data: packet.data }.encode(),
            kind::XML => match assembly.take(&packet.data) {
                Some(xml) => state.huidu(&xml, shown),
                None => Vec::new(),
            },
            _ => Vec::new(),
        };
        let bytes = if state.faults.silent { Vec::new() } else { bytes };
        Some((bytes, state.faults.late))
    }

    fn now(&self, ahead_s: i64) -> DateTime {
        let at = Timestamp::from_second(self.clock.wall().0 / 1000 + ahead_s).unwrap_or(Timestamp::UNIX_EPOCH);
        TimeZone::UTC.to_datetime(at)
    }

    fn lock(&self) -> MutexGuard<'_, LedCardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LedCardState {
    fn cpower(&mut self, packet: &Packet, now: DateTime, true_now: DateTime) -> Packet {
        let mut mark = packet.mark;
        let is_order = packet.command == command::EXTERNAL_CALL || packet.data.first() == Some(&0);
        self.orders += u64::from(is_order && packet.command != command::VERSION);
        let data = match (packet.command, packet.data.as_slice()) {
            (command::VERSION, _) => vec![0, 0x25, 0x11, 0x20, 0, 0, 0, 0x37],
            (command::SCREEN, [0, on, ..]) => {
                self.on = *on == 1;
                vec![0, u8::from(self.on)]
            }
            (command::SCREEN, _) => vec![1, u8::from(self.on), 0, 0, 0, 0, 0, 0, 0, 0],
            (command::BRIGHTNESS, [0, steps @ ..]) if steps.len() == 24 => {
                self.brightness = steps.to_vec();
                vec![1]
            }
            (command::BRIGHTNESS, _) => [&[1], &self.brightness[..]].concat(),
            (command::CLOCK, [0, second, minute, hour, _, day, month, year, ..]) => {
                let parts = [*month, *day, *hour, *minute, *second].map(|part| i8::try_from(part).unwrap_or(-1));
                let [month, day, hour, minute, second] = parts;
                match DateTime::new(2000 + i16::from(*year), month, day, hour, minute, second, 0) {
                    Ok(told) => {
                        self.ahead_s = (told - true_now).total(jiff::Unit::Second).unwrap_or(0.0) as i64;
                        vec![1]
                    }
                    Err(_) => vec![0],
                }
            }
            (command::CLOCK, _) => {
                let parts = [now.second(), now.minute(), now.hour(), now.weekday().to_sunday_zero_offset()];
                let year = u8::try_from(now.year() - 2000).unwrap_or(0);
                [&[1][..], &parts.map(i8::unsigned_abs), &[now.day(), now.month()].map(i8::unsigned_abs), &[year]]
                    .concat()
            }
            (command::EXTERNAL_CALL, [_, _, 0, 0, 0x04, _, 1, rest @ ..]) if rest.len() > 13 => {
                mark = 0;
                let (text, _, _) = encoding_rs::GBK.decode(&rest[13..rest.len() - 1]);
                self.text = text.into_owned();
                Vec::new()
            }
            (command::EXTERNAL_CALL, _) => {
                mark = 2;
                Vec::new()
            }
            _ => vec![0],
        };
        let card = if self.faults.wrong_unit { self.card.wrapping_add(1) } else { self.card };
        Packet { is_answer: true, card, command: packet.command, mark, data }
    }

    fn huidu(&mut self, xml: &str, now: DateTime) -> Vec<u8> {
        let method = huidu::attribute(xml, "in", "method").unwrap_or_default();
        let mut result = "kSuccess";
        let inner = match method.as_str() {
            "GetIFVersion" => "<version value=\"1000000\"/>".to_owned(),
            "GetDeviceInfo" => "<device cpu=\"a\" model=\"HD-WF2\" id=\"D15-1\" name=\"window\"/>\
                                <version fpga=\"1.0.2\" app=\"7.4.1\" kernel=\"3\"/>\
                                <screen width=\"64\" height=\"32\" rotation=\"0\"/>"
                .to_owned(),
            "GetSwitchTime" => format!("<open enable=\"{}\"/><ploy enable=\"false\"/>", self.on),
            "GetLuminancePloy" => {
                format!("<mode value=\"default\"/><default value=\"{}\"/>", self.brightness.first().unwrap_or(&0))
            }
            "GetTimeInfo" => {
                let time = now.strftime("%Y-%m-%d %H:%M:%S");
                format!(
                    "<timezone value=\"UTC\"/><summer enable=\"false\"/><sync value=\"none\"/><time value=\"{time}\"/>"
                )
            }
            "OpenScreen" | "CloseScreen" => {
                self.orders += 1;
                self.on = method == "OpenScreen";
                String::new()
            }
            "AddProgram" => {
                self.orders += 1;
                let text = xml.split_once("<string>").and_then(|(_, rest)| rest.split_once("</string>"));
                self.text = text.map(|(text, _)| text.to_owned()).unwrap_or_default();
                String::new()
            }
            _ => {
                result = "kMethodNotFound";
                String::new()
            }
        };
        let answer = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><sdk guid=\"5e55\"><out method=\"{method}\" \
             result=\"{result}\">{inner}</out></sdk>"
        );
        huidu::pieces(kind::XML_ANSWER, answer.as_bytes())
    }
}

impl Controlled for LedCard {
    fn help(&self) -> &'static str {
        "screen on|off\nbrightness STEP\nclock SECONDS\noccupied on|off"
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        let mut state = self.lock();
        if let Some(done) = state.faults.control(words) {
            return done;
        }
        let switch = |word: &str| match word {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(format!("\"{other}\" must be on or off")),
        };
        match words {
            ["screen", word] => state.on = switch(word)?,
            ["occupied", word] => state.occupied = switch(word)?,
            ["brightness", step] => {
                state.brightness = vec![step.parse().map_err(|_| format!("\"{step}\" must be 0 to 255"))?; 24];
            }
            ["clock", seconds] => {
                state.ahead_s = seconds.parse().map_err(|_| format!("\"{seconds}\" must be a number of seconds"))?;
            }
            _ => return Err("not known; say help".to_owned()),
        }
        Ok(())
    }

    fn show(&self) -> Value {
        json!(self.state())
    }
}
