//! A UHF reader with tags before it: LLRP, M100, Chafon UHFReader18 or UHFReader288M.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Controlled, Faults, PseudoTerminal};
use crate::rfid::chafon::{self, status};
use crate::rfid::llrp::message::{answer_to, kind};
use crate::rfid::llrp::parameter::{kind as parameter_kind, parameter};
use crate::rfid::llrp::{self, Message};
use crate::rfid::m100::{self, Frame};

/// What the reader speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReaderModel {
    /// LLRP 1.0.1.
    Llrp,
    /// A module with frames `BB … 7E`.
    M100,
    /// Chafon UHFReader18.
    Chafon18,
    /// Chafon UHFReader288M.
    Chafon288m,
}

impl std::str::FromStr for ReaderModel {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word {
            "llrp" => Self::Llrp,
            "m100" => Self::M100,
            "chafon-18" => Self::Chafon18,
            "chafon-288m" => Self::Chafon288m,
            other => return Err(format!("\"{other}\" is none of llrp, m100, chafon-18, chafon-288m")),
        })
    }
}

/// What lies before the reader, and how often it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagReaderState {
    /// What it speaks.
    pub model: ReaderModel,
    /// Its address, where it has one.
    pub unit: u8,
    /// EPC in hexadecimal digits, and the antenna before which it lies.
    pub tags: BTreeMap<String, u16>,
    /// Tags that do not answer, though they are there.
    pub shy: Vec<String>,
    /// Antennas that are not connected.
    pub disconnected: Vec<u16>,
    /// Rounds that it has made.
    pub rounds: u64,
    /// How it misbehaves.
    pub faults: Faults,
}

/// A simulated reader with nothing before it.
#[derive(Debug)]
pub struct TagReader {
    state: Mutex<TagReaderState>,
}

impl TagReader {
    /// A reader of that model with that address.
    #[must_use]
    pub fn new(model: ReaderModel, unit: u8) -> Arc<Self> {
        let state = TagReaderState {
            model,
            unit,
            tags: BTreeMap::new(),
            shy: Vec::new(),
            disconnected: Vec::new(),
            rounds: 0,
            faults: Faults::default(),
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// A copy of its state.
    #[must_use]
    pub fn state(&self) -> TagReaderState {
        self.lock().clone()
    }

    /// Serves a pseudo-terminal named `name` until `stop`; `ready` is called once, when it can be opened.
    ///
    /// # Errors
    /// When the pseudo-terminal cannot be made or fails.
    pub async fn run(&self, name: &Path, ready: impl FnOnce(), stop: CancellationToken) -> Result<(), io::Error> {
        let line = PseudoTerminal::open(name).map_err(io::Error::other)?;
        ready();
        stop.run_until_cancelled(self.serve(line)).await.unwrap_or(Ok(()))
    }

    /// Serves one connection after the other.
    ///
    /// # Errors
    /// When no connection can be taken any more.
    pub async fn serve_tcp(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            // A client that leaves in the middle is its own affair.
            drop(self.serve(stream).await);
        }
    }

    /// Answers requests on `line` until it ends.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub async fn serve(&self, mut line: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let model = self.lock().model;
        let mut pending = BytesMut::new();
        if model == ReaderModel::Llrp {
            line.write_all(&connected().encode()).await?;
        }
        while line.read_buf(&mut pending).await? > 0 {
            while let Some(answers) = self.take(model, &mut pending)? {
                let (silent, late) = {
                    let state = self.lock();
                    (state.faults.silent, state.faults.late)
                };
                if silent {
                    continue;
                }
                tokio::time::sleep(late).await;
                line.write_all(&answers).await?;
            }
        }
        Ok(())
    }

