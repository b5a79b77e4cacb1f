//! Packets and XML of Huidu full-colour cards (SDK 2.0). Pure.
//!
//! Facts: alparslanahmed/huidi-led, tested by its author with an HD-WF2. A packet is its own length and a type, both with
//! the low byte first, and what it carries. XML goes in pieces behind the length of the whole and the piece's place.

use bytes::{Buf as _, BytesMut};
use kouan_settings::{Bilingual, Translate, both};

/// Types of packets.
pub mod kind {
    /// Something went wrong; a code follows.
    pub const ERROR: u16 = 0x2000;
    /// Which version of the transport is spoken.
    pub const VERSION: u16 = 0x2001;
    /// The answer to it.
    pub const VERSION_ANSWER: u16 = 0x2002;
    /// A piece of XML.
    pub const XML: u16 = 0x2003;
    /// A piece of the answer.
    pub const XML_ANSWER: u16 = 0x2004;
}

/// The version of the transport.
const TRANSPORT: u32 = 0x0100_0005;
const HEAD: usize = 4;
/// Length of the whole and place of the piece.
const XML_HEAD: usize = 8;
/// Most XML in one packet.
const PIECE: usize = 8000;
const LONGEST: usize = HEAD + XML_HEAD + PIECE + 1024;
/// Longest XML that is put together.
const LONGEST_XML: usize = 64 * 1024;

/// A packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Its type.
    pub kind: u16,
    /// What it carries.
    pub data: Vec<u8>,
}

/// Bytes are no packet; what follows cannot be found in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {0} bytes is not possible")]
pub struct FrameError(pub usize);

impl Translate for FrameError {
    fn translate(&self) -> Bilingual {
        both!("a packet of {length} bytes is not possible", "不可能有 {length} 个字节的报文", length = self.0)
    }
}

impl Packet {
    /// The packet as it is sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let data = &self.data[..self.data.len().min(LONGEST - HEAD)];
        let mut bytes = ((HEAD + data.len()) as u16).to_le_bytes().to_vec();
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend_from_slice(data);
        bytes
    }
}

/// Takes the next packet out of `buf`. `Ok(None)`: incomplete.
///
/// # Errors
/// When the length is none of any packet; `buf` is emptied.
pub fn decode(buf: &mut BytesMut) -> Result<Option<Packet>, FrameError> {
    let [l0, l1, k0, k1, ..] = buf[..] else { return Ok(None) };
    let length = usize::from(u16::from_le_bytes([l0, l1]));
    if !(HEAD..=LONGEST).contains(&length) {
        buf.clear();
        return Err(FrameError(length));
    }
    let Some(data) = buf.get(HEAD..length) else { return Ok(None) };
    let packet = Packet { kind: u16::from_le_bytes([k0, k1]), data: data.to_vec() };
    buf.advance(length);
    Ok(Some(packet))
}

/// The first thing that is said on a connection.
#[must_use]
pub fn version() -> Vec<u8> {
    Packet { kind: kind::VERSION, data: TRANSPORT.to_le_bytes().to_vec() }.encode()
}

/// A call as XML, in as many packets as it needs. `inner` is XML already.
#[must_use]
pub fn call(guid: &str, method: &str, inner: &str) -> Vec<u8> {
    let guid = escape(guid);
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<sdk guid=\"{guid}\"><in method=\"{method}\">{inner}</in></sdk>"
    );
    pieces(kind::XML, xml.as_bytes())
}

/// XML in as many packets as it needs.
#[must_use]
pub fn pieces(kind: u16, xml: &[u8]) -> Vec<u8> {
    let piece = |(at, piece): (usize, &[u8])| {
        let mut data = (xml.len() as u32).to_le_bytes().to_vec();
        data.extend(((at * PIECE) as u32).to_le_bytes());
        data.extend_from_slice(piece);
        Packet { kind, data }.encode()
    };
    xml.chunks(PIECE).enumerate().flat_map(piece).collect()
}

/// Pieces of XML on their way to be a whole.
#[derive(Debug, Default)]
pub struct Assembly {
    xml: Vec<u8>,
}

impl Assembly {
    /// Takes the data of the next piece; the whole once it is there. A piece that does not follow those before begins
    /// anew.
    pub fn take(&mut self, data: &[u8]) -> Option<String> {
        let [t0, t1, t2, t3, o0, o1, o2, o3, piece @ ..] = data else { return None };
        let total = u32::from_le_bytes([*t0, *t1, *t2, *t3]) as usize;
        let offset = u32::from_le_bytes([*o0, *o1, *o2, *o3]) as usize;
        if offset != self.xml.len() || total > LONGEST_XML || offset + piece.len() > total {
            self.xml.clear();
            if offset != 0 || total > LONGEST_XML || piece.len() > total {
                return None;
            }
        }
        self.xml.extend_from_slice(piece);
        let whole = self.xml.len() >= total;
        whole.then(|| String::from_utf8_lossy(&std::mem::take(&mut self.xml)).trim_end_matches('\0').to_owned())
    }
}

