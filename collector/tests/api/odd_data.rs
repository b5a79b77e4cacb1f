//! Data that is not as it should be: each case of the table in `docs/history.md` ends as it says, and nothing else is
//! lost.

use kouan_protocol::session::{Envelope, Upload};
use kouan_protocol::{
    AlarmState, Batch, BootTime, Catalogue, Cell, DeviceHealth, GroupIndex, GroupRows, HealthLevel, Lane, PointKind,
    PointSpec, RecordBody, Row, Value as PointValue,
};
use serde_json::{Value, json};

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::{ScriptedAgent, alarm, catalogue, passage};

const DAY: u64 = 24 * 3_600_000;

/// The catalogue with another kind of the first point.
fn with_kind(kind: PointKind) -> Catalogue {
    let mut other = catalogue();
    let point = &mut other.devices[0].groups[0].points[0];
    point.kind = kind;
    if kind == PointKind::State {
        point.states = vec!["low".to_owned(), "high".to_owned()];
    }
    other
}

/// Readings of the first point by a catalogue of their own.
fn batch_of(agent: &mut ScriptedAgent, catalogue: &Catalogue, cells: Vec<(u64, Cell)>) -> Envelope {
    let (first_seq, now) = (agent.next[&Lane::Readings], agent.now());
    let (_, group) = catalogue.group(GroupIndex(0)).unwrap();
    let row = |((age, cell), at): ((u64, Cell), u64)| Row {
        seq: first_seq + at,
        boot_time: BootTime(now.boot_time.0 - age),
        cells: vec![(0, cell)],
    };
    let rows: Vec<Row> = cells.into_iter().zip(0..).map(row).collect();
    let batch = Batch {
        first_seq,
        count: rows.len() as u64,
        anchor: now,
        catalogue: Some(Catalogue::hash_of(&catalogue.encode())),
        groups: vec![GroupRows::encode(GroupIndex(0), group, &rows, first_seq, &now)],
        records: Vec::new(),
        volatile: false,
        all_alarms: false,
    };
    agent.envelope(Lane::Readings, &batch)
}

async fn upload(agent: &ScriptedAgent, catalogue: &Catalogue, batch: Envelope) {
    let upload = Upload { catalogues: vec![catalogue.encode()], ..agent.upload_of(vec![batch]) };
    agent.try_upload(upload).await.unwrap();
}

/// The readings of the first point, once there are so many.
async fn readings(collector: &Running, device: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/v1/devices/{device}/readings?point=voltage&from={}&limit=5000", NOW - DAY as i64);
    collector.items_when(&path, count).await
}

async fn started() -> (Running, ScriptedAgent) {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    (collector, agent)
}

#[tokio::test]
async fn numbers_that_are_none_are_bad_readings_and_their_neighbours_stay() {
    let (collector, mut agent) = started().await;
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let rows: Vec<(u64, f64)> = [230.0]
        .into_iter()
        .chain(odd)
        .chain([231.0])
        .zip((1..=5).rev())
        .map(|(value, age)| (age * 10, value))
        .collect();
    let batch = agent.rows(&rows);
    agent.upload(vec![batch]).await;
    let device = collector.device("ups-1").await;
    let told = readings(&collector, &device, 5).await;
    let values: Vec<&Value> = told.iter().map(|row| &row["value"]).collect();
    assert_eq!(values, [&json!(230.0), &Value::Null, &Value::Null, &Value::Null, &json!(231.0)]);
    for row in &told[1..4] {
        assert_eq!((&row["quality"], &row["reason"]), (&json!("bad"), &json!("not-understood")));
    }
    collector.value_becomes(&device, "voltage", json!(231.0)).await;
    collector.is_sound().await;
}

#[tokio::test]
async fn a_point_that_changes_its_kind_is_told_as_it_was_and_as_it_is() {
    let (collector, mut agent) = started().await;
    let (number, state) = (with_kind(PointKind::Measurement), with_kind(PointKind::State));
    let first = batch_of(&mut agent, &number, vec![(30, Cell::good(PointValue::Number(230.0)))]);
    upload(&agent, &number, first).await;
    let second = batch_of(&mut agent, &state, vec![(20, Cell::good(PointValue::text("high")))]);
    upload(&agent, &state, second).await;
    let third = batch_of(&mut agent, &number, vec![(10, Cell::good(PointValue::Number(231.0)))]);
    upload(&agent, &number, third).await;
    let device = collector.device("ups-1").await;
    let told = readings(&collector, &device, 3).await;
    let values: Vec<&Value> = told.iter().map(|row| &row["value"]).collect();
    assert_eq!(values, [&json!(230.0), &json!("high"), &json!(231.0)]);
    assert!(collector.items("/api/v1/quarantine").await.is_empty());
    collector.is_sound().await;
}

