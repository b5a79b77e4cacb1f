//! Readings and events over time.

use kouan_protocol::{Clock as _, Lane};

use crate::running::{NOW, Running};
use crate::scripted_agent::passage;

#[tokio::test]
async fn readings_of_a_range_come_page_by_page_across_days() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let day = 24 * 3_600_000_u64;
    collector.clock.change(|anchor| anchor.boot_time.0 += 3 * day);
    // Two rows share a time; three days are touched.
    let ages = [2 * day, 2 * day, day, 5_000, 4_000, 3_000, 1_000];
    let rows: Vec<(u64, f64)> = ages.iter().zip(0..).map(|(age, at)| (*age, f64::from(at))).collect();
    let batch = agent.rows(&rows);
    agent.upload(vec![batch]).await;
    let device = collector.device("ups-1").await;
    let path = format!("/api/v1/devices/{device}/readings?point=voltage&from=2026-11-01T00:00:00Z");
    collector.items_when(&path, 7).await;

    let mut cursor = None::<String>;
    let mut values = Vec::new();
    loop {
        let cursor_part = cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = collector.get(&format!("{path}&limit=2{cursor_part}")).await;
        values.extend(page["items"].as_array().unwrap().iter().map(|row| row["value"].as_f64().unwrap()));
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let range = format!("{path}&to={}", NOW - 3_500).replace("2026-11-01T00:00:00Z", &(NOW - 5_000).to_string());
    let page = collector.get(&range).await;
    let times: Vec<i64> =
        page["items"].as_array().unwrap().iter().map(|row| row["time_ms"].as_i64().unwrap()).collect();
    assert_eq!(times, [NOW - 5_000, NOW - 4_000]);
    assert_eq!(page["unit"], "V");
    let states = collector.items(&format!("/api/v1/devices/{device}/readings?point=mode")).await;
    assert_eq!(states[0]["value"], "battery");
}

#[tokio::test]
async fn events_are_paged_exactly_although_their_times_are_equal() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    for _ in 0..5 {
        let batch = agent.batch(Lane::Events, vec![passage("in"), passage("out"), passage("in")]);
        agent.upload(vec![batch]).await;
    }
    collector.items_when("/api/v1/events", 15).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/events?limit=4".to_owned();
    loop {
        let page = collector.get(&path).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["seq"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/events?limit=4&cursor={next}");
    }
    assert_eq!(seen, (1..=15).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn events_are_found_by_what_they_are_and_hide_what_is_personal() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let batch = agent.batch(Lane::Events, vec![passage("in")]);
    agent.upload(vec![batch]).await;
    let events = collector.items_when("/api/v1/events?class=passenger-gate&kind=passage", 1).await;
    let event = &events[0];
    assert_eq!(event["fields"], serde_json::json!({ "direction": "in" }));
    assert_eq!(event["left_out"], serde_json::json!(["card"]));
    assert_eq!((event["late"].as_bool(), event["time_ms"].as_i64()), (Some(false), Some(NOW)));
    assert_eq!(event["device"], collector.device("gate-1").await.as_str());
    for other in ["class=ups", "kind=plate", "site=far", "from=2026-11-23T00:00:00Z", "to=2026-11-22T00:00:00Z"] {
        assert!(collector.items(&format!("/api/v1/events?{other}")).await.is_empty(), "{other}");
    }
}

#[tokio::test]
async fn times_of_a_clock_that_was_never_set_are_corrected() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let mut batch = agent.row_batch(1, &[(1_000, 5.0)]);
    let here = collector.clock.anchor();
    batch.anchor.wall = kouan_protocol::Timestamp(60_000);
    batch.anchor.trusted = false;
    let rows = agent.envelope(Lane::Readings, &batch);
    let mut upload = agent.upload_of(vec![rows]);
    upload.catalogues = vec![crate::scripted_agent::catalogue().encode()];
    upload.now = kouan_protocol::Anchor { wall: kouan_protocol::Timestamp(60_000), trusted: false, ..here };
    agent.try_upload(upload).await.unwrap();
    let device = collector.device("ups-1").await;
    let readings = collector.items_when(&format!("/api/v1/devices/{device}/readings?point=voltage"), 1).await;
    assert_eq!(
        (readings[0]["time_ms"].as_i64(), readings[0]["time_status"].as_str()),
        (Some(NOW - 1_000), Some("corrected"))
    );
}
