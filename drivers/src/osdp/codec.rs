//! Packets: finding them in a stream, making them. Pure.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kouan_settings::{Bilingual, Translate};

/// Longest packet of the standard.
pub const LONGEST: usize = 1440;
/// The address that every device hears.
pub const BROADCAST: u8 = 0x7F;

const START: u8 = 0x53;
const MARK: u8 = 0xFF;
const REPLY: u8 = 0x80;
const HAS_CRC: u8 = 0x04;
const HAS_BLOCK: u8 = 0x08;
const MAC_LENGTH: usize = 4;

/// Commands.
pub mod command {
    /// Is there anything?
    pub const POLL: u8 = 0x60;
    /// Who are you?
    pub const ID: u8 = 0x61;
    /// What can you do?
    pub const CAPABILITIES: u8 = 0x62;
    /// Tamper and power.
    pub const LOCAL_STATUS: u8 = 0x64;
    /// Inputs.
    pub const INPUT_STATUS: u8 = 0x65;
    /// Outputs.
    pub const OUTPUT_STATUS: u8 = 0x66;
    /// Reader tamper.
    pub const READER_STATUS: u8 = 0x67;
    /// Switch outputs.
    pub const OUTPUT: u8 = 0x68;
    /// Switch lights.
    pub const LED: u8 = 0x69;
    /// Sound.
    pub const BUZZER: u8 = 0x6A;
    /// Begin a secure channel.
    pub const CHALLENGE: u8 = 0x76;
    /// Prove the key.
    pub const SERVER_CRYPTOGRAM: u8 = 0x77;
}

/// Replies.
pub mod reply {
    /// Fine, nothing to say.
    pub const ACK: u8 = 0x40;
    /// Refused, with a reason.
    pub const NAK: u8 = 0x41;
    /// Who it is.
    pub const ID: u8 = 0x45;
    /// What it can do.
    pub const CAPABILITIES: u8 = 0x46;
    /// Tamper and power.
    pub const LOCAL_STATUS: u8 = 0x48;
    /// Inputs.
    pub const INPUT_STATUS: u8 = 0x49;
    /// Outputs.
    pub const OUTPUT_STATUS: u8 = 0x4A;
    /// Reader tamper.
    pub const READER_STATUS: u8 = 0x4B;
    /// Bits of a card.
    pub const RAW: u8 = 0x50;
    /// Characters of a card.
    pub const FORMATTED: u8 = 0x51;
    /// Keys that were pressed.
    pub const KEYPAD: u8 = 0x53;
    /// The device proves its key.
    pub const CLIENT_CRYPTOGRAM: u8 = 0x76;
    /// The secure channel begins.
    pub const INITIAL_MAC: u8 = 0x78;
    /// Not now.
    pub const BUSY: u8 = 0x79;
}

/// How a packet ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Check {
    /// CRC-16, polynomial 0x1021, beginning with 0x1D0F; low byte first.
    #[default]
    Crc,
    /// One byte that makes the sum zero.
    Sum,
}

/// The part of a packet that belongs to a secure channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityBlock {
    /// 0x11 to 0x14 while the channel is made; 0x15 and 0x16 with a message code; 0x17 and 0x18 encrypted too.
    pub kind: u8,
    /// Its data.
    pub data: Vec<u8>,
}

impl SecurityBlock {
    fn has_mac(&self) -> bool {
        (0x15..=0x18).contains(&self.kind)
    }
}

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Whose, 0 to 127.
    pub address: u8,
    /// Whether the device says it.
    pub reply: bool,
    /// 0 at the beginning, then 1, 2, 3, 1, …
    pub sequence: u8,
    /// How it ends.
    pub check: Check,
    /// Its part of a secure channel.
    pub block: Option<SecurityBlock>,
    /// Command or reply.
    pub code: u8,
    /// What follows the code, encrypted where the block says so.
    pub data: Vec<u8>,
    /// The message code and what it was made of.
    pub mac: Option<([u8; MAC_LENGTH], Bytes)>,
}

/// Bytes that are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// They begin like one, but the checksum is wrong.
    #[error("a packet has a wrong checksum")]
    BadChecksum,
    /// Lengths inside it do not fit together.
    #[error("a packet makes no sense")]
    NotUnderstood,
}

impl Translate for PacketError {
    fn translate(&self) -> Bilingual {
        let chinese = match self {
            Self::BadChecksum => "报文的校验错误",
            Self::NotUnderstood => "报文内容不成立",
        };
        Bilingual::new(self.to_string(), chinese)
    }
}

