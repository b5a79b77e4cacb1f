//! Devices, latest values, health and alarms.

use kouan_protocol::session::Upload;
use kouan_protocol::{AlarmState, Batch, HealthLevel, Lane, Record, RecordBody};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::running::{Running, eventually};
use crate::scripted_agent::{ScriptedAgent, alarm, catalogue, health, passage};

#[tokio::test]
async fn a_restart_keeps_positions_devices_values_and_health() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let rows = agent.rows(&[(2_000, 229.5), (1_000, 230.5)]);
    let urgent = agent.batch(Lane::Urgent, vec![health(HealthLevel::Working), alarm(AlarmState::Raised)]);
    agent.upload(vec![rows, urgent]).await;
    let device = collector.device("ups-1").await;
    let point = collector.value_becomes(&device, "voltage", json!(230.5)).await;
    assert_eq!((point["unit"].as_str(), point["age_ms"].as_i64()), (Some("V"), Some(1_000)));
    collector.items_when("/api/v1/alarms?state=raised", 1).await;

    let collector = collector.restart().await;
    agent.moved_to(&collector.base);
    assert_eq!(collector.device("ups-1").await, device, "the device keeps its id");
    let detail = collector.get(&format!("/api/v1/devices/{device}")).await;
    assert_eq!(detail["health"]["level"], "working");
    assert_eq!(detail["health"]["current"], false, "its agent has not been heard since");
    assert_eq!((detail["alarms"].as_i64(), detail["label"].as_str()), (Some(1), Some("The ups")));
    collector.value_becomes(&device, "voltage", json!(230.5)).await;
    let refusal = agent.try_upload(agent.upload_of(vec![])).await.unwrap_err();
    assert_eq!(refusal.status, StatusCode::CONFLICT, "sessions end with the process");
    let welcome = agent.hello().await;
    assert!(welcome.lanes.iter().all(|verdict| !verdict.new_epoch));
    assert_eq!(welcome.lanes.iter().find(|verdict| verdict.lane == Lane::Readings).unwrap().stored_seq, 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_device_is_told_in_both_languages_also_after_a_restart() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let urgent = agent.batch(Lane::Urgent, vec![health(HealthLevel::Unreachable)]);
    agent.upload(vec![urgent]).await;
    let device = collector.device("ups-1").await;
    let told = async |collector: &Running| {
        let detail = collector.get(&format!("/api/v1/devices/{device}")).await;
        (detail["health"]["text"].clone(), detail["health"]["text_zh"].clone())
    };
    assert_eq!(told(&collector).await, (json!("no answer"), json!("没有应答")));
    let collector = collector.restart().await;
    assert_eq!(told(&collector).await, (json!("no answer"), json!("没有应答")));
}

#[tokio::test]
async fn an_old_value_never_replaces_a_newer_one() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let snapshot = agent.row_batch(0, &[(100, 231.0)]);
    let upload = Upload {
        catalogues: vec![catalogue().encode()],
        snapshots: vec![snapshot.encode()],
        ..agent.upload_of(vec![])
    };
    agent.try_upload(upload).await.unwrap();
    let device = collector.device("ups-1").await;
    collector.value_becomes(&device, "voltage", json!(231.0)).await;

    let backlog = agent.rows(&[(3_600_000, 180.0), (3_500_000, 90.0)]);
    agent.upload(vec![backlog]).await;
    let range = format!("/api/v1/devices/{device}/readings?point=voltage&from=0&to={}", crate::running::NOW + 1);
    let (status, body) = collector.request(Method::GET, &range, Some(&collector.key), None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    let range = format!("/api/v1/devices/{device}/readings?point=voltage&from={}", crate::running::NOW - 4_000_000);
    let readings = collector.items_when(&range, 2).await;
    assert_eq!(readings[0]["late"], true, "snapshots are no history, and the backlog is late");
    collector.value_becomes(&device, "voltage", json!(231.0)).await;
    let mode = collector.value_becomes(&device, "mode", json!("mains")).await;
    assert_eq!(mode["stale"], false);
    collector.clock.advance_ms(140_000);
    let mode = collector.value_becomes(&device, "mode", json!("mains")).await;
    assert_eq!(mode["stale"], true);
}

