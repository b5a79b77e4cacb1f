//! People and programs are told of alarms.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use hmac::{Hmac, KeyInit as _, Mac as _};
use kouan_collector::notify::secrets::SecretSource;
use kouan_protocol::{AlarmState, HealthLevel, Lane};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::{ScriptedAgent, alarm, health};

/// The first alarm waits so long for others.
const WINDOW_MS: u64 = 10_000;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    text: String,
    body: Value,
}

/// A receiver that takes what comes, or answers as it was told to.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    arrived: Arc<Mutex<Vec<Arrived>>>,
    answers: Arc<Mutex<Vec<(u16, String)>>>,
    /// Never answers.
    is_silent: Arc<std::sync::atomic::AtomicBool>,
}

async fn take(State(receiver): State<Receiver>, request: Request) -> (StatusCode, String) {
    let (parts, body) = request.into_parts();
    let bytes: Bytes = axum::body::to_bytes(body, 1 << 22).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let url = reqwest::Url::parse(&format!("http://x{}", parts.uri)).unwrap();
    let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    receiver.arrived.lock().unwrap().push(Arrived {
        path: url.path().to_owned(),
        query: url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        headers: parts.headers.iter().map(header).collect(),
        body: serde_json::from_str(&text).unwrap_or_default(),
        text,
    });
    if receiver.is_silent.load(std::sync::atomic::Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let answer = receiver.answers.lock().unwrap().pop();
    let (status, text) = answer.unwrap_or((200, json!({ "errcode": 0, "code": 0, "errmsg": "ok" }).to_string()));
    (StatusCode::from_u16(status).unwrap(), text)
}

impl Receiver {
    pub(crate) async fn start() -> (Self, String) {
        let receiver = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        (receiver, base)
    }

    pub(crate) fn answers(&self, answers: &[(u16, Value)]) {
        let texts = answers.iter().rev().map(|(status, body)| (*status, body.to_string()));
        *self.answers.lock().unwrap() = texts.collect();
    }

    pub(crate) fn all(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    pub(crate) async fn has(&self, count: usize) -> Vec<Arrived> {
        let arrived = || (self.all().len() >= count).then(|| self.all());
        eventually(&format!("{count} requests arrived"), async || arrived()).await
    }
}

fn secrets(config: &mut kouan_collector::Config, folder: &std::path::Path, named: &[(&str, &str)]) {
    for (name, value) in named {
        let path = folder.join(name);
        std::fs::write(&path, format!("{value}\n")).unwrap();
        config.notify.secrets.insert((*name).to_owned(), SecretSource::File(path));
    }
}

/// A collector with secrets, and its agent.
pub(crate) async fn collector(named: &[(&str, &str)]) -> (Running, ScriptedAgent, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Running::start().await;
    let collector = collector
        .restart_with(|config| {
            config.public_url = Some("https://kouan.example".to_owned());
            secrets(config, folder.path(), named);
        })
        .await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    (collector, agent, folder)
}

pub(crate) async fn channel(collector: &Running, body: Value) -> String {
    let (status, made) = collector.post("/api/v1/notification-channels", body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn route(collector: &Running, steps: Value) -> String {
    // That an agent is silent while a test moves the clock is not its subject.
    let body = json!({ "name": "all", "match": { "conditions": ["on-battery"] }, "steps": steps });
    let (status, made) = collector.post("/api/v1/notification-routes", body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

async fn at_once(collector: &Running, channel: &str) {
    route(collector, json!([{ "after_minutes": 0, "channels": [channel] }])).await;
}

pub(crate) async fn raise(agent: &mut ScriptedAgent) {
    let batch = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Raised)]);
    agent.upload(vec![batch]).await;
}

async fn clear(agent: &mut ScriptedAgent) {
    let batch = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Cleared)]);
    agent.upload(vec![batch]).await;
}

/// Waits until what gathers was noticed, then lets its window pass.
pub(crate) async fn window_passes(collector: &Running) {
    let alarms = async || (!collector.items("/api/v1/alarms?state=all").await.is_empty()).then_some(());
    eventually("the alarm", alarms).await;
    // The follower has taken the alarm once its place is that of the last change.
    eventually("the alarm is followed", async || {
        let conn = rusqlite::Connection::open(collector.folder.path().join("state.db")).unwrap();
        let sql = "SELECT (SELECT max(change) FROM alarms) = (SELECT value FROM notify_progress WHERE name = 'alarms')";
        conn.query_row(sql, [], |row| row.get::<_, Option<bool>>(0)).unwrap().filter(|is| *is)
    })
    .await;
    collector.clock.advance_ms(WINDOW_MS);
}

