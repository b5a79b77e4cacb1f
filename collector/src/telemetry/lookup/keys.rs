//! What an event is found by, as numbers.

use serde_json::{Map, Value};

/// Bits of a key: seven bytes less a sign, so that a row is short. Whatever is found is compared with the event itself.
pub(super) const BITS: u32 = 47;

/// FNV-1a (draft-eastlake-fnv), mixed once more so that the upper bits depend on all of the text. Files hold it: it
/// stays what it is.
fn hash(parts: &[&str]) -> i64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> (64 - BITS)).cast_signed()
}

/// The key of a device at an agent.
pub(super) fn of_device(agent: &str, key: &str) -> i64 {
    hash(&["device", agent, key])
}

/// The key of a site.
pub(super) fn of_site(site: &str) -> i64 {
    hash(&["site", site])
}

/// The key of a kind of event.
pub(super) fn of_kind(kind: &str) -> i64 {
    hash(&["kind", kind])
}

/// The key of a field with a value, as [`text_of`] writes it.
pub(super) fn of_field(name: &str, text: &str) -> i64 {
    hash(&["field", name, text])
}

/// Tells a record from others, whatever it says. Always positive.
pub(super) fn of_record(time_ms: i64, agent: &str, epoch: &str, seq: i64) -> i64 {
    hash(&["record", &time_ms.to_string(), agent, epoch, &seq.to_string()]).max(1)
}

/// A field's value as callers write it: `0001234`, `17`, `2.5`, `true`. `None` for what a field never is.
pub(in crate::telemetry) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            _ => number.to_string(),
        }),
        _ => None,
    }
}

/// Every key of an event.
pub(super) fn of_event(site: &str, (agent, key): (&str, &str), kind: &str, details: &Value) -> Vec<i64> {
    let empty = Map::new();
    let fields = details["fields"].as_object().unwrap_or(&empty);
    let fields = fields.iter().filter_map(|(name, value)| Some(of_field(name, &text_of(value)?)));
    [of_site(site), of_device(agent, key), of_kind(kind)].into_iter().chain(fields).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_people_write_them() {
        let texts = [json!("007"), json!(7), json!(7.0), json!(7.25), json!(true), json!(null), json!([1])];
        let texts = texts.map(|value| text_of(&value));
        let texts: Vec<_> = texts.iter().map(Option::as_deref).collect();
        assert_eq!(texts, [Some("007"), Some("7"), Some("7"), Some("7.25"), Some("true"), None, None]);
    }

    #[test]
    fn keys_are_short_and_stay_what_they_are() {
        let keys = of_event("hall", ("hall-1", "gate-1"), "passage", &json!({ "fields": { "card": "1" } }));
        let wanted = [of_site("hall"), of_device("hall-1", "gate-1"), of_kind("passage"), of_field("card", "1")];
        assert_eq!(keys, wanted);
        assert!(keys.iter().all(|key| (0..1 << BITS).contains(key)), "{keys:?}");
        assert_ne!(of_field("a", "bc"), of_field("ab", "c"));
        // Written into files of released versions.
        assert_eq!(of_kind("passage"), KIND_PASSAGE);
    }

    const KIND_PASSAGE: i64 = 70_035_699_808_204;
}
