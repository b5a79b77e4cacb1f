//! Alarms from the first raise to the close, and the rules behind them.

use kouan_protocol::session::Upload;
use kouan_protocol::{AlarmState, Catalogue, DeviceHealth, DeviceSpec, HealthLevel, Lane, RecordBody};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::{ScriptedAgent, alarm, catalogue};

async fn started() -> (Running, ScriptedAgent) {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    (collector, agent)
}

async fn raise(collector: &Running, agent: &mut ScriptedAgent, state: AlarmState) -> Value {
    let batch = agent.batch(Lane::Urgent, vec![alarm(state)]);
    agent.upload(vec![batch]).await;
    let word = if state == AlarmState::Raised { "raised" } else { "cleared" };
    eventually("the alarm is taken", async || {
        let alarms = collector.items("/api/v1/alarms?state=all&hidden=all").await;
        let newest = alarms.first()?.clone();
        (newest["state"] == word || (word == "cleared" && newest["state"] == "closed")).then_some(newest)
    })
    .await
}

async fn act(collector: &Running, body: Value) -> Value {
    let (status, answer) = collector.post("/api/v1/alarms/act", body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["results"].clone()
}

#[tokio::test]
async fn one_condition_is_one_life_until_nobody_has_to_care() {
    let (collector, mut agent) = started().await;
    let first = raise(&collector, &mut agent, AlarmState::Raised).await;
    let id = first["id"].as_str().unwrap();
    assert_eq!(
        (first["origin"].as_str(), first["class"].as_str(), first["count"].as_i64()),
        (Some("edge"), Some("ups"), Some(1))
    );
    collector.clock.advance_ms(120_000);
    raise(&collector, &mut agent, AlarmState::Cleared).await;
    collector.clock.advance_ms(60_000);
    let again = raise(&collector, &mut agent, AlarmState::Raised).await;
    assert_eq!((again["id"].as_str(), again["count"].as_i64()), (Some(id), Some(2)), "it waited for somebody");
    assert!(again["change"].as_i64() > first["change"].as_i64());

    collector.clock.advance_ms(30_000);
    let done = act(&collector, json!({ "ids": [id, "a-none"], "do": "acknowledge", "text": "on my way" })).await;
    assert_eq!((done[0]["done"].as_bool(), done[1]["done"].as_bool()), (Some(true), Some(false)));
    act(&collector, json!({ "ids": [id], "do": "comment", "text": "fuse" })).await;
    let refused = act(&collector, json!({ "ids": [id], "do": "close" })).await;
    assert!(refused[0]["problem"].as_str().unwrap().contains("still holds"));
    raise(&collector, &mut agent, AlarmState::Cleared).await;
    let closed = collector.get(&format!("/api/v1/alarms/{id}")).await;
    // It asked since the first raise, and stood twice.
    assert_eq!((closed["state"].as_str(), closed["response_ms"].as_i64()), (Some("closed"), Some(210_000)));
    assert_eq!((closed["repair_ms"].as_i64(), closed["comments"].as_i64()), (Some(150_000), Some(1)));
    let log: Vec<&str> = closed["log"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap()).collect();
    assert_eq!(log, ["raised", "cleared", "renewed", "acknowledged", "comment", "cleared", "closed"]);
    let report = collector.get("/api/v1/alarm-reports").await;
    assert_eq!(
        (report["total"]["count"].as_i64(), report["total"]["mean_response_ms"].as_i64()),
        (Some(1), Some(210_000))
    );

    let next = raise(&collector, &mut agent, AlarmState::Raised).await;
    assert_ne!(next["id"].as_str(), Some(id), "another life");
    let collector = collector.restart().await;
    assert_eq!(collector.items("/api/v1/alarms").await[0]["id"], next["id"]);
    let summary = collector.get("/api/v1/alarms/summary").await;
    assert_eq!(summary["by_severity"]["major"], json!({ "open": 1, "unacknowledged": 1 }));
    assert_eq!(summary["by_site"][0]["worst"], "major");
}

#[tokio::test]
async fn lists_are_narrowed_and_paged_and_keep_to_the_sites_of_the_caller() {
    let (collector, mut agent) = started().await;
    raise(&collector, &mut agent, AlarmState::Raised).await;
    let count = async |search: &str| collector.items(&format!("/api/v1/alarms?{search}")).await.len();
    for found in [
        "",
        "state=raised",
        "min_severity=major",
        "class=ups",
        "site=hall",
        "acknowledged=false",
        "assigned=none",
        "shelved=false",
        "q=mains",
        "q=The%20ups",
        "order=severity",
        "order=oldest",
        "condition=on-battery",
        "maintenance=false",
    ] {
        assert_eq!(count(found).await, 1, "{found}");
    }
    for missing in [
        "state=closed",
        "min_severity=critical",
        "class=camera",
        "site=port",
        "acknowledged=true",
        "assigned=me",
        "shelved=true",
        "q=%25x",
        "hidden=true",
        "rule=x",
        "to=5",
    ] {
        assert_eq!(count(missing).await, 0, "{missing}");
    }
    for bad in ["state=up", "severity=bad", "order=up", "hidden=perhaps", "from=x", "cursor=n1.2", "limit=0"] {
        let path = format!("/api/v1/alarms?{bad}");
        let (status, _) = collector.request(Method::GET, &path, Some(&collector.key), None).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    let port = collector.key("port", &["read", "operate"], Some(&["port"])).await;
    let id = collector.items("/api/v1/alarms").await[0]["id"].clone();
    let path = format!("/api/v1/alarms/{}", id.as_str().unwrap());
    assert_eq!(collector.request(Method::GET, &path, Some(&port), None).await.0, StatusCode::NOT_FOUND);
    let body = json!({ "ids": [id], "do": "acknowledge" });
    let (_, answer) = collector.request(Method::POST, "/api/v1/alarms/act", Some(&port), Some(body)).await;
    assert_eq!(answer["results"][0]["done"], false);
}

#[tokio::test]
async fn shelving_ends_by_itself_and_work_on_a_device_marks_its_alarms() {
    let (collector, mut agent) = started().await;
    let alarm = raise(&collector, &mut agent, AlarmState::Raised).await;
    let path = format!("/api/v1/alarms/{}", alarm["id"].as_str().unwrap());
    let until = NOW + 3_600_000;
    for bad in [json!({ "until_ms": until }), json!({ "reason": "r" }), json!({ "reason": "r", "until_ms": NOW - 1 })] {
        let mut body = json!({ "ids": [alarm["id"]], "do": "shelve" });
        body.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        assert_eq!(collector.post("/api/v1/alarms/act", body).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    act(&collector, json!({ "ids": [alarm["id"]], "do": "shelve", "until_ms": until, "reason": "spare part" })).await;
    assert_eq!(collector.get("/api/v1/alarms/summary").await["shelved"], 1);
    collector.clock.advance_ms(3_600_001);
    eventually("it is heard of again", async || collector.get(&path).await["shelved_until_ms"].is_null().then_some(()))
        .await;
    // The site's clock shows 17:00 to 18:00 each day.
    let repeat = json!({ "kind": "daily", "from": "18:00", "to": "19:30" });
    let window =
        json!({ "site": "hall", "class": "ups", "from": "1795300000000", "repeat": repeat, "reason": "cleaning" });
    let (status, made) = collector.post("/api/v1/maintenance", window).await;
    assert_eq!((status, made["repeat"]["kind"].as_str()), (StatusCode::CREATED, Some("daily")), "{made}");
    eventually("it is marked", async || (collector.get(&path).await["maintenance"] == true).then_some(())).await;
    collector.clock.advance_ms(2 * 3_600_000);
    eventually("the window is over", async || (collector.get(&path).await["maintenance"] == false).then_some(())).await;
}

const RULE: &str = r#"
id = "voltage-low"
severity = "warning"
name = { zh = "电压低", en = "Voltage low" }
text = { zh = "{device} 电压 {value} {unit}", en = "{device}: {value} {unit}" }
raise_after = "10s"
clear_after = "10s"

[match]
classes = ["ups"]

[when]
point = "voltage"
below = 200
clear = 210
"#;

#[tokio::test]
async fn a_rule_is_written_tried_judged_and_removed() {
    let (collector, mut agent) = started().await;
    let rows: Vec<(u64, f64)> =
        (0..60).rev().map(|minute| (minute * 60_000, if minute % 20 < 5 { 190.0 } else { 220.0 })).collect();
    let batch = agent.rows(&rows);
    agent.upload(vec![batch]).await;
    let device = collector.device("ups-1").await;
    collector.value_becomes(&device, "voltage", json!(190.0)).await;

    let wrong = RULE.replace("below = 200", "below = \"low\"");
    let (_, checked) = collector.post("/api/v1/alarm-rules/check", json!({ "toml": wrong })).await;
    assert_eq!(checked["problems"][0]["line"], 14, "{checked}");
    assert_eq!(
        collector.post("/api/v1/alarm-rules", json!({ "toml": wrong })).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let tried = eventually("the history has them", async || {
        let body = json!({ "toml": RULE, "from_ms": NOW - 3_600_000, "to_ms": NOW });
        let (_, tried) = collector.post("/api/v1/alarm-rules/try", body).await;
        (tried["raised"] == 3).then_some(tried)
    })
    .await;
    assert_eq!(
        (tried["per_device"][0]["device"].as_str(), tried["truncated"].as_bool()),
        (Some(&*device), Some(false))
    );
    assert!(collector.items("/api/v1/alarms").await.is_empty(), "it was only tried");

    let (status, made) = collector.post("/api/v1/alarm-rules", json!({ "toml": RULE })).await;
    assert_eq!(
        (status, made["source"].as_str(), made["matches"].as_i64()),
        (StatusCode::CREATED, Some("own"), Some(1))
    );
    let alarm = eventually("it is raised after its delay", async || {
        collector.clock.advance_ms(1_000);
        agent.poll(1).await.unwrap();
        collector.items("/api/v1/alarms").await.first().cloned()
    })
    .await;
    assert_eq!((alarm["rule"].as_str(), alarm["text"]["en"].as_str()), (Some("voltage-low"), Some("The ups: 190 V")));
    assert_eq!((alarm["value"].as_f64(), alarm["unit"].as_str()), (Some(190.0), Some("V")));

    // Killed and started again: it still stands, once.
    let collector = collector.crash_and_start().await;
    agent.moved_to(&collector.base);
    agent.hello().await;
    let path = format!("/api/v1/alarms/{}", alarm["id"].as_str().unwrap());
    assert_eq!(collector.items("/api/v1/alarms").await.len(), 1);
    let changed = json!({ "toml": RULE.replace("warning", "critical"), "revision": 7 });
    let put = async |body: Value, rest: &str| {
        let path = format!("/api/v1/alarm-rules/voltage-low{rest}");
        collector.request(Method::PUT, &path, Some(&collector.key), Some(body)).await
    };
    assert_eq!(put(changed, "").await.0, StatusCode::CONFLICT, "another revision");
    let (status, off) = put(json!({ "enabled": false }), "/enabled").await;
    assert_eq!((status, off["enabled"].as_bool()), (StatusCode::OK, Some(false)), "{off}");
    let cleared = eventually("what stood by it is cleared", async || {
        let alarm = collector.get(&path).await;
        (alarm["state"] == "cleared").then_some(alarm)
    })
    .await;
    assert_eq!(cleared["count"], 1, "{cleared}");
    let delete = "/api/v1/alarm-rules/voltage-low";
    let (status, _) = collector.request(Method::DELETE, delete, Some(&collector.key), None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(collector.items("/api/v1/alarm-rules").await.is_empty());
}

#[tokio::test]
async fn rules_of_other_sites_are_not_seen_and_shipped_ones_come_back_for_all() {
    let collector = Running::start_with_rules().await;
    collector.enrol("hall-1", "hall").await;
    collector.enrol("pier-1", "pier").await;
    let hall = collector.key("hall", &["read", "configure"], Some(&["hall"])).await;
    let at = |site: &str, text: &str| text.replace("[match]", &format!("[match]\nsites = [\"{site}\"]"));
    let own = RULE.replace("voltage-low", "voltage-own");
    assert_eq!(collector.post("/api/v1/alarm-rules", json!({ "toml": at("pier", &own) })).await.0, StatusCode::CREATED);
    assert_eq!(collector.post("/api/v1/alarm-rules", json!({ "toml": own })).await.0, StatusCode::CONFLICT);
    let ask = async |method: Method, id: &str, key: &str, body: Option<Value>| {
        collector.request(method, &format!("/api/v1/alarm-rules/{id}"), Some(key), body).await.0
    };
    let mine = Some(json!({ "toml": at("hall", &own) }));
    assert_eq!(ask(Method::GET, "voltage-own", &collector.key, None).await, StatusCode::OK);
    assert_eq!(ask(Method::GET, "voltage-own", &hall, None).await, StatusCode::NOT_FOUND);
    assert_eq!(ask(Method::PUT, "voltage-own", &hall, mine).await, StatusCode::NOT_FOUND);
    assert_eq!(ask(Method::DELETE, "voltage-own", &hall, None).await, StatusCode::NOT_FOUND);
    let (_, seen) = collector.request(Method::GET, "/api/v1/alarm-rules", Some(&hall), None).await;
    let ids: Vec<&str> = seen["items"].as_array().unwrap().iter().filter_map(|rule| rule["id"].as_str()).collect();
    assert!(ids.contains(&"voltage-low") && !ids.contains(&"voltage-own"), "{ids:?}");

    // Off stays off when it is given another text.
    let off = Some(json!({ "enabled": false }));
    assert_eq!(ask(Method::PUT, "voltage-own/enabled", &collector.key, off).await, StatusCode::OK);
    let other = Some(json!({ "toml": at("pier", &own).replace("200", "190") }));
    assert_eq!(ask(Method::PUT, "voltage-own", &collector.key, other).await, StatusCode::OK);
    let kept = collector.get("/api/v1/alarm-rules/voltage-own").await;
    assert_eq!(kept["enabled"], false, "{kept}");

    let narrowed = Some(json!({ "toml": at("hall", RULE), "revision": 0 }));
    assert_eq!(ask(Method::PUT, "voltage-low", &collector.key, narrowed.clone()).await, StatusCode::OK);
    assert_eq!(ask(Method::PUT, "voltage-low", &collector.key, narrowed).await, StatusCode::CONFLICT, "read before");
    let off = Some(json!({ "enabled": false }));
    assert_eq!(ask(Method::PUT, "voltage-low/enabled", &hall, off).await, StatusCode::OK, "it is theirs now");
    assert_eq!(ask(Method::DELETE, "voltage-low", &hall, None).await, StatusCode::FORBIDDEN, "it would be everybody's");
    assert_eq!(ask(Method::DELETE, "voltage-low", &collector.key, None).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_an_agent_said_ends_when_it_is_taken_back() {
    let (collector, mut agent) = started().await;
    let alarm = raise(&collector, &mut agent, AlarmState::Raised).await;
    let (status, _) =
        collector.request(Method::DELETE, "/api/v1/agents/hall-1/token", Some(&collector.key), None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let ended = collector.get(&format!("/api/v1/alarms/{}", alarm["id"].as_str().unwrap())).await;
    assert_eq!(ended["state"], "cleared", "{ended}");
    let log = collector.items("/api/v1/alarms/log").await;
    assert!(log.iter().any(|entry| entry["text"] == "the agent was taken back"), "{log:?}");
}

#[tokio::test]
async fn an_alarm_that_is_raised_again_while_somebody_works_there_is_marked() {
    let (collector, mut agent) = started().await;
    raise(&collector, &mut agent, AlarmState::Raised).await;
    collector.clock.advance_ms(1_000);
    raise(&collector, &mut agent, AlarmState::Cleared).await;
    collector.clock.advance_ms(1_000);
    let (from, to) = (NOW.to_string(), (NOW + 3_600_000).to_string());
    let window = json!({ "site": "hall", "from": from, "to": to, "reason": "fuses" });
    let (status, made) = collector.post("/api/v1/maintenance", window).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let again = raise(&collector, &mut agent, AlarmState::Raised).await;
    assert_eq!((again["count"].as_i64(), again["maintenance"].as_bool()), (Some(2), Some(true)), "{again}");
}

#[tokio::test]
async fn fourteen_hundred_devices_lost_at_once_are_a_handful_of_alarms() {
    let collector = Running::start_with_rules().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let device = |at: usize| DeviceSpec {
        key: format!("camera-{at}").parse().unwrap(),
        label: format!("Camera {at}"),
        class: "camera".to_owned(),
        link: format!("tcp-{at}"),
        groups: Vec::new(),
        actions: Vec::new(),
        ..catalogue().devices[0].clone()
    };
    let many = Catalogue { devices: (0..1_400).map(device).collect() };
    let all_become = async |agent: &mut ScriptedAgent, level: HealthLevel| {
        for part in many.devices.chunks(200) {
            let told = part.iter().map(|device| {
                RecordBody::Health(DeviceHealth {
                    device: device.key.clone(),
                    level,
                    reason: String::new(),
                    text: String::new(),
                    text_zh: String::new(),
                })
            });
            let batch = agent.batch(Lane::Urgent, told.collect());
            let upload = Upload { catalogues: vec![many.encode()], ..agent.upload_of(vec![batch]) };
            agent.try_upload(upload).await.unwrap();
        }
    };
    all_become(&mut agent, HealthLevel::Working).await;
    collector.clock.advance_ms(1_000);
    all_become(&mut agent, HealthLevel::Unreachable).await;
    let hidden = eventually("all of them are hidden", async || {
        collector.clock.advance_ms(2_000);
        agent.poll(1).await.unwrap();
        let visible = collector.items("/api/v1/alarms").await;
        assert!(visible.len() <= 3, "{visible:?}");
        let hidden = collector.get("/api/v1/alarms/summary").await["hidden"].as_i64()?;
        (hidden == 1_400).then_some(hidden)
    })
    .await;
    let visible = collector.items("/api/v1/alarms").await;
    assert_eq!((visible.len(), visible[0]["condition"].as_str()), (1, Some("lost-together")));
    assert_eq!(visible[0]["hides"].as_i64(), Some(hidden));
    let detail = collector.get(&format!("/api/v1/alarms/{}", visible[0]["id"].as_str().unwrap())).await;
    assert_eq!(detail["hidden"].as_array().unwrap().len(), 200, "the first of them");
}