    /// The next request and its answer.
    fn take(&self, model: ReaderModel, pending: &mut BytesMut) -> io::Result<Option<Vec<u8>>> {
        let mut state = self.lock();
        match model {
            ReaderModel::Llrp => match llrp::decode(pending) {
                Ok(message) => Ok(message.map(|message| state.llrp(&message))),
                Err(error) => Err(io::Error::other(error)),
            },
            ReaderModel::M100 => loop {
                match m100::decode(pending) {
                    Ok(Some(frame)) => return Ok(Some(state.m100(&frame))),
                    Ok(None) => return Ok(None),
                    Err(_) => {}
                }
            },
            ReaderModel::Chafon18 | ReaderModel::Chafon288m => {
                let Some(length) = pending.first().map(|length| usize::from(*length) + 1) else { return Ok(None) };
                if pending.len() < length {
                    return Ok(None);
                }
                let request = pending.split_to(length);
                Ok(Some(state.chafon(&request)))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, TagReaderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connected() -> Message {
    let mut data = parameter(128, &[0; 8]);
    data.extend(parameter(parameter_kind::CONNECTION_ATTEMPT, &[0, 0]));
    Message { kind: kind::EVENT, id: 0, body: parameter(parameter_kind::EVENT_DATA, &data) }
}

fn bytes_of(epc: &str) -> Vec<u8> {
    (0..epc.len() / 2).filter_map(|at| u8::from_str_radix(&epc[at * 2..at * 2 + 2], 16).ok()).collect()
}

impl TagReaderState {
    /// Tags that answer at an antenna; at any of them where none is named.
    fn answering(&mut self, antenna: Option<u16>) -> Vec<(Vec<u8>, u16)> {
        self.rounds += 1;
        let here = self.tags.iter().filter(|(epc, at)| {
            antenna.is_none_or(|antenna| antenna == **at) && !self.shy.contains(epc) && !self.disconnected.contains(at)
        });
        here.map(|(epc, at)| (bytes_of(epc), *at)).collect()
    }

    fn m100(&mut self, frame: &Frame) -> Vec<u8> {
        let answer = |kind, command, data: Vec<u8>| Frame { kind, command, data }.encode();
        let mut bytes = match frame.command {
            m100::VERSION => {
                let text: &[u8] = if frame.data.first() == Some(&0) { b"M100 26dBm V1.0" } else { b"V2.3.5" };
                answer(m100::ANSWER, m100::VERSION, [&frame.data[..], text].concat())
            }
            m100::INVENTORY => {
                let tags = self.answering(None);
                let tag = |(epc, _): &(Vec<u8>, u16)| {
                    let pc = (epc.len() as u8 / 2) << 3;
                    answer(m100::NOTICE, m100::INVENTORY, [&[0xC9, pc, 0], &epc[..], &[0x3A, 0x76]].concat())
                };
                if tags.is_empty() {
                    answer(m100::ANSWER, m100::FAILED, vec![m100::NO_TAG])
                } else {
                    tags.iter().flat_map(tag).collect()
                }
            }
            _ => answer(m100::ANSWER, frame.command, vec![0]),
        };
        if self.faults.bad_checksum {
            let sum = bytes.len() - 2;
            bytes[sum] = !bytes[sum];
        }
        bytes
    }

    fn chafon(&mut self, request: &[u8]) -> Vec<u8> {
        let [_, address, command, data @ .., _, _] = request else { return Vec::new() };
        let broken = request.len() < 5 || chafon::command(*address, *command, data) != request;
        if broken || (*address != self.unit && *address != chafon::ANY) {
            return Vec::new();
        }
        let unit = if self.faults.wrong_unit { self.unit.wrapping_add(1) } else { self.unit };
        let answer = |status, data| chafon::Answer { address: unit, command: *command, status, data }.encode();
        let mut bytes = match *command {
            chafon::INFORMATION => {
                let kind = if self.model == ReaderModel::Chafon18 { 0x09 } else { 0x0C };
                answer(status::OK, vec![1, 2, kind, 2, 0x4E, 0x00, 30, 10])
            }
            chafon::INVENTORY if self.model == ReaderModel::Chafon18 => {
                let tags = self.answering(None);
                let mut frames: Vec<u8> = Vec::new();
                // A few tags in each frame, as the reader does.
                for some in tags.chunks(4) {
                    let mut data = vec![some.len() as u8];
                    for (epc, _) in some {
                        data.push(epc.len() as u8);
                        data.extend_from_slice(epc);
                    }
                    frames.extend(answer(status::MORE, data));
                }
                frames.extend(if tags.is_empty() {
                    answer(status::NO_TAG, vec![])
                } else {
                    answer(status::FINISHED, vec![0])
                });
                frames
            }
            chafon::INVENTORY => {
                let antenna = data.get(7).map_or(1, |code| u16::from(code & 0x0F) + 1);
                if self.disconnected.contains(&antenna) {
                    answer(status::ANTENNA, vec![])
                } else {
                    let mask = 1_u8.checked_shl(u32::from(antenna) - 1).unwrap_or(0);
                    let mut frames: Vec<u8> = Vec::new();
                    for (epc, _) in self.answering(Some(antenna)) {
                        frames.extend(answer(status::MORE, [&[mask, 1, epc.len() as u8], &epc[..], &[0x6B]].concat()));
                    }
                    frames.extend(answer(status::FINISHED, vec![mask, 0]));
                    frames
                }
            }
            _ => answer(0xFE, vec![]),
        };
        if self.faults.bad_checksum {
            let last = bytes.len() - 1;
            bytes[last] = !bytes[last];
        }
        bytes
    }

    fn llrp(&mut self, message: &Message) -> Vec<u8> {
        let mut body = parameter(parameter_kind::STATUS, &[0, 0, 0, 0]);
        let mut after = Vec::new();
        match message.kind {
            kind::GET_CAPABILITIES => {
                let firmware = b"simulated 1.0";
                let mut general = vec![0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, firmware.len() as u8];
                general.extend_from_slice(firmware);
                body.extend(parameter(parameter_kind::DEVICE_CAPABILITIES, &general));
            }
            kind::GET_CONFIG => {
                for antenna in 1..=4_u16 {
                    let state = if self.disconnected.contains(&antenna) { 0 } else { 0x80 };
                    let [high, low] = antenna.to_be_bytes();
                    body.extend(parameter(parameter_kind::ANTENNA_PROPERTIES, &[state, high, low, 0, 0]));
                }
            }
            kind::START => {
                for (epc, antenna) in self.answering(None) {
                    let mut tag = if epc.len() == 12 {
                        [&[0x8D], &epc[..]].concat()
                    } else {
                        let bits = (epc.len() * 8) as u16;
                        parameter(parameter_kind::EPC_DATA, &[&bits.to_be_bytes(), &epc[..]].concat())
                    };
                    let [high, low] = antenna.to_be_bytes();
                    tag.extend([0x81, high, low, 0x86, 0xC9]);
                    let body = parameter(parameter_kind::TAG_REPORT, &tag);
                    after.extend(Message { kind: kind::REPORT, id: 0, body }.encode());
                }
                after.extend(Message { kind: kind::KEEPALIVE, id: 7, body: Vec::new() }.encode());
            }
            kind::KEEPALIVE_ACK => return Vec::new(),
            _ => {}
        }
        let mut bytes = Message { kind: answer_to(message.kind), id: message.id, body }.encode();
        bytes.extend(after);
        bytes
    }
}

impl Controlled for TagReader {
    fn help(&self) -> &'static str {
        "put EPC [ANTENNA]\ntake EPC\nshy EPC on|off\nantenna NUMBER on|off"
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        let mut state = self.lock();
        if let Some(done) = state.faults.control(words) {
            return done;
        }
        let epc = |word: &str| {
            let digits = word.len() >= 4 && word.len() <= 60 && word.len().is_multiple_of(4);
            let right = digits && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let wrong = || format!("\"{word}\" must be 4 to 60 hexadecimal digits, in fours");
            right.then(|| word.to_ascii_lowercase()).ok_or_else(wrong)
        };
        let antenna = |word: &str| match word.parse::<u16>() {
            Ok(antenna @ 1..=8) => Ok(antenna),
            _ => Err(format!("\"{word}\" must be an antenna from 1 to 8")),
        };
        match words {
            ["put", tag] => drop(state.tags.insert(epc(tag)?, 1)),
            ["put", tag, at] => drop(state.tags.insert(epc(tag)?, antenna(at)?)),
            ["take", tag] => drop(state.tags.remove(&epc(tag)?)),
            ["shy", tag, "on"] => state.shy.push(epc(tag)?),
            ["shy", tag, "off"] => {
                let tag = epc(tag)?;
                state.shy.retain(|shy| *shy != tag);
            }
            ["antenna", number, "off"] => state.disconnected.push(antenna(number)?),
            ["antenna", number, "on"] => {
                let number = antenna(number)?;
                state.disconnected.retain(|antenna| *antenna != number);
            }
            _ => return Err("not known; say help".to_owned()),
        }
        Ok(())
    }

    fn show(&self) -> Value {
        json!(self.state())
    }
}
