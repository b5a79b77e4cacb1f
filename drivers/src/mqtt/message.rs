//! From messages to values and back. Pure.

use kouan_protocol::limits::TEXT_BYTES;
use kouan_protocol::{Field, FieldValue, PointKind, Privacy, QualityReason};
use kouan_settings::{Bilingual, Translate, both};
use serde_json::Value;

use super::dialect::{EventModel, MqttAddress, MqttDialect, ReplyModel, placeholder};
use crate::driver::RawValue;
use crate::profile::Group;

/// Largest message that is read, in bytes.
pub(super) const MESSAGE_BYTES: usize = 64 * 1024;

/// The cells of one message.
pub(super) type Cells = Vec<(u16, Result<RawValue, QualityReason>)>;

/// What a device says about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The id of the message that it answers.
    pub(super) id: String,
    /// Done, or why not; `None`: it does not say.
    pub(super) said: Option<Result<(), String>>,
}

/// Why a message was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MessageError {
    #[error("the message has {0} bytes; at most {MESSAGE_BYTES} are read")]
    TooLong(usize),
    #[error("the message is not JSON: {0}")]
    NotJson(String),
    #[error("the message is not text")]
    NotText,
}

impl Translate for MessageError {
    fn translate(&self) -> Bilingual {
        match self {
            Self::TooLong(length) => both!(
                "the message has {length} bytes; at most {MESSAGE_BYTES} are read",
                "消息有 {length} 个字节，最多读 {MESSAGE_BYTES} 个"
            ),
            Self::NotJson(why) => both!("the message is not JSON: {why}", "消息不是 JSON：{why}"),
            Self::NotText => both!("the message is not text", "消息不是文字"),
        }
    }
}

/// What a status message says about a group's points.
pub(super) fn read_group(group: &Group<MqttDialect>, payload: &[u8]) -> Result<Cells, MessageError> {
    let body = if group.ask.plain { read_plain(payload)? } else { read_json(payload)? };
    let mut cells = Vec::with_capacity(group.points.len());
    for (column, point) in (0..).zip(&group.points) {
        match body.pointer(&point.address.pointer) {
            None if group.ask.partial => {}
            None | Some(Value::Null) => cells.push((column, Err(QualityReason::NotAvailable))),
            Some(value) => cells.push((column, raw_value(value, point.common.spec.kind, &point.address))),
        }
    }
    Ok(cells)
}

/// The fields of an event. What the message lacks is left out.
pub(super) fn read_event(event: &EventModel, payload: &[u8]) -> Result<Vec<Field>, MessageError> {
    let body = read_json(payload)?;
    let fields = event.fields.iter().filter_map(|field| {
        let value = match body.pointer(&field.pointer)? {
            Value::Null => return None,
            Value::Bool(flag) => FieldValue::Flag(*flag),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => FieldValue::Integer(integer),
                None => FieldValue::Number(number.as_f64().filter(|number| number.is_finite())?),
            },
            Value::String(text) => FieldValue::Text(shortened(text)),
            nested => FieldValue::Text(shortened(&nested.to_string())),
        };
        let privacy = if field.personal { Privacy::Personal } else { Privacy::None };
        Some(Field { name: field.name.clone(), value, privacy })
    });
    Ok(fields.collect())
}

/// Reads a reply; `None`: it answers nothing.
pub(super) fn read_reply(reply: &ReplyModel, payload: &[u8]) -> Result<Option<Reply>, MessageError> {
    let body = read_json(payload)?;
    let id = match body.pointer(&reply.id) {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Ok(None),
    };
    let said = body.pointer(&reply.ok).and_then(Value::as_bool).map(|ok| {
        if ok {
            return Ok(());
        }
        let error = reply.error.as_ref().and_then(|pointer| body.pointer(pointer)).and_then(Value::as_str);
        Err(shortened(error.unwrap_or("the device does not say why")))
    });
    Ok(Some(Reply { id, said }))
}

/// The message of an action. A placeholder without an argument becomes `null`.
pub(super) fn write_action(template: &Value, id: &str, arguments: &[Field]) -> Value {
    match template {
        Value::String(text) => match placeholder(text) {
            Some("id") => Value::from(id),
            Some(name) => match arguments.iter().find(|field| field.name == name).map(|field| &field.value) {
                Some(FieldValue::Flag(flag)) => Value::from(*flag),
                Some(FieldValue::Integer(integer)) => Value::from(*integer),
                Some(FieldValue::Number(number)) => Value::from(*number),
                Some(FieldValue::Text(text)) => Value::from(text.as_str()),
                None => Value::Null,
            },
            None => template.clone(),
        },
        Value::Array(items) => items.iter().map(|item| write_action(item, id, arguments)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, item)| (name.clone(), write_action(item, id, arguments))).collect()
        }
        other => other.clone(),
    }
}

fn read_json(payload: &[u8]) -> Result<Value, MessageError> {
    check_length(payload)?;
    serde_json::from_slice(payload).map_err(|error| MessageError::NotJson(error.to_string()))
}

