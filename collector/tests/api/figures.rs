//! What contracts ask for: availability by area and period, pictures online and intact, and alarms answered in time.

use kouan_protocol::session::Upload;
use kouan_protocol::{
    AlarmState, Batch, BootTime, Catalogue, Cell, GroupIndex, GroupRows, HealthLevel, Lane, PointKind, RecordBody, Row,
    Value as Reading,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::{ScriptedAgent, alarm, catalogue, health};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

fn before(hours: u64) -> i64 {
    NOW - hours as i64 * HOUR as i64
}

/// Two cameras that tell whether their pictures come.
fn cameras() -> Catalogue {
    let camera = |name: &str| {
        let mut device = catalogue().devices[0].clone();
        device.key = name.parse().unwrap();
        device.class = "camera".to_owned();
        device.groups[0].points.truncate(1);
        let point = &mut device.groups[0].points[0];
        point.name = "video.ok".parse().unwrap();
        point.kind = PointKind::State;
        point.states = vec!["no".to_owned(), "yes".to_owned()];
        device
    };
    Catalogue { devices: vec![camera("camera-1"), camera("camera-2")] }
}

/// What a camera said every ten minutes of ten hours.
async fn pictures(agent: &mut ScriptedAgent, camera: u32, is_covered: impl Fn(u64) -> bool) {
    let (first_seq, now, cameras) = (agent.next[&Lane::Readings], agent.now(), cameras());
    let (_, group) = cameras.group(GroupIndex(camera)).unwrap();
    let rows: Vec<Row> = (0..=66_u64)
        .rev()
        .zip(first_seq..)
        .map(|(tens, seq)| {
            let age = tens * 10 * MINUTE;
            let word = if is_covered(age) { "no" } else { "yes" };
            let cells = vec![(0, Cell::good(Reading::text(word)))];
            Row { seq, boot_time: BootTime(now.boot_time.0 - age), cells }
        })
        .collect();
    let batch = Batch {
        first_seq,
        count: rows.len() as u64,
        anchor: now,
        catalogue: Some(Catalogue::hash_of(&cameras.encode())),
        groups: vec![GroupRows::encode(GroupIndex(camera), group, &rows, first_seq, &now)],
        records: Vec::new(),
        volatile: false,
        all_alarms: false,
    };
    let envelope = agent.envelope(Lane::Readings, &batch);
    upload(agent, envelope).await;
}

async fn upload(agent: &ScriptedAgent, batch: kouan_protocol::session::Envelope) {
    let upload = Upload { catalogues: vec![cameras().encode()], ..agent.upload_of(vec![batch]) };
    agent.try_upload(upload).await.unwrap();
}

fn health_of(camera: &str, level: HealthLevel) -> RecordBody {
    let mut body = health(level);
    if let RecordBody::Health(health) = &mut body {
        health.device = camera.parse().unwrap();
    }
    body
}

/// Ten hours of two cameras: the first one's lens was covered for two, the second one was not reached for two.
async fn ten_hours() -> Running {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 48 * HOUR);
    agent.hello().await;
    pictures(&mut agent, 0, |age| (4 * HOUR..6 * HOUR).contains(&age)).await;
    pictures(&mut agent, 1, |_| false).await;
    let told = [
        (11, "camera-1", HealthLevel::Working),
        (11, "camera-2", HealthLevel::Working),
        (8, "camera-2", HealthLevel::Unreachable),
        (6, "camera-2", HealthLevel::Working),
    ];
    let told = told.map(|(hours, camera, level)| (hours * HOUR, health_of(camera, level)));
    let batch = agent.aged(Lane::Urgent, told.into());
    upload(&agent, batch).await;
    collector
}

fn rounded(share: &Value) -> f64 {
    (share.as_f64().unwrap_or(f64::NAN) * 100.0).round() / 100.0
}

/// Waits until the rates of online and intact pictures are these, of a hundred.
async fn rates_become(collector: &Running, path: &str, expected: (f64, f64)) -> Value {
    eventually(&format!("{expected:?} at {path}"), async || {
        // When an agent recorded something is written once in a while.
        collector.clock.advance_ms(1);
        let answer = collector.get(path).await;
        let images = &answer["images"];
        let rates = (rounded(&images["online_rate"]), rounded(&images["intact_rate"]));
        (rates == expected && images["judged"] == 2).then_some(answer)
    })
    .await
}

