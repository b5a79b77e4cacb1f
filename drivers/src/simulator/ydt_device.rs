//! Devices with YD/T 1363.3: a Liebert GXE UPS (networkupstools/nut drivers/liebert-gxe.c) and a room air conditioner
//! whose fields are its maker's own.

use std::str::FromStr;
use std::sync::Arc;

use bytes::BytesMut;
use serde::Serialize;
use serde_json::{Value, json};

use super::Faults;
use super::line_device::{LineDevice, LineModel, number, switch};
use crate::ydt::codec::{self, Frame, FrameError};

/// Which device it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum YdtModel {
    /// A UPS, equipment 2A.
    #[serde(rename = "liebert-gxe")]
    LiebertGxe,
    /// An air conditioner, equipment 60.
    #[serde(rename = "ydt-air-conditioner")]
    AirConditioner,
}

impl FromStr for YdtModel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "liebert-gxe" => Ok(Self::LiebertGxe),
            "ydt-air-conditioner" => Ok(Self::AirConditioner),
            other => Err(format!("\"{other}\" must be liebert-gxe or ydt-air-conditioner")),
        }
    }
}

/// What such a device shows, and what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct YdtState {
    /// Which device it is.
    pub model: YdtModel,
    /// Its address.
    pub address: u8,
    /// Its values: the INFO of an answer to 42.
    pub values: Vec<u8>,
    /// Its states: the INFO of an answer to 43.
    pub states: Vec<u8>,
    /// Its alarms: the INFO of an answer to 44.
    pub alarms: Vec<u8>,
    /// The next so many requests are ignored, as a GXE does now and then.
    pub ignores: u64,
    /// What it was told with 45, as hexadecimal digits.
    pub told: Vec<String>,
    /// Requests answered.
    pub polls: u64,
    /// Frames that were none.
    pub not_understood: u64,
    /// How it misbehaves.
    pub faults: Faults,
}

/// A simulated device with YD/T 1363.3.
pub type YdtDevice = LineDevice<YdtState>;

/// Offsets in the values of a GXE.
const INPUT_VOLTAGE: usize = 1;
const BATTERY_VOLTAGE: usize = 19;
const INPUT_FREQUENCY: usize = 27;
/// Offsets in its states.
const PATH: usize = 1;
const SOURCE: usize = 3;
const BATTERY: usize = 4;
const TEST: usize = 5;
/// Offset in its alarms.
const MAINS: usize = 2;

impl YdtDevice {
    /// A device in order.
    #[must_use]
    pub fn of_model(model: YdtModel, address: u8) -> Arc<Self> {
        let mut state = YdtState {
            model,
            address,
            values: Vec::new(),
            states: Vec::new(),
            alarms: Vec::new(),
            ignores: 0,
            told: Vec::new(),
            polls: 0,
            not_understood: 0,
            faults: Faults::default(),
        };
        match model {
            YdtModel::LiebertGxe => {
                state.values = vec![0; 43];
                for (at, hundredths) in [(7, 22_000), (13, 150), (21, 5_000), (33, 31), (35, 35), (41, 45)] {
                    state.put(at, hundredths);
                }
                state.states = vec![0x00, 0x01, 0xE0, 0xE1, 0xE1, 0xE1];
                state.alarms = vec![0x00; 26];
                state.mains(true);
            }
            YdtModel::AirConditioner => {
                state.values = vec![0; 16];
                for (at, tenths) in [(0, 231), (2, 452), (4, 230)] {
                    state.put(at, tenths);
                }
                state.states = vec![0x01];
                state.alarms = vec![0x00; 16];
            }
        }
        Self::new(state)
    }
}

impl YdtState {
    fn put(&mut self, at: usize, value: u16) {
        if let Some(place) = self.values.get_mut(at..at + 2) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }

    fn mains(&mut self, on: bool) {
        self.put(INPUT_VOLTAGE, if on { 22_000 } else { 0 });
        self.put(INPUT_FREQUENCY, if on { 5_000 } else { 0 });
        self.put(BATTERY_VOLTAGE, if on { 8_190 } else { 7_420 });
        self.states[SOURCE] = if on { 0xE1 } else { 0xE2 };
        self.states[BATTERY] = if on { 0xE1 } else { 0xE3 };
        self.alarms[MAINS] = if on { 0x00 } else { 0x01 };
    }

    fn cid1(&self) -> u8 {
        match self.model {
            YdtModel::LiebertGxe => 0x2A,
            YdtModel::AirConditioner => 0x60,
        }
    }

    /// What is told with 45. The answer's code.
    fn control_told(&mut self, info: &[u8]) -> u8 {
        self.told.push(info.iter().map(|byte| format!("{byte:02X}")).collect());
        match (self.model, info) {
            (YdtModel::LiebertGxe, [0x10, 0x02]) => self.states[TEST] = 0xE0,
            (YdtModel::LiebertGxe, [0x10, 0x03]) => self.states[TEST] = 0xE1,
            (YdtModel::LiebertGxe, [0x20, 0x01]) => self.states[PATH] = 0x01,
            (YdtModel::LiebertGxe, [0x20, 0x03]) => self.states[SOURCE] = 0xE0,
            _ => return 0x06,
        }
        0x00
    }

