//! Counters, states and texts in the history: raw, and by the minute and the hour.

use kouan_collector::telemetry::{KeepClass, Retention};
use kouan_protocol::session::Upload;
use kouan_protocol::{
    Batch, BootTime, Catalogue, Cell, GroupIndex, GroupRows, Lane, PointKind, PointSpec, Quality, QualityReason, Row,
    Value as PointValue,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::{ScriptedAgent, catalogue};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Columns of the wide catalogue.
const MODE: u16 = 1;
const ENERGY: u16 = 2;
const NOTE: u16 = 3;

/// The catalogue with a counter and a text more, and a class of its own.
fn wide(class: &str) -> Catalogue {
    let mut wide = catalogue();
    class.clone_into(&mut wide.devices[0].class);
    let point = |name: &str, kind| PointSpec {
        name: name.parse().unwrap(),
        kind,
        unit: String::new(),
        decimals: 0,
        states: Vec::new(),
    };
    wide.devices[0].groups[0].points.extend([point("energy", PointKind::Counter), point("note", PointKind::Text)]);
    wide
}

/// So many days ago, at midnight UTC.
fn midnight(days_ago: i64) -> i64 {
    (NOW.div_euclid(DAY) - days_ago) * DAY
}

fn word(word: &str) -> Cell {
    Cell::good(PointValue::text(word))
}

fn bad() -> Cell {
    Cell { value: None, quality: Quality::Bad, reason: QualityReason::ReadFailed }
}

/// Uploads readings of one column of `ups-1`, each of its time.
async fn bring(agent: &mut ScriptedAgent, class: &str, column: u16, cells: Vec<(i64, Cell)>) {
    let (first_seq, now, wide) = (agent.next[&Lane::Readings], agent.now(), wide(class));
    let (_, group) = wide.group(GroupIndex(0)).unwrap();
    let row = |((time, cell), at): ((i64, Cell), u64)| {
        let age = (NOW - time).unsigned_abs();
        Row { seq: first_seq + at, boot_time: BootTime(now.boot_time.0 - age), cells: vec![(column, cell)] }
    };
    let rows: Vec<Row> = cells.into_iter().zip(0..).map(row).collect();
    let batch = Batch {
        first_seq,
        count: rows.len() as u64,
        anchor: now,
        catalogue: Some(Catalogue::hash_of(&wide.encode())),
        groups: vec![GroupRows::encode(GroupIndex(0), group, &rows, first_seq, &now)],
        records: Vec::new(),
        volatile: false,
        all_alarms: false,
    };
    let batch = agent.envelope(Lane::Readings, &batch);
    let upload = Upload { catalogues: vec![wide.encode()], ..agent.upload_of(vec![batch]) };
    agent.try_upload(upload).await.unwrap();
}

async fn started() -> (Running, ScriptedAgent) {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 30 * DAY.unsigned_abs());
    (collector, agent)
}

async fn series(collector: &Running, device: &str, point: &str, (from, to): (i64, i64), resolution: &str) -> Value {
    let path = format!("/api/v1/devices/{device}/series?points={point}&from={from}&to={to}&resolution={resolution}");
    collector.get(&path).await["series"][0].clone()
}

/// The windows of a point once they are made of sums of that level.
async fn summed(collector: &Running, device: &str, point: &str, range: (i64, i64), level: &str) -> Value {
    eventually(&format!("{point} is told out of sums"), async || {
        let series = series(collector, device, point, range, level).await;
        (series["levels"] == json!([level])).then_some(series)
    })
    .await
}

#[tokio::test]
async fn counters_are_exact_raw_and_summed_up_whatever_they_count_to() {
    let (collector, mut agent) = started().await;
    let (start, large) = (midnight(1) + 10 * HOUR, (1_i64 << 53) + 1);
    // The meter is replaced on the way.
    let counts: Vec<i64> = (0..36).map(|at| if at < 30 { large + 2 * at } else { at - 30 }).collect();
    let cells = (0..).zip(&counts).map(|(at, count)| (start + at * 5_000, Cell::good(PointValue::Integer(*count))));
    bring(&mut agent, "ups", ENERGY, cells.collect()).await;
    let device = collector.device("ups-1").await;
    let range = (start, start + HOUR);
    let hours = summed(&collector, &device, "energy", range, "1h").await;
    let raw = series(&collector, &device, "energy", range, "raw").await;
    assert_eq!(raw["values"], json!(counts));
    let windows = |minutes: &[&[i64]]| -> Vec<Value> {
        let of = |pick: fn(&[i64]) -> i64| json!(minutes.iter().map(|counts| pick(counts)).collect::<Vec<_>>());
        vec![
            of(|counts| counts.len() as i64),
            of(|counts| *counts.iter().min().unwrap()),
            of(|counts| *counts.iter().max().unwrap()),
            of(|counts| counts.iter().sum()),
            of(|counts| counts[0]),
            of(|counts| counts[counts.len() - 1]),
        ]
    };
    let told =
        |series: &Value| ["count", "min", "max", "sum", "first", "last"].map(|name| series[name].clone()).to_vec();
    assert_eq!(told(&hours), windows(&[&counts]));
    let minutes = summed(&collector, &device, "energy", range, "1m").await;
    assert_eq!(told(&minutes), windows(&counts.chunks(12).collect::<Vec<_>>()));
    let halves = series(&collector, &device, "energy", range, "30s").await;
    assert_eq!(halves["levels"], json!(["raw"]));
    assert_eq!(told(&halves), windows(&counts.chunks(6).collect::<Vec<_>>()));
    let file = format!("/api/v1/devices/{device}/export.csv?points=energy&from={}&to={}", range.0, range.1);
    let file = collector.get(&file).await;
    let column = file.as_str().unwrap().lines().skip(1).map(|line| line.split(',').nth(2).unwrap().to_owned());
    assert_eq!(column.collect::<Vec<_>>(), counts.iter().map(ToString::to_string).collect::<Vec<_>>());
    collector.is_sound().await;
}

