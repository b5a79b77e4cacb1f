//! What the bytes of an exchange on a line mean, field by field.

use bytes::BytesMut;

use super::dialect::Seal;
use super::frame::{FrameFormat, FrameReader};
use super::place::Place;
use crate::link::trace::Meaning;
use crate::profile::PointProfile;

/// The fields of a request.
pub(super) fn request(seal: &Seal, bytes: &[u8]) -> Vec<Meaning> {
    let (closing, checksum) = seal.lengths();
    let data = bytes.len().saturating_sub(closing);
    let mut fields = vec![Meaning::new(0, data, "command", String::new())];
    if checksum > 0 {
        fields.push(Meaning::new(data, checksum, "checksum", right(seal.holds(bytes))));
    }
    if closing > checksum {
        fields.push(Meaning::new(data + checksum, closing - checksum, "end", String::new()));
    }
    fields
}

/// The fields of an answer. `skip`: how many bytes earlier answers to the same question had, whose points stand before.
pub(super) fn answer(
    format: &FrameFormat,
    unit: u8,
    bytes: &[u8],
    skip: usize,
    points: &[(Place, &PointProfile)],
) -> Vec<Meaning> {
    let mut buffer = BytesMut::from(bytes);
    let Some(frame) = FrameReader::new(format, unit).next(&mut buffer) else {
        return vec![Meaning::new(0, bytes.len(), "junk", String::new())];
    };
    let start = bytes.len() - buffer.len() - frame.len();
    let mut fields = Vec::new();
    if start > 0 {
        fields.push(Meaning::new(0, start, "junk", String::new()));
    }
    if !format.start.is_empty() {
        fields.push(Meaning::new(start, format.start.len(), "start", String::new()));
    }
    if let Some(place) = format.unit_at
        && let Some(byte) = frame.get(place.at)
    {
        let says = ((byte & place.mask) >> place.mask.trailing_zeros()).to_string();
        fields.push(Meaning::new(start + place.at, 1, "unit", says));
    }
    // The points of several answers are counted from the first byte of the first one.
    let mut shifted = vec![0; skip];
    shifted.extend_from_slice(&frame);
    for (place, point) in points.iter().filter(|(place, _)| place.at >= skip && place.end() <= skip + frame.len()) {
        fields.push(Meaning::point(start + place.at - skip, place.width, point, &place.read(&shifted)));
    }
    let ending = format.delimiter().len();
    let end = start + frame.len();
    let checksum = format.checksum.length();
    if checksum > 0 {
        fields.push(Meaning::new(end - ending - checksum, checksum, "checksum", right(true)));
    }
    if ending > 0 {
        fields.push(Meaning::new(end - ending, ending, "end", String::new()));
    }
    if !buffer.is_empty() {
        fields.push(Meaning::new(end, buffer.len(), "junk", String::new()));
    }
    fields.sort_by_key(|field| field.at);
    fields
}

fn right(right: bool) -> &'static str {
    if right { "right" } else { "WRONG" }
}

#[cfg(test)]
mod tests {
    use super::super::checksum::Checksum;
    use super::super::frame::{Ending, UnitAt};
    use super::*;

    #[test]
    fn an_answer_is_taken_apart_and_junk_around_it_is_named() {
        let format = FrameFormat {
            start: vec![0x7F],
            ending: Ending::Length(5),
            checksum: Checksum::Xor8.into(),
            unit_at: Some(UnitAt::byte(1)),
        };
        let mut frame = vec![0x7F, 0x03, 0x11, 0x22];
        Checksum::Xor8.append(&mut frame);
        let bytes = [&[0xAA][..], &frame, &[0xBB, 0xCC]].concat();
        let fields = answer(&format, 3, &bytes, 0, &[]);
        let said: Vec<_> = fields.iter().map(|field| (field.at, field.length, field.field.as_str())).collect();
        assert_eq!(said, [(0, 1, "junk"), (1, 1, "start"), (2, 1, "unit"), (5, 1, "checksum"), (6, 2, "junk")]);
        let fields = answer(&format, 4, &bytes, 0, &[]);
        assert_eq!(fields[0].field, "junk");
    }
}
