//! Any program that takes JSON over HTTP.
//!
//! `X-Kouan-Signature: t=SECONDS,v1=HEX` carries the HMAC-SHA256 of `SECONDS.BODY` under the channel's secret; the
//! receiver refuses what is older than some minutes. `Idempotency-Key` is the notification's id, the same at each
//! attempt.

use serde_json::{Value, json};

use super::courier::{Couriers, DeliverError};
use super::request::send;
use super::sign;
use crate::notify::channel::WebhookSettings;
use crate::notify::outbox::Outgoing;

pub(super) async fn deliver(
    couriers: &Couriers,
    settings: &WebhookSettings,
    message: &Outgoing,
    now: i64,
) -> Result<(), DeliverError> {
    let url = couriers.address(&settings.url)?;
    let body = body(message).to_string();
    let mut request = couriers.http.post(url).header("Content-Type", "application/json");
    request = request.header("Idempotency-Key", &message.id);
    for (name, value) in &settings.headers {
        request = request.header(name, couriers.secrets.fill(value, str::to_owned)?);
    }
    if let Some(name) = &settings.sign_secret {
        let secret = couriers.secrets.reveal(name)?;
        request = request.header("X-Kouan-Signature", signature(&secret, now / 1_000, &body));
    }
    send(request.body(body)).await.map(drop)
}

fn body(message: &Outgoing) -> Value {
    json!({
        "id": message.id, "kind": message.kind, "time_ms": message.time_ms, "language": message.language,
        "subject": message.subject, "text": message.text, "alarms": message.alarms,
    })
}

fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let code = sign::hex(secret.as_bytes(), format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={code}")
}
