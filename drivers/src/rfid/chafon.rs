//! Frames of Chafon UHFReader18 and UHFReader288M: `length address command (status) data crc[2]`. Pure.
//!
//! Facts: the tests of wabson/chafon-rfid. The length does not count itself; the CRC is the reflected 0x8408 from
//! 0xFFFF, low byte first. A frame has no mark at its beginning: what is no frame is skipped byte by byte.

use bytes::{Buf as _, BytesMut};
use kouan_settings::{Bilingual, Translate};

use super::stock::Sighting;

/// Any reader answers to this address.
pub const ANY: u8 = 0xFF;
/// One inventory round.
pub const INVENTORY: u8 = 0x01;
/// What the reader is.
pub const INFORMATION: u8 = 0x21;

/// How a command went.
pub mod status {
    /// It went well.
    pub const OK: u8 = 0x00;
    /// The round has ended.
    pub const FINISHED: u8 = 0x01;
    /// The round has ended because its time was over.
    pub const TIMED_OUT: u8 = 0x02;
    /// More frames of the same answer follow.
    pub const MORE: u8 = 0x03;
    /// The round has ended because the reader's memory is full.
    pub const MEMORY_FULL: u8 = 0x04;
    /// Something is wrong with an antenna.
    pub const ANTENNA: u8 = 0xF8;
    /// There is no tag.
    pub const NO_TAG: u8 = 0xFB;
}

/// What an answer to an inventory looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Count, then length and EPC of each.
    Reader18,
    /// Antenna, count, then length, EPC and RSSI of each.
    Reader288,
}

/// An answer without its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whose.
    pub address: u8,
    /// To what.
    pub command: u8,
    /// How it went.
    pub status: u8,
    /// What it carries.
    pub data: Vec<u8>,
}

/// Why bytes are no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no answer")]
pub struct NoAnswer;

impl Translate for NoAnswer {
    fn translate(&self) -> Bilingual {
        Bilingual::new(self.to_string(), "这些字节不是应答")
    }
}

/// A command as it is sent. Data beyond what a frame holds is cut.
#[must_use]
pub fn command(address: u8, command: u8, data: &[u8]) -> Vec<u8> {
    let data = &data[..data.len().min(usize::from(u8::MAX) - 4)];
    let mut frame = vec![data.len() as u8 + 4, address, command];
    frame.extend_from_slice(data);
    frame.extend(crc(&frame).to_le_bytes());
    frame
}

/// One inventory round of a UHFReader288M at one antenna, counted from 0: session 0 to 3, target B instead of A, for
/// at most `tenths` tenths of a second.
#[must_use]
pub fn inventory_288(address: u8, antenna: u8, session: u8, target_b: bool, tenths: u8) -> Vec<u8> {
    // Q, session, where the mask lies (EPC), no mask, target, antenna, time.
    command(address, INVENTORY, &[0x04, session, 0x01, 0, 0, 0, u8::from(target_b), 0x80 | antenna, tenths])
}

impl Answer {
    /// The answer as a reader sends it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let data = &self.data[..self.data.len().min(usize::from(u8::MAX) - 5)];
        let mut frame = vec![data.len() as u8 + 5, self.address, self.command, self.status];
        frame.extend_from_slice(data);
        frame.extend(crc(&frame).to_le_bytes());
        frame
    }

    /// The tags of an answer to an inventory. `None` if the data is not laid out so.
    #[must_use]
    pub fn tags(&self, layout: Layout) -> Option<Vec<Sighting>> {
        let (antenna, rest) = match (layout, self.data.as_slice()) {
            (_, []) => return Some(Vec::new()),
            (Layout::Reader18, rest) => (None, rest),
            (Layout::Reader288, [mask, rest @ ..]) => {
                let one = mask.count_ones() == 1;
                (one.then(|| mask.trailing_zeros() as u16 + 1), rest)
            }
        };
        let (count, mut rest) = rest.split_first()?;
        let mut tags = Vec::new();
        for _ in 0..*count {
            let [length, behind @ ..] = rest else { return None };
            let length = usize::from(*length);
            if length == 0 || behind.len() < length {
                return None;
            }
            let (epc, behind) = behind.split_at(length);
            let strength;
            (strength, rest) = match (layout, behind) {
                (Layout::Reader18, behind) => (None, behind),
                (Layout::Reader288, [rssi, behind @ ..]) => (Some(i16::from(*rssi)), behind),
                (Layout::Reader288, []) => return None,
            };
            tags.push(Sighting { epc: epc.to_vec(), antenna, strength, is_dbm: false });
        }
        rest.is_empty().then_some(tags)
    }
}

/// Takes the next answer out of `buf`. `Ok(None)`: incomplete; what may still become one stays.
///
/// # Errors
/// When bytes are no answer; the next call looks behind their first byte.
pub fn decode(buf: &mut BytesMut) -> Result<Option<Answer>, NoAnswer> {
    let Some(length) = buf.first().map(|length| usize::from(*length)) else { return Ok(None) };
    if length < 5 {
        buf.advance(1);
        return Err(NoAnswer);
    }
    let Some(frame) = buf.get(..=length) else { return Ok(None) };
    let (body, sum) = frame.split_at(length - 1);
    if crc(body).to_le_bytes() != sum {
        buf.advance(1);
        return Err(NoAnswer);
    }
    let answer = Answer { address: body[1], command: body[2], status: body[3], data: body[4..].to_vec() };
    buf.advance(length + 1);
    Ok(Some(answer))
}

