//! Files of readings: who does not read them, how much memory they take, and what others read in them.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use kouan_collector::config::Exports;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use crate::running::{NOW, Running, eventually};
use crate::verify::another_key;

const DAY: i64 = 24 * 3_600_000;
/// Rows of a batch.
const ROWS: u64 = 8_000;
/// The readings are of years ago: a program with the machine's own clock must believe that they have been.
const START: i64 = NOW - 1_100 * DAY - NOW % DAY;

/// Rows of two points, `every_ms` apart from `START` on. Returns the device.
async fn fill(collector: &Running, batches: u64, every_ms: u64) -> String {
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 2_000 * DAY.unsigned_abs());
    let since_start = (NOW - START).unsigned_abs();
    for batch in 0..batches {
        let rows: Vec<(u64, f64)> = (batch * ROWS..(batch + 1) * ROWS)
            .map(|row| (since_start - row * every_ms, (row % 1_000) as f64 / 4.0))
            .collect();
        let batch = agent.rows(&rows);
        agent.upload(vec![batch]).await;
    }
    let device = collector.device("ups-1").await;
    let last = START + ((batches * ROWS - 1) * every_ms).cast_signed();
    let path = format!("/api/v1/devices/{device}/readings?point=voltage&from={last}&to={}", last + 1);
    eventually("the last reading is told", async || (collector.items(&path).await.len() == 1).then_some(())).await;
    device
}

fn path(device: &str, format: &str, from: i64, to: i64) -> String {
    format!("/api/v1/devices/{device}/export.{format}?points=voltage,mode&from={from}&to={to}")
}

/// Asks for a file over a line that holds little, and reads no more than that it begins.
async fn begin(base: &str, key: &str, path: &str) -> TcpStream {
    let address = base.trim_start_matches("http://");
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut line = socket.connect(address.parse().unwrap()).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\r\n");
    line.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    line.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200", "{}", String::from_utf8_lossy(&status));
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_that_nobody_reads_hold_up_nothing_but_further_exports() {
    let slots = 3;
    let collector = Running::start_with(|config| {
        config.shipped_alarm_rules = false;
        config.exports = Exports { at_once: slots, patience: Duration::from_secs(3_600) };
    })
    .await;
    let device = fill(&collector, 8, 1_000).await;
    let csv = path(&device, "csv", START, START + DAY);
    let mut unread = Vec::new();
    for _ in 0..slots {
        unread.push(begin(&collector.base, &collector.key, &csv).await);
    }
    let ask = async |path: &str| {
        let url = format!("{}{path}", collector.base);
        collector.http.get(url).bearer_auth(&collector.key).send().await.unwrap()
    };
    for path in [csv.clone(), path(&device, "parquet", START, START + DAY)] {
        let refused = ask(&path).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()["retry-after"], "30");
        assert_eq!(refused.headers()["content-type"], "application/problem+json");
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["type"], "urn:kouan:problem:busy");
        assert!(problem["detail_zh"].is_string(), "{problem}");
    }
    // Everything else is answered.
    assert_eq!(collector.get("/api/v1/latest/columns").await["items"][0]["device"], json!(device));
    let series = format!("/api/v1/devices/{device}/series?points=voltage&from={START}&to={}", START + 60_000);
    assert_eq!(collector.get(&series).await["series"][0]["times"].as_array().unwrap().len(), 60);
    assert_eq!(ask("/readyz").await.status(), StatusCode::OK);
    // One of them goes away.
    drop(unread.pop());
    let file = eventually("a slot is free", async || {
        let answer = ask(&csv).await;
        if answer.status() == StatusCode::OK { answer.text().await.ok() } else { None }
    })
    .await;
    assert_eq!(file.lines().count() as u64, 1 + 2 * 8 * ROWS);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_is_cut_off_and_the_file_does_not_look_whole() {
    let collector = Running::start_with(|config| {
        config.shipped_alarm_rules = false;
        config.exports = Exports { at_once: 1, patience: Duration::from_millis(300) };
    })
    .await;
    let device = fill(&collector, 8, 1_000).await;
    let csv = path(&device, "csv", START, START + DAY);
    let mut unread = begin(&collector.base, &collector.key, &csv).await;
    eventually("its slot is free again", async || {
        let answer = collector.http.get(format!("{}{csv}", collector.base)).bearer_auth(&collector.key).send().await;
        (answer.unwrap().status() == StatusCode::OK).then_some(())
    })
    .await;
    let mut got = Vec::new();
    // The line may also end with an error.
    let _ = unread.read_to_end(&mut got).await;
    assert!(!got.is_empty() && !got.ends_with(b"0\r\n\r\n"), "{} bytes", got.len());
}