pub(crate) async fn record(collector: &Running, state: &str) -> Value {
    let path = format!("/api/v1/notifications?state={state}");
    collector.items_when(&path, 1).await.remove(0)
}

fn code(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[tokio::test]
async fn a_program_is_told_signed_and_every_message_is_on_record() {
    let (receiver, url) = Receiver::start().await;
    let (collector, mut agent, _folder) = collector(&[("hook", "s3cret-of-hook"), ("api", "k3y-of-api")]).await;
    let settings = json!({ "url": format!("{url}/alarms?k=${{secret:api}}"), "sign_secret": "hook",
        "headers": { "X-Api-Key": "${secret:api}" } });
    let id =
        channel(&collector, json!({ "name": "Hook", "kind": "webhook", "language": "en", "settings": settings })).await;
    at_once(&collector, &id).await;
    raise(&mut agent).await;
    window_passes(&collector).await;
    let told = receiver.has(1).await.remove(0);
    assert_eq!((told.path.as_str(), told.query["k"].as_str()), ("/alarms", "k3y-of-api"));
    assert_eq!(told.headers["x-api-key"], "k3y-of-api");
    let (seconds, signature) = told.headers["x-kouan-signature"].split_once(',').unwrap();
    let signed = format!("{}.{}", seconds.strip_prefix("t=").unwrap(), told.text);
    let expected: String =
        code(b"s3cret-of-hook", signed.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(signature, format!("v1={expected}"));
    let body = &told.body;
    assert_eq!(body["id"], told.headers["idempotency-key"]);
    assert_eq!((&body["kind"], body["alarms"].as_array().unwrap().len()), (&json!("raise"), 1));
    let alarm = &body["alarms"][0];
    assert_eq!(
        (&alarm["condition"], &alarm["severity"], &alarm["site"], &alarm["state"]),
        (&json!("on-battery"), &json!("major"), &json!("hall"), &json!("raised"))
    );
    assert_eq!(body["subject"], "Major: The ups at hall: The mains are gone");
    let link = format!("https://kouan.example/alarms/{}", alarm["id"].as_str().unwrap());
    assert!(body["text"].as_str().unwrap().contains(&link), "{body}");

    clear(&mut agent).await;
    collector.items_when("/api/v1/alarms?state=cleared", 1).await;
    window_passes(&collector).await;
    collector.clock.advance_ms(30_000);
    assert_eq!(receiver.has(2).await[1].body["kind"], "clear");
    let path = format!("/api/v1/notifications?alarm={}", alarm["id"].as_str().unwrap());
    eventually("both are on record", async || {
        let rows = collector.items(&path).await;
        let kinds: Vec<_> = rows.iter().map(|row| (row["kind"].as_str(), row["state"].as_str())).collect();
        (kinds == [(Some("clear"), Some("sent")), (Some("raise"), Some("sent"))]).then_some(())
    })
    .await;
    // Nothing secret is in answers or on disk.
    let shown = collector.get("/api/v1/notification-channels").await.to_string();
    assert!(shown.contains("${secret:api}") && shown.contains("\"has_secret\":true"), "{shown}");
    let audit = collector.get("/api/v1/audit").await.to_string();
    assert!(audit.contains("notification-channel-made") && audit.contains("notification-route-made"));
    let folder = collector.stop().await;
    for file in std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file())
    {
        let bytes = std::fs::read(&file).unwrap();
        for secret in ["s3cret-of-hook", "k3y-of-api"] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{}", file.display());
        }
    }
}

