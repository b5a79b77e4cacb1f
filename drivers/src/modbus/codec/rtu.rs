//! Frames on a serial line, or on TCP through a transparent serial server: unit, data, checksum.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::crc::{crc16, is_sealed};
use super::error::FrameError;
use super::pdu::{Answer, Request};

/// Longest frame.
pub const LONGEST: usize = 256;

/// A request as it is sent.
#[must_use]
pub fn encode(unit: u8, request: &Request) -> Bytes {
    let mut frame = BytesMut::with_capacity(16);
    frame.put_u8(unit);
    request.encode(&mut frame);
    seal(frame)
}

/// Appends the checksum.
#[must_use]
pub fn seal(mut frame: BytesMut) -> Bytes {
    let crc = crc16(&frame);
    frame.put_u16_le(crc);
    frame.freeze()
}

/// Looks for the answer of `unit` to `request`. `Ok(None)`: not there yet; the bytes stay in `buf`.
///
/// A frame is recognised by unit, function, length and checksum, wherever it begins, so junk before it does no harm.
///
/// # Errors
/// When the buffer holds exactly what the answer should be, with a wrong checksum or content.
pub fn decode(buf: &mut BytesMut, unit: u8, request: &Request) -> Result<Option<Answer>, FrameError> {
    if buf.len() > 4 * LONGEST {
        buf.advance(buf.len() - 2 * LONGEST);
    }
    for start in 0..buf.len() {
        let Some(length) = expected_length(&buf[start..], unit, request) else { continue };
        let Some(frame) = buf.get(start..start + length) else { continue };
        if is_sealed(frame) {
            let answer = request.read_answer(&frame[1..length - 2]);
            buf.advance(start + length);
            return answer.map(Some);
        }
    }
    match expected_length(buf, unit, request) {
        Some(length) if buf.len() == length => Err(FrameError::BadChecksum),
        _ => Ok(None),
    }
}

/// How long the frame that begins here is, if it begins like the answer.
fn expected_length(bytes: &[u8], unit: u8, request: &Request) -> Option<usize> {
    let (got_unit, code) = (*bytes.first()?, *bytes.get(1)?);
    if got_unit != unit {
        None
    } else if code == request.code() {
        Some(request.answer_length() + 3)
    } else if code == request.code() | 0x80 {
        Some(5)
    } else {
        None
    }
}

/// Says what came instead of an answer, once the wait for it is over.
#[must_use]
pub fn diagnose(bytes: &[u8], unit: u8, request: &Request) -> Option<FrameError> {
    if bytes.is_empty() {
        return None;
    }
    let whole = (4..=bytes.len().min(LONGEST)).find(|length| is_sealed(&bytes[..*length]));
    Some(match whole {
        Some(_) if bytes[0] != unit => FrameError::WrongUnit { expected: unit, got: bytes[0] },
        Some(_) if bytes[1] & 0x7F != request.code() => {
            FrameError::WrongFunction { expected: request.code(), got: bytes[1] & 0x7F }
        }
        Some(_) => FrameError::WrongContent,
        None => FrameError::BadChecksum,
    })
}
