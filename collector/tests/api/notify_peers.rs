//! People and programs are told of alarms by servers that the project did not write: a mail server of Python's aiosmtpd,
//! and the Alertmanager of Debian's package.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;

use kouan_collector::notify::secrets::SecretSource;
use kouan_protocol::{AlarmState, Clock as _, Lane, SystemClock};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::running::{Running, eventually};
use crate::scripted_agent::{ScriptedAgent, alarm};

/// A process that ends with the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct MailServer {
    _peer: Peer,
    port: u16,
    mails: mpsc::Receiver<Value>,
}

impl MailServer {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut child = Command::new(root.join("target/venv/bin/python"))
            .arg(root.join("tests/peers/mail_server.py"))
            .args([&certificate, &key])
            .args(["noc", "m4il-password"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/setup makes target/venv");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let port = first.strip_prefix("LISTENING ").expect("aiosmtpd from tests/setup").trim().parse().unwrap();
        let (sender, mails) = mpsc::channel();
        std::thread::spawn(move || read_lines(lines, &sender));
        Self { _peer: Peer(child), port, mails }
    }

    /// The next mail.
    async fn next(&self) -> Value {
        eventually("a mail", async || self.mails.try_recv().ok()).await
    }
}

fn read_lines(lines: std::io::Lines<BufReader<ChildStdout>>, mails: &mpsc::Sender<Value>) {
    for line in lines.map_while(Result::ok) {
        let _ = mails.send(serde_json::from_str(&line).unwrap());
    }
}

async fn made(collector: &Running, path: &str, body: Value) -> String {
    let (status, made) = collector.post(path, body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = if made["id"].is_null() { &made["user"]["id"] } else { &made["id"] };
    id.as_str().unwrap().to_owned()
}

async fn collector(folder: &Path) -> (Running, ScriptedAgent) {
    let collector = Running::start().await;
    let (ca, password) = (folder.join("certificate.pem"), folder.join("password"));
    std::fs::write(&password, "m4il-password\n").unwrap();
    let collector = collector
        .restart_with(|config| {
            config.notify.ca = ca.exists().then_some(ca);
            config.notify.secrets.insert("smtp".to_owned(), SecretSource::File(password));
        })
        .await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    (collector, agent)
}

async fn tell(agent: &mut ScriptedAgent, state: AlarmState) {
    let batch = agent.batch(Lane::Urgent, vec![alarm(state)]);
    agent.upload(vec![batch]).await;
}

async fn alarm_is(collector: &Running, state: &str) -> String {
    let rows = collector.items_when(&format!("/api/v1/alarms?state={state}"), 1).await;
    rows[0]["id"].as_str().unwrap().to_owned()
}

/// Lets time pass until something is there.
async fn in_time<T>(collector: &Running, what: &str, found: impl AsyncFn() -> Option<T>) -> T {
    eventually(what, async || {
        collector.clock.advance_ms(5_000);
        found().await
    })
    .await
}

#[tokio::test]
async fn mail_goes_encrypted_to_whom_it_concerns_in_their_language_and_up_when_nobody_answers() {
    let folder = tempfile::tempdir().unwrap();
    let server = MailServer::start(folder.path(), &[]);
    let (collector, mut agent) = collector(folder.path()).await;
    let settings = json!({ "host": "localhost", "port": server.port, "from": "noc@example.com", "username": "noc",
        "password_secret": "smtp", "to": ["duty@example.com"] });
    let channel = json!({ "name": "Mail", "kind": "email", "settings": settings });
    let channel = made(&collector, "/api/v1/notification-channels", channel).await;
    let user = async |name: &str, role: &str, site: &str, contact: Value| {
        let body = json!({ "name": name, "grants": [{ "role": role, "sites": [site] }] });
        let id = made(&collector, "/api/v1/users", body).await;
        let path = format!("/api/v1/users/{id}/contact");
        let (status, body) = collector.request(Method::PUT, &path, Some(&collector.key), Some(contact)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    };
    user("li.lei", "operator", "hall", json!({ "email": "li.lei@example.com", "language": "en" })).await;
    user("han.meimei", "operator", "pier", json!({ "email": "han.meimei@example.com" })).await;
    user("gone", "operator", "hall", json!({ "email": "never@example.com" })).await;
    user("slow", "operator", "hall", json!({ "email": "later@example.com" })).await;
    user("nobody", "operator", "hall", json!({})).await;
    let steps = json!([{ "after_minutes": 0, "channels": [channel] },
        { "after_minutes": 15, "channels": [channel], "roles": ["operator"] }]);
    made(
        &collector,
        "/api/v1/notification-routes",
        json!({ "name": "all", "match": { "conditions": ["on-battery"] }, "steps": steps }),
    )
    .await;

    tell(&mut agent, AlarmState::Raised).await;
    let id = alarm_is(&collector, "open").await;
    let first = in_time(&collector, "the first mail", async || server.mails.try_recv().ok()).await;
    assert_eq!(first["to"], json!(["duty@example.com"]));
    assert_eq!(first["subject"], "【重要】hall The ups：The mains are gone");
    assert!(first["text"].as_str().unwrap().contains("站点：hall\n区域：lane 1\n设备：The ups\n"), "{first}");
    assert_eq!((&first["from"], &first["automatic"]), (&json!("noc@example.com"), &json!("auto-generated")));
    assert_eq!((&first["user"], &first["encrypted"], &first["defects"]), (&json!("noc"), &json!(true), &json!([])));
    let sent = collector.items_when("/api/v1/notifications?state=sent", 1).await.remove(0);
    assert_eq!(first["id"], format!("<{}@example.com>", sent["id"].as_str().unwrap()));

    collector.clock.advance_ms(15 * 60_000);
    let mut to = Vec::new();
    for _ in 0..3 {
        let mail = in_time(&collector, "an escalation", async || server.mails.try_recv().ok()).await;
        if mail["to"] == json!(["li.lei@example.com"]) {
            let subject = mail["subject"].as_str().unwrap();
            assert!(subject.starts_with("Major, ") && subject.contains("without an answer: The ups at hall"), "{mail}");
        }
        to.push(mail["to"][0].as_str().unwrap().to_owned());
    }
    to.sort();
    assert_eq!(to, ["duty@example.com", "later@example.com", "li.lei@example.com"], "not Han Meimei of the pier");
    let path = format!("/api/v1/notifications?alarm={id}&state=");
    let of = async |state: &str, recipient: &str| {
        eventually(&format!("{recipient} is {state}"), async || {
            let rows = collector.items(&format!("{path}{state}")).await;
            rows.into_iter().find(|row| row["recipient"] == recipient)
        })
        .await
    };
    assert_eq!(of("sent", "later@example.com").await["attempts"], 2);
    let refused = of("failed", "never@example.com").await;
    assert!(refused["problem"].as_str().unwrap().contains("No such user here"), "{refused}");
    of("suppressed", "nobody").await;
    let log = collector.get(&format!("/api/v1/alarms/{id}")).await["log"].to_string();
    assert!(log.contains("escalated") && log.contains("li.lei@example.com"), "{log}");

    let body = json!({ "ids": [id], "do": "acknowledge" });
    let (status, body) = collector.post("/api/v1/alarms/act", body).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    tell(&mut agent, AlarmState::Cleared).await;
    let end = in_time(&collector, "the end is told", async || server.mails.try_recv().ok()).await;
    assert!(
        end["subject"].as_str().unwrap().contains("已恢复") || end["subject"].as_str().unwrap().contains("Cleared")
    );
}

#[tokio::test]
async fn mail_goes_with_tls_from_the_first_byte_on_and_not_at_all_to_a_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let server = MailServer::start(folder.path(), &["tls"]);
    let (collector, _agent) = collector(folder.path()).await;
    let settings = json!({ "host": "localhost", "port": server.port, "tls": "tls", "from": "noc@example.com",
        "username": "noc", "password_secret": "smtp", "to": ["duty@example.com"] });
    let channel = json!({ "name": "Mail", "kind": "email", "language": "en", "settings": settings });
    let id = made(&collector, "/api/v1/notification-channels", channel).await;
    let path = format!("/api/v1/notification-channels/{id}/test");
    let (_, result) = collector.post(&path, json!({})).await;
    assert_eq!(result["delivered"], true, "{result}");
    let mail = server.next().await;
    assert_eq!((&mail["subject"], &mail["encrypted"]), (&json!("Test of the channel \"Mail\""), &json!(true)));
    // Whoever shows a certificate that nobody vouches for gets nothing.
    let collector = collector.restart_with(|config| config.notify.ca = None).await;
    let (_, result) = collector.post(&path, json!({})).await;
    assert_eq!(result["delivered"], false);
    assert!(result["problem"].as_str().unwrap().contains("certificate"), "{result}");
    assert!(server.mails.try_recv().is_err());
}

struct Alertmanager {
    _peer: Peer,
    url: String,
}

impl Alertmanager {
    async fn start(folder: &Path, http: &reqwest::Client) -> Self {
        let config = "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n";
        std::fs::write(folder.join("alertmanager.yml"), config).unwrap();
        // It takes no port 0. The port is free now; nobody else of this process asks for one by number.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus-alertmanager")
            .current_dir(folder)
            .args(["--config.file=alertmanager.yml", "--storage.path=alerts", "--cluster.listen-address="])
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tests/setup installs prometheus-alertmanager");
        let (peer, url) = (Peer(child), format!("http://{address}"));
        let is_up = async || http.get(format!("{url}/-/ready")).send().await.ok().filter(|r| r.status().is_success());
        eventually("the Alertmanager is up", is_up).await;
        Self { _peer: peer, url }
    }

    /// What its own tool shows.
    fn alerts(&self) -> Vec<Value> {
        let output = Command::new("amtool")
            .args(["alert", "query", "--output=json", &format!("--alertmanager.url={}", self.url)])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

#[tokio::test]
async fn an_alertmanager_shows_the_alarm_for_as_long_as_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (collector, mut agent) = collector(folder.path()).await;
    let alertmanager = Alertmanager::start(folder.path(), &collector.http).await;
    // It believes in its own clock.
    let keep_time = || collector.clock.change(|anchor| anchor.wall = SystemClock::new().unwrap().wall());
    keep_time();
    agent.hello().await;
    let settings = json!({ "url": alertmanager.url, "labels": { "team": "noc" } });
    let channel = json!({ "name": "Alertmanager", "kind": "alertmanager", "settings": settings });
    let channel = made(&collector, "/api/v1/notification-channels", channel).await;
    let steps = json!([{ "after_minutes": 0, "channels": [channel] }]);
    made(
        &collector,
        "/api/v1/notification-routes",
        json!({ "name": "all", "match": { "conditions": ["on-battery"] }, "steps": steps }),
    )
    .await;

    tell(&mut agent, AlarmState::Raised).await;
    let id = alarm_is(&collector, "open").await;
    let shown = async || {
        keep_time();
        alertmanager.alerts().into_iter().next()
    };
    let alert = eventually("amtool shows it", shown).await;
    let labels = &alert["labels"];
    assert_eq!(
        (&labels["alertname"], &labels["site"], &labels["team"], &labels["alarm"]),
        (&json!("on-battery"), &json!("hall"), &json!("noc"), &json!(id))
    );
    assert_eq!(alert["annotations"]["summary"], "The ups: The mains are gone");
    assert_eq!(alert["annotations"]["severity"], "major");
    tell(&mut agent, AlarmState::Cleared).await;
    let gone = async || {
        keep_time();
        alertmanager.alerts().is_empty().then_some(())
    };
    eventually("amtool shows it no more", gone).await;
    collector.items_when("/api/v1/notifications?state=sent", 2).await;
}
