//! What is missing of the history is told: by an alarm, and by every answer that may lack something.

use std::path::Path;

use kouan_collector::store::DataFolder;
use kouan_collector::telemetry::check;
use kouan_collector::verify::verify;
use reqwest::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::damage::{DAY, Damage, damage, file, filled, readings, they_stand};
use crate::running::{NOW, Running, eventually};
use crate::verify::another_key;

const DAY_MS: i64 = DAY as i64;
/// When today began.
const TODAY: i64 = NOW.div_euclid(DAY_MS) * DAY_MS;

fn sql(path: &Path, sql: &str) {
    let changed = Connection::open(path).unwrap().execute(sql, []).unwrap();
    assert!(changed > 0, "{sql}");
}

/// Empties the log: nothing can be read again.
fn forget_the_log(folder: &Path) {
    sql(&folder.join("ingest.db"), "DELETE FROM log");
}

async fn again(folder: tempfile::TempDir) -> Running {
    let key = another_key(folder.path());
    Running::start_on(folder).await.with_key(key)
}

/// The answer for the voltage of a device, `ago` days ago, at that resolution.
async fn day(collector: &Running, device: &str, ago: i64, resolution: &str) -> Value {
    let from = TODAY - ago * DAY_MS;
    let range = format!("from={from}&to={}&resolution={resolution}", from + DAY_MS);
    collector.get(&format!("/api/v1/devices/{device}/series?points=voltage&{range}")).await["series"][0].clone()
}

