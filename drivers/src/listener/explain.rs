//! What the bytes mean that were heard, field by field. Pure.

use kouan_protocol::FieldValue;

use super::device::ListenerDevice;
use crate::link::trace::{self, Meaning};
use crate::serial_line::{Ending, FrameFormat};

/// Takes apart what was heard on a line of `devices`. `joining`: the bytes begin in the middle of a frame that only its
/// end tells from the next one.
pub(super) fn heard(format: &FrameFormat, devices: &[ListenerDevice], bytes: &[u8], joining: bool) -> Vec<Meaning> {
    let mut fields = Vec::new();
    let mut from = 0;
    if joining {
        let delimiter = format.delimiter();
        let end = bytes.windows(delimiter.len().max(1)).position(|window| window == delimiter);
        from = end.map_or(bytes.len(), |at| at + delimiter.len());
        if from > 0 {
            fields.push(Meaning::new(0, from, "junk", String::new()));
        }
    }
    let found = |right: bool| {
        move |rest: &[u8]| {
            let (length, holds) = format.begins(rest)?;
            (holds == right).then(|| (length, frame(format, devices, &rest[..length], right)))
        }
    };
    for field in trace::frames(&bytes[from..], found(true)) {
        if field.field != "junk" {
            fields.push(shifted(field, from));
            continue;
        }
        // Between right frames stand some with a wrong checksum.
        let at = from + field.at;
        let broken = trace::frames(&bytes[at..at + field.length], found(false));
        fields.extend(broken.into_iter().map(|field| shifted(field, at)));
    }
    fields
}

fn shifted(field: Meaning, by: usize) -> Meaning {
    Meaning { at: field.at + by, ..field }
}

/// The fields of a whole frame.
fn frame(format: &FrameFormat, devices: &[ListenerDevice], frame: &[u8], right: bool) -> Vec<Meaning> {
    let mut fields = Vec::new();
    if !format.start.is_empty() {
        fields.push(Meaning::new(0, format.start.len(), "start", String::new()));
    }
    let unit = format.unit_of(frame);
    if let (Some(place), Some(unit)) = (format.unit_at, unit) {
        fields.push(Meaning::new(place.at, 1, "unit", unit.to_string()));
    }
    if let Ending::Field(field) = &format.ending {
        let said = frame.len() as i64 - field.add;
        fields.push(Meaning::new(field.at, field.width, "length", said.to_string()));
    }
    if let Some(device) = devices.iter().find(|device| device.unit == unit) {
        fields.extend(values(format, device, frame));
    }
    let ending = format.delimiter().len();
    let checksum = format.checksum.length();
    let closing = frame.len() - ending - checksum;
    if checksum > 0 {
        let says = if right { "right" } else { "WRONG" };
        fields.push(Meaning::new(closing, checksum, "checksum", says));
    }
    if ending > 0 {
        fields.push(Meaning::new(closing + checksum, ending, "end", String::new()));
    }
    fill(&mut fields, frame.len());
    fields
}

/// The points and the fields of events that stand in the frame.
fn values(format: &FrameFormat, device: &ListenerDevice, frame: &[u8]) -> Vec<Meaning> {
    let profile = &device.profile;
    let mut fields = Vec::new();
    for point in profile.groups.iter().filter(|group| group.ask.holds(frame)).flat_map(|group| &group.points) {
        if let Some(place) = point.address.range(format, frame) {
            let raw = point.address.raw(format, frame);
            fields.push(Meaning::point(place.start, place.len(), &point.common, &raw));
        }
    }
    for field in profile.model.events.iter().filter(|event| event.when.holds(frame)).flat_map(|event| &event.fields) {
        if let (Some(place), Some(value)) = (field.part.range(format, frame), field.part.field(format, frame)) {
            let says = match value {
                FieldValue::Text(text) => format!("\"{text}\""),
                FieldValue::Integer(integer) => integer.to_string(),
                FieldValue::Number(number) => number.to_string(),
                FieldValue::Flag(flag) => flag.to_string(),
            };
            fields.push(Meaning::new(place.start, place.len(), &field.name, says));
        }
    }
    fields
}

/// Bytes of which the profile says nothing are shown too.
fn fill(fields: &mut Vec<Meaning>, length: usize) {
    let mut covered = vec![false; length];
    for field in fields.iter() {
        let end = (field.at + field.length).min(length);
        covered[field.at.min(end)..end].fill(true);
    }
    let mut at = 0;
    for stretch in covered.chunk_by(|one, other| one == other) {
        if !stretch[0] {
            fields.push(Meaning::new(at, stretch.len(), "data", String::new()));
        }
        at += stretch.len();
    }
    fields.sort_by_key(|field| field.at);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::dialect::{ListenerDialect, ListenerProfile};
    use super::*;
    use crate::profile::ProfileStore;

    fn explained(profile: &str, bytes: &[u8], joining: bool) -> Vec<(usize, usize, String, String)> {
        let store = ProfileStore::built_in();
        let profile = ListenerProfile::read(&ListenerDialect, profile, store.get(profile).unwrap()).unwrap();
        let format = profile.model.frame.clone();
        let device = ListenerDevice { key: "d".parse().unwrap(), unit: None, profile: Arc::new(profile) };
        let fields = heard(&format, &[device], bytes, joining);
        fields.into_iter().map(|field| (field.at, field.length, field.field, field.says)).collect()
    }

    fn named(fields: &[(usize, usize, &str, &str)]) -> Vec<(usize, usize, String, String)> {
        fields.iter().map(|(at, length, field, says)| (*at, *length, (*field).into(), (*says).into())).collect()
    }

    #[test]
    fn a_weight_stands_between_head_and_checksum_and_a_broken_frame_is_told_from_junk() {
        // The whole frame of the XK3190-A12(E) manual, page 13; junk; the frame with one digit changed.
        let bytes = [&b"WG004.139kg3D\r\n"[..], b"?", b"WG004.138kg3D\r\n"].concat();
        let expected = [
            (0, 1, "start", ""),
            (1, 1, "weight.kind", "raw 0 = gross"),
            (2, 7, "weight", "4.139 kg"),
            (9, 2, "data", ""),
            (11, 2, "checksum", "right"),
            (13, 2, "end", ""),
            (15, 1, "junk", ""),
            (16, 1, "start", ""),
            (17, 1, "weight.kind", "raw 0 = gross"),
            (18, 7, "weight", "4.138 kg"),
            (25, 2, "data", ""),
            (27, 2, "checksum", "WRONG"),
            (29, 2, "end", ""),
        ];
        assert_eq!(explained("yaohua-xk3190-a12e", &bytes, false), named(&expected));
    }

    #[test]
    fn a_card_number_is_shown_by_its_name() {
        let expected =
            [(0, 1, "start", ""), (1, 10, "card", "\"010063E9AE\""), (11, 2, "checksum", "right"), (13, 1, "end", "")];
        assert_eq!(explained("rdm6300", b"\x02010063E9AE25\x03", false), named(&expected));
    }

    #[test]
    fn the_rest_of_a_line_that_began_before_is_no_line() {
        let bytes = b"072  g\r\nST,+00081.72  g\r\n";
        let expected = [
            (0, 8, "junk", ""),
            (8, 2, "weight.state", "raw 0 = stable"),
            (10, 1, "data", ""),
            (11, 12, "weight", "81.720 kg"),
            (23, 2, "end", ""),
        ];
        assert_eq!(explained("scale-and-text", bytes, true), named(&expected));
        assert_eq!(explained("scale-and-text", b"072", true), named(&[(0, 3, "junk", "")]));
    }
}
