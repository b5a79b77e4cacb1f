//! Control cards of LED displays.

use bytes::BytesMut;
use kouan_drivers::led_card::{cpower, huidu};

use crate::Target;
use crate::stream::{drain, in_pieces};

pub(crate) const CPOWER: Target = Target { name: "cpower", run: cpower, seeds: cpower_seeds };
pub(crate) const HUIDU: Target = Target { name: "huidu", run: huidu, seeds: huidu_seeds };

fn cpower_seeds() -> Vec<Vec<u8>> {
    let text = cpower::static_text(0, (64, 16), 0x10, [255, 0, 0], b"A01 -> 3");
    let packets = [cpower::Packet::request(1, 0x76, vec![1]), cpower::Packet::request(0xA5, 0x7B, text)];
    packets.iter().flat_map(|packet| [packet.on_serial(), packet.on_network(u32::MAX)]).collect()
}

fn cpower(data: &[u8]) {
    in_pieces(data, cpower::decode_serial, false);
    in_pieces(data, cpower::decode_network, false);
    for packet in drain(data, cpower::decode_serial, false).map(|(packets, _)| packets).unwrap_or_default() {
        let again = cpower::decode_serial(&mut BytesMut::from(&packet.on_serial()[..]));
        assert_eq!(again, Ok(Some(packet)), "a packet does not read what it wrote");
    }
    for packet in drain(data, cpower::decode_network, false).map(|(packets, _)| packets).unwrap_or_default() {
        let again = cpower::decode_network(&mut BytesMut::from(&packet.on_network(7)[..]));
        assert_eq!(again, Ok(Some(packet)), "a packet does not read what it wrote");
    }
}

fn huidu_seeds() -> Vec<Vec<u8>> {
    let answer =
        "<?xml version=\"1.0\"?><sdk guid=\"c3f1\"><out method=\"GetSwitchTime\"><open enable=\"true\"/></out></sdk>";
    vec![huidu::version(), huidu::call("c3f1", "GetSwitchTime", ""), huidu::pieces(0x2004, answer.as_bytes())]
}

fn huidu(data: &[u8]) {
    in_pieces(data, huidu::decode, true);
    let mut assembly = huidu::Assembly::default();
    for packet in drain(data, huidu::decode, true).map(|(packets, _)| packets).unwrap_or_default() {
        if let Some(xml) = assembly.take(&packet.data) {
            let _ = huidu::attribute(&xml, "open", "enable");
        }
        assert_eq!(huidu::decode(&mut BytesMut::from(&packet.encode()[..])), Ok(Some(packet)));
    }
    let xml = String::from_utf8_lossy(data);
    let _ = (huidu::attribute(&xml, "sdk", "guid"), huidu::attribute(&xml, "", ""));
    // What is written as XML is read as it was, but for control characters, which XML cannot hold.
    if !xml.chars().any(char::is_control) {
        let quoted = format!("<a b=\"{}\"/>", huidu::escape(&xml));
        assert_eq!(huidu::attribute(&quoted, "a", "b").as_deref(), Some(&*xml));
    }
}
