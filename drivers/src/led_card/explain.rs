//! What the bytes of a card's packets mean, field by field.

use bytes::BytesMut;

use super::{cpower, huidu};
use crate::link::trace::{self, Meaning};

/// Card type, card, command, mark.
const HEAD: usize = 5;

/// The fields of what went to or from a C-Power card on a serial line.
pub(super) fn cpower_serial(bytes: &[u8]) -> Vec<Meaning> {
    trace::frames(bytes, |bytes| {
        if bytes.first() != Some(&0xA5) {
            return None;
        }
        let length = bytes.iter().position(|byte| *byte == 0xAE)? + 1;
        let found = cpower::decode_serial(&mut BytesMut::from(&bytes[..length])).ok()??;
        let escapes = bytes[1..length - 1].iter().filter(|byte| **byte == 0xAA).count();
        let mut fields = vec![Meaning::new(0, 1, "start", String::new())];
        if escapes > 0 {
            // Escaped bytes have moved what stands behind them.
            let says = format!("command {:02X}, {escapes} escaped", found.command);
            fields.push(Meaning::new(1, length - 2, "data", says));
        } else {
            fields.extend(body(&found, length - 2).into_iter().map(|field| Meaning { at: field.at + 1, ..field }));
        }
        fields.push(Meaning::new(length - 1, 1, "end", String::new()));
        Some((length, fields))
    })
}

/// The fields of what went to or from a C-Power card on the network.
pub(super) fn cpower_network(bytes: &[u8]) -> Vec<Meaning> {
    trace::frames(bytes, |bytes| {
        let length = 8 + usize::from(u16::from_le_bytes([*bytes.get(4)?, *bytes.get(5)?]));
        let found = cpower::decode_network(&mut BytesMut::from(bytes.get(..length)?)).ok()??;
        let mut fields =
            vec![Meaning::new(0, 4, "address", String::new()), Meaning::new(4, 2, "length", (length - 8).to_string())];
        fields.extend(body(&found, length - 8).into_iter().map(|field| Meaning { at: field.at + 8, ..field }));
        Some((length, fields))
    })
}

fn body(found: &cpower::Packet, length: usize) -> Vec<Meaning> {
    let direction = if found.is_answer { "answer" } else { "request" };
    let mut fields = vec![
        Meaning::new(0, 1, "protocol", direction),
        Meaning::new(1, 1, "equipment", String::new()),
        Meaning::new(2, 1, "unit", found.card.to_string()),
        Meaning::new(3, 1, "command", format!("{:02X}", found.command)),
        Meaning::new(4, 1, "result", format!("{:02X}", found.mark)),
    ];
    let data = length.saturating_sub(HEAD + 2);
    if data > 0 {
        fields.push(Meaning::new(HEAD, data, "data", String::new()));
    }
    fields.push(Meaning::new(HEAD + data, 2, "checksum", "right"));
    fields
}

/// The fields of what went to or from a Huidu card.
pub(super) fn huidu(bytes: &[u8]) -> Vec<Meaning> {
    trace::frames(bytes, |bytes| {
        let length = usize::from(u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?]));
        let found = huidu::decode(&mut BytesMut::from(bytes.get(..length)?)).ok()??;
        let mut fields = vec![
            Meaning::new(0, 2, "length", length.to_string()),
            Meaning::new(2, 2, "command", format!("{:04X}", found.kind)),
        ];
        if length > 4 {
            fields.push(Meaning::new(4, length - 4, "data", text_of(&found.data)));
        }
        Some((length, fields))
    })
}

/// The XML in it, if it is one.
fn text_of(data: &[u8]) -> String {
    let from = data.iter().position(|byte| *byte == b'<').unwrap_or(data.len());
    String::from_utf8_lossy(&data[from..]).chars().filter(|letter| !letter.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_packets_are_taken_apart() {
        let bytes = [0xA5, 0x68, 0x32, 0x01, 0x76, 0x01, 0x01, 0x13, 0x01, 0xAE];
        let fields = cpower_serial(&bytes);
        assert!(fields.windows(2).all(|pair| pair[0].at + pair[0].length == pair[1].at), "{fields:?}");
        assert_eq!(fields.iter().find(|field| field.field == "command").map(|field| field.says.as_str()), Some("76"));
        let fields = huidu(&[0x08, 0x00, 0x01, 0x20, 0x05, 0x00, 0x00, 0x01]);
        assert_eq!(fields[1].says, "2001");
    }
}
