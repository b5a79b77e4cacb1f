use bytes::{BufMut as _, BytesMut};
use proptest::prelude::*;

use super::pdu::{Answer, Exception, ReadFunction, Request};
use super::{FrameError, crc, rtu, tcp};

fn bytes(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn read(code: u8, address: u16, count: u16) -> Request {
    Request::Read { function: ReadFunction::from_code(code).unwrap(), address, count }
}

/// Published frames: vendor manuals of XY-MD02, Eastron meters, PZEM-016, Waveshare Modbus RTU Relay, and APC's register map.
#[test]
fn published_requests_come_out_byte_for_byte() {
    let coil = |address, value| Request::WriteCoil { address, value };
    for (request, expected) in [
        (read(4, 1, 2), "01 04 00 01 00 02 20 0B"),
        (read(4, 0, 10), "01 04 00 00 00 0A 70 0D"),
        (read(4, 0, 2), "01 04 00 00 00 02 71 CB"),
        (read(4, 0x48, 2), "01 04 00 48 00 02 F1 DD"),
        (read(3, 0, 2), "01 03 00 00 00 02 C4 0B"),
        (read(3, 0x40, 4), "01 03 00 40 00 04 45 DD"),
        (read(3, 0, 27), "01 03 00 00 00 1B 05 C1"),
        (read(3, 128, 44), "01 03 00 80 00 2C 45 FF"),
        (read(1, 0, 8), "01 01 00 00 00 08 3D CC"),
        (read(2, 0, 8), "01 02 00 00 00 08 79 CC"),
        (coil(0, 0xFF00), "01 05 00 00 FF 00 8C 3A"),
        (coil(0, 0), "01 05 00 00 00 00 CD CA"),
        (coil(0, 0x5500), "01 05 00 00 55 00 F2 9A"),
        (coil(0xFF, 0xFF00), "01 05 00 FF FF 00 BC 0A"),
        (coil(0xFF, 0x5500), "01 05 00 FF 55 00 C2 AA"),
        (Request::WriteCoils { address: 0, values: vec![true; 8] }, "01 0F 00 00 00 08 01 FF BE D5"),
        (coil(0x0200, 7), "01 05 02 00 00 07 8D B0"),
        (coil(0x0400, 7), "01 05 04 00 00 07 8D 38"),
    ] {
        assert_eq!(rtu::encode(1, &request)[..], bytes(expected), "{request:?}");
    }
}

#[test]
fn published_frames_carry_their_own_checksum() {
    for frame in [
        "01 42 80 11",
        "01 2B 0E 03 87 31 75",
        "02 04 06 00 00 00 00 00 01 B5 A3",
        "01 02 01 00 A1 88",
        "01 04 04 43 66 33 34 1B 38",
        "01 03 04 02 92 FF 9B 5A 3D",
        "01 04 14 08 D1 00 6C 00 00 00 F4 00 00 00 26 00 00 01 F4 00 64 00 00 51 34",
    ] {
        assert!(crc::is_sealed(&bytes(frame)), "{frame}");
    }
}

#[test]
fn published_answers_are_read() {
    let mut buf =
        BytesMut::from(&bytes("01 04 14 08 D1 00 6C 00 00 00 F4 00 00 00 26 00 00 01 F4 00 64 00 00 51 34")[..]);
    let registers = vec![0x08D1, 0x006C, 0, 0x00F4, 0, 0x0026, 0, 0x01F4, 0x0064, 0];
    assert_eq!(rtu::decode(&mut buf, 1, &read(4, 0, 10)), Ok(Some(Answer::Registers(registers))));
    let mut buf = BytesMut::from(&bytes("02 04 06 00 00 00 00 00 01 B5 A3")[..]);
    assert_eq!(rtu::decode(&mut buf, 2, &read(4, 0, 3)), Ok(Some(Answer::Registers(vec![0, 0, 1]))));
    let mut buf = BytesMut::from(&bytes("01 02 01 00 A1 88")[..]);
    assert_eq!(rtu::decode(&mut buf, 1, &read(2, 0, 8)), Ok(Some(Answer::Bits(vec![false; 8]))));
    assert!(buf.is_empty());
}

fn rtu_answer(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    frame.put_u8(unit);
    frame.put_slice(pdu);
    rtu::seal(frame).to_vec()
}

#[test]
fn an_exception_and_an_echo_are_read() {
    let mut buf = BytesMut::from(&rtu_answer(1, &[0x84, 2])[..]);
    let refused = Answer::Refused(Exception::ILLEGAL_ADDRESS);
    assert_eq!(rtu::decode(&mut buf, 1, &read(4, 0, 10)), Ok(Some(refused)));
    let write = Request::WriteCoil { address: 3, value: 0xFF00 };
    let mut buf = BytesMut::from(&rtu_answer(1, &[5, 0, 3, 0xFF, 0])[..]);
    assert_eq!(rtu::decode(&mut buf, 1, &write), Ok(Some(Answer::Written)));
    let mut buf = BytesMut::from(&rtu_answer(1, &[5, 0, 4, 0xFF, 0])[..]);
    assert_eq!(rtu::decode(&mut buf, 1, &write), Err(FrameError::WrongContent));
}

#[test]
fn a_wrong_answer_is_named_and_is_never_data() {
    let request = read(3, 0, 1);
    for (frame, expected) in [
        (rtu_answer(2, &[3, 2, 0, 7]), FrameError::WrongUnit { expected: 1, got: 2 }),
        (rtu_answer(1, &[4, 2, 0, 7]), FrameError::WrongFunction { expected: 3, got: 4 }),
        (rtu_answer(1, &[3, 4, 0, 7, 0, 8]), FrameError::WrongContent),
    ] {
        let mut buf = BytesMut::from(&frame[..]);
        assert_eq!(rtu::decode(&mut buf, 1, &request), Ok(None), "{expected}");
        assert_eq!(rtu::diagnose(&buf, 1, &request), Some(expected));
    }
    let mut damaged = rtu_answer(1, &[3, 2, 0, 7]);
    damaged[4] ^= 1;
    assert_eq!(rtu::decode(&mut BytesMut::from(&damaged[..]), 1, &request), Err(FrameError::BadChecksum));
    for (frame, expected) in [
        (tcp::wrap(8, 1, &[3, 2, 0, 7]), FrameError::WrongTransaction { expected: 9, got: 8 }),
        (tcp::wrap(9, 2, &[3, 2, 0, 7]), FrameError::WrongUnit { expected: 1, got: 2 }),
        (tcp::wrap(9, 1, &[4, 2, 0, 7]), FrameError::WrongFunction { expected: 3, got: 4 }),
        (tcp::wrap(9, 1, &[3, 2, 0]), FrameError::WrongContent),
        (tcp::wrap(9, 1, &[3, 4, 0, 7, 0, 8]), FrameError::WrongContent),
    ] {
        assert_eq!(tcp::decode(&mut BytesMut::from(&frame[..]), 9, 1, &request), Err(expected));
    }
    let mut not_modbus = BytesMut::from(&b"HTTP/1.1 400"[..]);
    assert!(matches!(tcp::decode(&mut not_modbus, 9, 1, &request), Err(FrameError::NotModbus { .. })));
}

prop_compose! {
    fn any_read()(code in 1_u8..=4, address: u16, count in 1_u16..=125) -> Request {
        read(code, address, count)
    }
}

fn answer_to(request: &Request, fill: u8) -> (Vec<u8>, Answer) {
    let Request::Read { function, count, .. } = request else { unreachable!("only reads are made here") };
    let size = request.answer_length() - 2;
    let mut pdu = vec![request.code(), size as u8];
    pdu.extend((0..size).map(|at| fill.wrapping_add(at as u8)));
    let data = pdu[2..].to_vec();
    let answer = if function.is_bits() {
        Answer::Bits(super::pdu::unpack(&data, usize::from(*count)))
    } else {
        Answer::Registers(super::pdu::registers(&data))
    };
    (pdu, answer)
}

proptest! {
    #[test]
    fn an_answer_survives_any_cut_and_junk_before_it(
        request in any_read(), fill: u8, unit in 1_u8..=247, cut in 0_usize..300,
        junk in proptest::collection::vec(248_u8.., 0..40),
    ) {
        let (pdu, expected) = answer_to(&request, fill);
        let mut wire = junk;
        wire.extend(rtu_answer(unit, &pdu));
        let (first, rest) = wire.split_at(cut.min(wire.len() - 1));
        let mut buf = BytesMut::from(first);
        prop_assert_eq!(rtu::decode(&mut buf, unit, &request), Ok(None));
        buf.extend_from_slice(rest);
        prop_assert_eq!(rtu::decode(&mut buf, unit, &request), Ok(Some(expected)));
        prop_assert!(buf.is_empty());
    }

    #[test]
    fn a_tcp_answer_survives_any_cut(request in any_read(), fill: u8, transaction: u16, cut in 0_usize..300) {
        let (pdu, expected) = answer_to(&request, fill);
        let wire = tcp::wrap(transaction, 7, &pdu);
        let (first, rest) = wire.split_at(cut.min(wire.len() - 1));
        let mut buf = BytesMut::from(first);
        prop_assert_eq!(tcp::decode(&mut buf, transaction, 7, &request), Ok(None));
        buf.extend_from_slice(rest);
        prop_assert_eq!(tcp::decode(&mut buf, transaction, 7, &request), Ok(Some(expected)));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(
        request in any_read(), unit: u8, noise in proptest::collection::vec(any::<u8>(), 0..1500),
    ) {
        let mut buf = BytesMut::from(&noise[..]);
        let _ = rtu::decode(&mut buf, unit, &request);
        let _ = rtu::diagnose(&noise, unit, &request);
        let mut buf = BytesMut::from(&noise[..]);
        let _ = tcp::decode(&mut buf, 1, unit, &request);
        let _ = request.read_answer(&noise);
    }

    #[test]
    fn one_flipped_bit_is_never_data(request in any_read(), fill: u8, at: usize, bit in 0_u8..8) {
        let (pdu, _) = answer_to(&request, fill);
        let mut wire = rtu_answer(9, &pdu);
        let at = at % wire.len();
        wire[at] ^= 1 << bit;
        let mut buf = BytesMut::from(&wire[..]);
        prop_assert!(!matches!(rtu::decode(&mut buf, 9, &request), Ok(Some(_))));
    }
}

#[test]
fn the_sample_answer_of_a_leak_cable_is_read() {
    // The maker's manual of the SeaHawk 10K: three input registers of unit 2.
    let request = Request::Read { function: ReadFunction::InputRegisters, address: 0, count: 3 };
    let mut answer = BytesMut::from(&[0x02, 0x04, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xB5, 0xA3][..]);
    assert_eq!(rtu::decode(&mut answer, 2, &request), Ok(Some(Answer::Registers(vec![0, 0, 1]))));
}
