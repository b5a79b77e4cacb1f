//! Packets of Lumen C-Power cards. Pure.
//!
//! Facts: the vendor's documents "Basic Protocol" and "External Calls". On a serial line
//! `A5 68 32 card command mark data sum[2] AE`, with A5, AE and AA escaped between the first and the last byte. On the
//! network the same without A5, AE and escapes, behind a head of eight bytes. An answer has E8 instead of 68, cards with
//! old programs 68; the mark is then how it went, for external calls.

use bytes::{Buf as _, BytesMut};
use kouan_settings::{Bilingual, Translate};

const START: u8 = 0xA5;
const END: u8 = 0xAE;
const ESCAPE: u8 = 0xAA;
const REQUEST: u8 = 0x68;
const CARD_TYPE: u8 = 0x32;
/// The lowest bit of the mark: an answer is wanted.
const ANSWER_WANTED: u8 = 0x01;
/// Longest packet between start and end, escapes undone.
const LONGEST: usize = 2048;
/// The identification that a card on the network takes from everybody.
pub const ANYBODY: u32 = 0xFFFF_FFFF;

/// What is asked of a card.
pub mod command {
    /// What the card is.
    pub const VERSION: u8 = 0x2E;
    /// Brightness by the hour.
    pub const BRIGHTNESS: u8 = 0x46;
    /// The clock.
    pub const CLOCK: u8 = 0x47;
    /// The screen, on or off.
    pub const SCREEN: u8 = 0x76;
    /// Showing something.
    pub const EXTERNAL_CALL: u8 = 0x7B;
}

/// A packet without its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Whether it comes from a card.
    pub is_answer: bool,
    /// The card's number.
    pub card: u8,
    /// What is asked.
    pub command: u8,
    /// In a request whether an answer is wanted, in the answer to an external call how it went: 0 for well.
    pub mark: u8,
    /// What it carries.
    pub data: Vec<u8>,
}

/// Why bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// They begin like a packet and are none.
    #[error("the bytes are no packet")]
    NotUnderstood,
    /// The sum is wrong.
    #[error("an answer has a wrong checksum")]
    BadChecksum,
}

impl Translate for FrameError {
    fn translate(&self) -> Bilingual {
        let chinese = match self {
            Self::NotUnderstood => "这些字节不是一个报文",
            Self::BadChecksum => "应答的校验错误",
        };
        Bilingual::new(self.to_string(), chinese)
    }
}

impl Packet {
    /// A request that wants an answer.
    #[must_use]
    pub fn request(card: u8, command: u8, data: Vec<u8>) -> Self {
        Self { is_answer: false, card, command, mark: ANSWER_WANTED, data }
    }

    /// From the type to the sum, as it is on both kinds of links.
    fn body(&self) -> Vec<u8> {
        let kind = if self.is_answer { REQUEST | 0x80 } else { REQUEST };
        let mut body = vec![kind, CARD_TYPE, self.card, self.command, self.mark];
        body.extend_from_slice(&self.data[..self.data.len().min(LONGEST - 16)]);
        body.extend(sum(&body).to_le_bytes());
        body
    }

    /// The packet on a serial line.
    #[must_use]
    pub fn on_serial(&self) -> Vec<u8> {
        let mut bytes = vec![START];
        for byte in self.body() {
            match byte {
                START | END | ESCAPE => bytes.extend([ESCAPE, byte & 0x0F]),
                other => bytes.push(other),
            }
        }
        bytes.push(END);
        bytes
    }

