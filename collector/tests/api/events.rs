//! Finding events, page by page.

use kouan_collector::telemetry::{day_of, partition_path};
use kouan_protocol::{Event, Field, FieldValue, Lane, RecordBody, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::damage::{Damage, damage};
use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::ScriptedAgent;

const HOUR: u64 = 3_600_000;

/// What a test knows of an event.
#[derive(Debug, Clone)]
struct Known {
    age: u64,
    agent: &'static str,
    key: &'static str,
    kind: &'static str,
    fields: Vec<(&'static str, FieldValue)>,
}

impl Known {
    fn body(&self) -> RecordBody {
        let fields = self.fields.iter().map(|(name, value)| Field::new(name, value.clone()));
        RecordBody::Event(Event {
            device: self.key.parse().unwrap(),
            kind: self.kind.to_owned(),
            fields: fields.collect(),
            blobs: Vec::new(),
        })
    }
}

/// Sixty events over 32 days, of two months: by turns of two agents, gates and kinds, each with a number of its own.
fn known() -> Vec<Known> {
    let event = |at: u64| Known {
        age: (60 - at) * 13 * HOUR - at % 3,
        agent: ["hall-1", "port-1"][at as usize % 2],
        key: ["gate-1", "gate-2", "ups-1"][at as usize % 3],
        kind: ["passage", "plate"][(at as usize / 2) % 2],
        fields: vec![
            ("number", FieldValue::Integer(at.cast_signed())),
            ("plate", FieldValue::Text(format!("沪A{}", at % 7))),
            ("allowed", FieldValue::Flag(at.is_multiple_of(5))),
        ],
    };
    (0..60).map(event).collect()
}

async fn upload(agent: &mut ScriptedAgent, events: &[Known]) {
    let records = events.iter().map(|event| (event.age, event.body())).collect();
    let batch = agent.aged(Lane::Events, records);
    agent.upload(vec![batch]).await;
}

/// Every page of a list, and the numbers of the events on them.
async fn numbers(collector: &Running, path: &str) -> Vec<i64> {
    let (mut numbers, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let next = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = collector.get(&format!("{path}&limit=4{next}")).await;
        let items = page["items"].as_array().unwrap();
        numbers.extend(items.iter().map(|row| row["fields"]["number"].as_i64().unwrap()));
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return numbers,
        }
    }
}

/// Asks for events in many ways and compares with what is known of them.
async fn every_search_is_right(collector: &Running, known: &[Known]) {
    let gate = collector.device_of("port-1", "gate-2").await;
    let at = |age: u64| NOW - age.cast_signed();
    let has =
        |event: &Known, name: &str, value: FieldValue| event.fields.iter().any(|(n, v)| *n == name && *v == value);
    type Check<'c> = Box<dyn Fn(&Known) -> bool + 'c>;
    let (from, to) = (at(200 * HOUR), at(40 * HOUR));
    let searches: Vec<(String, Check<'_>)> = vec![
        (String::new(), Box::new(|_| true)),
        ("&kind=plate".to_owned(), Box::new(|event| event.kind == "plate")),
        ("&kind=nothing".to_owned(), Box::new(|_| false)),
        ("&site=hall".to_owned(), Box::new(|event| event.agent == "hall-1")),
        (format!("&device={gate}"), Box::new(|event| event.agent == "port-1" && event.key == "gate-2")),
        ("&class=ups".to_owned(), Box::new(|event| event.key == "ups-1")),
        ("&field=number:17".to_owned(), Box::new(move |event| has(event, "number", FieldValue::Integer(17)))),
        (
            "&field=plate:%E6%B2%AAA3&field=allowed:true".to_owned(),
            Box::new(move |event| {
                has(event, "plate", FieldValue::Text("沪A3".to_owned()))
                    && has(event, "allowed", FieldValue::Flag(true))
            }),
        ),
        ("&field=plate:%E6%B2%AA".to_owned(), Box::new(|_| false)),
        (
            format!("&from={from}&to={to}&class=ups&site=port&kind=passage&field=allowed:false"),
            Box::new(move |event| {
                (from..to).contains(&at(event.age))
                    && (event.agent, event.key, event.kind) == ("port-1", "ups-1", "passage")
                    && has(event, "allowed", FieldValue::Flag(false))
            }),
        ),
        (format!("&from={from}&to={to}"), Box::new(move |event| (from..to).contains(&at(event.age)))),
    ];
    for (search, wanted) in &searches {
        let number = |event: &Known| match &event.fields[0].1 {
            FieldValue::Integer(number) => *number,
            other => panic!("{other:?}"),
        };
        let mut expected: Vec<&Known> = known.iter().filter(|event| wanted(event)).collect();
        expected.sort_by_key(|event| std::cmp::Reverse(event.age));
        let oldest: Vec<i64> = expected.iter().map(|event| number(event)).collect();
        let newest: Vec<i64> = oldest.iter().rev().copied().collect();
        assert_eq!(numbers(collector, &format!("/api/v1/events?order=oldest{search}")).await, oldest, "{search}");
        assert_eq!(numbers(collector, &format!("/api/v1/events?order=newest{search}")).await, newest, "{search}");
    }
}

async fn with_events() -> (Running, ScriptedAgent, ScriptedAgent, Vec<Known>) {
    let collector = Running::start().await;
    let mut hall = collector.enrol("hall-1", "hall").await;
    let mut port = collector.enrol("port-1", "port").await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 60 * 24 * HOUR);
    hall.hello().await;
    port.hello().await;
    // A device has its class from its agent's description.
    let described = [hall.rows(&[(1, 230.0)]), port.rows(&[(1, 230.0)])];
    let [of_hall, of_port] = described;
    hall.upload(vec![of_hall]).await;
    port.upload(vec![of_port]).await;
    let known = known();
    let (of_hall, of_port): (Vec<_>, Vec<_>) = known.iter().cloned().partition(|event| event.agent == "hall-1");
    upload(&mut hall, &of_hall).await;
    upload(&mut port, &of_port).await;
    eventually("all events", async || {
        (collector.items("/api/v1/events?limit=1000").await.len() == known.len()).then_some(())
    })
    .await;
    (collector, hall, port, known)
}

