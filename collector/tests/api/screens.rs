//! What screens see: the stream of changes, the overview, lists in any order, and the console's own files.

use kouan_protocol::{AlarmState, HealthLevel, Lane};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::running::Running;
use crate::scripted_agent::{alarm, health};

/// An open stream of events.
struct Screen {
    response: Response,
    text: String,
}

impl Screen {
    async fn open(collector: &Running, path: &str, key: &str) -> Self {
        let request = collector.http.get(format!("{}{path}", collector.base)).bearer_auth(key);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut screen = Self { response, text: String::new() };
        let (name, hello) = screen.next().await;
        assert_eq!(name, "hello");
        assert_eq!(hello["now_ms"], crate::running::NOW);
        screen
    }

    /// The next event: its name and data.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (name, data) = event.split_once('\n').unwrap();
                let name = name.strip_prefix("event: ").unwrap().to_owned();
                let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                self.text = rest.to_owned();
                return (name, data);
            }
            let patience = std::time::Duration::from_secs(10);
            let chunk =
                tokio::time::timeout(patience, self.response.chunk()).await.expect("an event within ten seconds");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap().expect("the stream goes on")).unwrap());
        }
    }

    /// The first row of the first event `name` that `wanted` finds right.
    async fn until(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (found, data) = self.next().await;
            if found == name
                && let Some(row) = data.as_array().unwrap().iter().find(|row| wanted(row))
            {
                return row.clone();
            }
        }
    }
}

#[tokio::test]
async fn an_open_screen_is_told_what_changes_at_its_sites() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let batches = vec![agent.rows(&[(1_000, 230.5)]), agent.batch(Lane::Urgent, vec![health(HealthLevel::Working)])];
    agent.upload(batches).await;
    let device = collector.device("ups-1").await;
    collector.value_becomes(&device, "voltage", json!(230.5)).await;

    let path = format!("/api/v1/stream?devices={device}");
    let mut screen = Screen::open(&collector, &path, &collector.key).await;
    let elsewhere = collector.key("elsewhere", &["read"], Some(&["port"])).await;
    let mut other = Screen::open(&collector, &path, &elsewhere).await;

    collector.clock.advance_ms(1_000);
    let batches = vec![
        agent.rows(&[(0, 180.0)]),
        agent.batch(Lane::Urgent, vec![health(HealthLevel::Unreachable), alarm(AlarmState::Raised)]),
    ];
    agent.upload(batches).await;
    let voltage = |row: &Value| {
        let points = row["points"].as_array().unwrap();
        points.iter().any(|point| point["point"] == "voltage" && point["value"] == 180.0 && point["quality"] == "good")
    };
    // They come in any order.
    let (mut seen_points, mut seen_health, mut seen_alarm) = (false, false, false);
    while !(seen_points && seen_health && seen_alarm) {
        let (name, data) = screen.next().await;
        for row in data.as_array().into_iter().flatten() {
            seen_points |= name == "points" && row["device"] == device.as_str() && voltage(row);
            seen_alarm |= name == "alarms" && row["device"] == device.as_str() && row["state"] == "raised";
            seen_health |= name == "devices" && row["id"] == device.as_str() && row["health"]["level"] == "unreachable";
        }
    }
    let (_, made) = collector
        .post(
            &format!("/api/v1/devices/{}/commands", collector.device("relay-1").await),
            json!({ "action": "relay.set", "arguments": { "channel": 1, "on": true } }),
        )
        .await;
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let row = screen.until("commands", |row| row["id"] == id.as_str()).await;
    assert_eq!(row["state"], "queued");

    // Whoever may not see the site hears that the stream lives, and nothing else.
    let (name, _) = other.next().await;
    assert_eq!(name, "tick");
}

#[tokio::test]
async fn a_key_that_was_taken_back_ends_the_stream() {
    let collector = Running::start().await;
    let (_, made) = collector.post("/api/v1/keys", json!({ "name": "wall", "scopes": ["read"] })).await;
    let token = made["key"].as_str().unwrap().to_owned();
    let mut screen = Screen::open(&collector, "/api/v1/stream", &token).await;
    let keys = collector.get("/api/v1/keys").await;
    let wall = keys["items"].as_array().unwrap().iter().find(|key| key["name"] == "wall").unwrap();
    let id = wall["id"].as_str().unwrap();
    let (status, _) =
        collector.request(Method::DELETE, &format!("/api/v1/keys/{id}"), Some(&collector.key), None).await;
    assert!(status.is_success());
    let ends = async { while screen.response.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), ends).await.expect("it ends within half a minute or so");
}

