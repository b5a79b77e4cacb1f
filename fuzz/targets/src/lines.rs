//! Frames as profiles describe them.

use std::time::Duration;

use bytes::BytesMut;
use kouan_drivers::listener::ear::Ear;
use kouan_drivers::serial_line::{Check, Checksum, Ending, FrameFormat, FrameReader, LengthField, UnitAt, Written};
use tokio::time::Instant;

use crate::Target;

pub(crate) const FRAME: Target = Target { name: "line_frame", run: frames, seeds };
pub(crate) const EAR: Target = Target { name: "listener", run: ear, seeds };
pub(crate) const CHECKSUM: Target = Target { name: "checksum", run: checksums, seeds };

/// One of each kind: a fixed length, a delimiter, a length in the frame, digits as checksum, and lines without anything.
fn formats() -> Vec<FrameFormat> {
    let delimiter = |bytes: &[u8], longest| Ending::Delimiter { bytes: bytes.to_vec(), longest };
    let field = LengthField { at: 1, width: 2, big_endian: false, add: 4, longest: 64 };
    vec![
        FrameFormat {
            start: vec![0x7F],
            ending: Ending::Length(18),
            checksum: Checksum::NotSum8.into(),
            unit_at: Some(UnitAt::byte(2)),
        },
        FrameFormat {
            start: vec![0xA5],
            ending: Ending::Field(field),
            checksum: Check { checksum: Checksum::Crc16Xmodem, from: 1, written: Written::Bytes },
            unit_at: Some(UnitAt { at: 3, mask: 0x0F }),
        },
        FrameFormat {
            start: vec![0x02],
            ending: delimiter(&[0x03], 14),
            checksum: Check { checksum: Checksum::Xor8, from: 1, written: Written::HexOfHex },
            unit_at: None,
        },
        FrameFormat { start: Vec::new(), ending: delimiter(b"\r\n", 32), checksum: Check::default(), unit_at: None },
    ]
}

fn seeds() -> Vec<Vec<u8>> {
    let payload = [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
    let bodies: [&[u8]; 4] = [&payload, &payload[..6], b"010063E9AE", b"6901234567892"];
    let wrapped = formats().into_iter().zip(bodies).filter_map(|(format, body)| format.wrap(body));
    // The first byte is how the others are cut and timed.
    wrapped.flat_map(|frame| [[&[3][..], &frame].concat(), [&[7][..], &frame.repeat(2)].concat()]).collect()
}

fn frames(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let at = usize::from(*cut).min(data.len());
    for format in formats() {
        let all = |pieces: [&[u8]; 2]| {
            let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
            let mut reader = FrameReader::new(&format, 1);
            for piece in pieces {
                buffer.extend_from_slice(piece);
                while let Some(frame) = reader.next(&mut buffer) {
                    assert!(format.checksum.holds(&frame[..frame.len() - format.delimiter().len()]));
                    found.push(frame);
                }
            }
            found
        };
        assert_eq!(all([data, &[]]), all([&data[..at], &data[at..]]), "{format:?}, cut at {at}");
        if let Some(frame) = format.wrap(data) {
            let mut buffer = BytesMut::from(&frame[..]);
            let mut any = format.clone();
            any.unit_at = None;
            let found = FrameReader::new(&any, 0).next(&mut buffer);
            assert_eq!(found.as_deref(), Some(&frame[..]), "{format:?} does not find what it made");
        }
    }
}

fn ear(data: &[u8]) {
    let Some((step, data)) = data.split_first() else { return };
    let (start, pause) = (Instant::now(), Duration::from_millis(100));
    for format in formats() {
        let mut ear = Ear::new(format.clone(), pause, start);
        let mut now = start;
        for piece in data.chunks(usize::from(*step).max(1)) {
            // Long and short silences between the pieces, as the bytes themselves say.
            now += Duration::from_millis(u64::from(piece[0]) * 2);
            ear.hear(piece, now);
        }
        ear.silence(now + pause);
        assert_eq!(ear.due(), None, "something waits after a pause: {format:?}");
        // Whatever was heard before, a whole frame after a pause is heard.
        if let Some(frame) = format.wrap(b"000102030405060708").or_else(|| format.wrap(b"0102030405")) {
            let heard = ear.hear(&frame, now + pause);
            assert_eq!(heard.frames, [frame], "{format:?}");
        }
    }
}

fn checksums(data: &[u8]) {
    let Some((from, data)) = data.split_first() else { return };
    let kinds = [
        Checksum::None,
        Checksum::Sum8,
        Checksum::NotSum8,
        Checksum::NegSum8,
        Checksum::Xor8,
        Checksum::Crc8,
        Checksum::Sum16Le,
        Checksum::Sum16Be,
        Checksum::Crc16Modbus,
        Checksum::Crc16Xmodem,
        Checksum::Crc16CcittFalse,
    ];
    for checksum in kinds {
        for written in [Written::Bytes, Written::Hex, Written::HexOfHex] {
            let check = Check { checksum, from: usize::from(*from), written };
            let _ = check.holds(data);
            let mut frame = data.to_vec();
            if check.append(&mut frame) {
                assert!(check.holds(&frame), "{check:?}");
            }
        }
    }
}
