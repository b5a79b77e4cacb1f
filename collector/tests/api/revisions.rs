//! Two people change the same thing: the slower one is told. What is not sent stays.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::running::Running;

async fn ask(collector: &Running, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    collector.request(method, &format!("/api/v1{path}"), Some(&collector.key), Some(body)).await
}

/// Changes it.
async fn done(collector: &Running, method: Method, path: &str, body: Value) -> Value {
    let (status, answer) = ask(collector, method, path, body).await;
    assert!(status.is_success(), "{path}: {status} {answer}");
    answer
}

async fn refused(collector: &Running, method: Method, path: &str, body: Value) {
    let (status, answer) = ask(collector, method, path, body).await;
    assert_eq!(status, StatusCode::CONFLICT, "{path}: {answer}");
}

#[tokio::test]
async fn a_user_who_stays_what_he_is_stays_signed_in_and_the_slower_change_is_refused() {
    let collector = Running::start().await;
    let grants = json!([{ "role": "operator", "sites": ["hall"] }]);
    let made = done(&collector, Method::POST, "/users", json!({ "name": "li", "grants": grants })).await;
    let (id, first) = (made["user"]["id"].as_str().unwrap(), made["password"].as_str().unwrap());
    let sign_in = json!({ "name": "li", "password": first });
    let request = collector.http.post(format!("{}/api/v1/session", collector.base)).json(&sign_in);
    let cookie = request.send().await.unwrap().headers()["set-cookie"].to_str().unwrap().to_owned();
    let is_signed_in = async || {
        let request = collector.http.get(format!("{}/api/v1/session", collector.base)).header("cookie", &cookie);
        request.send().await.unwrap().status() == StatusCode::OK
    };
    let path = format!("/users/{id}");
    let seen = made["user"]["revision"].as_str().unwrap();
    let edit = json!({ "display_name": "Li Lei", "grants": grants, "revision": seen });
    let now = done(&collector, Method::PATCH, &path, edit.clone()).await;
    assert_ne!(now["revision"], seen);
    assert!(is_signed_in().await, "the grants are as they were");
    refused(&collector, Method::PATCH, &path, edit).await;
    let other = json!({ "grants": [{ "role": "viewer" }], "revision": now["revision"] });
    done(&collector, Method::PATCH, &path, other).await;
    assert!(!is_signed_in().await);
}

#[tokio::test]
async fn a_site_keeps_what_is_not_said_and_loses_what_is_null() {
    let collector = Running::start().await;
    let whole = json!({ "name": { "zh": "大厅", "en": "Hall" }, "zone": "Asia/Urumqi", "lon": 87.6, "lat": 43.8,
        "position": { "x": 0.25, "y": 0.5 } });
    let made = done(&collector, Method::PUT, "/sites/hall", whole.clone()).await;
    let named = json!({ "name": { "zh": "旅检大厅", "en": "Hall" }, "revision": made["revision"] });
    let now = done(&collector, Method::PUT, "/sites/hall", named.clone()).await;
    assert_eq!(now["name"]["zh"], "旅检大厅");
    for field in ["zone", "lon", "lat", "position"] {
        assert_eq!(now[field], whole[field], "{field}");
    }
    refused(&collector, Method::PUT, "/sites/hall", named).await;
    let (status, wrong) = ask(&collector, Method::PUT, "/sites/hall", json!({ "lon": 1.0 })).await;
    assert_eq!((status, wrong["detail_zh"].is_string()), (StatusCode::UNPROCESSABLE_ENTITY, true), "{wrong}");
    let now = done(&collector, Method::PUT, "/sites/hall", json!({ "position": null, "lon": null, "lat": null })).await;
    assert_eq!((&now["position"], &now["lon"], &now["zone"]), (&Value::Null, &Value::Null, &whole["zone"]));
}