#[tokio::test]
async fn whoever_is_killed_between_sending_and_noting_it_repeats_it_with_the_same_id() {
    let (receiver, url) = Receiver::start().await;
    let (collector, mut agent, _folder) = collector(&[]).await;
    let id = channel(&collector, json!({ "name": "Hook", "kind": "webhook", "settings": { "url": url } })).await;
    at_once(&collector, &id).await;
    receiver.is_silent.store(true, std::sync::atomic::Ordering::SeqCst);
    raise(&mut agent).await;
    window_passes(&collector).await;
    receiver.has(1).await;
    // It arrived, and nobody has noted so.
    assert_eq!(record(&collector, "waiting").await["attempts"], 1);
    let collector = collector.crash_and_start().await;
    receiver.is_silent.store(false, std::sync::atomic::Ordering::SeqCst);
    collector.clock.advance_ms(11_000);
    let arrived = receiver.has(2).await;
    assert_eq!(arrived[0].headers["idempotency-key"], arrived[1].headers["idempotency-key"]);
    assert_eq!(arrived[0].body["text"], arrived[1].body["text"]);
    let sent = record(&collector, "sent").await;
    assert_eq!((&sent["attempts"], &sent["id"]), (&json!(2), &arrived[0].body["id"]));
    // What was planned was planned once.
    collector.clock.advance_ms(3_600_000);
    let collector = collector.restart().await;
    assert_eq!(collector.items("/api/v1/notifications").await.len(), 1);
    assert_eq!(receiver.all().len(), 2);
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_given_up() {
    let (receiver, url) = Receiver::start().await;
    let (collector, mut agent, _folder) = collector(&[]).await;
    let id = channel(&collector, json!({ "name": "Hook", "kind": "webhook", "settings": { "url": url } })).await;
    at_once(&collector, &id).await;
    receiver.answers(&[(503, json!("down")), (429, json!("too much")), (400, json!("what is this"))]);
    raise(&mut agent).await;
    window_passes(&collector).await;
    for (count, seconds) in [(1, 10), (2, 30)] {
        receiver.has(count).await;
        eventually("it waits", async || {
            let waiting = record(&collector, "waiting").await;
            let problem = waiting["problem"].as_str()?.to_owned();
            (waiting["attempts"] == count).then_some(problem)
        })
        .await;
        collector.clock.advance_ms(seconds * 1_000);
    }
    let failed = record(&collector, "failed").await;
    assert_eq!(failed["attempts"], 3);
    assert!(failed["problem"].as_str().unwrap().contains("400 Bad Request: \"what is this\""), "{failed}");

    // Nobody waits for ever.
    receiver.answers(&vec![(502, json!("bad")); 200]);
    clear(&mut agent).await;
    collector.items_when("/api/v1/alarms?state=cleared", 1).await;
    window_passes(&collector).await;
    let given_up = async || {
        collector.clock.advance_ms(1_800_000);
        let rows = collector.items("/api/v1/notifications?state=failed").await;
        (rows.len() == 2).then_some(rows)
    };
    let rows = eventually("it is given up", given_up).await;
    assert!(rows[0]["problem"].as_str().unwrap().starts_with("given up after a day"), "{}", rows[0]);
}

#[tokio::test]
async fn robots_get_what_their_vendors_describe_and_their_refusals_count() {
    let (receiver, url) = Receiver::start().await;
    let (collector, mut agent, _folder) = collector(&[("robot", "r0bot-key"), ("sign", "SEC0123")]).await;
    let mut ids = Vec::new();
    for (kind, path, sign) in [
        ("wecom", "/wecom?key=", None),
        ("dingtalk", "/dingtalk?access_token=", Some("sign")),
        ("feishu", "/hook/", Some("sign")),
    ] {
        let mut settings = json!({ "url": format!("{url}{path}${{secret:robot}}") });
        if let Some(sign) = sign {
            settings["sign_secret"] = json!(sign);
        }
        ids.push(channel(&collector, json!({ "name": kind, "kind": kind, "settings": settings })).await);
    }
    route(&collector, json!([{ "after_minutes": 0, "channels": ids }])).await;
    raise(&mut agent).await;
    window_passes(&collector).await;
    let arrived: BTreeMap<String, Arrived> =
        receiver.has(3).await.into_iter().map(|arrived| (arrived.path.clone(), arrived)).collect();

    let wecom = &arrived["/wecom"];
    assert_eq!((wecom.query["key"].as_str(), &wecom.body["msgtype"]), ("r0bot-key", &json!("markdown")));
    let text = wecom.body["markdown"]["content"].as_str().unwrap();
    assert!(text.starts_with("**【重要】hall The ups：The mains are gone**\n重要告警"), "{text}");

    let dingtalk = &arrived["/dingtalk"];
    assert_eq!((dingtalk.query["access_token"].as_str(), &dingtalk.body["msgtype"]), ("r0bot-key", &json!("markdown")));
    assert!(dingtalk.body["markdown"]["title"].as_str().unwrap().contains("The mains are gone"));
    let time = &dingtalk.query["timestamp"];
    assert!((0..=60_000).contains(&(time.parse::<i64>().unwrap() - NOW)), "milliseconds: {time}");
    assert_eq!(dingtalk.query["sign"], base64(&code(b"SEC0123", format!("{time}\nSEC0123").as_bytes())));

    let feishu = &arrived["/hook/r0bot-key"];
    assert_eq!(feishu.body["msg_type"], "interactive");
    assert_eq!(feishu.body["card"]["elements"][0]["tag"], "markdown");
    let time = feishu.body["timestamp"].as_str().unwrap();
    assert_eq!(time.parse::<i64>().unwrap() / 100, NOW / 100_000, "seconds");
    assert_eq!(feishu.body["sign"], base64(&code(format!("{time}\nSEC0123").as_bytes(), b"")));
    collector.items_when("/api/v1/notifications?state=sent", 3).await;

    // All of them answer 200 also when they did not take a message.
    let test = async |id: &str, answer: Value| {
        receiver.answers(&[(200, answer)]);
        let (status, result) = collector.post(&format!("/api/v1/notification-channels/{id}/test"), json!({})).await;
        assert_eq!(status, StatusCode::OK, "{result}");
        result
    };
    for (at, answer, said) in [
        (0, json!({ "errcode": 93000, "errmsg": "invalid webhook url, key r0bot-key" }), "93000"),
        (1, json!({ "errcode": 310000, "errmsg": "sign not match" }), "310000"),
        (
            2,
            json!({ "code": 19021, "msg": "sign match fail or timestamp is not within one hour", "data": {} }),
            "19021",
        ),
        (2, json!("<html>"), "none of a robot"),
    ] {
        let result = test(&ids[at], answer).await;
        let problem = result["problem"].as_str().unwrap();
        assert_eq!(result["delivered"], false);
        assert!(problem.contains(said) && !problem.contains("r0bot-key"), "{result}");
    }
    assert_eq!(test(&ids[2], json!({ "StatusCode": 0, "StatusMessage": "success" })).await["delivered"], true);

    // More than 20 messages in a minute: DingTalk takes none for ten minutes.
    clear(&mut agent).await;
    collector.items_when("/api/v1/alarms?state=cleared", 1).await;
    receiver.answers(&vec![(200, json!({ "errcode": 130101, "code": 11232, "errmsg": "send too fast" })); 3]);
    window_passes(&collector).await;
    collector.clock.advance_ms(30_000);
    let waiting = collector.items_when("/api/v1/notifications?state=waiting", 2).await;
    let next = waiting.iter().find(|row| row["channel_name"] == "dingtalk").unwrap();
    eventually("ten minutes", async || {
        let waiting = collector.items("/api/v1/notifications?state=waiting").await;
        let row = waiting.iter().find(|row| row["id"] == next["id"])?;
        (row["next_ms"].as_i64()? - row["time_ms"].as_i64()? >= 600_000).then_some(())
    })
    .await;
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[tokio::test]
async fn a_gateway_for_short_messages_is_asked_for_each_number() {
    let (receiver, url) = Receiver::start().await;
    let (collector, mut agent, _folder) = collector(&[("sms", "sms-k3y")]).await;
    let settings = json!({ "url": format!("{url}/send"), "to": ["13800001111", "+8613900002222"],
        "body": "{\"key\":\"${secret:sms}\",\"mobile\":\"{phone}\",\"content\":\"{text}\",\"id\":\"{id}\"}",
        "success": { "pointer": "/code", "equals": "ok" } });
    let id = channel(&collector, json!({ "name": "SMS", "kind": "sms", "settings": settings })).await;
    at_once(&collector, &id).await;
    receiver.answers(&[(200, json!({ "code": "ok" })), (200, json!({ "code": "balance", "key": "sms-k3y" }))]);
    raise(&mut agent).await;
    window_passes(&collector).await;
    let arrived = receiver.has(2).await;
    let numbers: Vec<_> = arrived.iter().map(|arrived| arrived.body["mobile"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["13800001111", "+8613900002222"]);
    assert_eq!(arrived[0].body["key"], "sms-k3y");
    assert_eq!(arrived[0].body["content"], "【重要】hall The ups：The mains are gone");
    let failed = record(&collector, "failed").await;
    assert_eq!(failed["recipient"], "+8613900002222");
    let problem = failed["problem"].as_str().unwrap();
    assert!(problem.contains("balance") && !problem.contains("sms-k3y"), "{problem}");
}

#[tokio::test]
async fn what_came_and_went_during_an_outage_is_one_message_and_no_alarm() {
    let (receiver, url) = Receiver::start().await;
    let (collector, mut agent, _folder) = collector(&[]).await;
    let hook = json!({ "name": "Hook", "kind": "webhook", "language": "en", "settings": { "url": url } });
    let id = channel(&collector, hook).await;
    let all = json!({ "name": "all", "steps": [{ "after_minutes": 0, "channels": [id] }] });
    let (status, made) = collector.post("/api/v1/notification-routes", all).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let late = vec![
        (500_000, alarm(AlarmState::Raised)),
        (400_000, health(HealthLevel::Unreachable)),
        (300_000, alarm(AlarmState::Cleared)),
        (250_000, health(HealthLevel::Working)),
    ];
    let urgent = agent.aged(Lane::Urgent, late);
    agent.upload(vec![urgent]).await;
    collector.items_when("/api/v1/outages", 1).await;
    collector.clock.advance_ms(61_000);
    eventually("the outage is complete", async || {
        let rows = collector.items("/api/v1/outages").await;
        (!rows[0]["complete_ms"].is_null()).then_some(())
    })
    .await;
    let told = async || {
        collector.clock.advance_ms(1_000);
        receiver.all().into_iter().find(|arrived| arrived.body["kind"] == "digest")
    };
    let told = eventually("the digest", told).await;
    assert_eq!(told.body["alarms"], json!([]));
    let text = told.body["text"].as_str().unwrap();
    assert!(text.contains("hall-1 at hall could not be heard") && text.contains("alarms raised 1"), "{text}");
    let collector = collector.restart().await;
    collector.clock.advance_ms(60_000);
    assert_eq!(collector.items("/api/v1/notifications?kind=digest").await.len(), 1, "once");
}

#[tokio::test]
async fn channels_and_routes_are_for_those_who_may_and_what_is_wrong_is_told() {
    let (collector, _agent, _folder) = collector(&[]).await;
    collector.enrol("pier-1", "pier").await;
    let hall = collector.key("hall", &["read", "configure"], Some(&["hall"])).await;
    let ask = async |method: Method, path: &str, key: &str, body: Value| {
        collector.request(method, &format!("/api/v1/{path}"), Some(key), Some(body)).await
    };
    let hook = json!({ "name": "Hook", "kind": "webhook", "settings": { "url": "http://169.254.169.254/latest" } });
    let (status, _) = ask(Method::POST, "notification-channels", &hall, hook.clone()).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "a channel is for all sites");
    let id = channel(&collector, hook).await;
    let (_, result) = collector.post(&format!("/api/v1/notification-channels/{id}/test"), json!({})).await;
    assert_eq!(result["delivered"], false);
    assert!(result["problem"].as_str().unwrap().contains("link-local"), "{result}");

    let steps = json!([{ "after_minutes": 0, "channels": [id] }]);
    let all = json!({ "name": "all", "steps": steps });
    assert_eq!(ask(Method::POST, "notification-routes", &hall, all.clone()).await.0, StatusCode::FORBIDDEN);
    let mut own = all.clone();
    own["match"] = json!({ "sites": ["hall"] });
    let (status, route) = ask(Method::POST, "notification-routes", &hall, own.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{route}");
    let path = format!("notification-routes/{}", route["id"].as_str().unwrap());
    own["match"] = json!({ "sites": ["hall", "pier"] });
    assert_eq!(ask(Method::PUT, &path, &hall, own).await.0, StatusCode::FORBIDDEN, "nor by a change");
    // What an answer shows can be sent back.
    let (status, again) = ask(Method::PUT, &path, &hall, route.clone()).await;
    assert_eq!((status, &again["revision"]), (StatusCode::OK, &json!(2)), "{again}");
    let (status, _) = ask(Method::PUT, &path, &hall, route).await;
    assert_eq!(status, StatusCode::CONFLICT, "somebody else changed it meanwhile");
    let (status, _) = collector
        .request(Method::DELETE, &format!("/api/v1/notification-channels/{id}"), Some(&collector.key), None)
        .await;
    assert_eq!(status, StatusCode::CONFLICT, "a route uses it");
    assert_eq!(
        ask(Method::GET, "notifications", &hall, json!({})).await.1["items"],
        json!([]),
        "tests are for all sites"
    );
    assert_eq!(collector.items("/api/v1/notifications?kind=test").await.len(), 1);

    for (path, body, said) in [
        (
            "notification-channels",
            json!({ "name": "x", "kind": "wecom", "settings": { "url": "https://a.b/?key=1" } }),
            "${secret:NAME}",
        ),
        (
            "notification-channels",
            json!({ "name": "x", "kind": "webhook", "settings": { "url": "https://a.b/" },
            "templates": { "raise": { "subject": "{whatever}", "text": "x" } } }),
            "{whatever}",
        ),
        ("notification-routes", json!({ "name": "x", "steps": [{ "channels": ["nc-none"] }] }), "nc-none"),
        (
            "notification-routes",
            json!({ "name": "x", "steps": [{ "channels": [id], "roles": ["operator"] }] }),
            "e-mail",
        ),
        ("notification-routes", json!({ "name": "x", "steps": [] }), "1 to 20 steps"),
    ] {
        let (status, problem) = collector.post(&format!("/api/v1/{path}"), body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{said} in {problem}");
    }
}
