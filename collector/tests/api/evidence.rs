//! Pictures as evidence.

use kouan_collector::backup;
use kouan_collector::evidence::check;
use kouan_collector::store::DataFolder;
use kouan_protocol::{AlarmState, Clock as _, Lane, Timestamp};
use reqwest::{Method, Response, StatusCode, header};
use serde_json::Value;

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::{ScriptedAgent, alarm, passage};

const PLAIN: &[u8] = include_bytes!("../pictures/plain.png");
const LOSSY: &[u8] = include_bytes!("../pictures/lossy.webp");
const PHOTO: &[u8] = include_bytes!("../pictures/exif.jpg");
const DAY: i64 = 24 * 3_600_000;

async fn start() -> (Running, ScriptedAgent, String) {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let batches = vec![
        agent.batch(Lane::Urgent, vec![alarm(AlarmState::Raised)]),
        agent.batch(Lane::Events, vec![passage("in")]),
    ];
    agent.upload(batches).await;
    let device = collector.device("ups-1").await;
    (collector, agent, device)
}

async fn give(collector: &Running, key: &str, device: &str, query: &str, bytes: &[u8]) -> Response {
    let path = format!("{}/api/v1/devices/{device}/evidence?{query}", collector.base);
    collector.http.post(path).bearer_auth(key).body(bytes.to_vec()).send().await.unwrap()
}

async fn given(collector: &Running, device: &str, query: &str, bytes: &[u8]) -> Value {
    let answer = give(collector, &collector.key, device, query, bytes).await;
    assert_eq!(answer.status(), StatusCode::CREATED, "{query}");
    answer.json().await.unwrap()
}

async fn bytes_of(collector: &Running, row: &Value) -> Response {
    let path = format!("{}/api/v1/evidence/{}", collector.base, row["id"].as_str().unwrap());
    collector.http.get(path).bearer_auth(&collector.key).send().await.unwrap()
}

#[tokio::test]
async fn a_picture_is_kept_shown_once_and_removed_with_a_trace() {
    let (collector, _agent, device) = start().await;
    let alarms = collector.items_when(&format!("/api/v1/alarms?device={device}"), 1).await;
    let alarm = alarms[0]["id"].as_str().unwrap();
    let query = format!("alarm={alarm}&taken_ms={}&note=%E9%97%B8%E6%9C%BA", NOW - 5_000);
    let row = given(&collector, &device, &query, PHOTO).await;
    for (field, wanted) in [
        ("device", Value::from(device.as_str())),
        ("site", "hall".into()),
        ("alarm", alarm.into()),
        ("taken_ms", (NOW - 5_000).into()),
        ("note", "闸机".into()),
        ("media_type", "image/jpeg".into()),
        ("width", 37.into()),
        ("height", 21.into()),
        ("bytes", PHOTO.len().into()),
        ("state", "kept".into()),
        ("by_kind", "key".into()),
        ("event", Value::Null),
    ] {
        assert_eq!(row[field], wanted, "{field}");
    }
    let again = give(&collector, &collector.key, &device, &query, PHOTO).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.json::<Value>().await.unwrap()["id"], row["id"]);
    let of_device = given(&collector, &device, "", PHOTO).await;
    assert_ne!(of_device["id"], row["id"], "without the alarm it says something else");
    assert_eq!(of_device["taken_ms"], collector.clock.wall().0);

    let shown = bytes_of(&collector, &row).await;
    let header = |name: header::HeaderName| shown.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header(header::CONTENT_TYPE), "image/jpeg");
    assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert!(header(header::CONTENT_SECURITY_POLICY).contains("sandbox"));
    assert!(
        header(header::CACHE_CONTROL).starts_with("private") && header(header::CACHE_CONTROL).contains("immutable")
    );
    let mark = header(header::ETAG);
    assert_eq!(mark, format!("\"{}\"", row["sha256"].as_str().unwrap()));
    assert_eq!(shown.bytes().await.unwrap(), PHOTO);
    let path = format!("{}/api/v1/evidence/{}", collector.base, row["id"].as_str().unwrap());
    let known = collector.http.get(&path).bearer_auth(&collector.key).header(header::IF_NONE_MATCH, mark).send().await;
    assert_eq!(known.unwrap().status(), StatusCode::NOT_MODIFIED);

    let removal = format!("/api/v1/evidence/{}", row["id"].as_str().unwrap());
    let remove = async |query: &str| {
        collector.request(Method::DELETE, &format!("{removal}{query}"), Some(&collector.key), None).await.0
    };
    assert_eq!(remove("").await, StatusCode::BAD_REQUEST, "why is asked");
    assert_eq!(remove("?reason=%20").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(remove("?reason=wrong%20device").await, StatusCode::NO_CONTENT);
    assert_eq!(remove("?reason=again").await, StatusCode::CONFLICT);
    assert_eq!(bytes_of(&collector, &row).await.status(), StatusCode::GONE);
    assert_eq!(bytes_of(&collector, &of_device).await.status(), StatusCode::OK, "the other one needs the file");
    let listed = collector.items(&format!("/api/v1/evidence?alarm={alarm}")).await;
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["state"], &listed[0]["removed"]["reason"]), (&"removed".into(), &"wrong device".into()));
    let deeds = collector.items("/api/v1/audit").await;
    let of = |action: &str| deeds.iter().filter(|deed| deed["action"] == action).count();
    assert_eq!((of("evidence-kept"), of("evidence-removed")), (2, 1));
}