    /// The packet on the network.
    #[must_use]
    pub fn on_network(&self, identification: u32) -> Vec<u8> {
        let body = self.body();
        let mut bytes = identification.to_be_bytes().to_vec();
        bytes.extend((body.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(body);
        bytes
    }

    fn read(body: &[u8]) -> Result<Self, FrameError> {
        let Some(split) = body.len().checked_sub(2) else { return Err(FrameError::NotUnderstood) };
        let (body, check) = body.split_at(split);
        let [kind, CARD_TYPE, card, command, mark, data @ ..] = body else { return Err(FrameError::NotUnderstood) };
        if kind & 0x7F != REQUEST {
            return Err(FrameError::NotUnderstood);
        }
        if sum(body).to_le_bytes() != check {
            return Err(FrameError::BadChecksum);
        }
        let is_answer = kind & 0x80 != 0;
        Ok(Self { is_answer, card: *card, command: *command, mark: *mark, data: data.to_vec() })
    }
}

/// Static text in a window: left aligned, over the whole of it. `font` is the index of the size.
#[must_use]
pub fn static_text(window: u8, size: (u16, u16), font: u8, colour: [u8; 3], text: &[u8]) -> Vec<u8> {
    const SUB_CODE: u8 = 0x04;
    const SIMPLE_TEXT: u8 = 1;
    let mut call = vec![SUB_CODE, window, SIMPLE_TEXT, 0, 0, 0, 0, 0];
    call.extend(size.0.to_be_bytes());
    call.extend(size.1.to_be_bytes());
    call.push(font);
    call.extend(colour);
    call.extend_from_slice(text);
    call.push(0);
    // One packet: the last has the number 0.
    let mut data = (call.len() as u16).to_le_bytes().to_vec();
    data.extend([0, 0]);
    data.extend(call);
    data
}

/// Takes the next packet out of what came over a serial line. `Ok(None)`: incomplete.
///
/// # Errors
/// When bytes that look like a packet are none; the next call looks behind them.
pub fn decode_serial(buf: &mut BytesMut) -> Result<Option<Packet>, FrameError> {
    loop {
        let start = buf.iter().position(|byte| *byte == START).unwrap_or(buf.len());
        buf.advance(start);
        // A start within a packet begins another one; what was before it was cut off.
        match buf.iter().skip(1).position(|byte| matches!(*byte, START | END)).map(|at| at + 1) {
            Some(at) if buf[at] == START => buf.advance(at),
            Some(at) => {
                let read = unescape(&buf[1..at]).and_then(|body| Packet::read(&body));
                buf.advance(at + 1);
                return read.map(Some);
            }
            None if buf.len() > LONGEST * 2 => buf.advance(1),
            None => return Ok(None),
        }
    }
}

/// Takes the next packet out of what came over the network. `Ok(None)`: incomplete.
///
/// # Errors
/// When the bytes are no packet; the next call looks behind their first byte.
pub fn decode_network(buf: &mut BytesMut) -> Result<Option<Packet>, FrameError> {
    const HEAD: usize = 8;
    let [_, _, _, _, low, high, 0, 0, ..] = buf[..] else {
        if buf.len() < HEAD {
            return Ok(None);
        }
        buf.advance(1);
        return Err(FrameError::NotUnderstood);
    };
    let length = usize::from(u16::from_le_bytes([low, high]));
    if !(7..=LONGEST).contains(&length) {
        buf.advance(1);
        return Err(FrameError::NotUnderstood);
    }
    let Some(body) = buf.get(HEAD..HEAD + length) else { return Ok(None) };
    match Packet::read(body) {
        Ok(packet) => {
            buf.advance(HEAD + length);
            Ok(Some(packet))
        }
        Err(error) => {
            buf.advance(1);
            Err(error)
        }
    }
}

fn unescape(bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut body = Vec::with_capacity(bytes.len());
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        body.push(match *byte {
            ESCAPE => match bytes.next() {
                Some(code @ (0x05 | 0x0E | 0x0A)) => 0xA0 | code,
                _ => return Err(FrameError::NotUnderstood),
            },
            other => other,
        });
    }
    Ok(body)
}

fn sum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(u16::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    fn all(
        bytes: &[u8],
        decode: fn(&mut BytesMut) -> Result<Option<Packet>, FrameError>,
    ) -> (Vec<Packet>, Vec<FrameError>) {
        let (mut buf, mut packets, mut errors) = (BytesMut::from(bytes), Vec::new(), Vec::new());
        loop {
            match decode(&mut buf) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => return (packets, errors),
                Err(error) => errors.push(error),
            }
        }
    }

