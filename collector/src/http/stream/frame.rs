//! The bytes of an event.

use axum::body::Bytes;
use serde::Serialize;

/// An event, ready to be sent to whoever may see it.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The site that it is about; `None` if it is for everybody.
    pub(super) site: Option<String>,
    /// What is sent.
    pub(super) bytes: Bytes,
}

/// An event named `name`; `None` if `data` cannot be written as JSON.
pub(super) fn event(name: &str, data: &impl Serialize) -> Option<Bytes> {
    // JSON has no line breaks of its own, so one data line is enough.
    let mut bytes = format!("event: {name}\ndata: ").into_bytes();
    serde_json::to_writer(&mut bytes, data).ok()?;
    bytes.extend_from_slice(b"\n\n");
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_and_one_line_of_data() {
        let bytes = event("devices", &["one\ntwo"]).unwrap();
        assert_eq!(bytes, "event: devices\ndata: [\"one\\ntwo\"]\n\n");
    }
}