#[tokio::test]
async fn the_time_in_states_over_midnight_is_the_same_raw_and_summed_up() {
    let (collector, mut agent) = started().await;
    let night = midnight(1);
    let at = |minutes: i64, cell: Cell| (night + minutes * MINUTE, cell);
    let mut cells =
        vec![at(-50, word("mains")), at(-10, word("battery")), at(20, bad()), at(40, word("mains")), at(110, bad())];
    // Hours of nothing but bad readings, and a good one at the end of the day.
    cells.extend((12..40).map(|ten| at(ten * 10, bad())));
    cells.push(at(23 * 60, word("mains")));
    bring(&mut agent, "ups", MODE, cells).await;
    let device = collector.device("ups-1").await;
    summed(&collector, &device, "mode", (night - HOUR, night + DAY), "1h").await;
    let told = async |from: i64, to: i64| {
        let (from, to) = (night + from * MINUTE, night + to * MINUTE);
        let answer =
            collector.get(&format!("/api/v1/devices/{device}/time-in-state?point=mode&from={from}&to={to}")).await;
        (answer["spent_ms"].clone(), answer["unknown_ms"].as_i64().unwrap() / MINUTE, answer["changes"].clone())
    };
    let wanted = |mains: i64, battery: i64, bad: i64| json!({ "mains": mains * MINUTE, "battery": battery * MINUTE, "(bad)": bad * MINUTE });
    // Whole hours are told out of their sums; minutes of what is read so seldom are made of the readings.
    assert_eq!(told(-60, 60).await, (wanted(60, 30, 20), 10, json!(3)));
    assert_eq!(told(-60, 61).await, (wanted(61, 30, 20), 10, json!(3)));
    let bad = |minutes: i64| json!({ "(bad)": minutes * MINUTE });
    assert_eq!(told(120, 300).await, (bad(180), 0, json!(0)));
    assert_eq!(told(120, 301).await, (bad(181), 0, json!(0)));
    collector.is_sound().await;
}

#[tokio::test]
async fn texts_are_counted_and_have_no_time_in_states() {
    let (collector, mut agent) = started().await;
    let start = midnight(1) + 6 * HOUR;
    let text = |at: i64| format!("line {at}");
    let cells = (0..100).map(|at| (start + at * MINUTE, word(&text(at))));
    bring(&mut agent, "ups", NOTE, cells.collect()).await;
    let device = collector.device("ups-1").await;
    let hours = summed(&collector, &device, "note", (start, start + 2 * HOUR), "1h").await;
    assert_eq!((&hours["count"], &hours["changes"]), (&json!([60, 40]), &json!([59, 39])));
    assert_eq!((&hours["first"], &hours["last"]), (&json!([text(0), text(60)]), &json!([text(59), text(99)])));
    assert_eq!(hours["spent_ms"], json!([{}, {}]));
    let path = format!("/api/v1/devices/{device}/time-in-state?point=note&from={start}&to={}", start + HOUR);
    let (status, problem) = collector.request(Method::GET, &path, Some(&collector.key), None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem.to_string().contains("holds texts"), "{problem}");
}

#[tokio::test]
async fn the_sums_of_a_day_of_a_change_of_class_keep_both_halves() {
    let (collector, mut agent) = started().await;
    let start = midnight(5);
    let cells = |hours: std::ops::Range<i64>| {
        hours.map(|hour| (start + hour * HOUR, Cell::good(PointValue::Integer(1 << hour)))).collect::<Vec<_>>()
    };
    bring(&mut agent, "ups", ENERGY, cells(0..4)).await;
    bring(&mut agent, "ups-large", ENERGY, cells(4..8)).await;
    let device = collector.device("ups-1").await;
    let range = (start, start + DAY);
    let known = async |collector: &Running| {
        let series = series(collector, &device, "energy", range, "1h").await;
        (series["first"].clone(), series["levels"].clone())
    };
    let wanted = (json!([1, 2, 4, 8, 16, 32, 64, 128]), json!(["1h"]));
    eventually("both halves are in the sums", async || (known(&collector).await == wanted).then_some(())).await;
    let ups = KeepClass { days: Some(3), ..KeepClass::default() };
    let keep = Retention { classes: [("ups".to_owned(), ups)].into(), ..Retention::default() };
    let collector = collector.restart_with(|settings| settings.history_retention = keep).await;
    let raw = async |collector: &Running| series(collector, &device, "energy", range, "raw").await["values"].clone();
    eventually("the readings of the first class are gone", async || {
        (raw(&collector).await == json!([16, 32, 64, 128])).then_some(())
    })
    .await;
    assert_eq!(known(&collector).await, wanted);
    agent.moved_to(&collector.base);
    agent.hello().await;
    bring(&mut agent, "ups-large", ENERGY, cells(20..21)).await;
    eventually("the late reading is told", async || {
        (raw(&collector).await == json!([16, 32, 64, 128, 1 << 20])).then_some(())
    })
    .await;
    eventually("the sums still know both halves", async || (known(&collector).await == wanted).then_some(())).await;
    let told = series(&collector, &device, "energy", range, "1h").await;
    assert_eq!(told["incomplete"][0]["reason"], "late", "what came since is not in them: {told}");
    collector.is_sound().await;
}