pub(super) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        let shift = |crc: u16, _| if crc & 1 == 1 { (crc >> 1) ^ 0x8408 } else { crc >> 1 };
        (0..8).fold(crc ^ u16::from(*byte), shift)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn all(bytes: &[u8]) -> (Vec<Answer>, usize) {
        let (mut buf, mut answers, mut errors) = (BytesMut::from(bytes), Vec::new(), 0);
        loop {
            match decode(&mut buf) {
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) => return (answers, errors),
                Err(NoAnswer) => errors += 1,
            }
        }
    }

    fn tag(epc: &str, antenna: Option<u16>, strength: Option<i16>) -> Sighting {
        Sighting { epc: hex(epc), antenna, strength, is_dbm: false }
    }

    #[test]
    fn published_commands_are_made() {
        assert_eq!(command(0, INFORMATION, &[]), hex("040021d96a"));
        assert_eq!(command(0, INVENTORY, &[]), hex("040001db4b"));
        // wabson/chafon-rfid test_inventory_command: Q 2, session 1, target B, antenna 1, 0.3 s
        let sent = inventory_288(ANY, 0, 1, true, 3);
        assert_eq!(sent[4..sent.len() - 2], hex("0101000000018003"));
        assert_eq!((sent[0], sent[3]), (13, 0x04));
    }

    #[test]
    fn published_answers_are_read() {
        // wabson/chafon-rfid tests/test_uhfreader18.py and test_uhfreader288.py
        let read = |text: &str, layout| {
            let (mut answers, errors) = all(&hex(text));
            assert_eq!((answers.len(), errors), (1, 0), "{text}");
            let answer = answers.remove(0);
            assert_eq!(answer.encode(), hex(text));
            (answer.status, answer.tags(layout).unwrap())
        };
        let (first, second) = ("000000000000000000000313", "000000000000000000000314");
        let one = read("13000103010c0000000000000000000003133f39", Layout::Reader18);
        assert_eq!(one, (status::MORE, vec![tag(first, None, None)]));
        let two = read("20000103020c0000000000000000000003130c0000000000000000000003149ac9", Layout::Reader18);
        assert_eq!(two.1, [tag(first, None, None), tag(second, None, None)]);
        let one = read("1500010301010c0000000000000000000003136bb1a5", Layout::Reader288);
        assert_eq!(one.1, [tag(first, Some(1), Some(0x6B))]);
        let third = read("1500010304010c49440000000000000a0003346425c0", Layout::Reader288);
        assert_eq!(third.1, [tag("49440000000000000a000334", Some(3), Some(0x64))]);
        let short = read("0d000103010104003230386da3d2", Layout::Reader288);
        assert_eq!(short.1, [tag("00323038", Some(1), Some(0x6D))]);
        let two = read("2300010301020c0000000000000000000003136b0c0000000000000000000003146c70f2", Layout::Reader288);
        assert_eq!(two.1, [tag(first, Some(1), Some(0x6B)), tag(second, Some(1), Some(0x6C))]);
        assert_eq!(read("0700010101001e4b", Layout::Reader288), (status::FINISHED, vec![]));
    }

    #[test]
    fn data_of_another_layout_is_none() {
        let (answers, _) = all(&hex("13000103010c0000000000000000000003133f39"));
        assert_eq!(answers[0].tags(Layout::Reader288), None);
        let (answers, _) = all(&hex("1500010301010c0000000000000000000003136bb1a5"));
        assert_eq!(answers[0].tags(Layout::Reader18), None);
    }

    #[test]
    fn an_answer_is_found_behind_junk() {
        let good = hex("0700010101001e4b");
        let (answers, errors) = all(&[&[0x01, 0x02][..], &good].concat());
        assert_eq!((answers.len(), errors), (1, 2));
        let mut damaged = good.clone();
        damaged[3] ^= 0x40;
        // Without a mark at its beginning a frame is found only once a length that is none has been looked behind.
        let (answers, errors) = all(&[damaged, good.repeat(12)].concat());
        assert!(answers.len() == 12 && errors > 0, "{} {errors}", answers.len());
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(address: u8, command: u8, status: u8, data in proptest::collection::vec(any::<u8>(), 0..250), at: usize) {
            let made = Answer { address, command, status, data };
            let bytes = made.encode();
            let at = at % bytes.len();
            let mut buf = BytesMut::from(&bytes[..at]);
            prop_assert_eq!(decode(&mut buf), Ok(None));
            buf.extend_from_slice(&bytes[at..]);
            prop_assert_eq!(decode(&mut buf), Ok(Some(made.clone())));
            for layout in [Layout::Reader18, Layout::Reader288] {
                let _ = made.tags(layout);
            }
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let mut buf = BytesMut::from(&bytes[..]);
            for _ in 0..bytes.len() + 1 {
                if let Ok(None) = decode(&mut buf) {
                    break;
                }
            }
            prop_assert!(buf.len() <= 256);
        }
    }
}
