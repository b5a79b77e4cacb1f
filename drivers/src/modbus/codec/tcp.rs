//! Frames on TCP: a header with transaction, protocol, length and unit.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::error::FrameError;
use super::pdu::{Answer, Request};

/// Bytes before function code and data.
pub const HEADER: usize = 7;

/// A request as it is sent.
#[must_use]
pub fn encode(transaction: u16, unit: u8, request: &Request) -> Bytes {
    let mut pdu = BytesMut::with_capacity(16);
    request.encode(&mut pdu);
    wrap(transaction, unit, &pdu)
}

/// Puts the header before function code and data.
#[must_use]
pub fn wrap(transaction: u16, unit: u8, pdu: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEADER + pdu.len());
    frame.put_u16(transaction);
    frame.put_u16(0);
    frame.put_u16(pdu.len() as u16 + 1);
    frame.put_u8(unit);
    frame.put_slice(pdu);
    frame.freeze()
}

/// Transaction, unit, and function code with data.
pub type Unwrapped = (u16, u8, Bytes);

/// Takes one whole frame: transaction, unit, function code and data. `Ok(None)`: not there yet.
///
/// # Errors
/// When it is not Modbus; the stream cannot be used any further.
pub fn unwrap(buf: &mut BytesMut) -> Result<Option<Unwrapped>, FrameError> {
    let Some(header) = buf.get(..HEADER) else { return Ok(None) };
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (transaction, protocol, length, unit) = (word(0), word(2), word(4), header[6]);
    if protocol != 0 || !(2..=254).contains(&length) {
        return Err(FrameError::NotModbus { protocol, length });
    }
    let total = HEADER - 1 + usize::from(length);
    if buf.len() < total {
        return Ok(None);
    }
    let frame = buf.split_to(total).freeze();
    Ok(Some((transaction, unit, frame.slice(HEADER..))))
}

/// Takes the answer of `unit` to `request`. `Ok(None)`: not there yet; the bytes stay in `buf`.
///
/// # Errors
/// When anything but that answer came; the connection must be dropped, because nobody knows what follows.
pub fn decode(buf: &mut BytesMut, transaction: u16, unit: u8, request: &Request) -> Result<Option<Answer>, FrameError> {
    let Some((got_transaction, got_unit, pdu)) = unwrap(buf)? else { return Ok(None) };
    if got_transaction != transaction {
        return Err(FrameError::WrongTransaction { expected: transaction, got: got_transaction });
    }
    if got_unit != unit {
        return Err(FrameError::WrongUnit { expected: unit, got: got_unit });
    }
    request.read_answer(&pdu).map(Some)
}
