//! A peer that knows some bytes and nothing else.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kouan_drivers::modbus::codec::crc::crc16;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of `01 04 FF`.
pub fn hex(text: &str) -> Vec<u8> {
    if let Some(text) = text.strip_prefix("text:") {
        return text.replace("\\r", "\r").into_bytes();
    }
    let digits: String = text.split_whitespace().collect();
    assert!(digits.len().is_multiple_of(2), "{text}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect(text)).collect()
}

#[derive(Default)]
struct State {
    /// By function and address.
    image: BTreeMap<(u8, u16), u16>,
    exchanges: Vec<(Vec<u8>, Vec<u8>)>,
    heard: Vec<Vec<u8>>,
}

/// The peer, on a port of its own.
pub struct Peer {
    pub address: String,
    modbus: bool,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Peer {
    pub async fn start(kind: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state: Arc<Mutex<State>> = Arc::default();
        let (served, modbus) = (Arc::clone(&state), kind == "modbus");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served), modbus));
            }
        });
        Self { address, modbus, state, task }
    }

    /// Teaches an exchange.
    pub fn knows(&self, request: &[u8], answer: &[u8]) -> Result<(), String> {
        let mut state = self.state.lock().unwrap();
        if !self.modbus {
            state.exchanges.retain(|(known, _)| known != request);
            state.exchanges.push((request.to_vec(), answer.to_vec()));
            return Ok(());
        }
        for frame in [request, answer] {
            let (body, crc) = frame.split_at(frame.len() - 2);
            if crc16(body).to_le_bytes() != crc {
                return Err(format!(
                    "{frame:02X?} has a wrong checksum; it should end with {:02X?}",
                    crc16(body).to_le_bytes()
                ));
            }
        }
        let [_, function @ 1..=4, hi, lo, count_hi, count_lo, ..] = request else {
            state.exchanges.push((request.to_vec(), answer.to_vec()));
            return Ok(());
        };
        let (from, count) = (u16::from_be_bytes([*hi, *lo]), u16::from_be_bytes([*count_hi, *count_lo]));
        let data = &answer[3..answer.len() - 2];
        for at in 0..count {
            let value = if *function <= 2 {
                u16::from(data[usize::from(at) / 8] >> (at % 8) & 1)
            } else {
                let at = usize::from(at) * 2;
                *data.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).as_ref().ok_or("too short")?
            };
            state.image.insert((*function, from + at), value);
        }
        Ok(())
    }

    /// Puts registers or bits into the image.
    pub fn holds(&self, function: u8, address: u16, values: &[i64]) {
        let mut state = self.state.lock().unwrap();
        state.image.extend((address..).zip(values).map(|(address, value)| ((function, address), *value as u16)));
    }

    /// Every register and bit, by function and address.
    pub fn image(&self) -> BTreeMap<(u8, u16), u16> {
        self.state.lock().unwrap().image.clone()
    }

    /// Every request, in order.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().heard.clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>, modbus: bool) {
    let mut pending = Vec::new();
    let mut piece = [0; 512];
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        pending.extend_from_slice(&piece[..count]);
        let answer = {
            let mut state = state.lock().unwrap();
            if modbus { take_modbus(&mut pending, &mut state) } else { take_known(&mut pending, &mut state) }
        };
        if let Some(answer) = answer
            && stream.write_all(&answer).await.is_err()
        {
            return;
        }
    }
}

/// A request that the peer knows is answered; any other is noted and not answered.
fn take_known(pending: &mut Vec<u8>, state: &mut State) -> Option<Vec<u8>> {
    let request = std::mem::take(pending);
    let answer = state.exchanges.iter().find(|(known, _)| *known == request).map(|(_, answer)| answer.clone());
    state.heard.push(request);
    answer
}

fn take_modbus(pending: &mut Vec<u8>, state: &mut State) -> Option<Vec<u8>> {
    if let Some((request, answer)) = state.exchanges.iter().find(|(known, _)| known == pending) {
        state.heard.push(request.clone());
        pending.clear();
        return Some(answer.clone());
    }
    let length = match pending.get(1)? {
        15 | 16 => 9 + usize::from(*pending.get(6)?),
        _ => 8,
    };
    if pending.len() < length {
        return None;
    }
    let request: Vec<u8> = pending.drain(..length).collect();
    state.heard.push(request.clone());
    let (body, crc) = request.split_at(length - 2);
    if crc16(body).to_le_bytes() != crc {
        return None;
    }
    let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
    let (unit, function, address, second) = (request[0], request[1], word(2), word(4));
    let mut answer = vec![unit, function];
    match function {
        1..=4 => {
            let values: Option<Vec<u16>> =
                (0..second).map(|at| state.image.get(&(function, address.checked_add(at)?)).copied()).collect();
            match values {
                None => answer = vec![unit, function | 0x80, 2],
                Some(bits) if function <= 2 => {
                    let mut bytes = vec![0_u8; bits.len().div_ceil(8)];
                    for (at, bit) in bits.iter().enumerate() {
                        bytes[at / 8] |= (*bit as u8) << (at % 8);
                    }
                    answer.push(bytes.len() as u8);
                    answer.extend(bytes);
                }
                Some(registers) => {
                    answer.push(registers.len() as u8 * 2);
                    answer.extend(registers.iter().flat_map(|register| register.to_be_bytes()));
                }
            }
        }
        _ => {
            answer.extend_from_slice(&request[2..6]);
            match function {
                5 if address == 0x00FF => {
                    for coil in 0..8 {
                        state.image.insert((1, coil), u16::from(second != 0));
                    }
                }
                5 => drop(state.image.insert((1, address), u16::from(second != 0))),
                6 => drop(state.image.insert((3, address), second)),
                16 => {
                    for at in 0..second {
                        state.image.insert((3, address + at), word(7 + 2 * usize::from(at)));
                    }
                }
                _ => {}
            }
        }
    }
    answer.extend(crc16(&answer).to_le_bytes());
    Some(answer)
}
