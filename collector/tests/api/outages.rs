//! What came and went while an agent could not be heard.

use kouan_protocol::{AlarmState, BootTime, Gap, GapReason, HealthLevel, Lane, Record, RecordBody, Timestamp};
use serde_json::{Value, json};

use crate::running::{Running, eventually};
use crate::scripted_agent::{alarm, health, passage};

fn gap(lost: u64) -> RecordBody {
    RecordBody::Gap(Gap {
        reason: GapReason::BytesLimit,
        lost,
        from: Timestamp(0),
        to: Timestamp(1),
        devices: Vec::new(),
        more_devices: false,
        earlier_epoch: None,
    })
}

async fn complete(collector: &Running, count: usize) -> Vec<Value> {
    eventually("digests are complete", async || {
        let rows = collector.items("/api/v1/outages").await;
        (rows.len() == count && rows.iter().all(|row| !row["complete_ms"].is_null())).then_some(rows)
    })
    .await
}

#[tokio::test]
async fn one_digest_tells_what_came_and_went() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let fresh = agent.batch(Lane::Events, vec![passage("in")]);
    agent.upload(vec![fresh]).await;
    collector.items_when("/api/v1/events", 1).await;
    assert!(collector.items("/api/v1/outages").await.is_empty());

    let alarms = vec![
        (500_000, alarm(AlarmState::Raised)),
        (400_000, health(HealthLevel::Unreachable)),
        (300_000, alarm(AlarmState::Cleared)),
        (250_000, health(HealthLevel::Working)),
    ];
    let urgent = agent.aged(Lane::Urgent, alarms);
    let events = agent.aged(Lane::Events, vec![(450_000, passage("in")), (90_000, passage("out"))]);
    let lost = agent.aged(Lane::Events, vec![(80_000, gap(7))]);
    agent.upload(vec![urgent, events, lost]).await;
    let mut rows = agent.row_batch(1, &[(1_000, 230.0), (0, 231.0)]);
    // Its rows keep their distance to the anchor.
    rows.anchor.boot_time = BootTime(rows.anchor.boot_time.0 - 200_000);
    rows.anchor.wall = rows.anchor.wall.plus_ms(-200_000);
    let rows = agent.envelope(Lane::Readings, &rows);
    agent.upload(vec![rows]).await;
    let begun = collector.items_when("/api/v1/outages", 1).await;
    assert!(begun[0]["complete_ms"].is_null(), "it drains: {}", begun[0]);
    let fresh = agent.batch(Lane::Urgent, vec![health(HealthLevel::Working)]);
    agent.upload(vec![fresh]).await;
    let fresh = agent.rows(&[(0, 229.0)]);
    agent.upload(vec![fresh]).await;
    let fresh = agent.batch(Lane::Events, vec![passage("in")]);
    agent.upload(vec![fresh]).await;
    let row = &complete(&collector, 1).await[0];
    assert_eq!(row["events"], json!({ "passage": 2 }));
    assert_eq!(row["alarms"], json!({ "on-battery": { "raised": 1, "cleared": 1 } }));
    assert_eq!((&row["devices"], row["readings"].as_i64()), (&json!(["ups-1"]), Some(2)));
    assert_eq!((row["gaps"].as_i64(), row["lost"].as_i64()), (Some(1), Some(7)));
    assert_eq!(
        (row["from_ms"].as_i64(), row["to_ms"].as_i64()),
        (Some(crate::running::NOW - 500_000), Some(crate::running::NOW))
    );
    assert!(collector.items("/api/v1/alarms?state=raised").await.is_empty(), "nothing of it acts");
    let port = collector.key("port", &["read"], Some(&["port"])).await;
    let (_, body) = collector.request(reqwest::Method::GET, "/api/v1/outages", Some(&port), None).await;
    assert_eq!(body["items"], json!([]));
}

#[tokio::test]
async fn a_digest_is_written_once_whenever_the_collector_stops() {
    let mut collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    for round in 1..=3 {
        let events = agent.aged(Lane::Events, vec![(90_000, passage("in")), (80_000, passage("out"))]);
        agent.upload(vec![events]).await;
        eventually("counted", async || {
            let rows = collector.items("/api/v1/outages").await;
            (rows.first()?["events"]["passage"] == json!(2 * round)).then_some(())
        })
        .await;
        collector = collector.restart().await;
        agent.moved_to(&collector.base);
        agent.hello().await;
    }
    // As after a kill before the cursor was written: what was counted with a cursor is not counted again.
    let row = &collector.items("/api/v1/outages").await[0];
    assert_eq!((row["events"]["passage"].as_i64(), row["complete_ms"].is_null()), (Some(6), true), "{row}");
    collector.clock.advance_ms(61_000);
    complete(&collector, 1).await;
    agent.hello().await;
    let events = agent.aged(Lane::Events, vec![(70_000, passage("in"))]);
    agent.upload(vec![events]).await;
    let rows = collector.items_when("/api/v1/outages", 2).await;
    assert_eq!(rows[0]["events"]["passage"], 1, "what comes behind a complete one is another outage");
    collector.is_sound().await;
}

#[tokio::test]
async fn a_snapshot_of_all_alarms_clears_what_it_does_not_name() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let raised = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Raised)]);
    agent.upload(vec![raised]).await;
    collector.items_when("/api/v1/alarms?state=raised", 1).await;
    collector.clock.advance_ms(5_000);
    let (named, at) = (alarm(AlarmState::Raised), agent.now().boot_time);
    agent.snapshot(vec![Record::new(at, named)]).await;
    assert_eq!(collector.items("/api/v1/alarms?state=raised").await.len(), 1, "it is named");
    collector.clock.advance_ms(600_000);
    agent.hello().await;
    agent.snapshot(Vec::new()).await;
    collector.items_when("/api/v1/alarms?state=raised", 0).await;
    let log = collector.items("/api/v1/alarms/log").await;
    assert_eq!((log[0]["state"].as_str(), log[0]["condition"].as_str()), (Some("cleared"), Some("on-battery")));
    assert!(log[0]["text"].as_str().unwrap().contains("could not be heard"));

    // The backlog behind it tells when it had cleared, and that it had come again and gone: nothing of that acts.
    let late =
        agent.aged(Lane::Urgent, vec![(500_000, alarm(AlarmState::Cleared)), (400_000, alarm(AlarmState::Raised))]);
    agent.upload(vec![late]).await;
    collector.items_when("/api/v1/alarms/log", 4).await;
    assert!(collector.items("/api/v1/alarms?state=raised").await.is_empty());
    collector.clock.advance_ms(1_000);
    let raised = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Raised)]);
    agent.upload(vec![raised]).await;
    collector.items_when("/api/v1/alarms?state=raised", 1).await;
}

#[tokio::test]
async fn a_snapshot_does_not_clear_what_was_raised_after_it_was_made() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let made = agent.now();
    collector.clock.advance_ms(10);
    let raised = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Raised)]);
    agent.upload(vec![raised]).await;
    collector.items_when("/api/v1/alarms?state=raised", 1).await;
    agent.snapshot_of(made, Vec::new()).await;
    assert_eq!(collector.items("/api/v1/alarms?state=raised").await.len(), 1);
}
