//! Modbus RTU and TCP.

use bytes::BytesMut;
use kouan_drivers::modbus::codec::{ReadFunction, Request, identity, rtu, tcp};

use crate::Target;
use crate::stream::{drain, in_pieces};

pub(crate) const RTU: Target = Target { name: "modbus_rtu", run: rtu_answer, seeds: rtu_seeds };
pub(crate) const TCP: Target = Target { name: "modbus_tcp", run: tcp_frames, seeds: tcp_seeds };

pub(crate) const IDENTITY: Target = Target { name: "modbus_identity", run: identification, seeds: identity_seeds };

/// The worked answer of the Modbus specification, section 6.21, one that goes on, and a refusal.
fn identity_seeds() -> Vec<Vec<u8>> {
    let mut answer = vec![0x2B, 0x0E, 1, 1, 0, 0, 3];
    for (object, value) in [&b"Company identification"[..], b"Product code XX", b"V2.11"].iter().enumerate() {
        answer.extend([object as u8, value.len() as u8]);
        answer.extend_from_slice(value);
    }
    let mut more = vec![0x2B, 0x0E, 1, 1, 0xFF, 1, 1, 0, 5];
    more.extend(b"Maker");
    vec![answer, more, vec![0xAB, 1]]
}

fn identification(data: &[u8]) {
    let Ok(Ok(objects)) = identity::read_answer(data) else { return };
    assert_eq!(identity::answer_length(data), Some(data.len()), "an answer is as long as it says");
    for length in 0..data.len() {
        let said = identity::answer_length(&data[..length]);
        assert!(said.is_none_or(|said| said == data.len()), "the beginning of an answer says another length");
    }
    let kept: usize = objects.objects.iter().map(|(_, value)| value.len()).sum();
    assert!(kept <= data.len(), "more was kept than came");
}

fn requests() -> [Request; 2] {
    [
        Request::Read { function: ReadFunction::InputRegisters, address: 1, count: 2 },
        Request::Read { function: ReadFunction::Coils, address: 0, count: 8 },
    ]
}

/// Answers that makers and users published; two in one piece, one with junk before.
fn rtu_seeds() -> Vec<Vec<u8>> {
    let meter: &[u8] = &[
        0x01, 0x04, 0x14, 0x08, 0xD1, 0x00, 0x6C, 0x00, 0x00, 0x00, 0xF4, 0x00, 0x00, 0x00, 0x26, 0x00, 0x00, 0x01,
        0xF4, 0x00, 0x64, 0x00, 0x00, 0x51, 0x34,
    ];
    let mut answer = BytesMut::from(&[0x01, 0x04, 0x04, 0x00, 0xEB, 0x01, 0xC2][..]);
    let sealed = rtu::seal(answer.split()).to_vec();
    let refused = rtu::seal(BytesMut::from(&[0x01, 0x84, 0x02][..])).to_vec();
    vec![meter.to_vec(), sealed.repeat(2), [&[0xFF, 0x01][..], &sealed].concat(), refused]
}

fn rtu_answer(data: &[u8]) {
    for request in requests() {
        let mut buffer = BytesMut::from(data);
        if rtu::decode(&mut buffer, 1, &request).is_ok_and(|answer| answer.is_some()) {
            assert!(buffer.len() < data.len(), "an answer was found, and no byte was taken");
        }
        // What is said of bytes that were no answer.
        let _ = rtu::diagnose(data, 1, &request);
    }
}

fn tcp_seeds() -> Vec<Vec<u8>> {
    let answer = tcp::wrap(7, 1, &[0x04, 0x04, 0x00, 0xEB, 0x01, 0xC2]).to_vec();
    vec![answer.clone(), answer.repeat(2), tcp::wrap(7, 1, &[0x84, 0x02]).to_vec()]
}

fn tcp_frames(data: &[u8]) {
    in_pieces(data, tcp::unwrap, true);
    if let Some((frames, _)) = drain(data, tcp::unwrap, true) {
        for (transaction, unit, pdu) in frames {
            let again = tcp::unwrap(&mut BytesMut::from(&tcp::wrap(transaction, unit, &pdu)[..]));
            assert_eq!(again.ok().flatten(), Some((transaction, unit, pdu)));
        }
    }
    for request in requests() {
        let _ = tcp::decode(&mut BytesMut::from(data), 7, 1, &request);
    }
}
