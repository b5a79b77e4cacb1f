//! What the characters of a YD/T 1363 exchange mean, field by field.

use bytes::BytesMut;

use super::codec::{self, Rtn};
use crate::link::trace::Meaning;
use crate::profile::PointProfile;
use crate::serial_line::place::Place;

/// Characters before INFO: start, version, address, CID1, CID2 or RTN, length.
const HEAD: usize = 13;

/// The fields of a request or, with `points`, of an answer.
pub(super) fn frame(bytes: &[u8], points: Option<&[(Place, &PointProfile)]>) -> Vec<Meaning> {
    let mut buffer = BytesMut::from(bytes);
    let junk = || vec![Meaning::new(0, bytes.len(), "junk", String::new())];
    let frame = match codec::decode(&mut buffer) {
        Ok(Some(frame)) => frame,
        Ok(None) => return junk(),
        Err(error) => return vec![Meaning::new(0, bytes.len(), "junk", error.to_string())],
    };
    let end = bytes.len() - buffer.len();
    let Some(start) = bytes[..end].iter().rposition(|byte| *byte == b'~') else { return junk() };
    let info = frame.info.len() * 2;
    if start + HEAD + info + 5 != end {
        return junk();
    }
    let mut fields = Vec::new();
    if start > 0 {
        fields.push(Meaning::new(0, start, "junk", String::new()));
    }
    fields.push(Meaning::new(start, 1, "start", "~"));
    fields.push(Meaning::new(start + 1, 2, "version", format!("{:02X}", frame.version)));
    fields.push(Meaning::new(start + 3, 2, "unit", frame.address.to_string()));
    fields.push(Meaning::new(start + 5, 2, "equipment", format!("CID1 {:02X}", frame.cid1)));
    match points {
        None => fields.push(Meaning::new(start + 7, 2, "command", format!("CID2 {:02X}", frame.code))),
        Some(_) => fields.push(Meaning::new(start + 7, 2, "result", Rtn(frame.code).to_string())),
    }
    fields.push(Meaning::new(start + 9, 4, "length", info.to_string()));
    let named = points.unwrap_or_default().iter().filter(|(place, _)| place.end() <= frame.info.len());
    let named: Vec<_> = named
        .map(|(place, point)| {
            Meaning::point(start + HEAD + place.at * 2, place.width * 2, point, &place.read(&frame.info))
        })
        .collect();
    if named.is_empty() && info > 0 {
        fields.push(Meaning::new(start + HEAD, info, "data", String::new()));
    }
    fields.extend(named);
    fields.push(Meaning::new(end - 5, 4, "checksum", "right"));
    fields.push(Meaning::new(end - 1, 1, "end", "CR"));
    if end < bytes.len() {
        fields.push(Meaning::new(end, bytes.len() - end, "junk", String::new()));
    }
    fields.sort_by_key(|field| field.at);
    fields
}

#[cfg(test)]
mod tests {
    use super::super::codec::Frame;
    use super::*;

    #[test]
    fn a_frame_is_taken_apart() {
        let frame_bytes = Frame { version: 0x21, address: 1, cid1: 0x2A, code: 0, info: vec![0x12, 0x34] }.encode();
        let fields = frame(&frame_bytes, Some(&[]));
        assert!(fields.windows(2).all(|pair| pair[0].at + pair[0].length == pair[1].at), "{fields:?}");
        assert_eq!(fields.last().map(|field| field.at + field.length), Some(frame_bytes.len()));
        assert!(fields.iter().any(|field| field.field == "result" && field.says.contains("ok")), "{fields:?}");
        let mut damaged = frame_bytes;
        damaged[4] ^= 1;
        assert_eq!(frame(&damaged, Some(&[]))[0].field, "junk");
    }
}
