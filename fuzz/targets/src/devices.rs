//! Doors, readers, power and cooling.

use bytes::BytesMut;
use kouan_drivers::{osdp, uhppote, ydt, zkteco};

use crate::Target;
use crate::stream::{drain, in_pieces};

pub(crate) const YDT: Target = Target { name: "ydt1363", run: ydt, seeds: ydt_seeds };
pub(crate) const OSDP: Target = Target { name: "osdp", run: osdp, seeds: osdp_seeds };
pub(crate) const UHPPOTE: Target = Target { name: "uhppote", run: uhppote, seeds: uhppote_seeds };
pub(crate) const ZKTECO: Target = Target { name: "zkteco_c3", run: zkteco, seeds: zkteco_seeds };

/// Worked frames of YD/T 1363.3: a question, an answer, a command.
fn ydt_seeds() -> Vec<Vec<u8>> {
    let frames = ["~21012A500000FDA4\r", "~21012A000000FDA9\r", "~21012A45C0041002FCC6\r"];
    frames.iter().map(|frame| frame.as_bytes().to_vec()).chain([frames.concat().into_bytes()]).collect()
}

fn ydt(data: &[u8]) {
    in_pieces(data, ydt::codec::decode, false);
    if let Some((frames, _)) = drain(data, ydt::codec::decode, false) {
        for frame in frames {
            let again = ydt::codec::decode(&mut BytesMut::from(&frame.encode()[..]));
            assert_eq!(again, Ok(Some(frame)), "a frame does not read what it wrote");
        }
    }
}

/// A poll of libosdp, and one with a checksum instead of a CRC.
fn osdp_seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0xFF, 0x53, 0x65, 0x09, 0x00, 0x04, 0x61, 0x00, 0xD9, 0x7A],
        vec![0x53, 0x80, 0x07, 0x00, 0x01, 0x40, 0xE5],
    ]
}

fn osdp(data: &[u8]) {
    // Where noise looks like a long packet, a packet behind it is found only once it is whole: pieces differ.
    let Some((packets, rest)) = drain(data, osdp::codec::decode, false) else { return };
    assert!(rest.len() <= data.len());
    for packet in packets.into_iter().filter(|packet| packet.mac.is_none() && !packet.reply) {
        let again = osdp::codec::decode(&mut BytesMut::from(&packet.encode_plain()[..]));
        assert_eq!(again, Ok(Some(packet)), "a packet does not read what it wrote");
    }
}

fn uhppote_seeds() -> Vec<Vec<u8>> {
    let status = uhppote::codec::Packet::request(0x20, 405_419_896, &[0x20, 0x26, 0x11, 0x22, 7, 0x12, 0x30, 0x59]);
    vec![status.0.to_vec(), uhppote::codec::Packet::set_index(405_419_896, 99).0.to_vec()]
}

fn uhppote(data: &[u8]) {
    let Ok(packet) = uhppote::codec::Packet::decode(data) else { return };
    let _ = (packet.function(), packet.controller(), packet.clock(), packet.event());
    for at in 0..=64 {
        let _ = packet.number(at);
    }
}

fn zkteco_seeds() -> Vec<Vec<u8>> {
    let frame = |command, data: &[u8]| zkteco::codec::Frame { command, data: data.to_vec() }.encode();
    let text = b"time=2026-11-22 07:50:00\tpin=1\tcard=123\teventaddr=1\tevent=0\tinoutstatus=0\r\n";
    vec![frame(0x76, &[]), frame(0xC8, &[0; 32]), text.to_vec()]
}

fn zkteco(data: &[u8]) {
    in_pieces(data, zkteco::codec::decode, false);
    if let Some((frames, _)) = drain(data, zkteco::codec::decode, false) {
        for frame in frames {
            let _ = zkteco::record::read_binary(&frame.data);
            let again = zkteco::codec::decode(&mut BytesMut::from(&frame.encode()[..]));
            assert_eq!(again, Ok(Some(frame)), "a frame does not read what it wrote");
        }
    }
    let _ = (zkteco::record::read_binary(data), zkteco::record::read_text(data));
}
