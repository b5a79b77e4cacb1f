//! What the bytes of an OSDP packet mean, field by field.

use bytes::BytesMut;

use super::codec::{self, command, reply};
use super::dialect::Address;
use crate::link::trace::{self, Direction, Meaning};
use crate::profile::PointProfile;

/// Start, address, length, control.
const HEAD: usize = 5;
const START: u8 = 0x53;
const HAS_CRC: u8 = 0x04;
const HAS_BLOCK: u8 = 0x08;

/// The fields of what went one way; `points` stand in the data of the reply that the group asks for.
pub(super) fn packets(direction: Direction, bytes: &[u8], points: &[(Address, &PointProfile)]) -> Vec<Meaning> {
    trace::frames(bytes, |bytes| packet(direction, bytes, points))
}

fn packet(direction: Direction, bytes: &[u8], points: &[(Address, &PointProfile)]) -> Option<(usize, Vec<Meaning>)> {
    let marks = bytes.iter().take_while(|byte| **byte == 0xFF).count();
    let bytes = &bytes[marks..];
    if bytes.first() != Some(&START) {
        return None;
    }
    let length = usize::from(u16::from_le_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    let whole = bytes.get(..length)?;
    let found = codec::decode(&mut BytesMut::from(whole)).ok()??;
    let control = whole[4];
    let at = |from: usize, length: usize, field: &str, says: String| Meaning::new(marks + from, length, field, says);
    let mut fields = vec![
        Meaning::new(0, marks + 1, "start", String::new()),
        at(1, 1, "unit", found.address.to_string()),
        at(2, 2, "length", length.to_string()),
        at(4, 1, "transaction", format!("sequence {}", found.sequence)),
    ];
    let mut from = HEAD;
    if control & HAS_BLOCK != 0
        && let Some(block) = &found.block
    {
        fields.push(at(from, 2 + block.data.len(), "protocol", format!("secure channel, block {:02X}", block.kind)));
        from += 2 + block.data.len();
    }
    let field = if found.reply { "result" } else { "command" };
    fields.push(at(from, 1, field, name_of(found.code, found.reply).to_owned()));
    from += 1;
    let is_hidden = found.block.as_ref().is_some_and(|block| matches!(block.kind, 0x17 | 0x18));
    let data = found.data.len();
    let named = points.iter().filter_map(|(address, point)| match address {
        Address::Place(place) if !is_hidden && direction == Direction::Received && place.end() <= data => {
            Some(Meaning::point(marks + from + place.at, place.width, point, &place.read(&found.data)))
        }
        Address::Place(_) | Address::Identity(_) => None,
    });
    let is_asked = !matches!(found.code, reply::ACK | reply::NAK | reply::BUSY | reply::RAW | reply::KEYPAD);
    let named: Vec<_> = if is_asked { named.collect() } else { Vec::new() };
    if named.is_empty() && data > 0 {
        fields.push(at(from, data, "data", if is_hidden { "encrypted".to_owned() } else { String::new() }));
    }
    fields.extend(named);
    let check = if control & HAS_CRC != 0 { 2 } else { 1 };
    let mac = length.checked_sub(from + data + check)?;
    if mac > 0 {
        fields.push(at(from + data, mac, "checksum", "message code".to_owned()));
    }
    fields.push(at(length - check, check, "checksum", "right".to_owned()));
    Some((marks + length, fields))
}

fn name_of(code: u8, is_reply: bool) -> &'static str {
    match (is_reply, code) {
        (false, command::POLL) => "POLL",
        (false, command::ID) => "ID",
        (false, command::CAPABILITIES) => "CAP",
        (false, command::LOCAL_STATUS) => "LSTAT",
        (false, command::INPUT_STATUS) => "ISTAT",
        (false, command::OUTPUT_STATUS) => "OSTAT",
        (false, command::READER_STATUS) => "RSTAT",
        (false, command::OUTPUT) => "OUT",
        (false, command::LED) => "LED",
        (false, command::BUZZER) => "BUZ",
        (false, command::CHALLENGE) => "CHLNG",
        (false, command::SERVER_CRYPTOGRAM) => "SCRYPT",
        (true, reply::ACK) => "ACK",
        (true, reply::NAK) => "NAK",
        (true, reply::ID) => "PDID",
        (true, reply::CAPABILITIES) => "PDCAP",
        (true, reply::LOCAL_STATUS) => "LSTATR",
        (true, reply::INPUT_STATUS) => "ISTATR",
        (true, reply::OUTPUT_STATUS) => "OSTATR",
        (true, reply::READER_STATUS) => "RSTATR",
        (true, reply::RAW) => "RAW",
        (true, reply::KEYPAD) => "KEYPAD",
        (true, reply::CLIENT_CRYPTOGRAM) => "CCRYPT",
        (true, reply::INITIAL_MAC) => "RMAC_I",
        (true, reply::BUSY) => "BUSY",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_captured_packet_is_taken_apart() {
        // ID to device 0x65, captured from libosdp; a byte of noise before it.
        let bytes = [0x00, 0xFF, 0x53, 0x65, 0x09, 0x00, 0x04, 0x61, 0x00, 0xD9, 0x7A];
        let fields = packets(Direction::Sent, &bytes, &[]);
        assert!(fields.windows(2).all(|pair| pair[0].at + pair[0].length == pair[1].at), "{fields:?}");
        let says = |name: &str| fields.iter().find(|field| field.field == name).map(|field| field.says.as_str());
        assert_eq!((says("junk"), says("unit"), says("command")), (Some(""), Some("101"), Some("ID")));
        assert_eq!(fields.last().map(|field| field.at + field.length), Some(bytes.len()));
    }
}
