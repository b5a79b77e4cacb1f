//! Readings that are written to a receiver: one of ours that can misbehave, and Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use prost::Message;
use serde_json::Value;

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::ScriptedAgent;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// A receiver that takes, puts off or refuses.
#[derive(Default)]
struct Taken {
    /// Voltages by time.
    voltages: BTreeMap<i64, f64>,
    requests: usize,
    /// The answers to the next requests, instead of taking them.
    answers: Vec<StatusCode>,
    /// A sample of these times is refused, and its request with it.
    hated: BTreeSet<i64>,
}

type Shared = Arc<Mutex<Taken>>;

async fn take(State(taken): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-encoding"], "snappy");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert_eq!(headers["x-prometheus-remote-write-version"], "0.1.0");
    let body = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let request = WriteRequest::decode(body.as_slice()).unwrap();
    let mut taken = taken.lock().unwrap();
    taken.requests += 1;
    if let Some(answer) = taken.answers.pop() {
        return answer;
    }
    for series in &request.timeseries {
        let names: Vec<&str> = series.labels.iter().map(|label| label.name.as_str()).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(series.samples.is_sorted_by(|a, b| a.timestamp < b.timestamp));
        if series.samples.iter().any(|sample| taken.hated.contains(&sample.timestamp)) {
            return StatusCode::BAD_REQUEST;
        }
    }
    for series in request.timeseries {
        if series.labels.iter().any(|label| label.name == "__name__" && label.value == "kouan_point") {
            taken.voltages.extend(series.samples.iter().map(|sample| (sample.timestamp, sample.value)));
        }
    }
    StatusCode::NO_CONTENT
}

async fn receiver() -> (String, Shared) {
    let taken = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/write", listener.local_addr().unwrap());
    let router = Router::new().route("/write", post(take)).with_state(Arc::clone(&taken));
    tokio::spawn(axum::serve(listener, router).into_future());
    (url, taken)
}

/// Uploads so many voltages, a second apart and up to now, and tells their times and values.
async fn upload(agent: &mut ScriptedAgent, collector: &Running, values: std::ops::Range<i32>) -> BTreeMap<i64, f64> {
    let count = u64::from(values.len() as u32);
    collector.clock.advance_ms(count * 1_000);
    let rows: Vec<(u64, f64)> = (1..=count).rev().map(|age| age * 1_000).zip(values.map(f64::from)).collect();
    let batch = agent.rows(&rows);
    agent.upload(vec![batch]).await;
    let now = agent.now().wall.0;
    rows.iter().map(|(age, value)| (now - age.cast_signed(), *value)).collect()
}

async fn figure(collector: &Running, name: &str) -> Option<u64> {
    let text = collector.get("/metrics").await;
    text.as_str()?.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test]
async fn nothing_is_missing_at_a_receiver_whatever_fails() {
    let (url, taken) = receiver().await;
    let collector = Running::start_writing_to(&url).await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let arrived = async |expected: &BTreeMap<i64, f64>| {
        eventually("every voltage at the receiver", async || {
            (taken.lock().unwrap().voltages == *expected).then_some(())
        })
        .await;
    };
    let mut expected = upload(&mut agent, &collector, 0..50).await;
    arrived(&expected).await;

    let not_now = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS, StatusCode::UNAUTHORIZED];
    taken.lock().unwrap().answers = not_now.into();
    expected.extend(upload(&mut agent, &collector, 50..100).await);
    arrived(&expected).await;
    assert_eq!(figure(&collector, "kouan_remote_write_failures_total ").await, Some(3));

    // One sample is refused; all others of its request arrive. Rows end one second before now, after the clock has gone
    // on by as many seconds as there are rows.
    let hated = agent.now().wall.0 + 60_000;
    taken.lock().unwrap().hated = [hated].into();
    expected.extend(upload(&mut agent, &collector, 100..200).await);
    assert!(expected.remove(&hated).is_some());
    arrived(&expected).await;
    eventually("the refused sample is counted", async || {
        // The voltage's sample, and both words of the mode and their `other` at that time.
        (figure(&collector, "kouan_remote_write_samples_dropped_total ").await? == 4).then_some(())
    })
    .await;

    // A hundred samples of a request are refused, one between two others each; the others arrive.
    let start = agent.now().wall.0;
    let hated: Vec<i64> = (0..100).map(|at| start + at * 2_000).collect();
    taken.lock().unwrap().hated = hated.iter().copied().collect();
    expected.extend(upload(&mut agent, &collector, 200..400).await);
    hated.iter().for_each(|hated| assert!(expected.remove(hated).is_some()));
    arrived(&expected).await;
}

