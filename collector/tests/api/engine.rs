//! The history's engine: what arrives late, doubled or out of order, crashes, sums, and damage.

use kouan_collector::store::DataFolder;
use kouan_collector::verify::verify;
use serde_json::{Value, json};

use crate::running::{NOW, Program, Running, eventually};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Time and voltage of every reading.
async fn readings(collector: &Running, device: &str) -> Vec<(i64, f64)> {
    let from = NOW - 10 * DAY as i64;
    series(collector, &format!("/api/v1/devices/{device}/series?points=voltage&resolution=raw&from={from}")).await
}

async fn series(collector: &Running, path: &str) -> Vec<(i64, f64)> {
    let answer = collector.get(path).await;
    let series = &answer["series"][0];
    let times = series["times"].as_array().unwrap().iter().map(|time| time.as_i64().unwrap());
    times.zip(series["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap())).collect()
}

async fn they_stand(collector: &Running, device: &str, wanted: &[(i64, f64)]) {
    eventually("all readings stand in their places once", async || {
        (readings(collector, device).await == wanted).then_some(())
    })
    .await;
}

async fn windows(collector: &Running, device: &str, points: &str, from: i64, to: i64) -> Value {
    let range = format!("from={from}&to={to}&resolution=1h");
    collector.get(&format!("/api/v1/devices/{device}/series?points={points}&{range}")).await["series"].clone()
}

#[tokio::test]
async fn late_doubled_and_unordered_readings_end_in_their_place_once() {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 9 * DAY);
    let mut wanted: Vec<(i64, f64)> = Vec::new();
    let mut dice = 88_172_645_463_325_252_u64;
    for batch in 0..30_u64 {
        let mut rows = Vec::new();
        for row in 0..7_u64 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            // Some of today and some of the days before; of one time there is only one value.
            let age = if dice.is_multiple_of(3) { dice % (3 * DAY) } else { batch * 1_000 + row * 10 };
            let value = (age % 2_000) as f64 / 10.0;
            rows.push((age, value));
            wanted.push((NOW - age as i64, value));
        }
        rows.push(rows[2]);
        let batch = agent.rows(&rows);
        agent.upload(vec![batch]).await;
    }
    wanted.sort_by(|a, b| a.partial_cmp(b).unwrap());
    wanted.dedup();
    let device = collector.device("ups-1").await;
    they_stand(&collector, &device, &wanted).await;
    let collector = collector.restart().await;
    they_stand(&collector, &device, &wanted).await;
    // Parts of days too, some of which lie in one chunk in order.
    for (from, to) in [
        (NOW - 2 * DAY as i64, NOW),
        (NOW - DAY as i64, NOW - 1),
        (NOW - 29_000, NOW - 7_000),
        (NOW - 5_000, NOW - 5_000),
    ] {
        let part: Vec<_> = wanted.iter().copied().filter(|(time, _)| (from..to).contains(time)).collect();
        let path = format!("/api/v1/devices/{device}/series?points=voltage&resolution=raw&from={from}&to={to}");
        assert_eq!(series(&collector, &path).await, part);
    }
    let from = NOW - 10 * DAY as i64;
    let file = collector.get(&format!("/api/v1/devices/{device}/export.csv?points=voltage,mode&from={from}")).await;
    let lines: Vec<&str> = file.as_str().unwrap().lines().collect();
    assert_eq!((lines.len(), lines[0]), (1 + 2 * wanted.len(), "time,point,value,quality,reason"));
    assert!(lines[1..].is_sorted() || lines[1..].is_sorted_by_key(|line| &line[..24]), "by time");
    let folder = collector.stop().await;
    let report = verify(&DataFolder::new(folder.path())).unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let readings = report.lanes.iter().find(|lane| lane.lane == "readings").unwrap();
    assert_eq!(readings.history_rows, Some(240), "rows that repeat one are accounted for");
}