impl Packet {
    /// The bytes, without the mark before them. `sign` makes the message code of a packet whose block asks for one.
    ///
    /// # Panics
    /// Never: a packet longer than the standard allows has wrong length bytes and is not understood by anybody.
    #[must_use]
    pub fn encode(&self, sign: impl FnOnce(&[u8]) -> [u8; MAC_LENGTH]) -> Vec<u8> {
        let mac = self.block.as_ref().is_some_and(SecurityBlock::has_mac);
        let block = self.block.as_ref().map_or(0, |block| 2 + block.data.len());
        let check = if self.check == Check::Crc { 2 } else { 1 };
        let length = 6 + block + self.data.len() + if mac { MAC_LENGTH } else { 0 } + check;
        let mut bytes = Vec::with_capacity(length);
        bytes.push(START);
        bytes.push(self.address | if self.reply { REPLY } else { 0 });
        bytes.put_u16_le(length as u16);
        let crc = if self.check == Check::Crc { HAS_CRC } else { 0 };
        bytes.push(self.sequence & 3 | crc | if self.block.is_some() { HAS_BLOCK } else { 0 });
        if let Some(block) = &self.block {
            bytes.extend([block.data.len() as u8 + 2, block.kind]);
            bytes.extend(&block.data);
        }
        bytes.push(self.code);
        bytes.extend(&self.data);
        if mac {
            let mac = sign(&bytes);
            bytes.extend(mac);
        }
        match self.check {
            Check::Crc => bytes.put_u16_le(crc16(&bytes)),
            Check::Sum => bytes.push(sum(&bytes)),
        }
        bytes
    }

    /// The bytes of a packet outside a secure channel.
    #[must_use]
    pub fn encode_plain(&self) -> Vec<u8> {
        self.encode(|_| [0; MAC_LENGTH])
    }
}

/// Takes the next packet out of `buf`. `Ok(None)`: incomplete; what may still become one stays in `buf`.
///
/// # Errors
/// When bytes that begin like a packet are none; they were taken out, and the next call goes on behind them.
pub fn decode(buf: &mut BytesMut) -> Result<Option<Packet>, PacketError> {
    let start = buf.iter().position(|byte| *byte == START).unwrap_or(buf.len());
    buf.advance(start);
    let Some(length) = length_of(buf) else {
        if buf.len() >= 5 {
            buf.advance(1);
            return Err(PacketError::NotUnderstood);
        }
        return Ok(None);
    };
    if buf.len() < length {
        // Noise that looks like the beginning of a long packet must not swallow the answer behind it.
        if let Some(at) = (1..buf.len()).find(|at| is_whole(&buf[*at..])) {
            buf.advance(at);
            return Err(PacketError::NotUnderstood);
        }
        return Ok(None);
    }
    let check = if buf[4] & HAS_CRC != 0 { Check::Crc } else { Check::Sum };
    if !holds(&buf[..length], check) {
        buf.advance(1);
        return Err(PacketError::BadChecksum);
    }
    let bytes = buf.split_to(length).freeze();
    parse(&bytes, check).ok_or(PacketError::NotUnderstood).map(Some)
}

/// The length that a packet beginning here says it has, if it is a possible one.
fn length_of(bytes: &[u8]) -> Option<usize> {
    let [START, _, low, high, control, ..] = bytes else { return None };
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    let least = if control & HAS_CRC != 0 { 8 } else { 7 };
    (least..=LONGEST).contains(&length).then_some(length)
}

/// Whether a whole packet with a CRC begins here. A one-byte sum is right too often to be believed in the middle.
fn is_whole(bytes: &[u8]) -> bool {
    length_of(bytes)
        .is_some_and(|length| bytes.len() >= length && bytes[4] & HAS_CRC != 0 && holds(&bytes[..length], Check::Crc))
}

fn holds(packet: &[u8], check: Check) -> bool {
    match check {
        Check::Crc => {
            let (body, crc) = packet.split_at(packet.len() - 2);
            crc16(body).to_le_bytes() == crc
        }
        Check::Sum => packet.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0,
    }
}

fn parse(bytes: &Bytes, check: Check) -> Option<Packet> {
    let end = bytes.len() - if check == Check::Crc { 2 } else { 1 };
    let (address, control) = (bytes[1], bytes[4]);
    let mut at = 5;
    let mut block = None;
    if control & HAS_BLOCK != 0 {
        let length = usize::from(*bytes.get(at)?);
        if length < 2 || at + length > end {
            return None;
        }
        block = Some(SecurityBlock { kind: bytes[at + 1], data: bytes[at + 2..at + length].to_vec() });
        at += length;
    }
    let mut mac = None;
    let mut data_end = end;
    if block.as_ref().is_some_and(SecurityBlock::has_mac) {
        data_end = end.checked_sub(MAC_LENGTH).filter(|data_end| *data_end > at)?;
        let code: [u8; MAC_LENGTH] = bytes[data_end..end].try_into().ok()?;
        mac = Some((code, bytes.slice(..data_end)));
    }
    let body = bytes.get(at..data_end)?;
    let (code, data) = body.split_first()?;
    Some(Packet {
        address: address & !REPLY,
        reply: address & REPLY != 0,
        sequence: control & 3,
        check,
        block,
        code: *code,
        data: data.to_vec(),
        mac,
    })
}

