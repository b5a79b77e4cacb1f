//! What is kept no longer, and what keeps it.

use kouan_collector::store::DataFolder;
use kouan_collector::telemetry::{KeepClass, Retention, check};
use kouan_collector::verify::verify;
use kouan_protocol::{Clock as _, Lane};

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::{ScriptedAgent, passage};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// The ages in days of the readings that are told, oldest first.
async fn days(collector: &Running, device: &str) -> Vec<i64> {
    let path = format!("/api/v1/devices/{device}/series?points=voltage&resolution=raw&from={}", NOW - 20 * DAY as i64);
    let answer = collector.get(&path).await;
    let times = answer["series"][0]["times"].as_array().unwrap();
    times.iter().map(|time| (NOW - time.as_i64().unwrap()) / DAY as i64).collect()
}

async fn days_are(collector: &Running, device: &str, wanted: &[i64]) {
    eventually(&format!("readings of {wanted:?} days ago"), async || {
        (days(collector, device).await == wanted).then_some(())
    })
    .await;
}

/// A collector with a reading and a passage of each of those days ago.
async fn filled(ages: &[u64]) -> (Running, ScriptedAgent, String) {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 30 * DAY);
    let rows: Vec<(u64, f64)> = ages.iter().map(|age| (age * DAY, *age as f64)).collect();
    let batches =
        vec![agent.rows(&rows), agent.aged(Lane::Events, ages.iter().map(|age| (age * DAY, passage("in"))).collect())];
    agent.upload(batches).await;
    let device = collector.device("ups-1").await;
    let told: Vec<i64> = ages.iter().map(|age| *age as i64).collect();
    days_are(&collector, &device, &told).await;
    collector.items_when("/api/v1/events", ages.len()).await;
    (collector, agent, device)
}