#[tokio::test]
async fn a_time_long_before_any_clock_of_ours_was_set_is_kept_inside() {
    let (collector, mut agent) = started().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 20 * 365 * DAY);
    let batch = agent.rows(&[(10 * 365 * DAY, 1.0), (10, 2.0)]);
    agent.upload(vec![batch]).await;
    let device = collector.device("ups-1").await;
    let path = format!("/api/v1/devices/{device}/readings?point=voltage&from=2020-01-01T00:00:00Z&to=1577923200000");
    let told = collector.items_when(&path, 1).await;
    assert_eq!((&told[0]["time"], &told[0]["value"]), (&json!("2020-01-01T00:00:00.000Z"), &json!(1.0)));
    assert_eq!(told[0]["agent_time_ms"], NOW - (10 * 365 * DAY) as i64, "what the agent said is kept");
    assert_eq!(told[0]["time_status"], "uncertain");
    let told = readings(&collector, &device, 1).await;
    assert_eq!((&told[0]["time_ms"], &told[0]["value"]), (&json!(NOW - 10), &json!(2.0)));
    assert_eq!(told[0]["time_status"], "trusted", "its neighbour in the batch");
    let old = agent.aged(Lane::Events, vec![(10 * 365 * DAY, passage("in")), (5, passage("out"))]);
    agent.upload(vec![old]).await;
    let told = collector.items_when("/api/v1/events?kind=passage&order=oldest", 2).await;
    let times: Vec<_> = told.iter().map(|event| (&event["time"], &event["time_status"])).collect();
    assert_eq!(times[0], (&json!("2020-01-01T00:00:00.000Z"), &json!("uncertain")));
    assert_eq!(times[1].1, "trusted");
    collector.is_sound().await;
}

#[tokio::test]
async fn a_time_far_ahead_is_kept_inside_a_day_and_says_so() {
    let (collector, mut agent) = started().await;
    let (now, catalogue) = (agent.now(), catalogue());
    let mut ahead = agent.row_batch(agent.next[&Lane::Readings], &[(20, 1.0), (10, 2.0)]);
    let (_, group) = catalogue.group(GroupIndex(0)).unwrap();
    let mut rows = ahead.groups[0].rows(group, ahead.first_seq, &now).unwrap();
    rows[1].boot_time = BootTime(now.boot_time.0 + 365 * DAY);
    ahead.groups = vec![GroupRows::encode(GroupIndex(0), group, &rows, ahead.first_seq, &now)];
    let envelope = agent.envelope(Lane::Readings, &ahead);
    agent.upload(vec![envelope]).await;
    let device = collector.device("ups-1").await;
    let until = NOW + 2 * DAY as i64;
    let path = format!("/api/v1/devices/{device}/readings?point=voltage&from={}&to={until}", NOW - DAY as i64);
    let told = collector.items_when(&path, 2).await;
    let (first, second) = (&told[0], &told[1]);
    assert_eq!((&first["time_ms"], &first["time_status"]), (&json!(NOW - 20), &json!("trusted")));
    assert_eq!((&second["time_ms"], &second["time_status"]), (&json!(NOW + DAY as i64), &json!("uncertain")));
    assert_eq!(second["agent_time_ms"], NOW + 365 * DAY as i64, "what the agent said is kept");
    collector.is_sound().await;
}

#[tokio::test]
async fn texts_that_are_all_different_come_back_as_they_were() {
    let (collector, mut agent) = started().await;
    let texts = with_kind(PointKind::Text);
    let text = |at: u64| format!("{at}-{}", "字".repeat((at % 200) as usize));
    for part in 0..3_u64 {
        let cells =
            (0..400).map(|at| (10_000 - part * 1_000 - at, Cell::good(PointValue::text(&text(part * 400 + at)))));
        let batch = batch_of(&mut agent, &texts, cells.collect());
        upload(&agent, &texts, batch).await;
    }
    let device = collector.device("ups-1").await;
    let told = readings(&collector, &device, 1_200).await;
    for (row, at) in told.iter().zip(0..) {
        assert_eq!(row["value"], text(at), "the text at {at}");
    }
    let folder = collector.stop_caught_up().await;
    let report = kouan_collector::telemetry::check(&folder.path().join("history")).unwrap();
    assert!(report.problems.is_empty() && report.rows == 1_200, "{report:?}");
}