#[tokio::test]
async fn areas_and_plans_tell_the_slower_one_and_keep_what_is_still_inside() {
    let collector = Running::start().await;
    done(&collector, Method::PUT, "/sites/hall", json!({})).await;
    let area = async |name: &str, parent: Option<&str>| {
        let body = json!({ "site": "hall", "name": name, "parent": parent, "order": 7 });
        done(&collector, Method::POST, "/areas", body).await["id"].as_str().unwrap().to_owned()
    };
    let floor = area("floor", None).await;
    let (lane, room) = (area("lane", Some(&floor)).await, area("room", Some(&floor)).await);
    let elsewhere = area("elsewhere", None).await;
    let body = json!({ "site": "hall", "class": "camera", "name": "C", "area": lane });
    let camera = done(&collector, Method::POST, "/assets", body).await["id"].as_str().unwrap().to_owned();
    let places = format!("/areas/{floor}/positions");
    let seen = collector.get(&format!("/api/v1{places}")).await["revision"].clone();
    let place = json!({ "positions": [{ "asset": camera, "x": 0.5, "y": 0.5 }], "revision": seen });
    let now = done(&collector, Method::PUT, &places, place.clone()).await;
    assert_eq!(collector.get(&format!("/api/v1{places}")).await["revision"], now["revision"]);
    refused(&collector, Method::PUT, &places, place.clone()).await;
    let count = async || collector.get(&format!("/api/v1{places}")).await["positions"].as_array().unwrap().len();

    done(&collector, Method::PATCH, &format!("/assets/{camera}"), json!({ "area": room })).await;
    assert_eq!(count().await, 1, "the room is on the same floor");
    let path = format!("/areas/{room}");
    let seen = collector.get(&format!("/api/v1{path}")).await;
    let renamed = json!({ "name": "control room", "revision": seen["revision"] });
    let now = done(&collector, Method::PUT, &path, renamed.clone()).await;
    assert_eq!((&now["parent"], &now["order"]), (&json!(floor), &json!(7)), "what is not said stays");
    refused(&collector, Method::PUT, &path, renamed).await;
    assert_eq!(count().await, 1);
    let moved = json!({ "name": "control room", "parent": elsewhere });
    done(&collector, Method::PUT, &path, moved).await;
    assert_eq!(count().await, 0, "the room has left the floor");
    done(&collector, Method::PUT, &places, json!({ "positions": [] })).await;
}

#[tokio::test]
async fn whoever_may_look_sees_what_was_done_to_a_device() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let batch = agent.batch(kouan_protocol::Lane::Events, vec![crate::scripted_agent::passage("in")]);
    agent.upload(vec![batch]).await;
    let relay = collector.device("relay-1").await;
    collector.ask(&relay).await;
    done(&collector, Method::POST, &format!("/devices/{relay}/asset"), json!({})).await;
    let window =
        json!({ "device": relay, "from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z", "reason": "x" });
    done(&collector, Method::POST, "/maintenance", window).await;
    let picture = include_bytes!("../pictures/plain.png").to_vec();
    let path = format!("{}/api/v1/devices/{relay}/evidence", collector.base);
    let given = collector.http.post(path).bearer_auth(&collector.key).body(picture).send().await.unwrap();
    assert_eq!(given.status(), StatusCode::CREATED);

    let viewer = collector.key("viewer", &["read"], Some(&["hall"])).await;
    let path = format!("/api/v1/devices/{relay}/changes");
    let (status, page) = collector.request(Method::GET, &path, Some(&viewer), None).await;
    assert_eq!(status, StatusCode::OK);
    let actions: Vec<_> = page["items"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["evidence-kept", "maintenance-planned", "asset-added", "command-asked"], "{page}");
    assert!(!page.to_string().contains("127.0.0.1"), "from where is for auditors");
    let (_, first) = collector.request(Method::GET, &format!("{path}?limit=3"), Some(&viewer), None).await;
    let next = first["next"].as_str().unwrap();
    let (_, rest) = collector.request(Method::GET, &format!("{path}?limit=3&cursor={next}"), Some(&viewer), None).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
}