#[tokio::test]
async fn nothing_is_missing_at_a_receiver_after_crashes() {
    let (url, taken) = receiver().await;
    let mut collector = Running::start_writing_to(&url).await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let mut expected = BTreeMap::new();
    for round in 0..3 {
        // The receiver is away: what comes now is not sent when the collector dies.
        taken.lock().unwrap().answers = vec![StatusCode::INTERNAL_SERVER_ERROR; 1_000];
        expected.extend(upload(&mut agent, &collector, round * 40..(round + 1) * 40).await);
        let requests = taken.lock().unwrap().requests;
        eventually("a request in vain", async || (taken.lock().unwrap().requests > requests).then_some(())).await;
        collector = collector.crash_and_start().await;
        agent.moved_to(&collector.base);
        agent.hello().await;
        taken.lock().unwrap().answers.clear();
    }
    eventually("every voltage at the receiver", async || (taken.lock().unwrap().voltages == expected).then_some(()))
        .await;
    assert_eq!(figure(&collector, "kouan_remote_write_samples_dropped_total ").await, Some(0));
}

/// A Prometheus of Debian's package that takes remote write.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prometheus.yml"), "global: {}\n").unwrap();
        // Prometheus takes no port 0. The port is free now; nobody else of this process asks for one by number.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.enable-remote-write-receiver"])
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tests/setup installs prometheus");
        Self { child, address, _folder: folder }
    }

    async fn get(&self, http: &reqwest::Client, path: &str) -> Option<Value> {
        http.get(format!("http://{}{path}", self.address)).send().await.ok()?.json().await.ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn prometheus_has_every_reading_after_it_was_away() {
    let prometheus = Prometheus::start();
    let collector = Running::start_writing_to(&format!("http://{}/api/v1/write", prometheus.address)).await;
    // Prometheus believes in its own clock: the samples must lie near it.
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let mut expected = BTreeMap::new();
    for round in 0..4 {
        expected.extend(upload(&mut agent, &collector, round * 500..(round + 1) * 500).await);
    }
    let http = reqwest::Client::new();
    let newest = *expected.keys().last().unwrap();
    let path = format!("/api/v1/query?query=kouan_point%5B1h%5D&time={}", newest / 1000 + 1);
    let found = eventually("every reading in Prometheus", async || {
        let answer = prometheus.get(&http, &path).await?;
        let values = answer["data"]["result"][0]["values"].as_array()?;
        let of = |pair: &Value| {
            let time = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
            (time, pair[1].as_str().unwrap().parse::<f64>().unwrap())
        };
        let found: BTreeMap<i64, f64> = values.iter().map(of).collect();
        (found.len() == expected.len()).then_some((found, answer))
    });
    let (found, answer) = found.await;
    assert_eq!(found, expected);
    let labels = &answer["data"]["result"][0]["metric"];
    let device = collector.device("ups-1").await;
    for (name, value) in
        [("site", "hall"), ("area", "lane 1"), ("class", "ups"), ("point", "voltage"), ("device", device.as_str())]
    {
        assert_eq!(labels[name], value, "{labels}");
    }
    assert!(newest > NOW);
}