#[tokio::test]
async fn the_overview_counts_and_lists_come_in_any_order() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let batches = vec![
        agent.rows(&[(1_000, 230.5)]),
        agent.batch(Lane::Urgent, vec![health(HealthLevel::Unreachable), alarm(AlarmState::Raised)]),
    ];
    agent.upload(batches).await;
    let ups = collector.device("ups-1").await;
    collector.items_when("/api/v1/alarms", 1).await;

    let overview = collector.get("/api/v1/overview").await;
    assert_eq!(overview["devices"]["total"], 3);
    assert_eq!((&overview["devices"]["unreachable"], &overview["devices"]["unknown"]), (&json!(1), &json!(2)));
    assert_eq!((&overview["sites"][0]["id"], &overview["sites"][0]["alarms"]), (&json!("hall"), &json!(1)));
    let classes: Vec<&str> =
        overview["classes"].as_array().unwrap().iter().map(|class| class["id"].as_str().unwrap()).collect();
    assert_eq!(classes, ["passenger-gate", "relay-board", "ups"]);
    assert_eq!((&overview["agents"][0]["id"], &overview["agents"][0]["connected"]), (&json!("hall-1"), &json!(true)));
    assert_eq!(collector.get("/api/v1/overview?site=port").await["devices"]["total"], 0);

    let with_health = async |levels: &str| {
        let page = collector.get(&format!("/api/v1/devices?health={levels}")).await;
        page["total"].as_u64().unwrap()
    };
    assert_eq!([with_health("unreachable").await, with_health("unknown").await], [1, 2]);
    assert_eq!([with_health("unreachable,unknown").await, with_health("not_current").await], [3, 0]);

    // Silence of an agent: how its devices are now is not known, whatever was said last.
    collector.clock.advance_ms(61_000);
    assert_eq!([with_health("unreachable").await, with_health("unknown").await], [0, 2]);
    assert_eq!([with_health("not_current").await, with_health("not_current,unknown").await], [1, 3]);
    let overview = collector.get("/api/v1/overview").await;
    assert_eq!((&overview["devices"]["unreachable"], &overview["devices"]["not_current"]), (&json!(0), &json!(1)));

    let page = collector.get("/api/v1/devices?sort=health&limit=1").await;
    assert_eq!((&page["items"][0]["id"], &page["total"]), (&json!(ups), &json!(3)));
    for sort in ["id", "-id", "label", "-label", "class", "-class", "health", "-health", "site", "alarms", "-since"] {
        let whole = collector.get(&format!("/api/v1/devices?sort={sort}")).await;
        let (mut walked, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = collector.get(&format!("/api/v1/devices?sort={sort}&limit=1{cursor}")).await;
            walked.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            let next: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
            cursor = format!("&cursor={next}");
        }
        assert_eq!(json!(walked), whole["items"], "{sort}");
    }
    let page = collector.get("/api/v1/devices?sort=alarms&limit=1").await;
    assert_eq!(page["items"][0]["alarms"], 1);
    let (status, _) = collector.request(Method::GET, "/api/v1/devices?sort=colour", Some(&collector.key), None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn the_console_is_served_to_people_and_problems_to_programs() {
    let collector = Running::start().await;
    let get = async |path: &str| {
        let request = collector.http.get(format!("{}{path}", collector.base));
        request.header("accept", "text/html,*/*;q=0.8").send().await.unwrap()
    };
    for page in ["/", "/devices", "/devices/d-abc", "/index.html"] {
        let response = get(page).await;
        assert_eq!(response.status(), StatusCode::OK, "{page}");
        let headers = response.headers().clone();
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'self'"));
        assert_eq!(headers["cache-control"], "no-cache");
        assert!(response.text().await.unwrap().contains("<div id=\"root\">"), "{page}");
        let request = collector.http.get(format!("{}{page}", collector.base)).header("accept", "text/html");
        let again = request.header("if-none-match", &headers["etag"]).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
    for nothing in ["/api/v1/nothing", "/assets/missing.js", "/../Cargo.toml", "/%2e%2e/Cargo.toml"] {
        let response = get(nothing).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{nothing}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{nothing}");
    }
    let packed = collector.http.get(&collector.base).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(packed.headers()["vary"], "accept-encoding");
}
