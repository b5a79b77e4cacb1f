//! Frames of YD/T 1363.3 in bytes. Pure.
//!
//! `~` VER ADR CID1 CID2 LENGTH INFO CHKSUM CR, every byte as two hexadecimal digits. Facts: the standard's frame as
//! `ydn23.h` of networkupstools/nut and `fuhoo/ydn23` use it.

use std::fmt;

use bytes::{Buf as _, BytesMut};
use kouan_settings::{Bilingual, Translate};

const START: u8 = b'~';
const END: u8 = b'\r';
/// Characters besides INFO: start, version, address, CID1, CID2, length, checksum, end.
const ENVELOPE: usize = 18;
/// Longest INFO: the length has twelve bits.
pub const LONGEST_INFO: usize = 4095 / 2;
/// Longest frame.
pub const LONGEST: usize = ENVELOPE + 4095;

/// A frame without its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Version of the protocol: 0x20, 0x21.
    pub version: u8,
    /// The device's address.
    pub address: u8,
    /// What kind of equipment it is.
    pub cid1: u8,
    /// In a request what is asked (CID2), in an answer how it went (RTN).
    pub code: u8,
    /// The INFO, decoded.
    pub info: Vec<u8>,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// There is something else than hexadecimal digits, or too few of them.
    #[error("the bytes are no frame")]
    NotUnderstood,
    /// The length's own checksum is wrong, or the INFO has another length.
    #[error("the length does not fit")]
    WrongLength,
    /// The checksum is wrong.
    #[error("an answer has a wrong checksum")]
    BadChecksum,
}

/// How a request went: the RTN of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtn(pub u8);

impl Rtn {
    /// It went well.
    pub const OK: Self = Self(0);
}

impl fmt::Display for Rtn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            0x00 => "ok",
            0x01 => "another version",
            0x02 => "wrong checksum",
            0x03 => "wrong checksum of the length",
            0x04 => "CID2 not known",
            0x05 => "wrong format",
            0x06 => "wrong data",
            0xE0 => "no right to do this",
            0xE1 => "it failed",
            0xE2 => "device fault",
            0xE3 => "write-protected",
            _ => "the maker's own",
        };
        write!(f, "RTN {:02X} ({words})", self.0)
    }
}

impl Translate for Rtn {
    fn translate(&self) -> Bilingual {
        let words = match self.0 {
            0x00 => "正常",
            0x01 => "版本不符",
            0x02 => "校验错误",
            0x03 => "长度校验错误",
            0x04 => "不认识的 CID2",
            0x05 => "命令格式错误",
            0x06 => "数据无效",
            0xE0 => "没有权限",
            0xE1 => "操作失败",
            0xE2 => "设备故障",
            0xE3 => "写保护",
            _ => "厂家自定义",
        };
        Bilingual::new(self.to_string(), format!("RTN {:02X}（{words}）", self.0))
    }
}

impl Translate for FrameError {
    fn translate(&self) -> Bilingual {
        let chinese = match self {
            Self::NotUnderstood => "这些字节不是一帧",
            Self::WrongLength => "长度不符",
            Self::BadChecksum => "应答的校验错误",
        };
        Bilingual::new(self.to_string(), chinese)
    }
}

/// The length with its own checksum in the top nibble.
#[must_use]
pub fn length_field(characters: u16) -> u16 {
    let sum = (characters >> 8 & 0xF) + (characters >> 4 & 0xF) + (characters & 0xF);
    (sum.wrapping_neg() & 0xF) << 12 | characters & 0x0FFF
}

fn checksum(characters: &[u8]) -> u16 {
    characters.iter().fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte))).wrapping_neg()
}

impl Frame {
    /// The frame as it is sent. An INFO beyond [`LONGEST_INFO`] is cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let info = &self.info[..self.info.len().min(LONGEST_INFO)];
        let length = length_field((info.len() * 2) as u16);
        let head = [self.version, self.address, self.cid1, self.code];
        let mut frame = vec![START];
        push_hex(&mut frame, &head);
        push_hex(&mut frame, &length.to_be_bytes());
        push_hex(&mut frame, info);
        let sum = checksum(&frame[1..]);
        push_hex(&mut frame, &sum.to_be_bytes());
        frame.push(END);
        frame
    }

    /// Reads what stands between start and end.
    fn read(characters: &[u8]) -> Result<Self, FrameError> {
        let Some(split) = characters.len().checked_sub(4) else { return Err(FrameError::NotUnderstood) };
        let (body, sum) = characters.split_at(split);
        let (bytes, sum) = (hex(body)?, hex(sum)?);
        let [version, address, cid1, code, high, low, info @ ..] = bytes.as_slice() else {
            return Err(FrameError::NotUnderstood);
        };
        if sum != checksum(body).to_be_bytes() {
            return Err(FrameError::BadChecksum);
        }
        if u16::from_be_bytes([*high, *low]) != length_field((info.len() * 2) as u16) {
            return Err(FrameError::WrongLength);
        }
        Ok(Self { version: *version, address: *address, cid1: *cid1, code: *code, info: info.to_vec() })
    }
}

