//! Frames of M100, QM100, JRD-4035 and E720 modules: `BB type command length[2] data sum 7E`. Pure.
//!
//! Facts: M5Stack unit_uhf_rfid, and public code of several users. The sum is the low byte of the sum from the type to
//! the last byte of data.

use bytes::{Buf as _, BytesMut};
use kouan_settings::{Bilingual, Translate};

use super::stock::Sighting;

const START: u8 = 0xBB;
const END: u8 = 0x7E;
/// Bytes besides the data.
const ENVELOPE: usize = 7;
/// Longest data that any answer has, generously.
const LONGEST: usize = 512;

const COMMAND: u8 = 0x00;
/// The answer to a command.
pub const ANSWER: u8 = 0x01;
/// Something that a command leads to: a tag.
pub const NOTICE: u8 = 0x02;

/// Asks for the version.
pub const VERSION: u8 = 0x03;
/// One inventory round.
pub const INVENTORY: u8 = 0x22;
/// A command failed; the data is why.
pub const FAILED: u8 = 0xFF;
/// Why an inventory failed that found nothing.
pub const NO_TAG: u8 = 0x15;

/// A frame without its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Command, answer or notice.
    pub kind: u8,
    /// Which command.
    pub command: u8,
    /// What it carries.
    pub data: Vec<u8>,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It begins like a frame and does not end like one.
    #[error("the bytes are no frame")]
    NotUnderstood,
    /// The sum is wrong.
    #[error("an answer has a wrong checksum")]
    BadChecksum,
}

impl Translate for FrameError {
    fn translate(&self) -> Bilingual {
        let chinese = match self {
            Self::NotUnderstood => "这些字节不是一帧",
            Self::BadChecksum => "应答的校验错误",
        };
        Bilingual::new(self.to_string(), chinese)
    }
}

impl Frame {
    /// A command.
    #[must_use]
    pub fn command(command: u8, data: &[u8]) -> Self {
        Self { kind: COMMAND, command, data: data.to_vec() }
    }

    /// The bytes of the frame. Data beyond what a frame holds is cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let data = &self.data[..self.data.len().min(LONGEST)];
        let [high, low] = (data.len() as u16).to_be_bytes();
        let mut frame = vec![START, self.kind, self.command, high, low];
        frame.extend_from_slice(data);
        frame.push(sum(&frame[1..]));
        frame.push(END);
        frame
    }

    /// The tag that the frame tells of: RSSI, PC, EPC, CRC.
    #[must_use]
    pub fn tag(&self) -> Option<Sighting> {
        if (self.kind, self.command) != (NOTICE, INVENTORY) {
            return None;
        }
        let [rssi, pc, _, rest @ ..] = self.data.as_slice() else { return None };
        // The top five bits of the PC are the length of the EPC in words.
        let length = usize::from(pc >> 3) * 2;
        let epc = rest.get(..rest.len().checked_sub(2)?).filter(|epc| !epc.is_empty() && epc.len() == length)?;
        let strength = Some(i16::from(i8::from_be_bytes([*rssi])));
        Some(Sighting { epc: epc.to_vec(), antenna: None, strength, is_dbm: true })
    }
}