#[tokio::test]
async fn pictures_online_and_intact_without_what_was_worked_on() {
    let collector = ten_hours().await;
    let path = format!("/api/v1/availability/summary?period=range&from={}&to={NOW}&by=area", before(10));
    let answer = rates_become(&collector, &path, (0.9, 0.9)).await;
    assert_eq!(answer["images"]["cameras"], 2);
    let area = &answer["items"][0];
    assert_eq!((&area["site"], &area["key"], &area["devices"]), (&json!("hall"), &json!("lane 1"), &json!(2)));

    let device = collector.device("camera-1").await;
    let at = |hours: u64| before(hours).to_string();
    let of_camera = json!({ "device": device, "from": at(5), "to": at(4), "reason": "new lens" });
    assert_eq!(collector.post("/api/v1/maintenance", of_camera).await.0, StatusCode::CREATED);
    rates_become(&collector, &path, (0.89, 0.95)).await;
    let of_area = json!({ "site": "hall", "area": "lane 1", "from": at(3), "to": at(2), "reason": "painting" });
    assert_eq!(collector.post("/api/v1/maintenance", of_area).await.0, StatusCode::CREATED);
    let of_other = json!({ "site": "hall", "area": "lane 2", "from": at(9), "to": at(0), "reason": "painting" });
    assert_eq!(collector.post("/api/v1/maintenance", of_other).await.0, StatusCode::CREATED);
    let answer = rates_become(&collector, &path, (0.88, 0.94)).await;
    let hours = answer["total"]["maintenance_ms"].as_i64().unwrap() / HOUR as i64;
    assert_eq!(hours, 3, "one of a camera, and one of both: {answer}");
}

#[tokio::test]
async fn months_and_years_are_those_of_the_site() {
    let collector = ten_hours().await;
    let day = 24 * HOUR as i64;
    let summary = async |rest: &str| collector.get(&format!("/api/v1/availability/summary?{rest}")).await;
    let length = |answer: &Value| answer["to_ms"].as_i64().unwrap() - answer["from_ms"].as_i64().unwrap();
    let month = summary("period=month&at=2026-02&site=hall").await;
    assert_eq!((month["zone"].as_str(), length(&month)), (Some("Asia/Shanghai"), 28 * day));
    let named = json!({ "name": { "zh": "大厅", "en": "Hall" }, "zone": "Asia/Urumqi" });
    let (status, answer) =
        collector.request(Method::PUT, "/api/v1/sites/hall", Some(&collector.key), Some(named)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let there = summary("period=month&at=2026-02&site=hall").await;
    assert_eq!(there["zone"], "Asia/Urumqi");
    let later = there["from_ms"].as_i64().unwrap() - month["from_ms"].as_i64().unwrap();
    assert_eq!(later, 2 * HOUR as i64, "midnight comes two hours later there");
    let asked = summary("period=year&at=2025&site=hall&zone=Europe/Berlin").await;
    assert_eq!((asked["zone"].as_str(), length(&asked)), (Some("Europe/Berlin"), 365 * day));
}

#[tokio::test]
async fn alarms_that_nobody_answers_count_against_the_promise() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let report = async || collector.get("/api/v1/alarm-reports").await["total"].clone();
    let tell = async |agent: &mut ScriptedAgent, state: AlarmState| {
        let batch = agent.batch(Lane::Urgent, vec![alarm(state)]);
        agent.upload(vec![batch]).await;
    };
    tell(&mut agent, AlarmState::Raised).await;
    let id = eventually("the alarm", async || {
        collector.items("/api/v1/alarms").await.first().map(|alarm| alarm["id"].clone())
    })
    .await;
    collector.clock.advance_ms(9 * MINUTE);
    let young = report().await;
    assert_eq!((&young["unanswered"], &young["within_10_min_share"]), (&json!(0), &Value::Null));
    collector.clock.advance_ms(2 * MINUTE);
    let late = report().await;
    assert_eq!((&late["unanswered"], &late["within_10_min_share"]), (&json!(1), &json!(0.0)));

    // Who begins to work there has answered it.
    let window = json!({ "site": "hall", "from": NOW.to_string(), "to": (NOW + HOUR as i64).to_string(), "reason": "a new fuse" });
    assert_eq!(collector.post("/api/v1/maintenance", window).await.0, StatusCode::CREATED);
    eventually("the window to be seen", async || {
        collector.clock.advance_ms(1_000);
        (collector.get(&format!("/api/v1/alarms/{}", id.as_str()?)).await["maintenance"] == true).then_some(())
    })
    .await;
    tell(&mut agent, AlarmState::Cleared).await;
    eventually("the alarm to close", async || {
        (collector.get(&format!("/api/v1/alarms/{}", id.as_str()?)).await["state"] == "closed").then_some(())
    })
    .await;
    let answered = report().await;
    assert_eq!(
        (&answered["count"], &answered["acknowledged"], &answered["unanswered"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert!(answered["mean_response_ms"].as_u64().unwrap() >= 11 * MINUTE, "{answered}");
    assert_eq!(answered["within_10_min_share"], 0.0);
}