#[tokio::test]
async fn a_crash_forgets_nothing_that_was_acknowledged() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let batch = agent.rows(&[(40, 1.0), (30, 2.0)]);
    agent.upload(vec![batch]).await;
    let device = collector.device("ups-1").await;
    let wanted = [(NOW - 40, 1.0), (NOW - 30, 2.0), (NOW - 20, 3.0)];
    they_stand(&collector, &device, &wanted[..2]).await;
    let collector = collector.crash_and_start().await;
    they_stand(&collector, &device, &wanted[..2]).await;
    agent.moved_to(&collector.base);
    agent.hello().await;
    let batch = agent.rows(&[(20, 3.0)]);
    agent.upload(vec![batch]).await;
    they_stand(&collector, &device, &wanted).await;
    let collector = collector.crash_and_start().await;
    they_stand(&collector, &device, &wanted).await;
    let folder = collector.stop_caught_up().await;
    assert!(verify(&DataFolder::new(folder.path())).unwrap().ok);
}

#[tokio::test]
async fn sums_say_what_the_readings_say_also_after_late_ones() {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 9 * DAY);
    // A reading every ten minutes of three days; the UPS ran on battery for an hour of each.
    let into_day = NOW.rem_euclid(DAY as i64) as u64;
    let ages: Vec<u64> = (0..3 * 144).rev().map(|at| at * 10 * MINUTE + 1).collect();
    let voltage = |age: u64| if age % DAY < HOUR { 24.0 } else { 230.0 + (age / MINUTE % 7) as f64 / 10.0 };
    for ages in ages.chunks(100) {
        let rows: Vec<(u64, f64)> = ages.iter().map(|age| (*age, voltage(*age))).collect();
        let batch = agent.rows(&rows);
        agent.upload(vec![batch]).await;
    }
    let device = collector.device("ups-1").await;
    let start = NOW - into_day as i64 - DAY as i64;
    let of_hour = |at: i64| {
        let times = ages.iter().map(|age| (NOW - *age as i64, voltage(*age)));
        times
            .filter(move |(time, _)| time.div_euclid(HOUR as i64) == at.div_euclid(HOUR as i64))
            .map(|(_, value)| value)
    };
    let made = async |count: u64| {
        eventually("yesterday is summed up", async || {
            let series = windows(&collector, &device, "voltage,mode", start, start + DAY as i64).await;
            let counts = series[0]["count"].as_array().unwrap();
            let total: u64 = counts.iter().map(|count| count.as_u64().unwrap()).sum();
            (series[0]["levels"] == json!(["1h"]) && total == count).then_some(series)
        })
        .await
    };
    let series = made(144).await;
    assert_eq!(series[0]["times"].as_array().unwrap().len(), 24);
    for (at, time) in series[0]["times"].as_array().unwrap().iter().enumerate() {
        let values: Vec<f64> = of_hour(time.as_i64().unwrap()).collect();
        let wanted = [
            ("min", values.iter().copied().fold(f64::MAX, f64::min)),
            ("max", values.iter().copied().fold(f64::MIN, f64::max)),
            ("first", values[0]),
            ("last", values[values.len() - 1]),
        ];
        for (field, wanted) in wanted {
            assert_eq!(series[0][field][at], wanted, "{field} of window {at}");
        }
        let sum = series[0]["sum"][at].as_f64().unwrap();
        assert!((sum - values.iter().sum::<f64>()).abs() < 1e-6);
    }
    let spent: i64 =
        series[1]["spent_ms"].as_array().unwrap().iter().filter_map(|spent| spent["battery"].as_i64()).sum();
    assert_eq!(spent, HOUR as i64, "the UPS ran on battery for an hour");
    let changes: u64 = series[1]["changes"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
    assert!(changes <= 2);
    let path = format!("/api/v1/devices/{device}/time-in-state?point=mode&from={start}&to={}", start + DAY as i64);
    let told = collector.get(&path).await;
    assert_eq!(told["spent_ms"]["battery"], HOUR as i64);
    assert_eq!(told["changes"], 2);
    let latest = collector.get("/api/v1/latest/columns").await;
    let ups = &latest["items"][0];
    assert_eq!((&ups["device"], &ups["points"]), (&json!(device), &json!(["mode", "voltage"])));
    assert_eq!(ups["times"], json!([NOW - 1, NOW - 1]));
    // What arrives a day late is told at once, and in the sums soon.
    let late = agent.rows(&[(into_day + 5 * MINUTE, 1.5)]);
    agent.upload(vec![late]).await;
    let series = made(145).await;
    let least = series[0]["min"].as_array().unwrap().iter().map(|min| min.as_f64().unwrap()).fold(f64::MAX, f64::min);
    assert!((least - 1.5).abs() < 1e-9);
    // Today is made of the readings themselves.
    let today = windows(&collector, &device, "voltage", NOW - into_day as i64, NOW).await;
    assert_eq!(today[0]["levels"], json!(["raw"]));
}

