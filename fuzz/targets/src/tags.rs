//! Readers of tags.

use bytes::BytesMut;
use kouan_drivers::rfid::chafon::{self, Layout};
use kouan_drivers::rfid::{llrp, m100};

use crate::Target;
use crate::stream::{drain, in_pieces};

pub(crate) const LLRP: Target = Target { name: "llrp", run: llrp, seeds: llrp_seeds };
pub(crate) const M100: Target = Target { name: "m100", run: m100, seeds: m100_seeds };
pub(crate) const CHAFON: Target = Target { name: "chafon", run: chafon, seeds: chafon_seeds };

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// A success, and a report of one tag.
fn llrp_seeds() -> Vec<Vec<u8>> {
    let report =
        "00F0 002E 8D 300833B2DDD9014000000001 810001 86CE 870003 82000000000000000A 84000000000000000B 880005";
    let report = llrp::Message { kind: 61, id: 9, body: hex(report) };
    vec![hex("0422 00000012 00000003 011F 0008 0000 0000"), report.encode()]
}

fn llrp(data: &[u8]) {
    in_pieces(data, llrp::decode, true);
    let bodies = drain(data, llrp::decode, true).map(|(messages, _)| messages).unwrap_or_default();
    for message in bodies {
        assert_eq!(llrp::decode(&mut BytesMut::from(&message.encode()[..])), Ok(Some(message.clone())));
        look(&message.body);
    }
    look(data);
}

fn look(body: &[u8]) {
    let _ = (llrp::report::tags(body).count(), llrp::report::events(body), llrp::report::status(body));
    let _ = (llrp::report::capabilities(body), llrp::report::antennas(body).count());
    let _ = (llrp::parameter::parameters(body).count(), llrp::parameter::find(body, 240));
}

/// docs.m5stack.com, unit_uhf_rfid: a tag, and nothing found.
fn m100_seeds() -> Vec<Vec<u8>> {
    vec![hex("BB02220011C9340030751FEB705C5904E3D50D703A76EF7E"), hex("BB01FF000115167E")]
}

fn m100(data: &[u8]) {
    in_pieces(data, m100::decode, false);
    for frame in drain(data, m100::decode, false).map(|(frames, _)| frames).unwrap_or_default() {
        let _ = frame.tag();
        assert_eq!(m100::decode(&mut BytesMut::from(&frame.encode()[..])), Ok(Some(frame)));
    }
}

/// github.com/wabson/chafon-rfid: one tag, one with its strength, none.
fn chafon_seeds() -> Vec<Vec<u8>> {
    let frames = ["130001030 10C0000000000000000000003133F39", "15000103 01010C0000000000000000000003136BB1A5"];
    frames.iter().map(|frame| hex(frame)).chain([hex("070001010100 1E4B")]).collect()
}

fn chafon(data: &[u8]) {
    in_pieces(data, chafon::decode, false);
    for answer in drain(data, chafon::decode, false).map(|(answers, _)| answers).unwrap_or_default() {
        let _ = (answer.tags(Layout::Reader18), answer.tags(Layout::Reader288));
        assert_eq!(chafon::decode(&mut BytesMut::from(&answer.encode()[..])), Ok(Some(answer)));
    }
}