#[tokio::test]
async fn a_removed_picture_leaves_no_bytes_behind() {
    let (collector, _agent, device) = start().await;
    let row = given(&collector, &device, "", PLAIN).await;
    let sha256 = row["sha256"].as_str().unwrap();
    let file = collector.folder.path().join("evidence").join(&sha256[..2]).join(sha256);
    assert_eq!(std::fs::read(&file).unwrap(), PLAIN);
    let path = format!("/api/v1/evidence/{}?reason=private", row["id"].as_str().unwrap());
    let data = DataFolder::new(collector.folder.path());
    // Whoever has the leave to delete at this instant keeps it from going at once; then the next sweep does it.
    eventually("the leave to delete is free", async || data.may_delete().unwrap()).await;
    assert_eq!(collector.request(Method::DELETE, &path, Some(&collector.key), None).await.0, StatusCode::NO_CONTENT);
    let collector = if file.exists() { collector.restart().await } else { collector };
    eventually("the file is gone", async || (!file.exists()).then_some(())).await;
    collector.stop().await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_reason() {
    let (collector, _agent, device) = start().await;
    let problem = async |device: &str, query: &str, bytes: &[u8]| {
        let answer = give(&collector, &collector.key, device, query, bytes).await;
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        (status, body)
    };
    let future = format!("taken_ms={}", NOW + DAY);
    let long = format!("note={}", "x".repeat(501));
    for (query, status, word) in [
        ("alarm=none", 422, "alarm is none of this device"),
        ("event=none", 422, "event is none of this device"),
        ("command=none", 422, "command is none of this device"),
        (&future, 422, "future"),
        ("taken_ms=0", 422, "2000"),
        ("taken_ms=yesterday", 422, "taken_ms"),
        (&long, 422, "note"),
        ("note=a%0Ab", 422, "note"),
    ] {
        let (found, text) = problem(&device, query, PLAIN).await;
        assert!(found == status && text.contains(word), "{query}: {found} {text}");
    }
    for (bytes, status, word) in [
        (&b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>"[..], 415, "no-picture"),
        (&PLAIN[..100], 415, "cut off"),
        (b"", 415, "no-picture"),
        (&[0xff; (8 << 20) + 1], 413, "too-large"),
    ] {
        let (found, text) = problem(&device, "", bytes).await;
        assert!(found == status && text.contains(word), "{} bytes: {found} {text}", bytes.len());
    }
    assert_eq!(problem("none", "", PLAIN).await.0, 404);
    assert!(collector.items("/api/v1/evidence").await.is_empty());
    // Events belong to the gate, not to the UPS.
    let events = collector.items_when("/api/v1/events", 1).await;
    let (event, of) = (events[0]["id"].as_str().unwrap(), events[0]["device"].as_str().unwrap());
    assert_eq!(problem(&device, &format!("event={event}"), PLAIN).await.0, if of == device { 201 } else { 422 });
    given(&collector, of, &format!("event={event}&note=second"), PHOTO).await;
}

#[tokio::test]
async fn who_delivers_at_one_site_sees_nothing_and_delivers_nowhere_else() {
    let (collector, _agent, device) = start().await;
    let mut other = collector.enrol("port-1", "port").await;
    other.hello().await;
    let batch = other.batch(Lane::Events, vec![passage("in")]);
    other.upload(vec![batch]).await;
    let far = collector.device_of("port-1", "ups-1").await;
    let recorder = collector.key("recorder", &["evidence"], Some(&["hall"])).await;
    let watcher = collector.key("watcher", &["read"], Some(&["port"])).await;
    let desk = collector.key("desk", &["operate"], Some(&["port"])).await;
    assert_eq!(give(&collector, &recorder, &device, "", PLAIN).await.status(), StatusCode::CREATED);
    assert_eq!(give(&collector, &recorder, &far, "", PLAIN).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(give(&collector, &watcher, &far, "", PLAIN).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(give(&collector, &desk, &far, "", PLAIN).await.status(), StatusCode::CREATED);
    let list = async |key: &str| collector.request(Method::GET, "/api/v1/evidence", Some(key), None).await;
    assert_eq!(list(&recorder).await.0, StatusCode::FORBIDDEN);
    let (_, seen) = list(&watcher).await;
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    assert_eq!(seen["items"][0]["site"], "port");
    let here = collector.items("/api/v1/evidence?site=hall").await;
    let path = format!("/api/v1/evidence/{}", here[0]["id"].as_str().unwrap());
    assert_eq!(collector.request(Method::GET, &path, Some(&watcher), None).await.0, StatusCode::NOT_FOUND);
    let removal = format!("{path}?reason=x");
    assert_eq!(collector.request(Method::DELETE, &removal, Some(&desk), None).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn lists_go_on_where_a_page_ended() {
    let (collector, _agent, device) = start().await;
    // Two of the same instant: what came later is shown first.
    for (note, age, bytes) in [("first", 0, PLAIN), ("second", 0, PHOTO), ("third", 1_000, LOSSY)] {
        given(&collector, &device, &format!("taken_ms={}&note={note}", NOW - age), bytes).await;
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = collector.get(&format!("/api/v1/evidence?device={device}&limit=1{cursor}")).await;
        found.extend(page["items"].as_array().unwrap().iter().map(|row| row["note"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, ["second", "first", "third"]);
    let range = format!("/api/v1/evidence?from={}&to={}", NOW - 1_000, NOW);
    assert_eq!(collector.items(&range).await[0]["note"], "third", "the end is not part of it");
    assert_eq!(collector.items(&range).await.len(), 1);
    let path = format!("{}/api/v1/devices/{device}/evidence", collector.base);
    assert_eq!(collector.http.post(path).body(PLAIN).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn limits_push_back_and_leave_nothing_behind() {
    let folder = PLAIN.len() as u64 + PHOTO.len() as u64 - 1;
    let collector = Running::start_with(|config| {
        config.shipped_alarm_rules = false;
        config.evidence.total_bytes = folder;
        config.evidence.per_device_and_day = 3;
        config.evidence.days = Some(2);
    })
    .await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let batch = agent.batch(Lane::Events, vec![passage("in")]);
    agent.upload(vec![batch]).await;
    let device = collector.device("ups-1").await;
    given(&collector, &device, "", PLAIN).await;
    let full = give(&collector, &collector.key, &device, "", PHOTO).await;
    assert_eq!(full.status(), StatusCode::INSUFFICIENT_STORAGE);
    let figures = collector.get("/metrics").await;
    let figures = figures.as_str().unwrap();
    assert!(figures.contains(&format!("kouan_evidence_bytes {}\n", PLAIN.len())), "{figures}");
    let sha256 = kouan_collector::evidence::Digest::of(PHOTO);
    let file = collector.folder.path().join(sha256.place());
    // What was refused goes at once, or with the sweep of the next start if somebody had the leave to delete.
    let collector = if file.exists() { collector.restart().await } else { collector };
    eventually("the refused one is gone", async || (!file.exists()).then_some(())).await;
    drop(collector);
}

#[tokio::test]
async fn a_lost_picture_says_so_and_a_backup_has_all_others() {
    let (collector, _agent, device) = start().await;
    let (kept, lost) = (given(&collector, &device, "", PLAIN).await, given(&collector, &device, "", PHOTO).await);
    let place = |folder: &std::path::Path, row: &Value| {
        let sha256 = row["sha256"].as_str().unwrap();
        folder.join("evidence").join(&sha256[..2]).join(sha256)
    };
    let copies = tempfile::tempdir().unwrap();
    let copy = async |name: &str| {
        let (data, to) = (DataFolder::new(collector.folder.path()), copies.path().join(name));
        let made = tokio::task::spawn_blocking({
            let to = to.clone();
            move || backup::make(&data, &to)
        });
        (made.await.unwrap().unwrap(), to)
    };
    let (made, whole) = copy("whole").await;
    assert!(made.problems.is_empty(), "{made:?}");
    assert_eq!(std::fs::read(place(&whole, &lost)).unwrap(), PHOTO);

    std::fs::remove_file(place(collector.folder.path(), &lost)).unwrap();
    let rows = collector.items("/api/v1/evidence").await;
    let state = |row: &Value| rows.iter().find(|found| found["id"] == row["id"]).unwrap()["state"].clone();
    assert_eq!((state(&kept), state(&lost)), ("kept".into(), "lost".into()));
    let answer = bytes_of(&collector, &lost).await;
    assert_eq!(answer.status(), StatusCode::GONE);
    assert!(answer.text().await.unwrap().contains("problem:lost"));
    let report = check(collector.folder.path()).unwrap();
    assert_eq!((report.pictures, report.problems.len()), (2, 1));
    let (made, _) = copy("without").await;
    assert!(made.problems.len() == 1 && made.problems[0].contains("lost"), "{made:?}");

    let key = collector.key.clone();
    collector.stop().await;
    let folder = tempfile::tempdir().unwrap();
    backup::put_back(&whole, &DataFolder::new(folder.path()), Timestamp(NOW)).unwrap();
    assert!(check(folder.path()).unwrap().problems.is_empty());
    let collector = Running::start_on(folder).await.with_key(key);
    assert_eq!(bytes_of(&collector, &lost).await.bytes().await.unwrap(), PHOTO);
}
