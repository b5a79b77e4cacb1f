//! Whoever is let go hears nothing more, also of what was written before.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::notify::{Receiver, channel, collector, raise, record, route, window_passes};
use crate::running::{Running, eventually};

/// After this time the second attempt is due.
const PAUSE_MS: u64 = 11_000;

async fn operator(collector: &Running, name: &str, phone: &str) -> String {
    let grants = json!([{ "role": "operator", "sites": ["hall"] }]);
    let (status, made) = collector.post("/api/v1/users", json!({ "name": name, "grants": grants })).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = made["user"]["id"].as_str().unwrap().to_owned();
    change(collector, Method::PUT, &format!("{id}/contact"), json!({ "phone": phone })).await;
    id
}

async fn change(collector: &Running, method: Method, path: &str, body: Value) {
    let path = format!("/api/v1/users/{path}");
    let (status, answer) = collector.request(method, &path, Some(&collector.key), Some(body)).await;
    assert!(status.is_success(), "{path}: {status} {answer}");
}

#[tokio::test]
async fn what_waits_for_somebody_who_was_let_go_is_not_sent_any_more() {
    let (receiver, url) = Receiver::start().await;
    let (collector, mut agent, _folder) = collector(&[]).await;
    let [disabled, moved, stays] = [("li", "13800000001"), ("wang", "13800000002"), ("zhao", "13800000003")];
    let (disabled, moved) =
        (operator(&collector, disabled.0, disabled.1).await, operator(&collector, moved.0, moved.1).await);
    operator(&collector, stays.0, stays.1).await;
    let settings = json!({ "url": format!("{url}/send"), "body": "{\"mobile\":\"{phone}\",\"text\":\"{text}\"}" });
    let id = channel(&collector, json!({ "name": "SMS", "kind": "sms", "settings": settings })).await;
    route(&collector, json!([{ "after_minutes": 0, "channels": [id], "roles": ["operator"] }])).await;
    let busy = (503, json!({}));
    receiver.answers(&[busy.clone(), busy.clone(), busy]);
    raise(&mut agent).await;
    window_passes(&collector).await;
    receiver.has(3).await;
    let waiting = async || {
        let rows = collector.items("/api/v1/notifications?state=waiting").await;
        (rows.len() == 3 && rows.iter().all(|row| row["attempts"] == 1 && row["problem"].is_string())).then_some(())
    };
    eventually("all of them wait for another attempt", waiting).await;
    let figures = collector.get("/metrics").await;
    assert!(figures.as_str().unwrap().contains("kouan_notifications_waiting 3\n"), "{figures}");

    change(&collector, Method::PATCH, &disabled, json!({ "disabled": true })).await;
    change(&collector, Method::PATCH, &moved, json!({ "grants": [{ "role": "operator", "sites": ["pier"] }] })).await;
    collector.clock.advance_ms(PAUSE_MS);
    let sent = record(&collector, "sent").await;
    assert_eq!(sent["recipient"], stays.1);
    let rows = collector.items_when("/api/v1/notifications?state=suppressed", 2).await;
    let why = |user: &str| rows.iter().find(|row| row["user"] == user).unwrap()["problem"].as_str().unwrap().to_owned();
    assert!(why(&disabled).contains("disabled"), "{}", why(&disabled));
    assert!(why(&moved).contains("site"), "{}", why(&moved));
    let arrived = receiver.all();
    assert_eq!(arrived.len(), 4, "nothing went to them: {arrived:?}");
    eventually("they are counted", async || {
        let figures = collector.get("/metrics").await;
        let counted =
            ["kouan_notifications_total{state=\"sent\"} 1\n", "kouan_notifications_total{state=\"suppressed\"} 2\n"];
        counted.iter().all(|line| figures.as_str().unwrap().contains(line)).then_some(())
    })
    .await;
}
