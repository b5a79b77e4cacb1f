//! Readings that are written to a receiver: one of ours that can misbehave, and Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
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

/// Stands between the collector and a receiver, and may keep the answers to itself.
#[derive(Clone)]
struct Relay {
    target: String,
    http: reqwest::Client,
    requests: Arc<AtomicUsize>,
    /// So many answers are still lost; the requests are passed on.
    lost: Arc<AtomicUsize>,
}

async fn pass_on(State(relay): State<Relay>, headers: HeaderMap, body: Bytes) -> Response {
    relay.requests.fetch_add(1, Ordering::SeqCst);
    let mut request = relay.http.post(&relay.target).body(body);
    for name in ["content-type", "content-encoding", "x-prometheus-remote-write-version"] {
        request = request.header(name, headers[name].as_bytes());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    let one_less = |left: usize| left.checked_sub(1);
    if relay.lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    (status, text).into_response()
}

impl Relay {
    async fn to(target: String) -> (String, Self) {
        // The one that the collector itself installs as it starts.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let relay = Self { target, http: reqwest::Client::new(), requests: Arc::default(), lost: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/write", listener.local_addr().unwrap());
        let router = Router::new().route("/write", post(pass_on)).with_state(relay.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        (url, relay)
    }

    /// Whether a request that was passed on got no answer, at least twice.
    fn was_in_vain(&self, before: usize) -> bool {
        self.requests.load(Ordering::SeqCst) >= before + 2
    }
}

/// Waits until Prometheus has so many voltages in the hour before `time_ms`.
async fn has_voltages(prometheus: &Prometheus, http: &reqwest::Client, time_ms: i64, count: usize) {
    let query = format!("count_over_time(kouan_point%7Bpoint%3D%22voltage%22%7D%5B1h%5D)&time={}", time_ms / 1000 + 1);
    eventually(&format!("{count} voltages in Prometheus"), async || {
        let answer = prometheus.get(http, &format!("/api/v1/query?query={query}")).await?;
        let found = answer["data"]["result"][0]["value"][1].as_str()?.parse::<usize>().ok()?;
        assert!(found <= count, "{found}");
        (found == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_prometheus_took_without_an_answer_is_not_lost_and_costs_few_requests() {
    let prometheus = Prometheus::start();
    let (url, relay) = Relay::to(format!("http://{}/api/v1/write", prometheus.address)).await;
    let mut collector = Running::start_writing_to(&url).await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let http = reqwest::Client::new();
    let mut count = 0;
    let mut more = async |agent: &mut ScriptedAgent, collector: &Running| {
        upload(agent, collector, count..count + 300).await;
        count += 300;
        (agent.now().wall.0, count as usize)
    };
    let (now, all) = more(&mut agent, &collector).await;
    has_voltages(&prometheus, &http, now, all).await;

    // It took the samples, and the answer was lost.
    let before = relay.requests.load(Ordering::SeqCst);
    relay.lost.store(1, Ordering::SeqCst);
    let (now, all) = more(&mut agent, &collector).await;
    has_voltages(&prometheus, &http, now, all).await;
    eventually("the collector knows", async || {
        // A voltage, the two words of the mode and their `other` for each row.
        (figure(&collector, "kouan_remote_write_samples_known_total ").await? == 300 * 4).then_some(())
    })
    .await;
    let (now, all) = more(&mut agent, &collector).await;
    has_voltages(&prometheus, &http, now, all).await;
    let requests = relay.requests.load(Ordering::SeqCst) - before;
    assert!(requests < 30, "{requests} requests");

    // The collector dies after Prometheus took the samples, and before it is on disk that it did.
    let before = relay.requests.load(Ordering::SeqCst);
    relay.lost.store(usize::MAX, Ordering::SeqCst);
    let (now, all) = more(&mut agent, &collector).await;
    has_voltages(&prometheus, &http, now, all).await;
    eventually("it was sent again in vain", async || relay.was_in_vain(before).then_some(())).await;
    collector = collector.crash_and_start().await;
    agent.moved_to(&collector.base);
    agent.hello().await;
    relay.lost.store(0, Ordering::SeqCst);
    let before = relay.requests.load(Ordering::SeqCst);
    eventually("the collector knows again", async || {
        (figure(&collector, "kouan_remote_write_samples_known_total ").await? == 300 * 4).then_some(())
    })
    .await;
    let (now, all) = more(&mut agent, &collector).await;
    has_voltages(&prometheus, &http, now, all).await;
    let requests = relay.requests.load(Ordering::SeqCst) - before;
    assert!(requests < 30, "{requests} requests");
    for name in ["dropped", "too_old"] {
        let name = format!("kouan_remote_write_samples_{name}_total ");
        assert_eq!(figure(&collector, &name).await, Some(0), "{name}");
    }
}

#[tokio::test]
async fn what_is_too_old_for_prometheus_costs_few_requests_and_is_told() {
    let prometheus = Prometheus::start();
    let (url, relay) = Relay::to(format!("http://{}/api/v1/write", prometheus.address)).await;
    let collector = Running::start_writing_to(&url).await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let http = reqwest::Client::new();
    collector.clock.change(|anchor| anchor.boot_time.0 += 24 * 3_600_000);
    upload(&mut agent, &collector, 0..10).await;
    has_voltages(&prometheus, &http, agent.now().wall.0, 10).await;
    let before = relay.requests.load(Ordering::SeqCst);
    // Half a day late: Prometheus has a window of about an hour.
    let rows: Vec<(u64, f64)> = (0..500).map(|at| (12 * 3_600_000 - at * 1_000, at as f64)).collect();
    let batch = agent.rows(&rows);
    agent.upload(vec![batch]).await;
    eventually("they are counted", async || {
        (figure(&collector, "kouan_remote_write_samples_too_old_total ").await? == 500 * 4).then_some(())
    })
    .await;
    upload(&mut agent, &collector, 10..20).await;
    has_voltages(&prometheus, &http, agent.now().wall.0, 20).await;
    let requests = relay.requests.load(Ordering::SeqCst) - before;
    assert!(requests < 200, "{requests} requests for 2,000 samples");
    assert_eq!(figure(&collector, "kouan_remote_write_samples_dropped_total ").await, Some(0));
}
