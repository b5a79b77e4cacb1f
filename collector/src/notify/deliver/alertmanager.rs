//! A Prometheus Alertmanager: <https://prometheus.io/docs/alerting/latest/alerts_api/>.
//!
//! It forgets alerts that nobody repeats, so the sender repeats what holds each minute; what it is not told of again
//! ends there within the hour.

use kouan_protocol::Timestamp;
use serde_json::{Map, Value, json};

use super::courier::{Couriers, DeliverError};
use super::request::send;
use crate::http::rfc3339;
use crate::notify::channel::AlertmanagerSettings;
use crate::notify::outbox::Outgoing;

/// How long an alert holds that is not repeated.
const HOLDS_MS: i64 = 3_600_000;

pub(super) async fn deliver(
    couriers: &Couriers,
    settings: &AlertmanagerSettings,
    message: &Outgoing,
    now: i64,
) -> Result<(), DeliverError> {
    if message.kind == "test" {
        let labels = labels(settings, [("alertname", "KouanTest"), ("notification", &message.id)]);
        let annotations = json!({ "summary": message.subject, "description": message.text });
        let alert = json!({ "labels": labels, "annotations": annotations, "startsAt": rfc3339(now),
            "endsAt": rfc3339(Timestamp(now).plus_ms(60_000).0) });
        return send_alerts(couriers, settings, &json!([alert])).await;
    }
    post(couriers, settings, &message.alarms, now).await
}

/// Tells of alarms as they are.
pub(super) async fn post(
    couriers: &Couriers,
    settings: &AlertmanagerSettings,
    alarms: &Value,
    now: i64,
) -> Result<(), DeliverError> {
    let alerts: Vec<Value> = alarms.as_array().into_iter().flatten().map(|alarm| alert(settings, alarm, now)).collect();
    // Outages are no alerts.
    if alerts.is_empty() { Ok(()) } else { send_alerts(couriers, settings, &Value::Array(alerts)).await }
}

async fn send_alerts(couriers: &Couriers, settings: &AlertmanagerSettings, alerts: &Value) -> Result<(), DeliverError> {
    let url = couriers.address(&format!("{}/api/v2/alerts", settings.url.trim_end_matches('/')))?;
    let mut request = couriers.http.post(url).json(alerts);
    if let Some(name) = &settings.token_secret {
        request = request.bearer_auth(couriers.secrets.reveal(name)?);
    } else if let (Some(user), Some(name)) = (&settings.username, &settings.password_secret) {
        request = request.basic_auth(user, Some(couriers.secrets.reveal(name)?));
    }
    send(request).await.map(drop)
}

fn labels<'l>(
    settings: &AlertmanagerSettings,
    own: impl IntoIterator<Item = (&'l str, &'l str)>,
) -> Map<String, Value> {
    let further = settings.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    let own = own.into_iter().filter(|(_, value)| !value.is_empty());
    further.chain(own.map(|(name, value)| (name.to_owned(), Value::from(value)))).collect()
}

fn alert(settings: &AlertmanagerSettings, alarm: &Value, now: i64) -> Value {
    let text = |name: &str| alarm[name].as_str().unwrap_or_default();
    // Labels name the alert: nothing in them changes while it lives.
    let own = [
        ("alertname", text("condition")),
        ("alarm", text("id")),
        ("site", text("site")),
        ("area", text("area")),
        ("device", text("device")),
        ("class", text("class")),
        ("agent", text("agent")),
    ];
    let summary = alarm["text"]["en"].as_str().filter(|text| !text.is_empty()).unwrap_or(text("condition"));
    let annotations = json!({
        "summary": format!("{}: {summary}", text("device_label")),
        "summary_zh": alarm["text"]["zh"], "severity": text("severity"), "value": text("value"),
    });
    let holds = text("state") == "raised";
    let ended = alarm["cleared_ms"].as_i64().unwrap_or(now).min(now);
    let ends = if holds { now + HOLDS_MS } else { ended };
    let starts = alarm["last_raised_ms"].as_i64().unwrap_or(now).min(ends);
    let mut alert = json!({
        "labels": labels(settings, own), "annotations": annotations,
        "startsAt": rfc3339(starts), "endsAt": rfc3339(ends),
    });
    if !text("link").is_empty() {
        alert["generatorURL"] = Value::from(text("link"));
    }
    alert
}