#[tokio::test]
async fn events_are_found_by_any_combination_in_both_orders() {
    let (collector, ..) = {
        let (collector, hall, port, known) = with_events().await;
        every_search_is_right(&collector, &known).await;
        let collector = collector.restart().await;
        every_search_is_right(&collector, &known).await;
        (collector, hall, port)
    };
    for bad in ["order=up", "field=number", "field=:1", "limit=0", "cursor=n1", "cursor=x", "from=yesterday"] {
        let path = format!("/api/v1/events?{bad}");
        let (status, body) = collector.request(Method::GET, &path, Some(&collector.key), None).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {body}");
    }
    let next = collector.get("/api/v1/events?limit=1").await["next"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/events?order=oldest&cursor={next}");
    let (status, _) = collector.request(Method::GET, &path, Some(&collector.key), None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "a cursor belongs to its order");
}

#[tokio::test]
async fn an_index_of_events_that_is_lost_or_broken_is_made_again() {
    let (collector, _, _, known) = with_events().await;
    let made = async |collector: &Running| {
        let history = collector.folder.path().join("history");
        eventually("the index covers every event, and a month that is over is in one part", async || {
            let of_month = |month: &str| {
                let path = history.join(format!("events-{month}.db"));
                let file = path.exists().then(|| rusqlite::Connection::open(path).ok()).flatten()?;
                file.query_row("SELECT sum(through) FROM days", [], |row| row.get::<_, Option<i64>>(0)).ok()?
            };
            let counted: i64 = ["2026-10", "2026-11"].into_iter().filter_map(of_month).sum();
            let settled = rusqlite::Connection::open(history.join("events-2026-10.db")).ok()?;
            let slices: i64 = settled.query_row("SELECT slices FROM settled", [], |row| row.get(0)).ok()?;
            (counted == 60 && slices == 256).then_some(())
        })
        .await;
    };
    made(&collector).await;
    every_search_is_right(&collector, &known).await;
    let key = collector.key.clone();
    let folder = collector.stop().await;
    let path = folder.path().join("history/events-2026-11.db");
    for spoil in [None, Some("no database at all, but a text that is long enough to be taken for a file's head")] {
        std::fs::remove_file(&path).unwrap();
        if let Some(text) = spoil {
            std::fs::write(&path, text).unwrap();
        }
        let collector = Running::start_on(copy_of(folder.path())).await.with_key(key.clone());
        every_search_is_right(&collector, &known).await;
        made(&collector).await;
        every_search_is_right(&collector, &known).await;
        collector.stop().await;
        std::fs::write(&path, "").unwrap();
    }
}

#[tokio::test]
async fn what_is_deleted_is_gone_from_the_index_too() {
    let (collector, _, _, known) = with_events().await;
    let collector = collector.restart_with(|settings| settings.history_retention.days = Some(25)).await;
    let day = 24 * HOUR.cast_signed();
    let oldest = (NOW.div_euclid(day) - 25) * day;
    let kept: Vec<Known> = known.into_iter().filter(|event| NOW - event.age.cast_signed() >= oldest).collect();
    assert!(kept.len() > 40);
    let path = collector.folder.path().join("history/events-2026-10.db");
    eventually("old rows are gone from the index", async || {
        let file = rusqlite::Connection::open(&path).ok()?;
        let count = |sql: &str| file.query_row(sql, [oldest], |row| row.get::<_, i64>(0)).ok();
        let (old, rows) = (
            count("SELECT count(*) FROM lookup WHERE time_ms < ?1")?,
            count("SELECT count(*) FROM lookup WHERE time_ms >= ?1")?,
        );
        let events = collector.items("/api/v1/events?limit=1000").await.len();
        (old == 0 && rows > 10 && events == kept.len()).then_some(())
    })
    .await;
    every_search_is_right(&collector, &kept).await;
}

/// A copy of a data folder that nobody uses.
fn copy_of(folder: &std::path::Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("history")).unwrap();
    for part in ["", "history"] {
        for file in std::fs::read_dir(folder.join(part)).unwrap().map(|file| file.unwrap()) {
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), copy.path().join(part).join(file.file_name())).unwrap();
            }
        }
    }
    copy
}

