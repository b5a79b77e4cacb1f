//! A card reader with OSDP: two outputs, two inputs, cards and keys, with or without a secure channel.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Controlled, Faults, PseudoTerminal};
use crate::osdp::codec::{self, BROADCAST, Packet, SecurityBlock, command, reply};
use crate::osdp::secure::{Key, Secure};

/// What a reader would show to somebody who stands before it, and what it was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CardReaderState {
    /// Its address.
    pub address: u8,
    /// Whether its cover is off.
    pub tamper: bool,
    /// Contacts.
    pub inputs: [bool; 2],
    /// How often each output was switched.
    pub switched: [u64; 2],
    /// Lights and tones it was told to show and sound.
    pub signals: u64,
    /// Polls answered.
    pub polls: u64,
    /// Packets that it refused.
    pub refused: u64,
    /// Whether it is spoken to through a secure channel.
    pub secure: bool,
    /// How it misbehaves.
    pub faults: Faults,
    /// It says that it is busy.
    pub busy: bool,
}

#[derive(Debug, Default)]
struct Inner {
    state: CardReaderState,
    waiting: VecDeque<(u8, Vec<u8>)>,
    until: [Option<Instant>; 2],
    expected: Option<u8>,
    last: Option<(Vec<u8>, Vec<u8>)>,
    random: u64,
    handshake: Option<(Secure, [u8; 8], [u8; 8])>,
    secure: Option<Secure>,
}

/// A simulated reader.
#[derive(Debug)]
pub struct CardReader {
    key: Option<Key>,
    inner: Mutex<Inner>,
}

impl CardReader {
    /// A reader with that address. With a key it speaks through a secure channel only.
    #[must_use]
    pub fn new(address: u8, key: Option<Key>) -> Arc<Self> {
        let state = CardReaderState { address, ..CardReaderState::default() };
        Arc::new(Self { key, inner: Mutex::new(Inner { state, random: rand::random(), ..Inner::default() }) })
    }

    /// A copy of its state.
    #[must_use]
    pub fn state(&self) -> CardReaderState {
        let inner = self.lock();
        CardReaderState { secure: inner.secure.is_some(), ..inner.state.clone() }
    }

    /// Changes its state or its faults.
    pub fn change(&self, change: impl FnOnce(&mut CardReaderState)) {
        change(&mut self.lock().state);
    }

    /// Holds a card before it: that many bits.
    pub fn hold_card(&self, bits: u16, card: &[u8]) {
        let mut data = vec![0, 1];
        data.extend(bits.to_le_bytes());
        data.extend(card);
        self.lock().waiting.push_back((reply::RAW, data));
    }

    /// Types keys.
    pub fn press(&self, keys: &[u8]) {
        let mut data = vec![0, keys.len().min(255) as u8];
        data.extend(keys);
        self.lock().waiting.push_back((reply::KEYPAD, data));
    }

    /// Switches it off and on.
    pub fn restart(&self) {
        let mut inner = self.lock();
        inner.waiting.clear();
        inner.until = [None; 2];
        (inner.expected, inner.last, inner.handshake, inner.secure) = (None, None, None, None);
    }

    /// Serves the reader on a pseudo-terminal named `name` until `stop`; `ready` is called once, when it can be opened.
    ///
    /// # Errors
    /// When the pseudo-terminal cannot be made or fails.
    pub async fn run(&self, name: &Path, ready: impl FnOnce(), stop: CancellationToken) -> Result<(), io::Error> {
        let line = PseudoTerminal::open(name).map_err(io::Error::other)?;
        ready();
        stop.run_until_cancelled(self.serve(line)).await.unwrap_or(Ok(()))
    }

    /// Answers packets on `line` until it ends.
    ///
    /// # Errors
    /// When reading or writing fails.
    pub async fn serve(&self, mut line: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut pending = BytesMut::new();
        let mut bytes = [0; 256];
        loop {
            match line.read(&mut bytes).await? {
                0 => return Ok(()),
                count => pending.extend_from_slice(&bytes[..count]),
            }
            loop {
                match codec::decode(&mut pending) {
                    Ok(None) => break,
                    Err(_) => self.lock().state.refused += 1,
                    Ok(Some(packet)) => {
                        let Some((answer, late)) = self.answer(packet) else { continue };
                        tokio::time::sleep(late).await;
                        line.write_all(&answer).await?;
                    }
                }
            }
        }
    }