fn late_batch(agent: &mut ScriptedAgent, body: RecordBody, age_ms: u64) -> kouan_protocol::session::Envelope {
    let now = agent.now();
    let at = kouan_protocol::BootTime(now.boot_time.0 - age_ms);
    let batch = Batch::of_records(agent.next[&Lane::Urgent], now, vec![Record::new(at, body)]);
    agent.envelope(Lane::Urgent, &batch)
}

#[tokio::test]
async fn a_late_alarm_is_written_down_and_does_not_act() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let late = late_batch(&mut agent, alarm(AlarmState::Raised), 120_000);
    agent.upload(vec![late]).await;
    let log = collector.items_when("/api/v1/alarms/log", 1).await;
    assert_eq!(log[0]["late"], true);
    assert!(collector.items("/api/v1/alarms?state=raised").await.is_empty());

    let raised = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Raised)]);
    agent.upload(vec![raised]).await;
    collector.items_when("/api/v1/alarms?state=raised", 1).await;
    let older = late_batch(&mut agent, alarm(AlarmState::Cleared), 200_000);
    agent.upload(vec![older]).await;
    collector.items_when("/api/v1/alarms/log", 3).await;
    assert_eq!(collector.items("/api/v1/alarms?state=raised").await.len(), 1, "an older word does not clear it");
    collector.clock.advance_ms(1_000);
    let cleared = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Cleared)]);
    agent.upload(vec![cleared]).await;
    collector.items_when("/api/v1/alarms?state=raised", 0).await;
}

#[tokio::test]
async fn a_device_moves_to_another_agent_with_its_history() {
    let collector = Running::start().await;
    let mut one = collector.enrol("hall-1", "hall").await;
    one.hello().await;
    let event = one.batch(Lane::Events, vec![passage("in")]);
    one.upload(vec![event]).await;
    let gate = collector.device("gate-1").await;
    collector.items_when(&format!("/api/v1/events?device={gate}"), 1).await;

    collector.clock.advance_ms(10_000);
    collector.enrol("hall-2", "hall").await;
    collector.enrol("far-1", "far").await;
    let path = format!("/api/v1/devices/{gate}/binding");
    let (status, _) = collector.post(&path, json!({ "agent": "far-1", "key": "gate-9" })).await;
    assert_eq!(status, StatusCode::CONFLICT, "another site");
    let (status, body) = collector.post(&path, json!({ "agent": "hall-2", "key": "gate-9" })).await;
    assert_eq!((status, body["key"].as_str()), (StatusCode::OK, Some("gate-9")), "{body}");
    assert_eq!(body["bindings"].as_array().unwrap().len(), 2);
    collector.items_when(&format!("/api/v1/events?device={gate}"), 1).await;

    let event = one.batch(Lane::Events, vec![passage("out")]);
    one.upload(vec![event]).await;
    collector.items_when("/api/v1/events", 2).await;
    assert_eq!(collector.items(&format!("/api/v1/events?device={gate}")).await.len(), 1);
    let replaced = eventually("another gate-1", async || {
        let devices = collector.items("/api/v1/devices?agent=hall-1&q=gate-1").await;
        devices.iter().find(|device| device["key"] == "gate-1").cloned()
    });
    assert_ne!(replaced.await["id"], gate.as_str(), "whatever the first agent calls gate-1 now is another device");
}

#[tokio::test]
async fn people_name_devices() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    agent.upload(vec![]).await;
    let gate = collector.device("gate-1").await;
    let path = format!("/api/v1/devices/{gate}");
    let names = json!({ "label": "东闸机 3", "area": "东" });
    let (status, body) = collector.request(Method::PUT, &path, Some(&collector.key), Some(names)).await;
    assert_eq!((status, body["label"].as_str()), (StatusCode::OK, Some("东闸机 3")));
    let collector = collector.restart().await;
    assert_eq!(collector.items("/api/v1/devices?area=%E4%B8%9C").await.len(), 1);
    let (status, body) =
        collector.request(Method::PUT, &path, Some(&collector.key), Some(json!({ "label": "" }))).await;
    assert_eq!((status, body["label"].as_str()), (StatusCode::OK, Some("The passenger-gate")));
}
