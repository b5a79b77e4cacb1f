//! What an MQTT profile says besides the keys that every profile has.

use std::time::Duration;

use kouan_protocol::limits::{FIELDS, NAME_BYTES};
use kouan_settings::{Problems, Section, both};
use serde_json::Value;

use crate::profile::{Dialect, Profile};

/// The keys of `kind = "mqtt"` profiles.
#[derive(Debug, Clone, Copy)]
pub(super) struct MqttDialect;

/// Settings of the whole model.
#[derive(Debug, Clone)]
pub(super) struct MqttModel {
    /// A device that publishes nothing for this long is silent; zero: it may be silent for ever.
    pub(super) silent_after: Duration,
    /// Where it says that it is there, and its last will that it is gone.
    pub(super) online: Option<OnlineTopic>,
    /// What its events look like.
    pub(super) events: Vec<EventModel>,
    /// Where it confirms actions.
    pub(super) reply: Option<ReplyModel>,
}

#[derive(Debug, Clone)]
pub(super) struct OnlineTopic {
    pub(super) topic: String,
    pub(super) offline: String,
}

#[derive(Debug, Clone)]
pub(super) struct EventModel {
    pub(super) kind: String,
    pub(super) topic: String,
    pub(super) fields: Vec<EventField>,
}

#[derive(Debug, Clone)]
pub(super) struct EventField {
    pub(super) name: String,
    pub(super) pointer: String,
    pub(super) personal: bool,
}

#[derive(Debug, Clone)]
pub(super) struct ReplyModel {
    pub(super) topic: String,
    /// Where the reply repeats the id of the message that it answers.
    pub(super) id: String,
    /// Where it says true or false.
    pub(super) ok: String,
    /// Where it says why not.
    pub(super) error: Option<String>,
    pub(super) within: Duration,
}

/// Points that one message carries.
#[derive(Debug, Clone)]
pub(super) struct MqttGroup {
    pub(super) topic: String,
    /// The message is one bare value, not JSON.
    pub(super) plain: bool,
    /// A message may carry some of the points only.
    pub(super) partial: bool,
    /// A message that the broker kept is the device's present state.
    pub(super) retained: bool,
}

/// Where a point is found in its message.
#[derive(Debug, Clone)]
pub(super) struct MqttAddress {
    /// RFC 6901; empty for the whole message.
    pub(super) pointer: String,
    /// The raw value that a text stands for.
    pub(super) texts: Vec<(String, i64)>,
}

/// What is published for an action.
#[derive(Debug, Clone)]
pub(super) struct MqttAction {
    pub(super) topic: String,
    /// JSON in which `"{argument}"` stands for the argument and `"{id}"` for the id of the message.
    pub(super) payload: Value,
}

impl Dialect for MqttDialect {
    type Model = MqttModel;
    type Group = MqttGroup;
    type Address = MqttAddress;
    type Action = MqttAction;

    fn kind(&self) -> &'static str {
        "mqtt"
    }

    fn read_model(&self, profile: &mut Section<'_>) -> Option<MqttModel> {
        let day = Duration::from_secs(86_400);
        let silent_after = profile.duration_within("silent_after", Duration::ZERO..=day, Duration::from_secs(60));
        let online = profile.section("online").and_then(|mut table| {
            let topic = read_topic(&mut table);
            let hint = ("the message of its last will, such as offline = \"0\"", "遗嘱消息的内容，如 offline = \"0\"");
            let offline = table.string_required("offline", hint);
            Some(OnlineTopic { topic: topic?, offline: offline? })
        });
        let events = profile.sections("event").iter_mut().filter_map(read_event).collect();
        let reply = profile.section("reply").and_then(|mut table| read_reply(&mut table));
        Some(MqttModel { silent_after, online, events, reply })
    }

    fn events(&self, model: &MqttModel) -> Vec<String> {
        model.events.iter().map(|event| event.kind.clone()).collect()
    }

    fn read_group(&self, _: &MqttModel, group: &mut Section<'_>) -> Option<MqttGroup> {
        let topic = read_topic(group);
        let plain = group.choice("format", &[("json", false), ("text", true)]).unwrap_or(false);
        let (partial, retained) = (group.bool_or("partial", false), group.bool_or("retained", false));
        Some(MqttGroup { topic: topic?, plain, partial, retained })
    }

    fn read_address(&self, _: &MqttModel, group: &MqttGroup, point: &mut Section<'_>) -> Option<MqttAddress> {
        let pointer = if group.plain { Some(String::new()) } else { read_pointer(point, "pointer") };
        let mut texts = Vec::new();
        if let Some(mut table) = point.section("texts") {
            for text in table.remaining_keys() {
                texts.extend(table.integer(&text, i64::MIN..=i64::MAX).map(|raw| (text, raw)));
            }
        }
        Some(MqttAddress { pointer: pointer?, texts })
    }

    fn read_action(&self, _: &MqttModel, action: &mut Section<'_>) -> Option<MqttAction> {
        let topic = read_topic(action);
        let hint = (
            "the message as JSON, such as payload = '{ \"id\": \"{id}\", \"on\": \"{on}\" }'",
            "JSON 消息，如 payload = '{ \"id\": \"{id}\", \"on\": \"{on}\" }'",
        );
        let text = action.string_required("payload", hint)?;
        match serde_json::from_str(&text) {
            Ok(payload) => Some(MqttAction { topic: topic?, payload }),
            Err(error) => {
                action.wrong("payload", both!("this is not JSON: {error}", "不是 JSON：{error}"));
                None
            }
        }
    }

    fn check(&self, profile: &Profile<Self>, problems: &Problems) {
        for group in &profile.groups {
            if !group.every.is_zero() {
                let message = (
                    "such a device speaks by itself; write every = \"0s\"",
                    "这种设备自己发送数据；请写 every = \"0s\"",
                );
                problems.wrong(group.line, "group.every", message);
            }
        }
        for action in &profile.actions {
            let arguments: Vec<&str> = action.spec.arguments.iter().map(|argument| argument.name.as_str()).collect();
            let mut used = Vec::new();
            placeholders(&action.speak.payload, &mut used);
            for name in &used {
                if *name != "id" && !arguments.contains(name) {
                    let message = both!(
                        "\"{{{name}}}\" is neither an argument of this action nor \"{{id}}\"",
                        "\"{{{name}}}\" 既不是这个操作的参数，也不是 \"{{id}}\""
                    );
                    problems.wrong(action.line, "action.payload", message);
                }
            }
            if profile.model.reply.is_some() && !used.contains(&"id") {
                let message = (
                    "the reply cannot be told apart without \"{id}\" somewhere in the payload",
                    "payload 中没有 \"{id}\"，就无法分辨是哪条命令的应答",
                );
                problems.wrong(action.line, "action.payload", message);
            }
        }
    }
}