fn read_plain(payload: &[u8]) -> Result<Value, MessageError> {
    check_length(payload)?;
    let text = std::str::from_utf8(payload).map_err(|_| MessageError::NotText)?.trim();
    Ok(Value::from(text))
}

fn check_length(payload: &[u8]) -> Result<(), MessageError> {
    if payload.len() > MESSAGE_BYTES { Err(MessageError::TooLong(payload.len())) } else { Ok(()) }
}

fn raw_value(value: &Value, kind: PointKind, address: &MqttAddress) -> Result<RawValue, QualityReason> {
    let numeric = matches!(kind, PointKind::Measurement | PointKind::Counter);
    let found = match value {
        Value::Bool(flag) => Some(RawValue::Integer(i64::from(*flag))),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Some(RawValue::Integer(integer)),
            (None, Some(number)) if number.is_finite() => Some(RawValue::Number(number)),
            _ => None,
        },
        Value::String(text) => match address.texts.iter().find(|(known, _)| known == text) {
            Some((_, raw)) => Some(RawValue::Integer(*raw)),
            None if numeric => number_in(text),
            None => Some(RawValue::Text(text.clone())).filter(|_| text.len() <= TEXT_BYTES),
        },
        _ => None,
    };
    found.ok_or(QualityReason::NotUnderstood)
}

fn number_in(text: &str) -> Option<RawValue> {
    let text = text.trim();
    match text.parse::<i64>() {
        Ok(integer) => Some(RawValue::Integer(integer)),
        Err(_) => text.parse().ok().filter(|number: &f64| number.is_finite()).map(RawValue::Number),
    }
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn address(texts: &[(&str, i64)]) -> MqttAddress {
        let texts = texts.iter().map(|(text, raw)| ((*text).to_owned(), *raw)).collect();
        MqttAddress { pointer: String::new(), texts }
    }

    #[test]
    fn values_become_raw_values() {
        let plain = address(&[]);
        for (value, kind, raw) in [
            (json!(true), PointKind::State, Some(RawValue::Integer(1))),
            (json!(21.5), PointKind::Measurement, Some(RawValue::Number(21.5))),
            (json!("21.5"), PointKind::Measurement, Some(RawValue::Number(21.5))),
            (json!("many"), PointKind::Measurement, None),
            (json!("on"), PointKind::State, Some(RawValue::Text("on".to_owned()))),
            (json!([1]), PointKind::Counter, None),
            (json!("x".repeat(2000)), PointKind::Text, None),
        ] {
            assert_eq!(raw_value(&value, kind, &plain).ok(), raw, "{value}");
        }
        let words = address(&[("near", 1)]);
        assert_eq!(raw_value(&json!("near"), PointKind::State, &words), Ok(RawValue::Integer(1)));
    }

    #[test]
    fn an_action_is_written_with_the_types_of_its_arguments() {
        let template = json!({ "id": "{id}", "set": [{ "on": "{on}", "why": "{why}" }], "unit": 7 });
        let arguments =
            [Field::new("on", FieldValue::Flag(true)), Field::new("why", FieldValue::Text("a \"b\"".into()))];
        let message = write_action(&template, "77", &arguments);
        assert_eq!(message, json!({ "id": "77", "set": [{ "on": true, "why": "a \"b\"" }], "unit": 7 }));
    }

    #[test]
    fn a_reply_says_what_it_answers() {
        let reply = ReplyModel {
            topic: "reply".to_owned(),
            id: "/id".to_owned(),
            ok: "/ok".to_owned(),
            error: Some("/error".to_owned()),
            within: std::time::Duration::from_secs(5),
        };
        let read = |body: Value| read_reply(&reply, body.to_string().as_bytes()).unwrap();
        let reply_to = |id: &str, said| Some(Reply { id: id.to_owned(), said });
        assert_eq!(read(json!({ "id": "a", "ok": true })), reply_to("a", Some(Ok(()))));
        let refused = reply_to("5", Some(Err("no paper".to_owned())));
        assert_eq!(read(json!({ "id": 5, "ok": false, "error": "no paper" })), refused);
        assert_eq!(read(json!({ "id": "a" })), reply_to("a", None));
        assert_eq!(read(json!({ "ok": true })), None);
        assert!(read_reply(&reply, b"{").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let field = |name: &str| super::super::dialect::EventField {
                name: name.to_owned(), pointer: format!("/{name}"), personal: true,
            };
            let event = EventModel { kind: "k".to_owned(), topic: "t".to_owned(), fields: vec![field("a"), field("0")] };
            if let Ok(fields) = read_event(&event, &payload) {
                prop_assert!(fields.iter().all(|field| field.privacy == Privacy::Personal));
            }
        }

        #[test]
        fn long_texts_are_cut_at_a_character(text in "\\PC{0,2000}") {
            prop_assert!(shortened(&text).len() <= TEXT_BYTES);
            prop_assert!(text.starts_with(&shortened(&text)));
        }
    }
}
