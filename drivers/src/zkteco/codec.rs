//! Frames of the pull protocol. Pure.

use bytes::{Buf, BufMut, BytesMut};
use kouan_settings::{Bilingual, Translate};

/// Most bytes that the data of a frame may have; a controller sends far less.
pub const LONGEST: usize = 6 * 1024;

const START: u8 = 0xAA;
const END: u8 = 0x55;
const VERSION: u8 = 0x01;
/// Start, version, command, length.
const HEAD: usize = 5;
/// Checksum, end.
const TAIL: usize = 3;

/// Commands and answers.
pub mod command {
    /// Connect without a session.
    pub const CONNECT_PLAIN: u8 = 0x01;
    /// Do something.
    pub const CONTROL: u8 = 0x05;
    /// The live log in records of 16 bytes.
    pub const LIVE_LOG: u8 = 0x0B;
    /// Connect with a session.
    pub const CONNECT: u8 = 0x76;
    /// The live log as text.
    pub const LIVE_LOG_TEXT: u8 = 0x79;
    /// Done.
    pub const OK: u8 = 0xC8;
    /// Not done.
    pub const ERROR: u8 = 0xC9;
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Command or answer.
    pub command: u8,
    /// What belongs to it.
    pub data: Vec<u8>,
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// They begin like one, but the checksum is wrong.
    #[error("a frame has a wrong checksum")]
    BadChecksum,
    /// They do not end like one, or are too long.
    #[error("the bytes are no frame")]
    NotUnderstood,
}

impl Translate for FrameError {
    fn translate(&self) -> Bilingual {
        let chinese = match self {
            Self::BadChecksum => "帧的校验错误",
            Self::NotUnderstood => "这些字节不是一帧",
        };
        Bilingual::new(self.to_string(), chinese)
    }
}

impl Frame {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let length = self.data.len().min(LONGEST);
        let mut bytes = Vec::with_capacity(HEAD + length + TAIL);
        bytes.extend([START, VERSION, self.command]);
        bytes.put_u16_le(length as u16);
        bytes.extend(&self.data[..length]);
        let crc = crc16(&bytes[1..]);
        bytes.put_u16_le(crc);
        bytes.push(END);
        bytes
    }
}

/// Takes the next frame out of `buf`. `Ok(None)`: incomplete; what may still become one stays in `buf`.
///
/// # Errors
/// When bytes that begin like a frame are none; they were taken out, and the next call goes on behind them.
pub fn decode(buf: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let start = buf.iter().position(|byte| *byte == START).unwrap_or(buf.len());
    buf.advance(start);
    let [_, _, command, low, high, ..] = buf[..] else { return Ok(None) };
    let length = usize::from(u16::from_le_bytes([low, high]));
    if length > LONGEST {
        buf.advance(1);
        return Err(FrameError::NotUnderstood);
    }
    let whole = HEAD + length + TAIL;
    if buf.len() < whole {
        return Ok(None);
    }
    let crc = u16::from_le_bytes([buf[whole - 3], buf[whole - 2]]);
    let error = if buf[whole - 1] != END {
        FrameError::NotUnderstood
    } else if crc != crc16(&buf[1..whole - TAIL]) {
        FrameError::BadChecksum
    } else {
        let frame = buf.split_to(whole);
        return Ok(Some(Frame { command, data: frame[HEAD..HEAD + length].to_vec() }));
    };
    buf.advance(1);
    Err(error)
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let shift = |crc: u16, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
        (0..8).fold(crc ^ u16::from(*byte), shift)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(pieces: &[&[u8]]) -> (Vec<Frame>, Vec<FrameError>) {
        let (mut buf, mut frames, mut errors) = (BytesMut::new(), Vec::new(), Vec::new());
        for piece in pieces {
            buf.extend_from_slice(piece);
            loop {
                match decode(&mut buf) {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => errors.push(error),
                }
            }
        }
        (frames, errors)
    }

    #[test]
    fn damage_is_named_and_the_next_frame_is_found() {
        let good = Frame { command: command::OK, data: vec![1, 2] };
        let mut damaged = good.encode();
        damaged[5] ^= 4;
        let (frames, errors) = all(&[&damaged, &good.encode()]);
        assert_eq!((frames, errors[0]), (vec![good.clone()], FrameError::BadChecksum));
        let too_long = [0xAA, 0x01, 0xC8, 0xFF, 0xFF];
        assert_eq!(all(&[&too_long, &good.encode()]).0, [good]);
    }

    proptest! {
        #[test]
        fn what_is_made_is_read_in_any_pieces(command: u8, data in proptest::collection::vec(any::<u8>(), 0..300), at: usize) {
            let made = Frame { command, data };
            let bytes = made.encode();
            let at = at % bytes.len();
            prop_assert_eq!(all(&[&bytes[..at], &bytes[at..]]), (vec![made], vec![]));
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..8000)) {
            let mut buf = BytesMut::from(&bytes[..]);
            for _ in 0..=bytes.len() {
                if matches!(decode(&mut buf), Ok(None)) {
                    break;
                }
            }
            prop_assert!(buf.len() <= HEAD + LONGEST + TAIL);
        }
    }
}