#[tokio::test]
async fn pages_miss_nothing_and_repeat_nothing_while_events_arrive() {
    let (collector, mut hall, _, known) = with_events().await;
    let mut number = 100;
    for order in ["newest", "oldest"] {
        let path = format!("/api/v1/events?order={order}&kind=passage&limit=3");
        let before: Vec<i64> = numbers(&collector, &format!("/api/v1/events?order={order}&kind=passage")).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = collector.get(&format!("{path}{cursor}")).await;
            let rows = page["items"].as_array().unwrap();
            seen.extend(rows.iter().map(|row| row["fields"]["number"].as_i64().unwrap()));
            // One event before all, one behind all, one at the very time of the last one on the page.
            let last = rows.last().map_or(NOW, |row| row["time_ms"].as_i64().unwrap());
            let ages = [70 * 13 * HOUR, 1, (NOW - last).unsigned_abs()];
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
            if seen.len() > 20 {
                continue;
            }
            let count = collector.items("/api/v1/events?limit=1000").await.len();
            let more = ages.map(|age| {
                number += 1;
                Known {
                    age,
                    fields: vec![("number", FieldValue::Integer(number))],
                    kind: "passage",
                    ..known[0].clone()
                }
            });
            upload(&mut hall, &more).await;
            collector.items_when("/api/v1/events?limit=1000", count + 3).await;
        }
        let mut once = seen.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "{order}: none comes twice");
        let of_before: Vec<i64> = seen.iter().copied().filter(|number| before.contains(number)).collect();
        assert_eq!(of_before, before, "{order}: those that were there come in their order");
    }
}