    fn answer(&self, packet: Packet) -> Option<(Vec<u8>, Duration)> {
        let mut inner = self.lock();
        if packet.reply || packet.address != inner.state.address && packet.address != BROADCAST {
            return None;
        }
        let repeated = packet.encode_plain();
        let answer = match &inner.last {
            // The same packet again: its reply was lost. Nothing is done a second time.
            Some((last, answer)) if *last == repeated && packet.sequence != 0 => answer.clone(),
            _ => {
                let answer = inner.take(&packet, self.key.as_ref());
                // A command that it was too busy to take is none that it has answered.
                inner.last = (!inner.state.busy).then(|| (repeated, answer.clone()));
                answer
            }
        };
        let faults = &inner.state.faults;
        if faults.silent {
            return None;
        }
        let mut answer = answer;
        if faults.bad_checksum
            && let Some(last) = answer.last_mut()
        {
            *last ^= 0x5A;
        }
        Some((answer, faults.late))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Carries out a packet and makes its reply.
    fn take(&mut self, packet: &Packet, key: Option<&Key>) -> Vec<u8> {
        if packet.sequence == 0 {
            (self.secure, self.handshake) = (None, None);
        } else if self.expected.is_some_and(|expected| expected != packet.sequence) {
            return self.refuse(packet, 4);
        }
        if self.state.busy {
            return self.make(packet, 0, None, reply::BUSY, &[]);
        }
        let data = packet.data.clone();
        let encrypted = packet.block.as_ref().is_some_and(|block| block.kind == 0x17);
        let plain = match (&mut self.secure, &packet.mac) {
            (None, None) => Some(data),
            (Some(secure), Some((mac, bytes))) => {
                let right = secure.is_command(bytes, *mac);
                right.then(|| if encrypted { secure.decrypt_command(&data) } else { Some(data) }).flatten()
            }
            _ => None,
        };
        let Some(data) = plain else {
            self.secure = None;
            return self.refuse(packet, 6);
        };
        self.expected = Some(packet.sequence % 3 + 1);
        let greeting =
            [command::ID, command::CAPABILITIES, command::CHALLENGE, command::SERVER_CRYPTOGRAM].contains(&packet.code);
        if key.is_some() && self.secure.is_none() && !greeting {
            return self.refuse(packet, 6);
        }
        match (packet.code, data.as_slice()) {
            (command::CHALLENGE, random) => self.challenged(packet, random, key),
            (command::SERVER_CRYPTOGRAM, proof) => self.proved(packet, proof),
            (code, data) => match self.carry_out(code, data) {
                Ok((code, data)) => self.say(packet, code, &data),
                Err(reason) => self.refuse(packet, reason),
            },
        }
    }

    fn carry_out(&mut self, code: u8, data: &[u8]) -> Result<(u8, Vec<u8>), u8> {
        let outputs = self.until.map(|until| u8::from(until.is_some_and(|until| until > Instant::now())));
        Ok(match (code, data) {
            (command::POLL, []) => {
                self.state.polls += 1;
                self.waiting.pop_front().unwrap_or((reply::ACK, Vec::new()))
            }
            (command::ID, _) => (reply::ID, vec![0x4B, 0x4F, 0x55, 2, 1, 0x39, 0x30, 0, 0, 1, 4, 7]),
            (command::CAPABILITIES, _) => {
                (reply::CAPABILITIES, vec![1, 1, 2, 2, 2, 2, 3, 1, 1, 4, 1, 1, 5, 1, 1, 8, 1, 0, 9, 1, 1, 13, 0, 1])
            }
            (command::LOCAL_STATUS, []) => (reply::LOCAL_STATUS, vec![u8::from(self.state.tamper), 0]),
            (command::INPUT_STATUS, []) => (reply::INPUT_STATUS, self.state.inputs.map(u8::from).to_vec()),
            (command::OUTPUT_STATUS, []) => (reply::OUTPUT_STATUS, outputs.to_vec()),
            (command::READER_STATUS, []) => (reply::READER_STATUS, vec![u8::from(self.state.tamper)]),
            (command::OUTPUT, [output @ 0..=1, control, low, high]) => {
                let output = usize::from(*output);
                let tenths = u64::from(u16::from_le_bytes([*low, *high]));
                self.until[output] = match control {
                    1 | 3 => None,
                    2 | 4 => Instant::now().checked_add(Duration::from_secs(86_400)),
                    5 => Some(Instant::now() + Duration::from_millis(100 * tenths)),
                    _ => return Err(9),
                };
                self.state.switched[output] += 1;
                (reply::ACK, Vec::new())
            }
            (command::OUTPUT, [_, _, _, _]) => return Err(9),
            (command::LED, data) | (command::BUZZER, data)
                if data.len() == if code == command::LED { 14 } else { 5 } =>
            {
                self.state.signals += 1;
                (reply::ACK, Vec::new())
            }
            (command::OUTPUT | command::LED | command::BUZZER, _) => return Err(2),
            _ => return Err(3),
        })
    }

    fn challenged(&mut self, packet: &Packet, random: &[u8], key: Option<&Key>) -> Vec<u8> {
        let own_key = packet.block.as_ref().is_some_and(|block| block.kind == 0x11 && block.data == [1]);
        let key = match key {
            Some(key) if own_key => key.clone(),
            None if !own_key => Key::everybody_knows(),
            _ => return self.refuse(packet, 5),
        };
        let Ok(random) = <[u8; 8]>::try_from(random) else { return self.refuse(packet, 2) };
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let own = self.random.to_be_bytes();
        let secure = Secure::new(&key, random);
        let mut data = b"KOUAN-01".to_vec();
        data.extend(own);
        data.extend(secure.cryptogram(random, own));
        self.handshake = Some((secure, random, own));
        let block = SecurityBlock { kind: 0x12, data: vec![u8::from(own_key)] };
        self.make(packet, packet.sequence, Some(block), reply::CLIENT_CRYPTOGRAM, &data)
    }

    fn proved(&mut self, packet: &Packet, proof: &[u8]) -> Vec<u8> {
        let Some((mut secure, random, own)) = self.handshake.take() else { return self.refuse(packet, 5) };
        let expected = secure.cryptogram(own, random);
        let right = proof == expected;
        let initial = secure.initial_mac(expected);
        if right {
            secure.begin(initial);
            self.secure = Some(secure);
        }
        let block = SecurityBlock { kind: 0x14, data: vec![if right { 1 } else { 0xFF }] };
        self.make(packet, packet.sequence, Some(block), reply::INITIAL_MAC, &initial)
    }

    /// A reply through the secure channel, if there is one.
    fn say(&mut self, packet: &Packet, code: u8, data: &[u8]) -> Vec<u8> {
        let (block, data) = match &self.secure {
            None => (None, data.to_vec()),
            Some(_) if data.is_empty() => (Some(0x16), Vec::new()),
            Some(secure) => (Some(0x18), secure.encrypt_reply(data)),
        };
        let block = block.map(|kind| SecurityBlock { kind, data: Vec::new() });
        self.make(packet, packet.sequence, block, code, &data)
    }

    fn refuse(&mut self, packet: &Packet, reason: u8) -> Vec<u8> {
        self.state.refused += 1;
        self.say(packet, reply::NAK, &[reason])
    }

    fn make(&mut self, packet: &Packet, sequence: u8, block: Option<SecurityBlock>, code: u8, data: &[u8]) -> Vec<u8> {
        let mut address = self.state.address;
        if self.state.faults.wrong_unit {
            address = (address + 1) % BROADCAST;
        }
        let check = packet.check;
        let made = Packet { address, reply: true, sequence, check, block, code, data: data.to_vec(), mac: None };
        let secure = &mut self.secure;
        made.encode(|bytes| secure.as_mut().map_or([0; 4], |secure| secure.sign_reply(bytes)))
    }
}

impl Controlled for CardReader {
    fn help(&self) -> &'static str {
        "card BITS HEX\npress KEYS\ntamper on|off\ninput 1|2 on|off\nbusy on|off\nrestart"
    }

    fn control(&self, words: &[&str]) -> Result<(), String> {
        if let Some(done) = self.lock().state.faults.control(words) {
            return done;
        }
        let switch = |word: &str| match word {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(format!("\"{other}\" must be on or off")),
        };
        match words {
            ["card", bits, hex] => {
                let bits = bits.parse::<u16>().map_err(|error| format!("\"{bits}\" is no number of bits: {error}"))?;
                let byte = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
                let card: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
                let card = card.filter(|card| card.len() == usize::from(bits).div_ceil(8));
                self.hold_card(bits, &card.ok_or_else(|| format!("\"{hex}\" is not {bits} bits in hexadecimal"))?);
            }
            ["press", keys] => self.press(keys.as_bytes()),
            ["tamper", word] => self.lock().state.tamper = switch(word)?,
            ["busy", word] => self.lock().state.busy = switch(word)?,
            ["input", number @ ("1" | "2"), word] => {
                self.lock().state.inputs[usize::from(*number == "2")] = switch(word)?;
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
