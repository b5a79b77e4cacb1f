//! Short messages through a gateway that is asked over HTTP.

use reqwest::Method;
use serde_json::Value;

use super::courier::{Couriers, DeliverError};
use super::request::{percent, send, told};
use crate::notify::channel::{BodyKind, SmsSettings};
use crate::notify::outbox::Outgoing;

/// Most characters of a message: what four parts of a long message take.
const TEXT: usize = 268;

/// The template with its placeholders filled in, escaped as the kind of text wants it. What is filled in is not read
/// again.
pub(crate) fn fill(template: &str, kind: BodyKind, phone: &str, text: &str, id: &str) -> String {
    replace(template, |value| escape(value, kind), phone, text, id)
}

fn replace(template: &str, escape: impl Fn(&str) -> String, phone: &str, text: &str, id: &str) -> String {
    let names = [("{phone}", phone), ("{text}", text), ("{id}", id)];
    let (mut filled, mut rest) = (String::new(), template);
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        match names.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                filled.push_str(&escape(value));
                rest = &rest[name.len()..];
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

fn escape(text: &str, kind: BodyKind) -> String {
    match kind {
        BodyKind::Json => Value::from(text).to_string().trim_matches('"').to_owned(),
        BodyKind::Form => percent(text),
        BodyKind::Text => text.to_owned(),
    }
}

/// What fits into a short message: the subject; it says what and where.
fn short(message: &Outgoing) -> String {
    let mut text: String = message.subject.chars().take(TEXT).collect();
    if message.subject.chars().count() > TEXT {
        text.pop();
        text.push('…');
    }
    text
}

pub(super) async fn deliver(
    couriers: &Couriers,
    settings: &SmsSettings,
    message: &Outgoing,
) -> Result<(), DeliverError> {
    let mut numbers = message.recipient.split(", ").filter(|number| !number.is_empty());
    let (Some(phone), None) = (numbers.next(), numbers.next()) else {
        return Err(DeliverError::Refused("a short message has one recipient".to_owned()));
    };
    let text = short(message);
    let url = couriers.address(&replace(&settings.url, percent, phone, &text, &message.id))?;
    let method = Method::from_bytes(settings.method.as_bytes())
        .map_err(|_| DeliverError::Refused("the method cannot be used".to_owned()))?;
    let kind = settings.content;
    let body = couriers.secrets.fill(&settings.body, |secret| escape(secret, kind))?;
    let mut request = couriers.http.request(method, url).header("Idempotency-Key", &message.id);
    for (name, value) in &settings.headers {
        request = request.header(name, couriers.secrets.fill(value, str::to_owned)?);
    }
    if !body.is_empty() {
        let media = match kind {
            BodyKind::Json => "application/json; charset=utf-8",
            BodyKind::Form => "application/x-www-form-urlencoded",
            BodyKind::Text => "text/plain; charset=utf-8",
        };
        request = request.header("Content-Type", media).body(fill(&body, kind, phone, &text, &message.id));
    }
    let answer = send(request).await?;
    let Some(success) = &settings.success else { return Ok(()) };
    let said: Value = serde_json::from_str(&answer).unwrap_or_default();
    match said.pointer(&success.pointer) {
        Some(found) if *found == success.equals => Ok(()),
        Some(_) => Err(DeliverError::Refused(format!("the gateway answered: {}", told(&answer)))),
        None => Err(DeliverError::later(format!("the gateway's answer lacks {}: {}", success.pointer, told(&answer)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_cannot_leave_its_place() {
        let hostile = "x\",\"mobile\":\"1\" {phone} & \n";
        let body = fill(
            "{\"m\":\"{phone}\",\"t\":\"{text}\",\"n\":{\"id\":\"{id}\"}}",
            BodyKind::Json,
            "+86138",
            hostile,
            "n-1",
        );
        let read: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((read["m"].as_str(), read["t"].as_str()), (Some("+86138"), Some(hostile)));
        assert_eq!(read["n"]["id"], "n-1");
        let form = fill("mobile={phone}&content={text}", BodyKind::Form, "+86138", "a&b=c 闸机", "n-1");
        assert_eq!(form, "mobile=%2B86138&content=a%26b%3Dc%20%E9%97%B8%E6%9C%BA");
        assert_eq!(fill("{text}{", BodyKind::Text, "1", "{phone}", "n"), "{phone}{");
    }
}