#[tokio::test]
async fn an_answer_says_of_which_times_events_may_be_missing() {
    let (collector, _, _, known) = with_events().await;
    let key = collector.key.clone();
    let folder = collector.stop_caught_up().await;
    let day = day_of(Timestamp(NOW - known[30].age.cast_signed()));
    let (begin, end) = (day * 24 * HOUR.cast_signed(), (day + 1) * 24 * HOUR.cast_signed());
    damage(&partition_path(&folder.path().join("history"), day), Damage::Root("events"));
    let log = rusqlite::Connection::open(folder.path().join("ingest.db")).unwrap();
    log.execute("DELETE FROM log", []).unwrap();
    drop(log);
    let collector = Running::start_on(folder).await.with_key(key);
    let missing = json!([{ "from_ms": begin, "to_ms": end, "reason": "damaged" }]);
    let ask = async |search: &str| collector.get(&format!("/api/v1/events?{search}")).await;
    // From the first answer on, while the day is set aside and filled again, and after that.
    let lookup = ask("field=number:30").await;
    assert_eq!(lookup["items"], json!([]));
    let told = lookup["incomplete"].as_array().unwrap();
    assert!(
        !told.is_empty() && told.iter().all(|one| (&one["from_ms"], &one["to_ms"]) == (&json!(begin), &json!(end)))
    );
    let set_aside = async || {
        let sizes = collector.get("/api/v1/history/sizes").await;
        sizes["set_aside"].as_array().filter(|names| !names.is_empty()).map(|_| ())
    };
    eventually("the day is set aside", set_aside).await;
    let lacks = async || {
        // What could not be filled again is tried later.
        collector.clock.advance_ms(1_000);
        (ask("field=number:30").await["incomplete"] == missing).then_some(())
    };
    eventually("nothing is left of it in the log", lacks).await;
    let others: Vec<Known> =
        known.into_iter().filter(|event| !(begin..end).contains(&(NOW - event.age.cast_signed()))).collect();
    every_search_is_right(&collector, &others).await;
    // Only the page that goes over that time tells it.
    for order in ["newest", "oldest"] {
        let (mut told, mut cursor) = (0, String::new());
        loop {
            let page = ask(&format!("order={order}&limit=10{cursor}")).await;
            told += page["incomplete"].as_array().unwrap().len();
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(told, 1, "{order}");
    }
    assert_eq!(ask(&format!("from={end}")).await["incomplete"], json!([]));
    assert_eq!(ask(&format!("to={begin}")).await["incomplete"], json!([]));
}

#[tokio::test]
async fn an_event_is_found_by_its_id() {
    let (collector, ..) = with_events().await;
    let event: Value = collector.items("/api/v1/events?field=number:33").await[0].clone();
    let id = event["id"].as_str().unwrap();
    assert_eq!(collector.get(&format!("/api/v1/events/{id}")).await, event);
    let hall = collector.key("hall", &["read"], Some(&["hall"])).await;
    let ask = async |id: &str, key: &str| {
        collector.request(Method::GET, &format!("/api/v1/events/{id}"), Some(key), None).await.0
    };
    assert_eq!(event["site"], "port");
    assert_eq!(ask(id, &hall).await, StatusCode::NOT_FOUND);
    for unknown in ["x", "1.1.1.1", &id.replace("port-1", "hall-1"), &id.replacen("17", "18", 1)] {
        assert_eq!(ask(unknown, &collector.key).await, StatusCode::NOT_FOUND, "{unknown}");
    }
}