/// The program itself on a folder.
struct Program {
    process: tokio::process::Child,
    base: String,
}

impl Program {
    async fn start(folder: &Path) -> Self {
        let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_kouan-collector"))
            .args(["run", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let base = loop {
            let line = lines.next_line().await.unwrap().expect("it says where it listens before it ends");
            if let Some(base) = line.strip_prefix("Listening on ") {
                break base.trim().to_owned();
            }
        };
        Self { process, base }
    }

    /// Resident memory in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// A folder with twenty dense batches after a day without anything.
async fn dense() -> (TempDir, String, String) {
    let collector = Running::start_sealing_at_once().await;
    let device = fill(&collector, 20, 500).await;
    // The sums are made before: they take memory as well.
    let series =
        format!("/api/v1/devices/{device}/series?points=voltage&resolution=1h&from={START}&to={}", START + DAY);
    eventually("the day is summed up", async || {
        (collector.get(&series).await["series"][0]["levels"] == json!(["1h"])).then_some(())
    })
    .await;
    let folder = collector.stop_caught_up().await;
    let key = another_key(folder.path());
    (folder, device, key)
}

const TOTALS: &str = "
import duckdb, json, sys
rows = duckdb.execute('''SELECT count(*), count(value), sum(value), count(text), count(DISTINCT time),
    epoch_ms(min(time)), epoch_ms(max(time)) FROM read_parquet(?)''', [sys.argv[1]]).fetchone()
groups = duckdb.execute('SELECT count(DISTINCT row_group_id) FROM parquet_metadata(?)', [sys.argv[1]]).fetchone()
print(json.dumps([float(number) for number in rows + groups]))
";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_dense_day_after_a_quiet_one_takes_little_memory_and_is_whole() {
    let (folder, device, key) = dense().await;
    let program = Program::start(folder.path()).await;
    let rows = 20 * ROWS;
    let http = reqwest::Client::new();
    let ask = async |path: &str| {
        let answer = http.get(format!("{}{path}", program.base)).bearer_auth(&key).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.bytes().await.unwrap()
    };
    // What a short one takes, on every thread that makes parts, is there before.
    let two_hours = path(&device, "csv", START, START + 2 * 3_600_000);
    for _ in 0..6 {
        assert_eq!(ask(&two_hours).await.split(|byte| *byte == b'\n').count(), 2 + 2 * 2 * 7_200);
    }
    let before = program.memory();

    // A quiet day makes the windows long; then 320,000 readings lie in one day.
    let all = path(&device, "csv", START - 2 * DAY, START + DAY);
    let mut line = begin(&program.base, &key, &all).await;
    let (mut most, mut got, mut buffer) = (before, Vec::new(), vec![0; 64 << 10]);
    while !got.ends_with(b"0\r\n\r\n") {
        let read = line.read(&mut buffer).await.unwrap();
        assert!(read > 0, "it ends as it should");
        got.extend_from_slice(&buffer[..read]);
        most = most.max(program.memory());
    }
    assert!(got.len() as u64 > rows * 60, "{} bytes", got.len());
    let grown = most - before;
    // The lines alone of a window of that day would take 29 MiB, and more to put them in order.
    assert!(grown < 32 << 10, "{grown} KiB for a file of {} KiB", got.len() >> 10);

    let csv = String::from_utf8(ask(&all).await.to_vec()).unwrap();
    let times: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert!(times.is_sorted(), "by time");
    assert_eq!(times.len() as u64, 2 * rows);

    let parquet = folder.path().join("export.parquet");
    std::fs::write(&parquet, ask(&path(&device, "parquet", START - 2 * DAY, START + DAY)).await).unwrap();
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv/bin/python");
    let read = tokio::process::Command::new(python).args(["-c", TOTALS]).arg(&parquet).output().await;
    let read = read.expect("`make test-setup` makes target/venv");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let found: Vec<f64> = serde_json::from_slice(&read.stdout).unwrap();
    let sum: f64 = (0..rows).map(|row| (row % 1_000) as f64 / 4.0).sum();
    let (count, last) = (rows as f64, START + ((rows - 1) * 500).cast_signed());
    assert_eq!(found[..7], [2.0 * count, count, sum, count, count, START as f64, last as f64]);
    assert!(found[7] >= 3.0, "{} row groups", found[7]);
}
