//! Packets of 64 bytes. Pure.

use jiff::civil::DateTime;
use kouan_settings::{Bilingual, Translate, both};

/// Length of every packet.
pub const LENGTH: usize = 64;

const START: u8 = 0x17;
/// How packets of some older controllers begin.
const OLD_START: u8 = 0x19;
/// Keeps a mistyped packet from changing where events are fetched from.
const MAGIC: u32 = 0x55AA_AA55;

/// What can be asked.
pub mod function {
    /// Doors, buttons, clock, the last event.
    pub const STATUS: u8 = 0x20;
    /// Open a door for its own time.
    pub const OPEN_DOOR: u8 = 0x40;
    /// How a door is controlled, and how long it stays open; sets it.
    pub const SET_DOOR: u8 = 0x80;
    /// How a door is controlled, and how long it stays open.
    pub const GET_DOOR: u8 = 0x82;
    /// An event by its number.
    pub const EVENT: u8 = 0xB0;
    /// Say up to which number events were fetched.
    pub const SET_INDEX: u8 = 0xB2;
    /// Up to which number events were fetched.
    pub const GET_INDEX: u8 = 0xB4;
}

/// A packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet(pub [u8; LENGTH]);

/// Bytes that are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// It must have 64.
    #[error("a packet has {0} bytes instead of 64")]
    Length(usize),
    /// The first byte is none of those that begin a packet.
    #[error("a packet begins with {0:02X}")]
    Start(u8),
}

impl Translate for PacketError {
    fn translate(&self) -> Bilingual {
        match self {
            Self::Length(length) => {
                both!("a packet has {length} bytes instead of 64", "报文有 {length} 个字节，应为 64 个")
            }
            Self::Start(start) => both!("a packet begins with {start:02X}", "报文以 {start:02X} 开头"),
        }
    }
}

impl Packet {
    /// A request with its data, which begins at byte 8; data that does not fit is cut.
    #[must_use]
    pub fn request(function: u8, controller: u32, data: &[u8]) -> Self {
        let mut bytes = [0; LENGTH];
        (bytes[0], bytes[1]) = (START, function);
        bytes[4..8].copy_from_slice(&controller.to_le_bytes());
        for (byte, data) in bytes[8..].iter_mut().zip(data) {
            *byte = *data;
        }
        Self(bytes)
    }

    /// The request that says up to which number events were fetched.
    #[must_use]
    pub fn set_index(controller: u32, index: u32) -> Self {
        let data = [index.to_le_bytes(), MAGIC.to_le_bytes()].concat();
        Self::request(function::SET_INDEX, controller, &data)
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// When it is no packet.
    pub fn decode(datagram: &[u8]) -> Result<Self, PacketError> {
        let bytes: [u8; LENGTH] = datagram.try_into().map_err(|_| PacketError::Length(datagram.len()))?;
        match bytes[0] {
            START | OLD_START => Ok(Self(bytes)),
            other => Err(PacketError::Start(other)),
        }
    }

    /// What was asked.
    #[must_use]
    pub fn function(&self) -> u8 {
        self.0[1]
    }

    /// Whose packet it is.
    #[must_use]
    pub fn controller(&self) -> u32 {
        self.number(4)
    }

    /// Four bytes at this place, low byte first; zero where the packet ends before.
    #[must_use]
    pub fn number(&self, at: usize) -> u32 {
        let bytes = self.0.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    }

    /// The controller's clock, in a status.
    #[must_use]
    pub fn clock(&self) -> Option<DateTime> {
        let date = [self.0[51], self.0[52], self.0[53]];
        let time = [self.0[37], self.0[38], self.0[39]];
        date_time(0x20, date, time)
    }

    /// The event in the answer to a question for one.
    #[must_use]
    pub fn event(&self) -> Event {
        let b = &self.0;
        Event {
            index: self.number(8),
            kind: b[12],
            granted: b[13] != 0,
            door: b[14],
            direction: b[15],
            card: self.number(16),
            time: date_time(b[20], [b[21], b[22], b[23]], [b[24], b[25], b[26]]),
            reason: b[27],
        }
    }
}

/// An event as the controller keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Its number.
    pub index: u32,
    /// 0 there is none, 1 a card, 2 a door, 3 an alarm, 255 overwritten.
    pub kind: u8,
    /// Whether somebody was let in.
    pub granted: bool,
    /// Which door.
    pub door: u8,
    /// 1 in, 2 out.
    pub direction: u8,
    /// Whose card.
    pub card: u32,
    /// When, by the controller's clock.
    pub time: Option<DateTime>,
    /// Why.
    pub reason: u8,
}

fn date_time(century: u8, date: [u8; 3], time: [u8; 3]) -> Option<DateTime> {
    let digits = |byte: u8| (byte >> 4 <= 9 && byte & 15 <= 9).then(|| (byte >> 4) * 10 + (byte & 15));
    let year = i16::from(digits(century)?) * 100 + i16::from(digits(date[0])?);
    let [month, day] = [date[1], date[2]].map(digits);
    let [hour, minute, second] = time.map(digits);
    let part = |digits: Option<u8>| i8::try_from(digits?).ok();
    DateTime::new(year, part(month)?, part(day)?, part(hour)?, part(minute)?, part(second)?, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_datagram_does_harm(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(packet) = Packet::decode(&bytes) {
                let _ = (packet.clock(), packet.event(), packet.controller());
            } else {
                prop_assert!(bytes.len() != LENGTH || ![START, OLD_START].contains(&bytes[0]));
            }
        }

        #[test]
        fn what_is_made_is_read(function: u8, controller: u32, data in proptest::collection::vec(any::<u8>(), 0..70)) {
            let made = Packet::request(function, controller, &data);
            let read = Packet::decode(&made.0).unwrap();
            prop_assert_eq!((read.function(), read.controller()), (function, controller));
            prop_assert_eq!(&read.0[8..8 + data.len().min(56)], &data[..data.len().min(56)]);
        }
    }
}