#[tokio::test]
async fn long_texts_fill_the_memory_of_the_newest_readings_as_numbers_do() {
    let collector = Running::start_with(|settings| settings.history_memory = 256 << 10).await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let texts = with_kind(PointKind::Text);
    let text = |at: u64| format!("{at}-{}", "字".repeat(300));
    // Far fewer rows than would fill it with numbers, and it is not told to write them by time.
    for part in 0..4_u64 {
        let cells =
            (0..100).map(|at| (10_000 - part * 1_000 - at, Cell::good(PointValue::text(&text(part * 100 + at)))));
        let batch = batch_of(&mut agent, &texts, cells.collect());
        upload(&agent, &texts, batch).await;
    }
    eventually("the first of them are on disk", async || {
        let sizes = collector.get("/api/v1/history/sizes").await;
        let rows = sizes["classes"].as_array()?.iter().filter_map(|class| class["rows"].as_u64()).sum::<u64>();
        (rows >= 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn ever_new_names_of_points_fill_the_memory_of_the_newest_readings() {
    let collector = Running::start_with(|settings| settings.history_memory = 4 << 20).await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    // One reading of each catalogue: what the names cost is all that there is, and nothing is written by time.
    let of = |part: u32| {
        let mut other = catalogue();
        let points = &mut other.devices[0].groups[0].points;
        let first = points[0].clone();
        points.splice(
            1..,
            (0..500).map(|at| PointSpec { name: format!("p{part}.n{at}").parse().unwrap(), ..first.clone() }),
        );
        other
    };
    for part in 0..60_u32 {
        let names = of(part);
        let cell = Cell::good(PointValue::Number(f64::from(part)));
        let batch = batch_of(&mut agent, &names, vec![(1_000 - u64::from(part), cell)]);
        upload(&agent, &names, batch).await;
    }
    eventually("the first of them are on disk", async || {
        let sizes = collector.get("/api/v1/history/sizes").await;
        let rows = sizes["classes"].as_array()?.iter().filter_map(|class| class["rows"].as_u64()).sum::<u64>();
        (rows >= 30).then_some(())
    })
    .await;
    let device = collector.device("ups-1").await;
    assert_eq!(readings(&collector, &device, 60).await.len(), 60, "none is lost");
}

fn alarm_of(condition: &str, state: AlarmState) -> RecordBody {
    let mut body = alarm(state);
    if let RecordBody::Alarm(change) = &mut body {
        change.condition = condition.to_owned();
    }
    body
}

#[tokio::test]
async fn a_device_that_names_ever_new_conditions_gets_so_many_and_an_alarm() {
    let (collector, mut agent) = started().await;
    let raised = |at: usize| alarm_of(&format!("fault-{at}"), AlarmState::Raised);
    for part in 0..3 {
        let batch = agent.batch(Lane::Urgent, (0..80).map(|at| raised(part * 80 + at)).collect());
        agent.upload(vec![batch]).await;
    }
    let standing = eventually("an alarm about too many conditions", async || {
        let alarms = collector.items("/api/v1/alarms?state=raised&limit=1000").await;
        alarms.iter().any(|alarm| alarm["condition"] == "too-many-conditions").then_some(alarms)
    })
    .await;
    let of_device = |alarm: &&Value| alarm["device_label"] == "The ups";
    assert_eq!(standing.iter().filter(of_device).count(), 200);
    // One that is known goes on, and what was refused is in the log.
    let batch = agent.batch(Lane::Urgent, vec![alarm_of("fault-3", AlarmState::Cleared)]);
    agent.upload(vec![batch]).await;
    eventually("the alarm to be cleared", async || {
        let cleared = collector.items("/api/v1/alarms?state=cleared&condition=fault-3").await;
        (cleared.len() == 1).then_some(())
    })
    .await;
    assert_eq!(collector.items("/api/v1/alarms/log?limit=1000&condition=fault-239").await.len(), 1);
    collector.is_sound().await;
}

#[tokio::test]
async fn an_agent_that_names_ever_new_devices_gets_so_many_and_an_alarm() {
    let (collector, mut agent) = started().await;
    agent.upload(vec![]).await;
    collector.device("ups-1").await;
    let collector = collector.restart_with(|settings| settings.devices_per_agent = 50).await;
    agent.moved_to(&collector.base);
    agent.hello().await;
    let ups = collector.device("ups-1").await;
    let word = |at: usize| {
        RecordBody::Health(DeviceHealth {
            device: format!("device-{at}").parse().unwrap(),
            level: HealthLevel::Unreachable,
            reason: "timeout".to_owned(),
            text: String::new(),
            text_zh: String::new(),
        })
    };
    for part in 0..3 {
        let batch = agent.batch(Lane::Urgent, (0..40).map(|at| word(part * 40 + at)).collect());
        agent.upload(vec![batch]).await;
    }
    let alarms = eventually("an alarm about too many names", async || {
        let alarms = collector.items("/api/v1/alarms?state=raised").await;
        alarms.into_iter().find(|alarm| alarm["condition"] == "too-many-devices")
    })
    .await;
    assert!(alarms["text"]["en"].as_str().unwrap().contains("50 devices"), "{alarms}");
    // What is said of the rest is said of one device, and all that was there goes on.
    let others = collector.device("further-devices").await;
    let detail = collector.get(&format!("/api/v1/devices/{others}")).await;
    assert_eq!(detail["health"]["level"], "unreachable", "{detail}");
    let batch = agent.rows(&[(10, 230.0)]);
    agent.upload(vec![batch]).await;
    collector.value_becomes(&ups, "voltage", json!(230.0)).await;
    collector.is_sound().await;
    assert_eq!(collector.items("/api/v1/devices?limit=1000").await.len(), 51);
    // Nobody says such names any more.
    collector.clock.advance_ms(11 * 60_000);
    collector.items_when("/api/v1/alarms?state=raised", 0).await;
}