/// Takes the next frame out of `buf`. `Ok(None)`: incomplete; what may still become one stays.
///
/// # Errors
/// When bytes that look like a frame are none; the next call looks behind their first byte.
pub fn decode(buf: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let start = buf.iter().position(|byte| *byte == START).unwrap_or(buf.len());
    buf.advance(start);
    let [_, kind, command, high, low, ..] = buf[..] else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if kind > NOTICE || length > LONGEST {
        buf.advance(1);
        return Err(FrameError::NotUnderstood);
    }
    let Some(frame) = buf.get(..ENVELOPE + length) else { return Ok(None) };
    let (body, check, end) = (&frame[1..5 + length], frame[5 + length], frame[6 + length]);
    let error = match () {
        () if end != END => FrameError::NotUnderstood,
        () if check != sum(body) => FrameError::BadChecksum,
        () => {
            let data = body[4..].to_vec();
            buf.advance(ENVELOPE + length);
            return Ok(Some(Frame { kind, command, data }));
        }
    };
    buf.advance(1);
    Err(error)
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> (Vec<Frame>, Vec<FrameError>) {
        let (mut buf, mut frames, mut errors) = (BytesMut::from(bytes), Vec::new(), Vec::new());
        loop {
            match decode(&mut buf) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, errors),
                Err(error) => errors.push(error),
            }
        }
    }

    /// docs.m5stack.com unit_uhf_rfid
    const TAG: [u8; 24] = [
        0xBB, 0x02, 0x22, 0x00, 0x11, 0xC9, 0x34, 0x00, 0x30, 0x75, 0x1F, 0xEB, 0x70, 0x5C, 0x59, 0x04, 0xE3, 0xD5,
        0x0D, 0x70, 0x3A, 0x76, 0xEF, 0x7E,
    ];
    const NOTHING: [u8; 8] = [0xBB, 0x01, 0xFF, 0x00, 0x01, 0x15, 0x16, 0x7E];

    #[test]
    fn published_frames_are_made_and_read() {
        assert_eq!(Frame::command(VERSION, &[0]).encode(), [0xBB, 0x00, 0x03, 0x00, 0x01, 0x00, 0x04, 0x7E]);
        assert_eq!(Frame::command(INVENTORY, &[]).encode(), [0xBB, 0x00, 0x22, 0x00, 0x00, 0x22, 0x7E]);
        let rounds = Frame::command(0x27, &[0x22, 0x27, 0x10]);
        assert_eq!(rounds.encode(), [0xBB, 0x00, 0x27, 0x00, 0x03, 0x22, 0x27, 0x10, 0x83, 0x7E]);
        let (frames, errors) = all(&[&TAG[..], &NOTHING].concat());
        assert!(errors.is_empty());
        let epc = vec![0x30, 0x75, 0x1F, 0xEB, 0x70, 0x5C, 0x59, 0x04, 0xE3, 0xD5, 0x0D, 0x70];
        let tag = Sighting { epc, antenna: None, strength: Some(-55), is_dbm: true };
        assert_eq!(frames[0].tag(), Some(tag));
        assert_eq!(frames[1], Frame { kind: ANSWER, command: FAILED, data: vec![NO_TAG] });
        assert_eq!((frames[0].encode(), frames[1].encode()), (TAG.to_vec(), NOTHING.to_vec()));
    }

    #[test]
    fn a_tag_whose_length_does_not_fit_is_none() {
        let (mut frames, _) = all(&TAG);
        let mut frame = frames.remove(0);
        frame.data.truncate(10);
        assert_eq!(frame.tag(), None);
        frame.data.truncate(2);
        assert_eq!(frame.tag(), None);
    }

    #[test]
    fn damage_is_named_and_the_next_frame_is_found() {
        let mut damaged = TAG;
        damaged[9] ^= 1;
        let (frames, errors) = all(&[&damaged[..], &NOTHING].concat());
        assert_eq!((frames.len(), errors.first()), (1, Some(&FrameError::BadChecksum)));
        let (frames, errors) = all(&[&TAG[..20], &NOTHING].concat());
        assert_eq!((frames.len(), errors.first()), (1, Some(&FrameError::NotUnderstood)));
        assert_eq!(all(&[&[0xBB, 0x01, 0xFF, 0xFF, 0xFF][..], &NOTHING].concat()).0.len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(kind in 0_u8..3, command: u8, data in proptest::collection::vec(any::<u8>(), 0..200), junk in proptest::collection::vec(0_u8..0xBB, 0..40), at: usize) {
            let made = Frame { kind, command, data };
            let mut bytes = junk;
            bytes.extend(made.encode());
            let at = at % bytes.len();
            let mut buf = BytesMut::from(&bytes[..at]);
            let mut found = decode(&mut buf).unwrap_or(None);
            buf.extend_from_slice(&bytes[at..]);
            if found.is_none() {
                found = decode(&mut buf).unwrap_or(None);
            }
            prop_assert_eq!(found, Some(made));
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let mut buf = BytesMut::from(&bytes[..]);
            for _ in 0..bytes.len() + 1 {
                if let Ok(None) = decode(&mut buf) {
                    break;
                }
            }
            prop_assert!(buf.len() <= ENVELOPE + LONGEST);
        }
    }
}