/// The value of an attribute of the first element of that name that has it.
#[must_use]
pub fn attribute(xml: &str, element: &str, name: &str) -> Option<String> {
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find(['>', '<'])?;
        let (tag, behind) = rest.split_at(end);
        if let Some(attributes) = tag.strip_prefix(element)
            && attributes.starts_with(|next: char| next.is_ascii_whitespace())
            && let Some(value) = value_of(attributes, name)
        {
            return Some(unescape(value));
        }
        rest = behind;
    }
    None
}

fn value_of<'t>(attributes: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = attributes;
    loop {
        let (key, behind) = rest.split_once('=')?;
        let behind = behind.trim_start();
        let quote = behind.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, behind) = behind[1..].split_once(quote)?;
        if key.trim() == name {
            return Some(value);
        }
        rest = behind;
    }
}

/// A text as it may stand in XML.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no other control characters.
            control if control.is_control() && !matches!(control, '\n' | '\t') => {}
            other => escaped.push(other),
        }
    }
    escaped
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_version_is_asked() {
        assert_eq!(version(), [0x08, 0x00, 0x01, 0x20, 0x05, 0x00, 0x00, 0x01]);
        let beat = Packet { kind: 0x005F, data: Vec::new() };
        assert_eq!(beat.encode(), [0x04, 0x00, 0x5F, 0x00]);
    }

    #[test]
    fn long_xml_goes_in_pieces_and_comes_together_again() {
        let xml = "é".repeat(9000);
        let mut buf = BytesMut::from(&pieces(kind::XML_ANSWER, xml.as_bytes())[..]);
        let mut assembly = Assembly::default();
        let mut whole = None;
        let mut count = 0;
        while let Ok(Some(packet)) = decode(&mut buf) {
            count += 1;
            whole = assembly.take(&packet.data);
        }
        assert_eq!((count, whole), (3, Some(xml)));
        // A piece is missing: nothing comes of it.
        let mut assembly = Assembly::default();
        assert_eq!(assembly.take(&[9, 0, 0, 0, 4, 0, 0, 0, b'a', b'b', b'c', b'd', b'e']), None);
        assert_eq!(assembly.take(&[0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0, b'a']), None);
        assert_eq!(assembly.take(&[1, 0, 0, 0, 0, 0, 0, 0, b'a']), Some("a".to_owned()));
    }

    #[test]
    fn attributes_are_found() {
        let xml = "<sdk guid=\"4&amp;2\"><out result='kSuccess' method=\"GetDeviceInfo\"><device  cpu = \"a\" model=\"HD-WF2\"/>\
                   <devices model=\"x\"/><version fpga=\"1.0\" app=\"7.4\"/></out></sdk>";
        let found = |element, name| attribute(xml, element, name);
        assert_eq!(found("sdk", "guid").as_deref(), Some("4&2"));
        assert_eq!(found("out", "result").as_deref(), Some("kSuccess"));
        assert_eq!(found("device", "model").as_deref(), Some("HD-WF2"));
        assert_eq!(found("version", "app").as_deref(), Some("7.4"));
        assert_eq!((found("device", "id"), found("screen", "width")), (None, None));
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(kind: u16, data in proptest::collection::vec(any::<u8>(), 0..300), at: usize) {
            let made = Packet { kind, data };
            let bytes = made.encode();
            let at = at % bytes.len();
            let mut buf = BytesMut::from(&bytes[..at]);
            prop_assert_eq!(decode(&mut buf), Ok(None));
            buf.extend_from_slice(&bytes[at..]);
            prop_assert_eq!(decode(&mut buf), Ok(Some(made)));
        }

        #[test]
        fn any_text_survives(text in "\\PC*") {
            let xml = format!("<a b=\"{}\"/>", escape(&text));
            prop_assert_eq!(attribute(&xml, "a", "b"), Some(text));
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..500), text: String) {
            let mut buf = BytesMut::from(&bytes[..]);
            let mut assembly = Assembly::default();
            while let Ok(Some(packet)) = decode(&mut buf) {
                let _ = assembly.take(&packet.data);
            }
            let _ = (assembly.take(&bytes), attribute(&text, "a", "b"), attribute(&String::from_utf8_lossy(&bytes), "a", "b"));
        }
    }
}
