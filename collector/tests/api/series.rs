//! Series page by page, what is asked too much, and questions while a writer holds its file.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::ScriptedAgent;

const DAY: i64 = 24 * 3_600_000;

async fn filled(rows: &[(u64, f64)]) -> (Running, ScriptedAgent, String) {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 9 * DAY.unsigned_abs());
    let batch = agent.rows(rows);
    agent.upload(vec![batch]).await;
    let device = collector.device("ups-1").await;
    eventually("the readings are told", async || {
        (voltages(&collector, &device).await.len() == rows.len()).then_some(())
    })
    .await;
    (collector, agent, device)
}

async fn series(collector: &Running, device: &str, query: &str) -> (StatusCode, Value) {
    let path = format!("/api/v1/devices/{device}/series?from={}&{query}", NOW - 3 * DAY);
    collector.request(Method::GET, &path, Some(&collector.key), None).await
}

async fn voltages(collector: &Running, device: &str) -> Vec<Value> {
    let (status, answer) = series(collector, device, "points=voltage&resolution=raw").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["series"][0]["values"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_cursor_goes_on_with_the_readings_of_one_point_and_nothing_else_is_taken_for_one() {
    let (collector, _, device) = filled(&[(DAY.unsigned_abs(), 1.0), (30, 2.0), (20, 3.0), (10, 4.0)]).await;
    let cursor = format!("cursor={}.0", NOW - 30);
    let (status, answer) = series(&collector, &device, &format!("points=voltage&resolution=raw&{cursor}")).await;
    assert_eq!((status, &answer["series"][0]["values"]), (StatusCode::OK, &json!([3.0, 4.0])));
    assert_eq!(answer["series"][0]["next"], Value::Null);
    for (query, wanted) in [
        (format!("points=voltage,mode&resolution=raw&{cursor}"), StatusCode::UNPROCESSABLE_ENTITY),
        (format!("points=voltage&resolution=1h&{cursor}"), StatusCode::UNPROCESSABLE_ENTITY),
        ("points=voltage&resolution=raw&cursor=here".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        ("points=voltage&resolution=raw&after=7.0".to_owned(), StatusCode::BAD_REQUEST),
    ] {
        let (status, answer) = series(&collector, &device, &query).await;
        assert_eq!(status, wanted, "{query}: {answer}");
    }
}

#[tokio::test]
async fn what_would_take_too_long_is_refused_with_what_to_do() {
    let (collector, _, device) = filled(&[(10, 1.0)]).await;
    let get = async |path: String| collector.request(Method::GET, &path, Some(&collector.key), None).await;
    let path = format!("/api/v1/devices/{device}/series?points=voltage&from=0&to={NOW}");
    let (status, answer) = get(format!("{path}&resolution=172801s")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.to_string().contains("whole hours"), "{answer}");
    assert_eq!(get(format!("{path}&resolution=2d")).await.0, StatusCode::OK);
    let path = format!("/api/v1/devices/{device}/time-in-state?point=mode&to={NOW}");
    assert_eq!(get(format!("{path}&from=7")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, answer) = get(format!("{path}&from={}", NOW - 3_000 * DAY - 7)).await;
    assert_eq!((status, &answer["changes"]), (StatusCode::OK, &json!(0)));
}

#[tokio::test]
async fn questions_are_answered_while_a_seal_waits_for_its_file() {
    let (collector, mut agent, device) = filled(&[(30, 1.0), (20, 2.0)]).await;
    let path = collector.folder.path().join("history/2026-11-22.db");
    let count = |conn: &rusqlite::Connection| -> i64 {
        conn.query_row("SELECT coalesce(sum(rows), 0) FROM chunks", [], |row| row.get(0)).unwrap()
    };
    let in_file = || if path.exists() { count(&rusqlite::Connection::open(&path).unwrap()) } else { 0 };
    eventually("the first readings are sealed", async || (in_file() == 2).then_some(())).await;
    // Whoever writes to the file now waits.
    let held = rusqlite::Connection::open(&path).unwrap();
    held.execute_batch("BEGIN IMMEDIATE; UPDATE meta SET value = value").unwrap();
    let batch = agent.rows(&[(10, 3.0)]);
    agent.upload(vec![batch]).await;
    eventually("the new reading is told", async || {
        (voltages(&collector, &device).await == [json!(1.0), json!(2.0), json!(3.0)]).then_some(())
    })
    .await;
    assert_eq!(count(&held), 2, "it is not in the file");
    assert_eq!(collector.items("/api/v1/events").await.len(), 0);
    held.execute_batch("ROLLBACK").unwrap();
    drop(held);
    eventually("it is sealed in the end", async || (in_file() == 3).then_some(())).await;
    assert_eq!(voltages(&collector, &device).await.len(), 3);
}