/// Puts the mark before a packet, so that a receiver finds its start bit.
#[must_use]
pub fn marked(packet: &[u8]) -> Vec<u8> {
    [&[MARK], packet].concat()
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg()
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0x1D0F, |crc, byte| {
        let shift = |crc: u16, _| if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
        (0..8).fold(crc ^ u16::from(*byte) << 8, shift)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(address: u8, sequence: u8, code: u8, data: &[u8]) -> Packet {
        let check = Check::Crc;
        Packet { address, reply: false, sequence, check, block: None, code, data: data.to_vec(), mac: None }
    }

    fn all(bytes: &[u8]) -> (Vec<Packet>, Vec<PacketError>) {
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
    fn damage_is_named_and_the_next_packet_is_found() {
        let good = packet(1, 1, command::POLL, &[]).encode_plain();
        let mut bad = good.clone();
        bad[5] ^= 1;
        assert_eq!(all(&[bad, good.clone()].concat()).1[0], PacketError::BadChecksum);
        assert_eq!(all(&[vec![0x53, 0x01, 0x02, 0x00, 0x04], good.clone()].concat()).0.len(), 1);
        // Noise that claims to be long: what follows it is found without waiting for the rest.
        let noise = [0x53, 0x01, 0x00, 0x04, 0x04];
        let (packets, errors) = all(&[&noise[..], &good].concat());
        assert_eq!((packets.len(), errors), (1, vec![PacketError::NotUnderstood]));
        // A block longer than the packet.
        let mut packet = packet(1, 1, 0x60, &[]);
        packet.block = Some(SecurityBlock { kind: 0x11, data: vec![0] });
        let mut bytes = packet.encode_plain();
        bytes[5] = 9;
        let end = bytes.len() - 2;
        let crc = crc16(&bytes[..end]).to_le_bytes();
        bytes[end..].copy_from_slice(&crc);
        assert_eq!(all(&bytes).1, [PacketError::NotUnderstood]);
    }

    fn packets() -> impl Strategy<Value = Packet> {
        let block = proptest::option::of((0x11_u8..=0x18, proptest::collection::vec(any::<u8>(), 0..4)));
        let data = proptest::collection::vec(any::<u8>(), 0..200);
        (0_u8..128, any::<bool>(), 0_u8..4, any::<bool>(), block, any::<u8>(), data).prop_map(
            |(address, reply, sequence, crc, block, code, data)| Packet {
                address,
                reply,
                sequence,
                check: if crc { Check::Crc } else { Check::Sum },
                block: block.map(|(kind, data)| SecurityBlock { kind, data }),
                code,
                data,
                mac: None,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(made in packets()) {
            let bytes = made.encode(|signed| [1, 2, 3, signed.len() as u8]);
            let (mut found, errors) = all(&marked(&bytes));
            prop_assert_eq!((found.len(), errors.len()), (1, 0));
            let found = found.remove(0);
            let signed = found.mac.as_ref().map(|(_, signed)| signed.len());
            prop_assert_eq!(signed, made.block.as_ref().filter(|block| block.has_mac()).map(|_| {
                bytes.len() - 4 - if made.check == Check::Crc { 2 } else { 1 }
            }));
            prop_assert_eq!(Packet { mac: None, ..found }, made);
        }

        #[test]
        fn a_packet_is_found_after_junk_in_any_pieces(made in packets(), junk in proptest::collection::vec(any::<u8>(), 0..40), at: usize) {
            let made = Packet { check: Check::Crc, ..made };
            let mut bytes = junk;
            bytes.extend(made.encode_plain());
            let at = at % bytes.len();
            let (mut buf, mut found) = (BytesMut::new(), Vec::new());
            for piece in [&bytes[..at], &bytes[at..]] {
                buf.extend_from_slice(piece);
                loop {
                    match decode(&mut buf) {
                        Ok(Some(packet)) => found.push(Packet { mac: None, ..packet }),
                        Ok(None) => break,
                        Err(_) => {}
                    }
                }
            }
            // Junk with a one-byte sum may by chance be a packet that takes bytes of this one.
            prop_assert!(found.contains(&made) || found.iter().any(|packet| packet.check == Check::Sum));
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
            let mut buf = BytesMut::from(&bytes[..]);
            for _ in 0..=bytes.len() {
                if matches!(decode(&mut buf), Ok(None)) {
                    break;
                }
            }
            prop_assert!(buf.len() <= LONGEST);
        }
    }
}