async fn is_sound(collector: Running) {
    let folder = collector.stop_caught_up().await;
    let data = DataFolder::new(folder.path());
    let report = verify(&data).unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let report = check(&data.history()).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

fn file(collector: &Running, name: &str) -> bool {
    collector.folder.path().join("history").join(name).exists()
}

#[tokio::test]
async fn a_class_and_events_go_when_their_own_time_is_over_and_stay_accounted_for() {
    let (collector, mut agent, device) = filled(&[9, 6, 3, 0]).await;
    let told = async || {
        let sizes = collector.get("/api/v1/history/sizes").await;
        let ups = sizes["classes"].as_array().unwrap().iter().find(|class| class["class"] == "ups")?;
        ((ups["rows"].as_i64(), ups["chunks"].as_i64()) == (Some(4), Some(4))).then(|| sizes.clone())
    };
    let sizes = eventually("four rows in four files", told).await;
    let limited = collector.key("far", &["read"], Some(&["far"])).await;
    let (_, nothing) = collector.request(reqwest::Method::GET, "/api/v1/history/sizes", Some(&limited), None).await;
    assert_eq!(nothing, serde_json::json!({ "files": [], "classes": [], "set_aside": [] }));
    let ups = |days| [("ups".to_owned(), KeepClass { days: Some(days), ..KeepClass::default() })].into();
    // Others are kept for ever, and so are events.
    let keep = Retention { classes: ups(5), ..Retention::default() };
    let collector = collector.restart_with(|settings| settings.history_retention = keep).await;
    days_are(&collector, &device, &[3, 0]).await;
    assert_eq!(collector.items("/api/v1/events").await.len(), 4);
    assert!(file(&collector, "2026-11-13.db"), "its events are kept");
    let fewer = collector.get("/api/v1/history/sizes").await;
    assert_eq!((&fewer["classes"][0]["class"], &fewer["classes"][0]["rows"]), (&"ups".into(), &2.into()), "{fewer}");
    let days = |sizes: &serde_json::Value| sizes["files"][0]["files"].as_u64();
    assert_eq!((days(&sizes), days(&fewer)), (Some(4), Some(4)));
    // What arrives late for such a day is taken, and goes at the next look.
    agent.moved_to(&collector.base);
    agent.hello().await;
    let late = agent.rows(&[(9 * DAY, 90.0)]);
    agent.upload(vec![late]).await;
    days_are(&collector, &device, &[9, 3, 0]).await;
    collector.clock.advance_ms(2 * HOUR);
    days_are(&collector, &device, &[3, 0]).await;
    // The class longer than all others: its days stay, and events go out of them.
    let keep = Retention { days: Some(1), classes: ups(8), ..Retention::default() };
    let collector = collector.restart_with(|settings| settings.history_retention = keep).await;
    collector.items_when("/api/v1/events", 1).await;
    days_are(&collector, &device, &[3, 0]).await;
    eventually("a day with nothing in it is gone", async || (!file(&collector, "2026-11-13.db")).then_some(())).await;
    assert!(file(&collector, "2026-11-19.db"));
    is_sound(collector).await;
}

#[tokio::test]
async fn sums_outlive_their_readings_and_are_not_made_again_of_what_comes_late() {
    let (collector, mut agent, device) = filled(&[5, 0]).await;
    let more = agent.rows(&[(5 * DAY - 1_000, 7.0), (5 * DAY - 2_000, 9.0)]);
    agent.upload(vec![more]).await;
    let from = NOW - 6 * DAY as i64;
    let count = async |collector: &Running| {
        let range = format!("from={from}&to={}&resolution=1h", NOW - 4 * DAY as i64);
        let series = collector.get(&format!("/api/v1/devices/{device}/series?points=voltage&{range}")).await;
        let series = &series["series"][0];
        (series["count"].clone(), series["levels"].clone())
    };
    let wanted = (serde_json::json!([3]), serde_json::json!(["1h"]));
    eventually("the sums know three", async || (count(&collector).await == wanted).then_some(())).await;
    let collector = collector
        .restart_with(|settings| settings.history_retention = Retention { days: Some(3), ..Retention::default() })
        .await;
    days_are(&collector, &device, &[0]).await;
    assert_eq!(count(&collector).await, wanted);
    agent.moved_to(&collector.base);
    agent.hello().await;
    let late = agent.rows(&[(5 * DAY - 3_000, 1.0)]);
    agent.upload(vec![late]).await;
    days_are(&collector, &device, &[4, 0]).await;
    let collector = collector.restart().await;
    days_are(&collector, &device, &[0]).await;
    assert_eq!(count(&collector).await, wanted);
    is_sound(collector).await;
}

#[tokio::test]
async fn a_clock_that_jumps_a_year_ahead_deletes_two_days_a_day_and_not_the_history() {
    let (collector, _agent, device) = filled(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]).await;
    let collector = collector
        .restart_with(|settings| settings.history_retention = Retention { days: Some(8), ..Retention::default() })
        .await;
    days_are(&collector, &device, &[8, 7, 6, 5, 4, 3, 2, 1, 0]).await;
    let (before, year) = (collector.clock.wall(), 365 * DAY);
    collector.clock.change(|anchor| anchor.wall = anchor.wall.plus_ms(year as i64));
    let collector = collector.restart().await;
    for hour in 1..=24 {
        collector.clock.advance_ms(HOUR);
        let at = hour * 2 / 24;
        let left: Vec<i64> = (0..=8 - at).rev().collect();
        days_are(&collector, &device, &left).await;
    }
    collector.clock.change(|anchor| anchor.wall = before.plus_ms(DAY as i64));
    collector.clock.advance_ms(HOUR);
    let collector = collector.restart().await;
    days_are(&collector, &device, &[6, 5, 4, 3, 2, 1, 0]).await;
    is_sound(collector).await;
}

#[tokio::test]
async fn nothing_is_deleted_while_somebody_copies() {
    let (collector, _agent, device) = filled(&[9, 0]).await;
    let data = DataFolder::new(collector.folder.path());
    let copying = data.hold_deletions().unwrap();
    let collector = collector
        .restart_with(|settings| settings.history_retention = Retention { days: Some(3), ..Retention::default() })
        .await;
    // The reader has been idle, and so has looked for what is too old.
    collector.clock.advance_ms(HOUR);
    collector.is_sound().await;
    days_are(&collector, &device, &[9, 0]).await;
    assert!(file(&collector, "2026-11-13.db"));
    drop(copying);
    days_are(&collector, &device, &[0]).await;
    is_sound(collector).await;
}