#[tokio::test]
async fn a_broken_chunk_is_left_out_and_the_rest_is_told() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 9 * DAY);
    let batch = agent.rows(&[(DAY + 10, 1.0), (20, 2.0), (10, 3.0)]);
    agent.upload(vec![batch]).await;
    let device = collector.device("ups-1").await;
    let folder = collector.stop_caught_up().await;
    let broken = std::fs::read_dir(folder.path().join("history")).unwrap().map(|file| file.unwrap().path());
    let yesterday = broken.into_iter().find(|path| path.to_string_lossy().ends_with("21.db")).unwrap();
    let changed = rusqlite::Connection::open(yesterday).unwrap().execute("UPDATE chunks SET body = zeroblob(99)", []);
    assert_eq!(changed.unwrap(), 1);
    let report = kouan_collector::telemetry::check(&folder.path().join("history")).unwrap();
    assert_eq!((report.days, report.chunks, report.rows, report.problems.len()), (2, 2, 2, 1), "{report:?}");
    let key = crate::verify::another_key(folder.path());
    // By the program itself.
    let checked = Program::command().args(["check", "--data"]).arg(folder.path()).output().await.unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains("2026-11-21.db: chunk 1: its checksum is wrong") && said.contains("is broken"), "{said}");
    let checked = Program::command().args(["check", "--json", "--data"]).arg(folder.path()).output().await.unwrap();
    let said: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((checked.status.code(), said["problems"].as_array().unwrap().len()), (Some(1), 1));
    let program = Program::start(folder.path(), &key, &[]).await;
    let range = format!("from={}&to={}", NOW - 2 * DAY as i64, NOW + 1);
    let told = program.get(&format!("/api/v1/devices/{device}/readings?point=voltage&{range}")).await;
    let values: Vec<_> = told["items"].as_array().unwrap().iter().map(|row| row["value"].clone()).collect();
    assert_eq!(values, [json!(2.0), json!(3.0)], "{told}");
    let log = program.kill().await;
    assert!(log.contains("A chunk of the history is broken and is left out."), "{log}");
}

#[tokio::test]
async fn old_days_go_as_files_and_stay_accounted_for() {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 9 * DAY);
    let batch = agent.rows(&[(4 * DAY, 1.0), (3 * DAY, 2.0), (10, 3.0)]);
    agent.upload(vec![batch]).await;
    let device = collector.device("ups-1").await;
    they_stand(&collector, &device, &[(NOW - 4 * DAY as i64, 1.0), (NOW - 3 * DAY as i64, 2.0), (NOW - 10, 3.0)]).await;
    let collector = collector.restart_with(|settings| settings.history_retention.days = Some(3)).await;
    they_stand(&collector, &device, &[(NOW - 3 * DAY as i64, 2.0), (NOW - 10, 3.0)]).await;
    let folder = collector.stop().await;
    assert!(!folder.path().join("history/2026-11-18.db").exists());
    let report = verify(&DataFolder::new(folder.path())).unwrap();
    assert!(report.ok, "{:?}", report.problems);
}
