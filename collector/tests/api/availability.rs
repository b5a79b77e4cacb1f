//! Availability, windows of maintenance, and the log of alarms.

use kouan_protocol::{AlarmState, Gap, GapReason, HealthLevel, Lane, Record, RecordBody, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::{ScriptedAgent, alarm, health};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Twenty hours of an agent that has a UPS; it records something every ten minutes but for two hours, of which its
/// next start tells.
async fn twenty_hours() -> (Running, ScriptedAgent, String) {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 48 * HOUR.unsigned_abs());
    agent.hello().await;
    let ages = (0..120).map(|at| at * 10 * MINUTE.unsigned_abs()).rev();
    let rows: Vec<(u64, f64)> =
        ages.filter(|age| !(8..10).contains(&(age / HOUR.unsigned_abs()))).map(|age| (age, 230.0)).collect();
    let hour = |hours: u64| hours * HOUR.unsigned_abs();
    let not_running = RecordBody::Gap(Gap {
        reason: GapReason::NotRunning,
        lost: 0,
        from: Timestamp(NOW - 10 * HOUR),
        to: Timestamp(NOW - 8 * HOUR),
        devices: Vec::new(),
        more_devices: false,
        earlier_epoch: None,
    });
    let urgent = vec![
        (hour(19), health(HealthLevel::Working)),
        (hour(15), health(HealthLevel::Unreachable)),
        (hour(14), health(HealthLevel::Working)),
        (hour(8), health(HealthLevel::Working)),
        (hour(6), health(HealthLevel::Unreachable)),
        (hour(3), health(HealthLevel::Answering)),
        (hour(2), health(HealthLevel::Working)),
    ];
    let batches = vec![agent.rows(&rows), agent.aged(Lane::Urgent, urgent)];
    agent.upload(batches).await;
    let gap = agent.gap_batch(Lane::Readings, not_running);
    agent.upload(vec![gap]).await;
    let device = collector.device("ups-1").await;
    (collector, agent, device)
}

/// Hours of each part: working, answering, down, not observed, maintenance.
fn hours(parts: &Value) -> Vec<i64> {
    ["working_ms", "answering_ms", "down_ms", "not_observed_ms", "maintenance_ms"]
        .iter()
        .map(|part| (parts[part].as_f64().unwrap() / HOUR as f64).round() as i64)
        .collect()
}