    fn answer(&mut self, request: &Frame) -> (u8, Vec<u8>) {
        match request.code {
            0x42 => (0x00, self.values.clone()),
            0x43 => (0x00, self.states.clone()),
            0x44 => (0x00, self.alarms.clone()),
            0x45 => (self.control_told(&request.info), Vec::new()),
            // Which version, and which address: the answer's own fields say it.
            0x4F | 0x50 => (0x00, Vec::new()),
            _ => (0x04, Vec::new()),
        }
    }
}

impl LineModel for YdtState {
    const HELP: &'static str = "mains on|off\nalarm NUMBER BYTE\nvalue OFFSET NUMBER\nignore COUNT";

    fn take(&mut self, pending: &mut Vec<u8>) -> Option<Vec<u8>> {
        let mut buffer = BytesMut::from(pending.as_slice());
        loop {
            let decoded = codec::decode(&mut buffer);
            *pending = buffer.to_vec();
            match decoded {
                Ok(frame) => return frame.map(|frame| frame.encode()),
                Err(FrameError::NotUnderstood | FrameError::WrongLength | FrameError::BadChecksum) => {
                    self.not_understood += 1;
                }
            }
        }
    }

    fn carry_out(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let request = codec::decode(&mut BytesMut::from(request)).ok()??;
        if request.address != self.address || request.cid1 != self.cid1() {
            return None;
        }
        if self.ignores > 0 {
            self.ignores -= 1;
            return None;
        }
        let (code, info) = self.answer(&request);
        self.polls += 1;
        let address = if self.faults.wrong_unit { self.address.wrapping_add(1) } else { self.address };
        let mut answer = Frame { version: request.version, address, cid1: self.cid1(), code, info }.encode();
        if self.faults.bad_checksum
            && let Some(digit) = answer.iter_mut().rev().nth(1)
        {
            *digit = if *digit == b'0' { b'1' } else { b'0' };
        }
        Some(answer)
    }

    fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    fn control(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["mains", word] if self.model == YdtModel::LiebertGxe => self.mains(switch(word)?),
            ["alarm", at, byte] => {
                let (at, byte) = (number::<usize>(at)?, number(byte)?);
                *self.alarms.get_mut(at).ok_or_else(|| format!("there is no alarm {at}"))? = byte;
            }
            ["value", at, value] => {
                let (at, value) = (number::<usize>(at)?, number(value)?);
                if at + 2 > self.values.len() {
                    return Err(format!("there is no value at {at}"));
                }
                self.put(at, value);
            }
            ["ignore", count] => self.ignores = number(count)?,
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

    fn said(device: &YdtDevice, request: &[u8]) -> Option<Vec<u8>> {
        device.with(|state| {
            let mut pending = [b"\x00~21~2\r", request].concat();
            let request = state.take(&mut pending)?;
            state.carry_out(&request)
        })
    }

    #[test]
    fn published_requests_are_answered() {
        let ups = YdtDevice::of_model(YdtModel::LiebertGxe, 1);
        assert_eq!(said(&ups, b"~21012A500000FDA4\r").unwrap(), b"~21012A000000FDA9\r");
        assert!(said(&ups, b"~21012A45C0041002FCC6\r").unwrap().starts_with(b"~21012A000000"));
        assert_eq!(ups.with(|state| (state.states[TEST], state.told.clone())), (0xE0, vec!["1002".to_owned()]));
        assert_eq!(said(&ups, b"~200160420000FDB1\r"), None, "that is for an air conditioner");
        let air = YdtDevice::of_model(YdtModel::AirConditioner, 1);
        for request in [b"~200160420000FDB1\r", b"~200160440000FDAF\r"] {
            let answer = said(&air, request).unwrap();
            let frame = codec::decode(&mut BytesMut::from(&answer[..])).unwrap().unwrap();
            assert_eq!((frame.code, frame.info.len()), (0, 16));
        }
    }

    #[test]
    fn without_mains_the_battery_feeds_and_says_so() {
        let ups = YdtDevice::of_model(YdtModel::LiebertGxe, 1);
        ups.with(|state| {
            state.control(&["mains", "off"]).unwrap();
            assert_eq!((state.states[SOURCE], state.states[BATTERY], state.alarms[MAINS]), (0xE2, 0xE3, 1));
            assert_eq!(state.values[INPUT_VOLTAGE..INPUT_VOLTAGE + 2], [0, 0]);
            state.control(&["ignore", "1"]).unwrap();
        });
        assert_eq!(said(&ups, b"~21012A500000FDA4\r"), None);
        assert!(said(&ups, b"~21012A500000FDA4\r").is_some());
    }
}