/// The names in `"{name}"` strings.
fn placeholders<'v>(value: &'v Value, names: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => names.extend(placeholder(text)),
        Value::Array(items) => items.iter().for_each(|item| placeholders(item, names)),
        Value::Object(members) => members.values().for_each(|item| placeholders(item, names)),
        _ => {}
    }
}

/// The name in `{name}`, if that is the whole text.
pub(super) fn placeholder(text: &str) -> Option<&str> {
    text.strip_prefix('{')?.strip_suffix('}')
}

fn read_topic(section: &mut Section<'_>) -> Option<String> {
    let topic = section.string_required(
        "topic",
        ("the topic below the device's own, such as topic = \"status\"", "设备主题之下的主题，如 topic = \"status\""),
    )?;
    let wrong = topic.is_empty() || topic.contains(['+', '#', '\0']) || topic.starts_with('/') || topic.ends_with('/');
    if wrong {
        section.wrong(
            "topic",
            both!(
                "\"{topic}\" must be one topic, without +, # and slashes at its ends",
                "\"{topic}\" 应当是一个主题，不含 +、#，首尾没有斜杠"
            ),
        );
        return None;
    }
    Some(topic)
}

fn read_pointer(section: &mut Section<'_>, key: &str) -> Option<String> {
    section.require(
        key,
        both!(
            "where it is found in the JSON, such as {key} = \"/printer/paper\"",
            "它在 JSON 中的位置，如 {key} = \"/printer/paper\""
        ),
    );
    let pointer = section.string(key)?;
    if !pointer.is_empty() && !pointer.starts_with('/') {
        section.wrong(
            key,
            both!(
                "\"{pointer}\" must begin with a slash, such as \"/{pointer}\"",
                "\"{pointer}\" 应以斜杠开头，如 \"/{pointer}\""
            ),
        );
        return None;
    }
    Some(pointer)
}

fn read_event(section: &mut Section<'_>) -> Option<EventModel> {
    let kind = section.string_required(
        "kind",
        ("what happened, such as kind = \"ticket-issued\"", "发生了什么，如 kind = \"ticket-issued\""),
    );
    if kind.as_ref().is_some_and(|kind| kind.is_empty() || kind.len() > NAME_BYTES) {
        section.wrong("kind", both!("this must have 1 to {NAME_BYTES} bytes", "应为 1 至 {NAME_BYTES} 个字节"));
    }
    let topic = read_topic(section);
    let mut fields = Vec::new();
    for mut field in section.sections("field") {
        let name = field.string_required(
            "name",
            ("the field's name, such as name = \"number\"", "字段的名称，如 name = \"number\""),
        );
        let pointer = read_pointer(&mut field, "pointer");
        let personal = field.bool_or("personal", false);
        if let (Some(name), Some(pointer)) = (name, pointer) {
            fields.push(EventField { name, pointer, personal });
        }
    }
    if fields.len() > FIELDS {
        let count = fields.len();
        section.wrong(
            "field",
            both!(
                "an event has at most {FIELDS} fields, not {count}",
                "一个事件最多 {FIELDS} 个字段，这里有 {count} 个"
            ),
        );
    }
    Some(EventModel { kind: kind?, topic: topic?, fields })
}

fn read_reply(section: &mut Section<'_>) -> Option<ReplyModel> {
    let topic = read_topic(section);
    let id = read_pointer(section, "id");
    let ok = read_pointer(section, "ok");
    let error = if section.has("error") { read_pointer(section, "error") } else { None };
    let minute = Duration::from_secs(60);
    let within = section.duration_within("within", Duration::from_millis(100)..=minute, Duration::from_secs(5));
    Some(ReplyModel { topic: topic?, id: id?, ok: ok?, error, within })
}