/// Takes the next frame out of `buf`. `Ok(None)`: incomplete; what may still become one stays.
///
/// # Errors
/// When bytes that look like a frame are none; they are gone from `buf`, and the next call goes on behind them.
pub fn decode(buf: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    loop {
        let Some(start) = buf.iter().position(|byte| *byte == START) else {
            buf.clear();
            return Ok(None);
        };
        buf.advance(start);
        // A start within a frame is the beginning of another one; what was before it was cut off.
        match buf.iter().skip(1).position(|byte| matches!(*byte, START | END)).map(|at| at + 1) {
            Some(at) if buf[at] == START => buf.advance(at),
            Some(at) => {
                let read = Frame::read(&buf[1..at]);
                buf.advance(at + 1);
                return read.map(Some);
            }
            None if buf.len() > LONGEST => buf.advance(1),
            None => return Ok(None),
        }
    }
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 0xF)]);
    }
}

fn hex(characters: &[u8]) -> Result<Vec<u8>, FrameError> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or(FrameError::NotUnderstood);
    if !characters.len().is_multiple_of(2) {
        return Err(FrameError::NotUnderstood);
    }
    characters.chunks_exact(2).map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(version: u8, address: u8, cid1: u8, code: u8, info: &[u8]) -> Frame {
        Frame { version, address, cid1, code, info: info.to_vec() }
    }

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

    #[test]
    fn published_frames_are_made_and_read() {
        for (frame, text) in [
            // networkupstools/nut drivers/liebert-gxe.c: address query and its answer, battery test
            (frame(0x21, 0x01, 0x2A, 0x50, &[]), "~21012A500000FDA4\r"),
            (frame(0x21, 0x01, 0x2A, 0x00, &[]), "~21012A000000FDA9\r"),
            (frame(0x21, 0x01, 0x2A, 0x45, &[0x10, 0x02]), "~21012A45C0041002FCC6\r"),
            // fuhoo/ydn23: an air conditioner's analogue values and alarms
            (frame(0x20, 0x01, 0x60, 0x42, &[]), "~200160420000FDB1\r"),
            (frame(0x20, 0x01, 0x60, 0x44, &[]), "~200160440000FDAF\r"),
        ] {
            assert_eq!(String::from_utf8(frame.encode()).unwrap(), text);
            assert_eq!(all(text.as_bytes()), (vec![frame], vec![]));
        }
    }

    #[test]
    fn damage_is_named_and_the_next_frame_is_found() {
        let good = "~21012A000000FDA9\r";
        for (bad, error) in [
            ("~21012A000000FDA8\r", FrameError::BadChecksum),
            ("~21012A00G000FDA9\r", FrameError::NotUnderstood),
            ("~21\r", FrameError::NotUnderstood),
            // The sums are right, the length is not.
            ("~21012A00E002FD92\r", FrameError::WrongLength),
        ] {
            let (frames, errors) = all(format!("{bad}{good}").as_bytes());
            assert_eq!((frames.len(), errors), (1, vec![error]), "{bad}");
        }
        // Cut off in the middle: the new start counts.
        assert_eq!(all(format!("xx~21012A{good}").as_bytes()).0.len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(head: [u8; 4], info in proptest::collection::vec(any::<u8>(), 0..300), junk: Vec<u8>, at: usize) {
            let [version, address, cid1, code] = head;
            let made = frame(version, address, cid1, code, &info);
            let mut bytes = junk;
            bytes.extend(made.encode());
            let at = at % bytes.len();
            let mut buf = BytesMut::from(&bytes[..at]);
            let mut frames = Vec::new();
            for more in [&[][..], &bytes[at..]] {
                buf.extend_from_slice(more);
                loop {
                    match decode(&mut buf) {
                        Ok(Some(frame)) => frames.push(frame),
                        Ok(None) => break,
                        Err(_) => {}
                    }
                }
            }
            prop_assert_eq!(frames.last(), Some(&made));
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..6000)) {
            let mut buf = BytesMut::from(&bytes[..]);
            for _ in 0..bytes.len() + 1 {
                if matches!(decode(&mut buf), Ok(None)) {
                    break;
                }
            }
            prop_assert!(buf.len() <= LONGEST);
        }
    }
}
