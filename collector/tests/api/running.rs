//! A collector in this process.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kouan_collector::store::log::SqliteLog;
use kouan_collector::store::{DataFolder, File, open_writable};
use kouan_collector::telemetry::history_last_seen;
use kouan_collector::verify::{Report, verify};
use kouan_collector::{App, Config, restore};
use kouan_protocol::{Clock, ManualClock, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::scripted_agent::ScriptedAgent;

/// 2026-11-22, mid-morning.
pub(crate) const NOW: i64 = 1_795_341_600_000;
/// No test waits longer for a condition.
const PATIENCE: Duration = Duration::from_secs(10);

/// Settings of tests that are not about rules of alarms: clocks that are set make agents silent.
fn quiet() -> Config {
    Config { shipped_alarm_rules: false, ..Config::default() }
}

/// A running collector with a clock that moves only when told.
pub(crate) struct Running {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) base: String,
    pub(crate) key: String,
    pub(crate) http: reqwest::Client,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
    settings: Config,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::start_on(tempfile::tempdir().unwrap()).await
    }

    /// Starts with a history that keeps next to nothing in memory.
    pub(crate) async fn start_sealing_at_once() -> Self {
        let settings = Config { history_memory: 1, ..quiet() };
        Self::start_at(tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(NOW)), settings).await
    }

    /// Starts with other settings.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut settings = Config::default();
        change(&mut settings);
        Self::start_at(tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(NOW)), settings).await
    }

    /// Starts with a receiver to which readings are written.
    pub(crate) async fn start_writing_to(url: &str) -> Self {
        let keep = Duration::from_secs(86_400);
        let receiver = kouan_collector::config::RemoteWrite { url: url.to_owned(), token_file: None, keep };
        let settings = Config { remote_write: Some(receiver), ..quiet() };
        Self::start_at(tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(NOW)), settings).await
    }

    /// Starts on a folder that may hold something already; then its keys are known to who made them.
    pub(crate) async fn start_on(folder: TempDir) -> Self {
        Self::start_at(folder, Arc::new(ManualClock::at(NOW)), quiet()).await
    }

    /// Starts with the rules of alarms that are shipped.
    pub(crate) async fn start_with_rules() -> Self {
        Self::start_at(tempfile::tempdir().unwrap(), Arc::new(ManualClock::at(NOW)), Config::default()).await
    }

    async fn start_at(folder: TempDir, clock: Arc<ManualClock>, settings: Config) -> Self {
        // A second test of this process finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (mut app, base) = build(folder.path(), &clock, &settings).await;
        let key = app.take_first_key().map(|key| key.reveal().to_owned()).unwrap_or_default();
        let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(app.run(stop.clone()));
        Self { folder, clock, base, key, http, stop, task, settings }
    }

    pub(crate) fn with_key(self, key: String) -> Self {
        Self { key, ..self }
    }

    /// Stops and starts again on the same folder.
    pub(crate) async fn restart(self) -> Self {
        let Self { folder, clock, key, http, stop, task, settings, .. } = self;
        stop.cancel();
        task.await.unwrap().unwrap();
        let (mut app, base) = build(folder.path(), &clock, &settings).await;
        assert!(app.take_first_key().is_none(), "there is a key already");
        let stop = CancellationToken::new();
        let task = tokio::spawn(app.run(stop.clone()));
        Self { folder, clock, base, key, http, stop, task, settings }
    }

    /// Stops and starts again with other settings.
    pub(crate) async fn restart_with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.settings);
        self.restart().await
    }

    /// Goes on with the files as a crash at this instant would leave them. Nothing may be under way.
    pub(crate) async fn crash_and_start(self) -> Self {
        let left = tempfile::tempdir().unwrap();
        std::fs::create_dir(left.path().join("history")).unwrap();
        for part in ["", "history"] {
            for file in std::fs::read_dir(self.folder.path().join(part)).unwrap().map(|file| file.unwrap()) {
                if file.file_type().unwrap().is_file() {
                    std::fs::copy(file.path(), left.path().join(part).join(file.file_name())).unwrap();
                }
            }
        }
        let (key, clock, settings) = (self.key.clone(), Arc::clone(&self.clock), self.settings.clone());
        self.stop().await;
        Self::start_at(left, clock, settings).await.with_key(key)
    }

    /// Stops and leaves the folder.
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.folder
    }

    /// Stops once every reader has seen all there is, and leaves the folder.
    pub(crate) async fn stop_caught_up(self) -> TempDir {
        eventually("the readers caught up", async || {
            let figures = self.get("/metrics").await;
            let lags = figures.as_str()?.lines().filter(|line| line.starts_with("kouan_reader_lag_entries{"));
            lags.into_iter().all(|line| line.ends_with(" 0")).then_some(())
        })
        .await;
        self.stop().await
    }

    pub(crate) async fn enrol(&self, agent: &str, site: &str) -> ScriptedAgent {
        let (status, body) = self.post("/api/v1/agents", json!({ "agent": agent, "site": site })).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let token = body["token"].as_str().unwrap();
        ScriptedAgent::new(&self.base, token, Arc::clone(&self.clock), self.http.clone())
    }

    pub(crate) async fn key(&self, name: &str, scopes: &[&str], sites: Option<&[&str]>) -> String {
        let mut body = json!({ "name": name, "scopes": scopes });
        if let Some(sites) = sites {
            body["sites"] = json!(sites);
        }
        let (status, body) = self.post("/api/v1/keys", body).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["key"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.request(Method::GET, path, Some(&self.key), None).await;
        assert_eq!(status, StatusCode::OK, "GET {path}: {body}");
        body
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.request(Method::POST, path, Some(&self.key), Some(body)).await
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The rows of a list.
    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        self.get(path).await["items"].as_array().unwrap().clone()
    }

    /// Waits until the list has `count` rows.
    pub(crate) async fn items_when(&self, path: &str, count: usize) -> Vec<Value> {
        let found = async || {
            let items = self.items(path).await;
            (items.len() == count).then_some(items)
        };
        eventually(&format!("{count} rows at {path}"), found).await
    }

    /// Waits until the list has at least `count` rows, and returns how many it has.
    pub(crate) async fn items_when_at_least(&self, path: &str, count: usize) -> usize {
        let found = async || {
            let items = self.items(path).await.len();
            (items >= count).then_some(items)
        };
        eventually(&format!("{count} rows at {path}"), found).await
    }

    /// The id of the device that an agent calls `key`.
    pub(crate) async fn device(&self, key: &str) -> String {
        let find = async || {
            let devices = self.items("/api/v1/devices").await;
            let device = devices.iter().find(|device| device["key"] == key)?;
            Some(device["id"].as_str().unwrap().to_owned())
        };
        eventually(&format!("device {key}"), find).await
    }

    /// The id of the device that this agent calls `key`.
    pub(crate) async fn device_of(&self, agent: &str, key: &str) -> String {
        let path = format!("/api/v1/devices?agent={agent}");
        let find = async || {
            let devices = self.items(&path).await;
            let device = devices.iter().find(|device| device["key"] == key)?;
            Some(device["id"].as_str().unwrap().to_owned())
        };
        eventually(&format!("device {key} of {agent}"), find).await
    }

    /// Asks a relay board for something and returns the command's id.
    pub(crate) async fn ask(&self, relay: &str) -> String {
        let body = json!({ "action": "relay.set", "arguments": { "channel": 3, "on": true }, "why": "test" });
        let (status, body) = self.post(&format!("/api/v1/devices/{relay}/commands"), body).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a command is in that state.
    pub(crate) async fn command_becomes(&self, command: &str, state: &str) -> Value {
        let check = async || {
            // A command that an agent began is here once the state reader has taken its record.
            let path = format!("/api/v1/commands/{command}");
            let (status, found) = self.request(Method::GET, &path, Some(&self.key), None).await;
            (status == StatusCode::OK && found["state"] == state).then_some(found)
        };
        eventually(&format!("command is {state}"), check).await
    }

    /// Waits for the state and checks that nothing is missing or doubled.
    pub(crate) async fn is_sound(&self) -> Report {
        eventually("readers caught up", async || {
            let report = verify(&DataFolder::new(self.folder.path())).unwrap();
            assert!(report.ok, "{:?}", report.problems);
            let log = &report.log;
            // Readings reach the history's files later; its events do at once.
            let events = report.lanes.iter().filter(|lane| lane.lane == "events");
            let written =
                events.into_iter().all(|lane| lane.history_rows == Some(lane.stored_numbers - lane.gap_numbers));
            (log.state_cursor == log.last_id && written).then_some(report)
        })
        .await
    }

    /// Waits until the latest value of a point is `value`.
    pub(crate) async fn value_becomes(&self, device: &str, point: &str, value: Value) -> Value {
        let check = async || {
            let detail = self.get(&format!("/api/v1/devices/{device}")).await;
            let found = detail["points"].as_array().unwrap().iter().find(|view| view["point"] == point)?.clone();
            (found["value"] == value).then_some(found)
        };
        eventually(&format!("{point} of {device} is {value}"), check).await
    }
}

/// The program itself, on a folder that somebody else filled. It has the real clock.
pub(crate) struct Program {
    process: tokio::process::Child,
    log: JoinHandle<String>,
    base: String,
    key: String,
    http: reqwest::Client,
}

impl Program {
    /// One of its commands.
    pub(crate) fn command() -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kouan-collector"));
        command.kill_on_drop(true);
        command
    }

    /// Starts it, and waits until it listens.
    pub(crate) async fn start(folder: &Path, key: &str, settings: &[&str]) -> Self {
        let mut process = Self::command()
            .args(["run", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .args(settings)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = process.stderr.take().unwrap();
        let log = tokio::spawn(async move {
            let mut log = Vec::new();
            said.read_to_end(&mut log).await.unwrap();
            String::from_utf8_lossy(&log).into_owned()
        });
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let base = loop {
            let line = lines.next_line().await.unwrap().expect("it says where it listens before it ends");
            if let Some(base) = line.strip_prefix("Listening on ") {
                break base.trim().to_owned();
            }
        };
        Self { process, log, base, key: key.to_owned(), http: reqwest::Client::new() }
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.key);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "GET {path}: {text}");
        text
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).unwrap()
    }

    /// Kills it, and returns what it logged.
    pub(crate) async fn kill(mut self) -> String {
        self.process.kill().await.unwrap();
        self.log.await.unwrap()
    }
}

async fn build(folder: &Path, clock: &Arc<ManualClock>, settings: &Config) -> (App, String) {
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = Config { data: folder.to_owned(), listen, ..settings.clone() };
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let app = App::build(config, clock).await.unwrap();
    let scheme = if app.certificate().is_some() { "https" } else { "http" };
    let base = format!("{scheme}://{}", app.address());
    (app, base)
}

/// What a person does after putting back a backup.
pub(crate) fn put_back(folder: &Path) {
    let folder = DataFolder::new(folder);
    let mut log = SqliteLog::new(open_writable(&folder.ingest(), File::Ingest).unwrap()).unwrap();
    let mut state = open_writable(&folder.state(), File::State).unwrap();
    let history = history_last_seen(&folder.history()).unwrap();
    restore::begin_again(&mut log, &mut state, history, Timestamp(NOW)).unwrap();
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "this did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