fn count(series: &Value) -> u64 {
    series["count"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum()
}

/// The whole of that day, for that reason.
fn whole(ago: i64, reason: &str) -> Value {
    json!([{ "from_ms": TODAY - ago * DAY_MS, "to_ms": TODAY - (ago - 1) * DAY_MS, "reason": reason }])
}

async fn becomes(collector: &Running, device: &str, ago: i64, resolution: &str, incomplete: Value) -> Value {
    eventually(&format!("{resolution} of {ago} days ago lacks {incomplete}"), async || {
        let series = day(collector, device, ago, resolution).await;
        (series["incomplete"] == incomplete).then_some(series)
    })
    .await
}

async fn summed(collector: &Running, device: &str, wanted: u64) {
    eventually("yesterday is summed up", async || {
        let series = day(collector, device, 1, "1h").await;
        (count(&series) == wanted && series["levels"] == json!(["1h"])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_set_aside_is_an_alarm_on_the_collector_until_it_is_deleted() {
    let (collector, _, device) = filled(&[(DAY + 10, 1.0), (20, 2.0)]).await;
    let key = collector.key("hall", &["read"], Some(&["hall"])).await;
    let folder = collector.stop_caught_up().await;
    damage(&file(folder.path(), "2026-11-21.db"), Damage::Root("chunks"));
    let collector = again(folder).await;
    they_stand(&collector, &device, &[(DAY + 10, 1.0), (20, 2.0)]).await;
    let path = "/api/v1/alarms?condition=history-damaged&state=all";
    let alarm = collector.items_when(path, 1).await[0].clone();
    let names = kouan_collector::telemetry::set_aside(&collector.folder.path().join("history")).unwrap();
    assert_eq!((&alarm["site"], &alarm["device"], &alarm["agent"]), (&json!(""), &json!(null), &json!("")));
    assert_eq!(alarm["device_label"], "kouan-collector");
    assert_eq!((&alarm["origin"], &alarm["state"]), (&json!("collector"), &json!("raised")));
    for language in ["zh", "en"] {
        assert!(alarm["text"][language].as_str().unwrap().contains(&names[0]), "{alarm}");
    }
    // Who may see one site is not told about the whole; their answers say what is missing.
    let (status, told) = collector.request(Method::GET, path, Some(&key), None).await;
    assert_eq!((status, &told["items"]), (StatusCode::OK, &json!([])));
    let collector = collector.restart().await;
    they_stand(&collector, &device, &[(DAY + 10, 1.0), (20, 2.0)]).await;
    let alarm = collector.items_when(path, 1).await[0].clone();
    assert_eq!((&alarm["state"], &alarm["count"]), (&json!("raised"), &json!(1)), "a new start raises nothing anew");
    for name in names {
        std::fs::remove_file(file(collector.folder.path(), &name)).unwrap();
    }
    eventually("the alarm clears", async || (collector.items(path).await[0]["state"] != "raised").then_some(())).await;
}

#[tokio::test]
async fn a_broken_chunk_is_told_by_every_answer_and_set_aside() {
    let rows = [(DAY + 3_600_010, 150.0), (DAY + 10, 160.0), (20, 230.0)];
    let (collector, _, device) = filled(&rows).await;
    let folder = collector.stop_caught_up().await;
    sql(&file(folder.path(), "2026-11-21.db"), "UPDATE chunks SET body = zeroblob(99)");
    forget_the_log(folder.path());
    let collector = again(folder).await;
    let (first, last) = (NOW - rows[0].0 as i64, NOW - rows[1].0 as i64);
    let missing = json!([{ "from_ms": first, "to_ms": last + 1, "reason": "damaged" }]);
    // At once, by the first answer.
    assert_eq!(day(&collector, &device, 1, "raw").await["incomplete"], missing);
    eventually("the chunk is set aside", async || {
        let sizes = collector.get("/api/v1/history/sizes").await;
        let name = sizes["set_aside"][0].as_str()?;
        name.starts_with("2026-11-21.db-chunk-").then_some(())
    })
    .await;
    collector.items_when("/api/v1/alarms?condition=history-damaged", 1).await;
    assert_eq!(day(&collector, &device, 1, "raw").await["incomplete"], missing);
    assert_eq!(day(&collector, &device, 0, "raw").await["incomplete"], json!([]));
    // Sums that are made of the rest, and windows of the rest itself.
    for resolution in ["1h", "90s"] {
        becomes(&collector, &device, 1, resolution, missing.clone()).await;
    }
    let range = format!("from={}&to={NOW}", TODAY - DAY_MS);
    let path = format!("/api/v1/devices/{device}");
    let told = collector.get(&format!("{path}/time-in-state?point=mode&{range}")).await;
    assert_eq!(told["incomplete"], missing, "{told}");
    let told = collector.get(&format!("{path}/readings?point=voltage&{range}")).await;
    assert_eq!(told["incomplete"], missing, "{told}");
    let csv = collector.get(&format!("{path}/export.csv?points=voltage&{range}")).await;
    let lines: Vec<&str> = csv.as_str().unwrap().lines().skip(1).collect();
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(lines[0].ends_with(",voltage,,missing,damaged") && lines[1].contains(",230"), "{csv}");
    // Another device of that day lacks nothing.
    let gate = collector.device("gate-1").await;
    let told = collector.get(&format!("/api/v1/devices/{gate}/series?points=voltage&resolution=raw&{range}")).await;
    assert_eq!(told["series"][0]["incomplete"], json!([]));
    let collector = collector.restart().await;
    assert_eq!(day(&collector, &device, 1, "raw").await["incomplete"], missing, "also after a new start");
    let folder = collector.stop_caught_up().await;
    let report = check(&folder.path().join("history")).unwrap();
    assert!(report.problems.is_empty() && report.set_aside.len() == 1, "{report:?}");
}

#[tokio::test]
async fn a_layout_that_does_not_read_is_fatal_to_its_chunks_only() {
    let rows = [(2 * DAY, 1.0), (DAY + 10, 2.0), (20, 3.0)];
    let (collector, _, device) = filled(&rows).await;
    let folder = collector.stop_caught_up().await;
    // Before anything is summed up.
    let history = folder.path().join("history");
    Connection::open(history.join("index.db")).unwrap().execute("DELETE FROM rolled", []).unwrap();
    for sums in ["hours-2026.db", "minutes-2026-11.db"] {
        let _ = std::fs::remove_file(history.join(sums));
    }
    sql(&history.join("2026-11-20.db"), "UPDATE layouts SET columns = 'x'");
    let report = check(&history).unwrap();
    assert_eq!(report.problems.len(), 1, "the rest of the day is checked: {report:?}");
    let collector = again(folder).await;
    // Later days do not wait for it, and it is told.
    summed(&collector, &device, 1).await;
    let at = NOW - 2 * DAY_MS;
    let missing = json!([{ "from_ms": at, "to_ms": at + 1, "reason": "damaged" }]);
    becomes(&collector, &device, 2, "raw", missing).await;
    collector.items_when("/api/v1/alarms?condition=history-damaged", 1).await;
}

#[tokio::test]
async fn while_a_day_is_filled_again_answers_say_so_and_new_readings_do_not_wait() {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let mut rows: Vec<(u64, f64)> = (0..8).rev().map(|age| (age * 1_000 + 10, age as f64)).collect();
    for row in &rows {
        let batch = agent.rows(&[*row]);
        agent.upload(vec![batch]).await;
    }
    let device = collector.device("ups-1").await;
    they_stand(&collector, &device, &rows).await;
    let folder = collector.stop_caught_up().await;
    damage(&file(folder.path(), "2026-11-22.db"), Damage::Root("chunks"));
    // It never comes to an end.
    let index = file(folder.path(), "index.db");
    Connection::open(&index)
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER held BEFORE UPDATE OF done ON damaged BEGIN SELECT RAISE(ABORT, 'it is held'); END;",
        )
        .unwrap();
    let collector = again(folder).await;
    assert_ne!(day(&collector, &device, 0, "raw").await["incomplete"], json!([]));
    agent.moved_to(&collector.base);
    agent.hello().await;
    becomes(&collector, &device, 0, "raw", whole(0, "filling")).await;
    let batch = agent.rows(&[(5, 99.0)]);
    agent.upload(vec![batch]).await;
    rows.push((5, 99.0));
    let newest = eventually("the new reading is told", async || {
        let series = day(&collector, &device, 0, "raw").await;
        series["values"].as_array().unwrap().contains(&json!(99.0)).then_some(series)
    })
    .await;
    assert_eq!(newest["incomplete"], whole(0, "filling"), "before the day is whole again");
    let csv = collector.get(&format!("/api/v1/devices/{device}/export.csv?points=voltage&from={TODAY}")).await;
    assert!(csv.as_str().unwrap().contains(",voltage,,missing,filling\n"), "{csv}");
    let events = collector.get(&format!("/api/v1/events?from={TODAY}")).await;
    assert_eq!(events["incomplete"], whole(0, "filling"));
    // It is let go, and tried again after a while.
    Connection::open(file(collector.folder.path(), "index.db")).unwrap().execute_batch("DROP TRIGGER held;").unwrap();
    collector.clock.change(|anchor| anchor.boot_time.0 += 60_000);
    let values: Vec<Value> = rows.iter().map(|(_, value)| json!(value)).collect();
    eventually("the day is whole", async || {
        let series = day(&collector, &device, 0, "raw").await;
        assert!(series["incomplete"] != json!([]) || series["values"] == json!(values), "{series}");
        (series["incomplete"] == json!([])).then_some(())
    })
    .await;
    let folder = collector.stop_caught_up().await;
    let report = verify(&DataFolder::new(folder.path())).unwrap();
    assert!(report.ok, "{:?}", report.problems);
}

/// A folder of which the log has a part of yesterday only, from that time on, and whose file of yesterday is damaged.
async fn partly_in_the_log(is_summed: bool) -> (tempfile::TempDir, String, i64) {
    let rows = [(DAY + 7_200_000, 1.0), (DAY - 7_200_000, 2.0), (20, 3.0)];
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 3 * DAY);
    for row in &rows {
        let batch = agent.rows(&[*row]);
        agent.upload(vec![batch]).await;
    }
    let device = collector.device("ups-1").await;
    they_stand(&collector, &device, &rows).await;
    summed(&collector, &device, 2).await;
    let folder = collector.stop_caught_up().await;
    // As if each batch had come as soon as it was read, and the first had been removed since.
    let log = folder.path().join("ingest.db");
    let from = NOW - DAY_MS + 3_600_000;
    sql(&log, &format!("UPDATE log SET received_ms = {from}"));
    sql(&log, "DELETE FROM log WHERE id <= (SELECT min(id) FROM log WHERE kind = 'batch')");
    damage(&file(folder.path(), "2026-11-21.db"), Damage::Header);
    if !is_summed {
        sql(&file(folder.path(), "index.db"), "DELETE FROM rolled");
        std::fs::remove_file(file(folder.path(), "hours-2026.db")).unwrap();
    }
    (folder, device, from)
}

#[tokio::test]
async fn what_the_log_had_no_longer_is_told_to_the_minute() {
    let (folder, device, from) = partly_in_the_log(true).await;
    let collector = again(folder).await;
    let lost = json!([{ "from_ms": TODAY - DAY_MS, "to_ms": from + 60_000, "reason": "damaged" }]);
    let series = becomes(&collector, &device, 1, "raw", lost).await;
    assert_eq!(series["values"], json!([2.0]));
    let hours = day(&collector, &device, 1, "1h").await;
    assert_eq!((count(&hours), &hours["incomplete"]), (2, &json!([])), "they were made before");
}

#[tokio::test]
async fn sums_made_of_what_was_left_say_so() {
    let (folder, device, from) = partly_in_the_log(false).await;
    let collector = again(folder).await;
    summed(&collector, &device, 1).await;
    let lost = json!([{ "from_ms": TODAY - DAY_MS, "to_ms": from + 60_000, "reason": "damaged" }]);
    let collector = collector.restart().await;
    for resolution in ["1h", "raw"] {
        assert_eq!(day(&collector, &device, 1, resolution).await["incomplete"], lost, "{resolution}");
    }
}

#[tokio::test]
async fn sums_from_before_the_damage_stay_and_say_what_came_later() {
    let rows = [(DAY + 20, 1.0), (DAY + 10, 1.5), (20, 3.0)];
    let (collector, mut agent, device) = filled(&rows).await;
    summed(&collector, &device, 2).await;
    let folder = collector.stop_caught_up().await;
    forget_the_log(folder.path());
    damage(&file(folder.path(), "2026-11-21.db"), Damage::Header);
    // With memory enough: what comes late stays there.
    let collector = again(folder).await;
    becomes(&collector, &device, 1, "raw", whole(1, "damaged")).await;
    let hours = day(&collector, &device, 1, "1h").await;
    assert_eq!((count(&hours), &hours["incomplete"]), (2, &json!([])), "the sums are of everything");
    agent.moved_to(&collector.base);
    agent.hello().await;
    let late = agent.rows(&[(DAY + 5, 7.0)]);
    agent.upload(vec![late]).await;
    they_stand(&collector, &device, &[(DAY + 5, 7.0), rows[2]]).await;
    for collector in [collector] {
        let hours = day(&collector, &device, 1, "1h").await;
        assert_eq!((count(&hours), &hours["incomplete"]), (2, &whole(1, "late")), "in memory");
        let collector = collector.restart().await;
        let hours = day(&collector, &device, 1, "1h").await;
        assert_eq!((count(&hours), &hours["incomplete"]), (2, &whole(1, "late")), "on disk");
        let seconds = day(&collector, &device, 1, "90s").await;
        assert_eq!((count(&seconds), &seconds["incomplete"]), (1, &whole(1, "damaged")), "of the readings themselves");
    }
}

#[tokio::test]
async fn late_readings_that_were_not_in_the_sums_when_the_day_was_lost_are_told() {
    let (collector, _, device) = filled(&[(DAY + 20, 1.0), (20, 3.0)]).await;
    summed(&collector, &device, 1).await;
    let folder = collector.stop_caught_up().await;
    forget_the_log(folder.path());
    damage(&file(folder.path(), "2026-11-21.db"), Damage::Header);
    let day_number = TODAY / DAY_MS - 1;
    sql(
        &file(folder.path(), "index.db"),
        &format!("INSERT INTO dirty (day, agent, key) VALUES ({day_number}, 'hall-1', 'ups-1')"),
    );
    let collector = again(folder).await;
    let hours = becomes(&collector, &device, 1, "1h", whole(1, "late")).await;
    assert_eq!(count(&hours), 1);
}

#[tokio::test]
async fn a_day_that_the_log_had_wholly_is_summed_up_anew() {
    let rows = [(DAY + 20, 1.0), (DAY + 10, 1.5), (20, 3.0)];
    let (collector, mut agent, device) = filled(&rows).await;
    summed(&collector, &device, 2).await;
    let folder = collector.stop_caught_up().await;
    damage(&file(folder.path(), "2026-11-21.db"), Damage::Header);
    let collector = again(folder).await;
    they_stand(&collector, &device, &rows).await;
    becomes(&collector, &device, 1, "raw", json!([])).await;
    agent.moved_to(&collector.base);
    agent.hello().await;
    let late = agent.rows(&[(DAY + 5, 7.0)]);
    agent.upload(vec![late]).await;
    eventually("the late one is told", async || (readings(&collector, &device).await.len() == 4).then_some(())).await;
    let collector = collector.restart().await;
    summed(&collector, &device, 3).await;
    assert_eq!(day(&collector, &device, 1, "1h").await["incomplete"], json!([]));
}

#[tokio::test]
async fn sums_that_are_lost_with_their_readings_are_told() {
    let rows = [(4 * DAY, 0.5), (DAY + 10, 1.5), (20, 3.0)];
    for is_file in [true, false] {
        let (collector, _, device) = filled(&rows).await;
        summed(&collector, &device, 1).await;
        eventually("the old day is summed up", async || {
            let series = day(&collector, &device, 4, "1h").await;
            (count(&series) == 1 && series["levels"] == json!(["1h"])).then_some(())
        })
        .await;
        let collector = collector.restart_with(|settings| settings.history_retention.days = Some(3)).await;
        let gone = file(collector.folder.path(), "2026-11-18.db");
        eventually("the readings go", async || (!gone.exists()).then_some(())).await;
        let hours = day(&collector, &device, 4, "1h").await;
        assert_eq!((count(&hours), &hours["incomplete"]), (1, &json!([])), "sums outlive their readings");
        let folder = collector.stop_caught_up().await;
        let sums = file(folder.path(), "hours-2026.db");
        match is_file {
            true => damage(&sums, Damage::Root("windows")),
            false => sql(&sums, "UPDATE windows SET body = zeroblob(9)"),
        }
        let collector = again(folder).await;
        for _ in 0..2 {
            let hours = day(&collector, &device, 4, "1h").await;
            assert_eq!((count(&hours), &hours["incomplete"]), (0, &whole(4, "damaged")), "file: {is_file}");
            // Where the readings are, nothing is missing, and the sums are made again.
            let hours = day(&collector, &device, 1, "1h").await;
            assert_eq!((count(&hours), &hours["incomplete"]), (1, &json!([])), "file: {is_file}");
            summed(&collector, &device, 1).await;
        }
    }
}
