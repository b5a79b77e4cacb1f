//! Messages: version and type, length, number, parameters.

use bytes::{Buf as _, BytesMut};
use kouan_settings::{Bilingual, Translate, both};

/// Bytes before the body.
pub const HEADER: usize = 10;
/// Longest message that is taken: far more than a report of all tags of a pass.
pub const LONGEST: usize = 256 * 1024;
/// The version of the protocol in the first byte.
const VERSION: u8 = 1;

/// Types of messages.
pub mod kind {
    /// `GET_READER_CAPABILITIES`
    pub const GET_CAPABILITIES: u16 = 1;
    /// `GET_READER_CONFIG`
    pub const GET_CONFIG: u16 = 2;
    /// `SET_READER_CONFIG`
    pub const SET_CONFIG: u16 = 3;
    /// `CLOSE_CONNECTION_RESPONSE`
    pub const CLOSED: u16 = 4;
    /// `CLOSE_CONNECTION`
    pub const CLOSE: u16 = 14;
    /// `ADD_ROSPEC`
    pub const ADD: u16 = 20;
    /// `DELETE_ROSPEC`
    pub const DELETE: u16 = 21;
    /// `START_ROSPEC`
    pub const START: u16 = 22;
    /// `STOP_ROSPEC`
    pub const STOP: u16 = 23;
    /// `ENABLE_ROSPEC`
    pub const ENABLE: u16 = 24;
    /// `RO_ACCESS_REPORT`
    pub const REPORT: u16 = 61;
    /// `KEEPALIVE`
    pub const KEEPALIVE: u16 = 62;
    /// `READER_EVENT_NOTIFICATION`
    pub const EVENT: u16 = 63;
    /// `KEEPALIVE_ACK`
    pub const KEEPALIVE_ACK: u16 = 72;
    /// `ERROR_MESSAGE`
    pub const ERROR: u16 = 100;
}

/// The type of the answer to a request.
#[must_use]
pub fn answer_to(request: u16) -> u16 {
    if request == kind::CLOSE { kind::CLOSED } else { request + 10 }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its type.
    pub kind: u16,
    /// Its number; an answer has that of its request.
    pub id: u32,
    /// Its fields and parameters.
    pub body: Vec<u8>,
}

/// Bytes are no message. What follows cannot be found in the stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another version, or no LLRP at all.
    #[error("the bytes are no LLRP 1.0.1")]
    NotUnderstood,
    /// The length is less than a header or more than any message.
    #[error("a message of {0} bytes is not possible")]
    Length(usize),
}

impl Translate for FrameError {
    fn translate(&self) -> Bilingual {
        match self {
            Self::NotUnderstood => both!("the bytes are no LLRP 1.0.1", "这些字节不是 LLRP 1.0.1"),
            Self::Length(length) => {
                both!("a message of {length} bytes is not possible", "不可能有 {length} 个字节的报文")
            }
        }
    }
}

impl Message {
    /// The message as it is sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let first = u16::from(VERSION) << 10 | self.kind & 0x03FF;
        let mut bytes = first.to_be_bytes().to_vec();
        bytes.extend(((HEADER + self.body.len()) as u32).to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Takes the next message out of `buf`. `Ok(None)`: incomplete.
///
/// # Errors
/// When the bytes are no message. There is no mark to find the next one by: the connection must be given up.
pub fn decode(buf: &mut BytesMut) -> Result<Option<Message>, FrameError> {
    let [high, low, l3, l2, l1, l0, i3, i2, i1, i0, ..] = buf[..] else { return Ok(None) };
    if high >> 2 & 0b111 != VERSION {
        return Err(FrameError::NotUnderstood);
    }
    let length = u32::from_be_bytes([l3, l2, l1, l0]) as usize;
    if !(HEADER..=LONGEST).contains(&length) {
        return Err(FrameError::Length(length));
    }
    let Some(body) = buf.get(HEADER..length) else { return Ok(None) };
    let kind = u16::from_be_bytes([high, low]) & 0x03FF;
    let message = Message { kind, id: u32::from_be_bytes([i3, i2, i1, i0]), body: body.to_vec() };
    buf.advance(length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_message_is_named() {
        let mut other_version = BytesMut::from(&[0x08, 0x3F, 0, 0, 0, 10, 0, 0, 0, 0][..]);
        assert_eq!(decode(&mut other_version), Err(FrameError::NotUnderstood));
        let mut short = BytesMut::from(&[0x04, 0x3F, 0, 0, 0, 9, 0, 0, 0, 0][..]);
        assert_eq!(decode(&mut short), Err(FrameError::Length(9)));
        let mut long = BytesMut::from(&[0x04, 0x3F, 0xFF, 0, 0, 0, 0, 0, 0, 0][..]);
        assert!(matches!(decode(&mut long), Err(FrameError::Length(_))));
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(kind in 0_u16..1024, id: u32, body in proptest::collection::vec(any::<u8>(), 0..300), at: usize) {
            let made = Message { kind, id, body };
            let bytes = made.encode();
            let at = at % bytes.len();
            let mut buf = BytesMut::from(&bytes[..at]);
            prop_assert_eq!(decode(&mut buf), Ok(None));
            buf.extend_from_slice(&bytes[at..]);
            prop_assert_eq!(decode(&mut buf), Ok(Some(made)));
            prop_assert!(buf.is_empty());
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let mut buf = BytesMut::from(&bytes[..]);
            while let Ok(Some(message)) = decode(&mut buf) {
                super::super::parameter::parameters(&message.body).for_each(drop);
            }
        }
    }
}