/// Waits until the parts of the only device at `path` are these.
async fn becomes(collector: &Running, path: &str, expected: &[i64]) -> Value {
    let mut last = Value::Null;
    let started = std::time::Instant::now();
    while started.elapsed() < std::time::Duration::from_secs(10) {
        // When an agent recorded something is written once in a while.
        collector.clock.advance_ms(1);
        last = collector.get(path).await;
        if hours(&last["total"]) == expected {
            return last;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{expected:?} did not come: {last}");
}

#[tokio::test]
async fn what_was_not_observed_was_not_down_and_maintenance_does_not_count() {
    let (collector, mut agent, device) = twenty_hours().await;
    collector.clock.advance_ms(16_000);
    let more = agent.rows(&[(1, 230.0)]);
    agent.upload(vec![more]).await;
    let range = format!("from={}&to={}", NOW - 18 * HOUR, NOW);
    let path = format!("/api/v1/availability?device={device}&{range}");
    let answer = becomes(&collector, &path, &[11, 1, 4, 2, 0]).await;
    let item = &answer["items"][0];
    assert_eq!((item["device"].as_str(), item["class"].as_str()), (Some(device.as_str()), Some("ups")));
    let share = answer["total"]["availability"].as_f64().unwrap();
    assert!((share - 11.0 / 16.0).abs() < 1e-3, "{answer}");
    let sum: i64 = ["working_ms", "answering_ms", "down_ms", "not_observed_ms", "maintenance_ms", "disabled_ms"]
        .iter()
        .map(|part| item[part].as_i64().unwrap())
        .sum();
    assert_eq!(sum, 18 * HOUR);

    let at = |age: i64| (NOW - age).to_string();
    let window = json!({ "device": device, "from": at(7 * HOUR), "to": at(4 * HOUR), "reason": "new batteries" });
    let (status, made) = collector.post("/api/v1/maintenance", window).await;
    assert_eq!((status, made["site"].as_str()), (StatusCode::CREATED, Some("hall")), "{made}");
    becomes(&collector, &path, &[10, 1, 2, 2, 3]).await;
    let of_class = json!({ "site": "hall", "class": "ups", "from": at(15 * HOUR), "to": at(14 * HOUR), "reason": "x" });
    assert_eq!(collector.post("/api/v1/maintenance", of_class).await.0, StatusCode::CREATED);
    let of_others = json!({ "site": "hall", "class": "meter", "from": at(9 * HOUR), "to": at(0), "reason": "x" });
    assert_eq!(collector.post("/api/v1/maintenance", of_others).await.0, StatusCode::CREATED);
    becomes(&collector, &path, &[10, 1, 1, 2, 4]).await;
    becomes(&collector, &format!("/api/v1/availability?class=ups&site=hall&{range}"), &[10, 1, 1, 2, 4]).await;
    let all = collector.get(&format!("/api/v1/availability?site=hall&{range}")).await;
    assert_eq!(all["devices"], 3);
    assert_eq!(hours(&all["total"]), [10, 1, 1, 38, 4], "of two devices nothing was ever said: {all}");

    let collector = collector.restart().await;
    becomes(&collector, &path, &[10, 1, 1, 2, 4]).await;
    // What arrives late amends what is known of its time.
    agent.moved_to(&collector.base);
    agent.hello().await;
    let late = agent.aged(Lane::Urgent, vec![(16 * HOUR.unsigned_abs(), health(HealthLevel::Unreachable))]);
    agent.upload(vec![late]).await;
    becomes(&collector, &path, &[9, 1, 2, 2, 4]).await;
}

#[tokio::test]
async fn a_snapshot_ends_what_a_loss_left_unknown() {
    let (collector, mut agent, device) = twenty_hours().await;
    let lost = RecordBody::Gap(Gap {
        reason: GapReason::Damaged,
        lost: 0,
        from: Timestamp(NOW - 90 * MINUTE),
        to: Timestamp(NOW - 60 * MINUTE),
        devices: Vec::new(),
        more_devices: false,
        earlier_epoch: None,
    });
    let gap = agent.gap_batch(Lane::Urgent, lost);
    agent.upload(vec![gap]).await;
    collector.clock.advance_ms(16_000);
    let more = agent.rows(&[(1, 230.0)]);
    agent.upload(vec![more]).await;
    let path = format!("/api/v1/availability?device={device}&from={}&to={NOW}", NOW - 3 * HOUR);
    let minutes = |parts: &Value, part: &str| (parts[part].as_f64().unwrap() / MINUTE as f64).round() as i64;
    let becomes = async |working: i64, unknown: i64| {
        eventually(&format!("{working} working and {unknown} unknown"), async || {
            let total = collector.get(&path).await["total"].clone();
            ((minutes(&total, "working_ms"), minutes(&total, "not_observed_ms")) == (working, unknown)).then_some(())
        })
        .await;
    };
    becomes(30, 90).await;
    // The same word again, as the record in the lane gave it.
    let now = agent.now();
    let boot_time = kouan_protocol::BootTime(now.boot_time.0 - 16_000 - 2 * HOUR.unsigned_abs());
    agent.snapshot(vec![Record::new(boot_time, health(HealthLevel::Working))]).await;
    becomes(120, 0).await;
}

#[tokio::test]
async fn a_window_ends_early_or_is_cancelled_and_stays_on_record() {
    let (collector, _, device) = twenty_hours().await;
    let at = |age: i64| (NOW - age).to_string();
    let make = async |from: i64, to: i64| {
        let body = json!({ "device": device, "from": at(from), "to": at(to), "reason": "r" });
        collector.post("/api/v1/maintenance", body).await.1["id"].as_i64().unwrap()
    };
    let (over, standing, to_come) = (make(HOUR, 1).await, make(HOUR, -HOUR).await, make(-HOUR, -2 * HOUR).await);
    let end = async |id: i64, key: &str| {
        collector.request(Method::DELETE, &format!("/api/v1/maintenance/{id}"), Some(key), None).await.0
    };
    let port = collector.key("port", &["read", "admin"], Some(&["port"])).await;
    assert_eq!(end(standing, &port).await, StatusCode::NOT_FOUND);
    assert_eq!(end(over, &collector.key).await, StatusCode::CONFLICT);
    assert_eq!(end(standing, &collector.key).await, StatusCode::NO_CONTENT);
    assert_eq!(end(to_come, &collector.key).await, StatusCode::NO_CONTENT);
    assert_eq!(end(to_come, &collector.key).await, StatusCode::CONFLICT);
    assert_eq!(end(99, &collector.key).await, StatusCode::NOT_FOUND);
    let rows = collector.items("/api/v1/maintenance").await;
    assert_eq!(rows.len(), 3);
    assert_eq!((rows[0]["cancelled"].as_bool(), rows[1]["to_ms"].as_i64()), (Some(true), Some(NOW)));
    assert_eq!(rows[1]["ended_by"], "first");
    assert!(
        collector.request(Method::GET, "/api/v1/maintenance", Some(&port), None).await.1["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    for bad in [
        json!({ "from": at(2), "to": at(1), "reason": "r" }),
        json!({ "device": device, "from": at(1), "to": at(2), "reason": "r" }),
        json!({ "device": device, "from": at(2), "to": at(1), "reason": " " }),
        json!({ "device": device, "class": "ups", "from": at(2), "to": at(1), "reason": "r" }),
        json!({ "device": device, "site": "port", "from": at(2), "to": at(1), "reason": "r" }),
        json!({ "device": device, "from": "soon", "to": at(1), "reason": "r" }),
    ] {
        assert_eq!(
            collector.post("/api/v1/maintenance", bad.clone()).await.0,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{bad}"
        );
    }
    let unknown = json!({ "site": "far", "from": at(2), "to": at(1), "reason": "r" });
    assert_eq!(collector.post("/api/v1/maintenance", unknown).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_log_of_alarms_is_found_by_any_combination_and_paged_by_time() {
    let (collector, mut agent, device) = twenty_hours().await;
    let minute = MINUTE.unsigned_abs();
    // In the order of their arrival the times go up and down.
    let changes: Vec<(u64, RecordBody)> = (0..30_u64)
        .map(|at| ((at * 7 % 30) * minute, alarm(if at % 2 == 0 { AlarmState::Raised } else { AlarmState::Cleared })))
        .collect();
    let ages: Vec<(u64, &str)> =
        (0..30_u64).map(|at| (at * 7 % 30, if at % 2 == 0 { "raised" } else { "cleared" })).collect();
    let batch = agent.aged(Lane::Urgent, changes);
    agent.upload(vec![batch]).await;
    collector.items_when("/api/v1/alarms/log?limit=1000", 30).await;
    let walk = async |search: &str| {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = collector.get(&format!("/api/v1/alarms/log?limit=4{search}{cursor}")).await;
            let items = page["items"].as_array().unwrap();
            found.extend(items.iter().map(|row| (NOW - row["time_ms"].as_i64().unwrap()).unsigned_abs() / minute));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    };
    let expected = |wanted: &dyn Fn(&(u64, &str)) -> bool| {
        let mut ages: Vec<u64> = ages.iter().filter(|change| wanted(change)).map(|(age, _)| *age).collect();
        ages.sort_unstable();
        ages
    };
    let at = |age: i64| NOW - age * MINUTE;
    assert_eq!(walk("").await, expected(&|_| true));
    let mut oldest = walk("&order=oldest").await;
    oldest.reverse();
    assert_eq!(oldest, expected(&|_| true));
    let search = format!("&state=raised&device={device}&class=ups&site=hall&from={}&to={}", at(20), at(5));
    assert_eq!(walk(&search).await, expected(&|(age, state)| *state == "raised" && (6..=20).contains(age)));
    assert_eq!(walk("&condition=on-battery&severity=major&agent=hall-1").await.len(), 30);
    for none in ["&condition=other", "&severity=info", "&site=port", "&class=meter", "&agent=port-1", "&device=d-x"] {
        assert!(walk(none).await.is_empty(), "{none}");
    }
    for bad in ["severity=bad", "state=up", "order=up", "cursor=7", "from=x"] {
        let path = format!("/api/v1/alarms/log?{bad}");
        let (status, _) = collector.request(Method::GET, &path, Some(&collector.key), None).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
}

#[tokio::test]
async fn figures_of_a_period_by_site_and_class() {
    // Of the three devices two have never told how they are.
    let (collector, mut agent, _) = twenty_hours().await;
    collector.clock.advance_ms(16_000);
    let more = agent.rows(&[(1, 230.0)]);
    agent.upload(vec![more]).await;
    let range = format!("period=range&from={}&to={}", NOW - 18 * HOUR, NOW);
    becomes(&collector, &format!("/api/v1/availability/summary?{range}"), &[11, 1, 4, 38, 0]).await;
    let by_class = collector.get(&format!("/api/v1/availability/summary?{range}&by=class")).await;
    let worst = &by_class["items"][0];
    assert_eq!((&worst["key"], &worst["devices"]), (&json!("ups"), &json!(1)));
    assert!((worst["availability"].as_f64().unwrap() - 11.0 / 16.0).abs() < 1e-3, "{worst}");
    assert_eq!(
        by_class["images"],
        json!({ "cameras": 0, "online_rate": null, "judged": 0, "intact_rate": null, "incomplete": false })
    );
    let day = collector.get("/api/v1/availability/summary?period=day").await;
    assert_eq!(day["zone"], "Asia/Shanghai");
    for wrong in ["period=week", "period=month&at=2026-13", "zone=Mars", "by=colour"] {
        let path = format!("/api/v1/availability/summary?{wrong}");
        let (status, _) = collector.request(Method::GET, &path, Some(&collector.key), None).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}
