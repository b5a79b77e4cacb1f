//! What a device said: events, refusals, who it is.

use kouan_protocol::{Field, FieldValue, Privacy};
use kouan_settings::{Bilingual, both};

use super::channel::Reply;
use super::codec::reply;
use crate::link::HeardEvent;

/// Kinds of events that such a device reports.
pub(super) const EVENTS: [&str; 2] = ["card-read", "keypad-used"];

/// The event that a reply stands for, if it stands for one.
pub(super) fn event(reply: &Reply) -> Option<HeardEvent> {
    let (kind, fields) = match (reply.code, reply.data.as_slice()) {
        (reply::RAW, [reader, format, low, high, bits @ ..]) => {
            let count = usize::from(u16::from_le_bytes([*low, *high]));
            let bits = bits.get(..count.div_ceil(8))?;
            let format = if *format == 1 { "wiegand" } else { "raw" };
            let hex: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
            ("card-read", card(*reader, format, count, hex))
        }
        (reply::FORMATTED, [reader, _, count, characters @ ..]) => {
            let characters = characters.get(..usize::from(*count))?;
            let text = String::from_utf8_lossy(characters).into_owned();
            ("card-read", card(*reader, "text", characters.len() * 8, text))
        }
        // What was typed may be somebody's secret code: that something was typed is all that is told.
        (reply::KEYPAD, [reader, count, ..]) => {
            ("keypad-used", vec![number("reader", (*reader).into()), number("keys", (*count).into())])
        }
        _ => return None,
    };
    Some(HeardEvent { kind: kind.to_owned(), fields, stored: None })
}

fn card(reader: u8, format: &str, bits: usize, card: String) -> Vec<Field> {
    let card = Field { privacy: Privacy::Personal, ..Field::new("card", FieldValue::Text(card)) };
    let format = Field::new("format", FieldValue::Text(format.to_owned()));
    vec![number("reader", reader.into()), format, number("bits", bits as i64), card]
}

fn number(name: &str, value: i64) -> Field {
    Field::new(name, FieldValue::Integer(value))
}

/// Why a device refused, for a person.
pub(super) fn refusal(data: &[u8]) -> Bilingual {
    let reason = Bilingual::from(match data.first() {
        Some(1) => ("it got a wrong checksum", "它收到的校验错误"),
        Some(2) => ("it got a wrong length", "它收到的长度错误"),
        Some(3) => ("it does not know this command", "不认识这个命令"),
        Some(4) => ("it expected another sequence number", "顺序号不对"),
        Some(5) => ("it has no secure channel of this kind", "没有这种安全通道"),
        Some(6) => ("it speaks through a secure channel only: give it its key", "只通过安全通道通讯：请配置它的密钥"),
        Some(9) => ("it cannot do this with these values", "用这些数值无法执行"),
        _ => ("it gave no reason that is known", "没有给出已知的原因"),
    });
    both!("the device refused: {reason}", "设备拒绝：{reason}"; reason)
}

/// One fact of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    Vendor,
    Model,
    Serial,
    Firmware,
}

impl Identity {
    /// The words of profiles.
    pub(super) const WORDS: [(&str, Self); 4] =
        [("vendor", Self::Vendor), ("model", Self::Model), ("serial", Self::Serial), ("firmware", Self::Firmware)];

    /// The fact, in the twelve bytes of an identity.
    pub(super) fn read(self, data: &[u8]) -> Option<String> {
        let [a, b, c, model, version, s0, s1, s2, s3, major, minor, build, ..] = data else { return None };
        Some(match self {
            Self::Vendor => format!("{a:02X}-{b:02X}-{c:02X}"),
            Self::Model => format!("{model}.{version}"),
            Self::Serial => u32::from_le_bytes([*s0, *s1, *s2, *s3]).to_string(),
            Self::Firmware => format!("{major}.{minor}.{build}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_card_is_personal_and_what_is_typed_is_not_told() {
        let told = event(&Reply { code: reply::RAW, data: vec![0, 1, 26, 0, 0xAB, 0xCD, 0xEF, 0x40] }).unwrap();
        let card = told.fields.iter().find(|field| field.name == "card").unwrap();
        assert_eq!((card.value.as_str(), card.privacy), (Some("abcdef40"), Privacy::Personal));
        assert!(told.fields.iter().filter(|field| field.name != "card").all(|field| field.privacy == Privacy::None));
        let typed = event(&Reply { code: reply::KEYPAD, data: vec![0, 4, b'1', b'2', b'3', b'4'] }).unwrap();
        assert!(!format!("{typed:?}").contains("49"), "{typed:?}");
        assert_eq!(event(&Reply { code: reply::RAW, data: vec![0, 1, 26, 0, 1] }).map(|event| event.kind), None);
    }

    proptest! {
        #[test]
        fn no_reply_does_harm(code: u8, data: Vec<u8>) {
            let reply = Reply { code, data };
            let _ = (event(&reply), refusal(&reply.data), Identity::Serial.read(&reply.data));
        }
    }
}
