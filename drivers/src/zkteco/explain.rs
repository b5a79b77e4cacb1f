//! What the bytes of a frame mean, field by field.

use bytes::BytesMut;

use super::codec::{self, command};
use crate::link::trace::{self, Meaning};

/// Start, version, command, length.
const HEAD: usize = 5;
/// Checksum, end.
const TAIL: usize = 3;
/// In front of the data of every frame of a session: its number and that of the request.
const SESSION: usize = 4;

/// The fields of what went one way.
pub(super) fn frames(bytes: &[u8]) -> Vec<Meaning> {
    trace::frames(bytes, |bytes| {
        let [_, _, code, low, high, ..] = *bytes else { return None };
        let data = usize::from(u16::from_le_bytes([low, high]));
        let length = HEAD + data + TAIL;
        let found = codec::decode(&mut BytesMut::from(bytes.get(..length)?)).ok()??;
        let field = if matches!(code, command::OK | command::ERROR) { "result" } else { "command" };
        let mut fields = vec![
            Meaning::new(0, 1, "start", String::new()),
            Meaning::new(1, 1, "version", bytes[1].to_string()),
            Meaning::new(2, 1, field, name_of(code)),
            Meaning::new(3, 2, "length", data.to_string()),
        ];
        // The first frame of a connection has no session yet.
        let is_first = matches!(code, command::CONNECT | command::CONNECT_PLAIN);
        let session = if data >= SESSION && !is_first { SESSION } else { 0 };
        if session > 0 {
            let number = u16::from_le_bytes([found.data[2], found.data[3]]);
            fields.push(Meaning::new(HEAD, session, "transaction", number.to_string()));
        }
        if data > session {
            fields.push(Meaning::new(HEAD + session, data - session, "data", String::new()));
        }
        fields.push(Meaning::new(HEAD + data, 2, "checksum", "right"));
        fields.push(Meaning::new(HEAD + data + 2, 1, "end", String::new()));
        Some((length, fields))
    })
}

fn name_of(code: u8) -> &'static str {
    match code {
        command::CONNECT => "76 connect",
        command::CONNECT_PLAIN => "01 connect without a session",
        command::CONTROL => "05 control",
        command::LIVE_LOG => "0B live log",
        command::LIVE_LOG_TEXT => "79 live log as text",
        command::OK => "C8 ok",
        command::ERROR => "C9 refused",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_frame_is_taken_apart() {
        let bytes = [0xAA, 0x01, 0x76, 0x00, 0x00, 0xE0, 0x26, 0x55, 0x00];
        let fields = frames(&bytes);
        assert!(fields.windows(2).all(|pair| pair[0].at + pair[0].length == pair[1].at), "{fields:?}");
        assert_eq!((fields[2].says.as_str(), fields.last().unwrap().field.as_str()), ("76 connect", "junk"));
    }
}