    #[test]
    fn published_packets_are_made_and_read() {
        let off = vec![0, 0, 0, 0, 0, 0, 0, 0, 0];
        let on = vec![0, 1, 0, 0, 0, 0, 0, 0, 0];
        for (packet, text) in [
            // The vendor's "Basic Protocol": ask for the screen, switch it off, switch it on
            (Packet::request(1, command::SCREEN, vec![1]), "A5 68 32 01 76 01 01 13 01 AE"),
            (Packet::request(1, command::SCREEN, off), "A5 68 32 01 76 01 00 00 00 00 00 00 00 00 00 12 01 AE"),
            (Packet::request(1, command::SCREEN, on), "A5 68 32 01 76 01 00 01 00 00 00 00 00 00 00 13 01 AE"),
            (Packet::request(1, command::VERSION, vec![0]), "A5 68 32 01 2E 01 00 CA 00 AE"),
            (Packet::request(1, command::CLOCK, vec![1]), "A5 68 32 01 47 01 01 E4 00 AE"),
            // Public code: restart the program
            (Packet::request(1, 0xFE, b"APP!".to_vec()), "A5 68 32 01 FE 01 41 50 50 21 9C 02 AE"),
        ] {
            assert_eq!(packet.on_serial(), hex(text));
            assert_eq!(all(&hex(text), decode_serial), (vec![packet], vec![]));
        }
    }

    #[test]
    fn text_is_laid_out_as_the_document_says() {
        let call = static_text(0, (64, 16), 2, [0xFF, 0, 0], b"A001 -> 3");
        let packet = Packet::request(1, command::EXTERNAL_CALL, call);
        let bytes = "A5 68 32 01 7B 01 1A 00 00 00 04 00 01 00 00 00 00 00 00 40 00 10 02 FF 00 00 41 30 30 31 20 2D 3E 20 \
                     33 00 37 04 AE";
        assert_eq!(packet.on_serial(), hex(bytes));
    }

    #[test]
    fn a_head_stands_before_a_packet_on_the_network() {
        let packet = Packet::request(1, command::SCREEN, vec![1]);
        let bytes = hex("FF FF FF FF 08 00 00 00 68 32 01 76 01 01 13 01");
        assert_eq!(packet.on_network(ANYBODY), bytes);
        assert_eq!(all(&bytes, decode_network), (vec![packet], vec![]));
    }

    #[test]
    fn damage_is_named_and_the_next_packet_is_found() {
        let good = hex("A5 68 32 01 76 01 01 13 01 AE");
        for (bad, error) in [
            (hex("A5 68 32 01 76 01 00 13 01 AE"), FrameError::BadChecksum),
            (hex("A5 68 33 01 76 01 01 14 01 AE"), FrameError::NotUnderstood),
            (hex("A5 68 32 01 AA 01 01 13 01 AE"), FrameError::NotUnderstood),
            (hex("A5 AE"), FrameError::NotUnderstood),
        ] {
            let (packets, errors) = all(&[&bad[..], &good].concat(), decode_serial);
            assert_eq!((packets.len(), errors), (1, vec![error]));
        }
        assert_eq!(all(&[&good[..6], &good].concat(), decode_serial).0.len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(is_answer: bool, card: u8, command: u8, mark: u8, data in proptest::collection::vec(any::<u8>(), 0..300), at: usize) {
            let made = Packet { is_answer, card, command, mark, data };
            for (bytes, decode) in [
                (made.on_serial(), decode_serial as fn(&mut BytesMut) -> _),
                (made.on_network(ANYBODY), decode_network),
            ] {
                let at = at % bytes.len();
                let mut buf = BytesMut::from(&bytes[..at]);
                prop_assert_eq!(decode(&mut buf), Ok(None));
                buf.extend_from_slice(&bytes[at..]);
                prop_assert_eq!(decode(&mut buf), Ok(Some(made.clone())));
            }
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..6000)) {
            for decode in [decode_serial as fn(&mut BytesMut) -> _, decode_network] {
                let mut buf = BytesMut::from(&bytes[..]);
                for _ in 0..bytes.len() + 1 {
                    if let Ok(None) = decode(&mut buf) {
                        break;
                    }
                }
                prop_assert!(buf.len() <= LONGEST * 2);
            }
        }
    }
}
