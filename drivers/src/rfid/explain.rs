//! What the bytes of a reader's frames mean, field by field.

use crate::link::trace::{self, Meaning};

/// M100: `BB type command length[2] data sum 7E`.
pub(super) fn m100(bytes: &[u8]) -> Vec<Meaning> {
    trace::frames(bytes, |bytes| {
        let [0xBB, kind, command, high, low, ..] = *bytes else { return None };
        let data = usize::from(u16::from_be_bytes([high, low]));
        let length = data + 7;
        let whole = bytes.get(..length)?;
        let sum = whole[1..length - 2].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        if whole[length - 1] != 0x7E || sum != whole[length - 2] {
            return None;
        }
        let said = match (kind, command) {
            (1, 0xFF) => "no tag answered".to_owned(),
            (2, 0x22) => "tag".to_owned(),
            _ => format!("{command:02X}"),
        };
        let mut fields = vec![
            Meaning::new(0, 1, "start", String::new()),
            Meaning::new(
                1,
                1,
                "protocol",
                ["command", "answer", "notice"].get(usize::from(kind)).copied().unwrap_or(""),
            ),
            Meaning::new(2, 1, "command", said),
            Meaning::new(3, 2, "length", data.to_string()),
        ];
        if kind == 2 && command == 0x22 && data > 5 {
            let epc = whole[8..length - 4].iter().map(|byte| format!("{byte:02X}")).collect::<String>();
            fields.push(Meaning::new(5, 1, "data", format!("RSSI {} dBm", whole[5] as i8)));
            fields.push(Meaning::new(6, 2, "data", "PC"));
            fields.push(Meaning::new(8, data - 5, "data", format!("EPC {epc}")));
            fields.push(Meaning::new(length - 4, 2, "data", "CRC of the tag"));
        } else if data > 0 {
            fields.push(Meaning::new(5, data, "data", String::new()));
        }
        fields.push(Meaning::new(length - 2, 1, "checksum", "right"));
        fields.push(Meaning::new(length - 1, 1, "end", String::new()));
        Some((length, fields))
    })
}

/// Chafon: `length address command [status] data crc[2]`; an answer has the status.
pub(super) fn chafon(bytes: &[u8], is_answer: bool) -> Vec<Meaning> {
    trace::frames(bytes, |bytes| {
        let length = usize::from(*bytes.first()?) + 1;
        let whole = bytes.get(..length).filter(|whole| whole.len() >= 5)?;
        let crc = u16::from_le_bytes([whole[length - 2], whole[length - 1]]);
        if crc != super::chafon::crc(&whole[..length - 2]) {
            return None;
        }
        let mut fields = vec![
            Meaning::new(0, 1, "length", (length - 1).to_string()),
            Meaning::new(1, 1, "unit", whole[1].to_string()),
            Meaning::new(2, 1, "command", format!("{:02X}", whole[2])),
        ];
        let mut from = 3;
        if is_answer && length > 5 {
            let says = match whole[3] {
                0x00 | 0x01 => "finished",
                0x02 => "time is up",
                0x03 => "more follows",
                0x04 => "memory full",
                0xF8 => "antenna",
                0xFB => "no tag",
                _ => "",
            };
            fields.push(Meaning::new(3, 1, "result", format!("{:02X} {says}", whole[3]).trim_end()));
            from = 4;
        }
        if length - 2 > from {
            fields.push(Meaning::new(from, length - 2 - from, "data", String::new()));
        }
        fields.push(Meaning::new(length - 2, 2, "checksum", "right"));
        Some((length, fields))
    })
}

/// LLRP: version and type, length, message id, parameters.
pub(super) fn llrp(bytes: &[u8]) -> Vec<Meaning> {
    trace::frames(bytes, |bytes| {
        let head = u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]);
        let length: [u8; 4] = bytes.get(2..6)?.try_into().ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let (version, kind) = (head >> 10 & 7, head & 0x3FF);
        if version != 1 || head >> 13 != 0 || length < 10 {
            return None;
        }
        let id: [u8; 4] = bytes.get(6..10)?.try_into().ok()?;
        let mut fields = vec![
            Meaning::new(0, 2, "command", llrp_name(kind).map_or_else(|| kind.to_string(), str::to_owned)),
            Meaning::new(2, 4, "length", length.to_string()),
            Meaning::new(6, 4, "transaction", u32::from_be_bytes(id).to_string()),
        ];
        if length > 10 {
            fields.push(Meaning::new(10, length - 10, "data", String::new()));
        }
        Some((length, fields))
    })
}

fn llrp_name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        1 => "GET_READER_CAPABILITIES",
        2 => "GET_READER_CONFIG",
        3 => "SET_READER_CONFIG",
        4 => "CLOSE_CONNECTION_RESPONSE",
        11 => "GET_READER_CAPABILITIES_RESPONSE",
        12 => "GET_READER_CONFIG_RESPONSE",
        13 => "SET_READER_CONFIG_RESPONSE",
        14 => "CLOSE_CONNECTION",
        20 => "ADD_ROSPEC",
        21 => "DELETE_ROSPEC",
        22 => "START_ROSPEC",
        23 => "STOP_ROSPEC",
        24 => "ENABLE_ROSPEC",
        30 => "ADD_ROSPEC_RESPONSE",
        31 => "DELETE_ROSPEC_RESPONSE",
        32 => "START_ROSPEC_RESPONSE",
        33 => "STOP_ROSPEC_RESPONSE",
        34 => "ENABLE_ROSPEC_RESPONSE",
        61 => "RO_ACCESS_REPORT",
        62 => "KEEPALIVE",
        63 => "READER_EVENT_NOTIFICATION",
        72 => "KEEPALIVE_ACK",
        100 => "ERROR_MESSAGE",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_whole(fields: &[Meaning], length: usize) {
        assert!(fields.windows(2).all(|pair| pair[0].at + pair[0].length == pair[1].at), "{fields:?}");
        assert_eq!(fields.last().map(|field| field.at + field.length), Some(length), "{fields:?}");
    }

    #[test]
    fn published_frames_are_taken_apart() {
        let tag = [
            0xBB, 0x02, 0x22, 0x00, 0x11, 0xC9, 0x34, 0x00, 0x30, 0x75, 0x1F, 0xEB, 0x70, 0x5C, 0x59, 0x04, 0xE3, 0xD5,
            0x0D, 0x70, 0x3A, 0x76, 0xEF, 0x7E,
        ];
        let fields = m100(&tag);
        is_whole(&fields, tag.len());
        assert!(fields.iter().any(|field| field.says == "EPC 30751FEB705C5904E3D50D70"), "{fields:?}");
        let none = [0x07, 0x00, 0x01, 0x01, 0x01, 0x00, 0x1E, 0x4B];
        is_whole(&chafon(&none, true), none.len());
        let enable = [0x04, 0x18, 0x00, 0x00, 0x00, 0x0E, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x01];
        let fields = llrp(&enable);
        is_whole(&fields, enable.len());
        assert_eq!(fields[0].says, "ENABLE_ROSPEC");
        assert_eq!(llrp(&enable[1..])[0].field, "junk");
    }
}
