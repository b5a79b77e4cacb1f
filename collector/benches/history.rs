//! What the history costs: CPU and bytes for each reading, and the time of questions, inside one process.
//!
//! `cargo bench -p kouan-collector --bench history`. Figures of one machine; compare within a run.

#![expect(clippy::print_stdout, reason = "the program's purpose is to print figures")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails says where")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use kouan_collector::reader::Reader as _;
use kouan_collector::store::log::{Arrival, CheckedBatch, Content, Correction, IngestLog as _, SqliteLog, TimeStatus};
use kouan_collector::store::{File, open_writable};
use kouan_collector::telemetry::{
    History, HistoryReader, HistorySettings, Resolution, Retention, SeriesQuery, Span, WindowsQuery,
};
use kouan_protocol::session::{Hello, LaneClaim, PROTOCOL};
use kouan_protocol::{
    AgentId, Anchor, Batch, BootId, BootTime, Catalogue, CatalogueHash, Cell, DeviceSpec, Digest, Epoch, GroupRows,
    GroupSpec, Incarnation, Lane, ManualClock, PointKind, PointSpec, Row, Timestamp, Value,
};

const POINTS: usize = 10;
const START_MS: i64 = 1_795_305_600_000;
const EPOCH: Epoch = Epoch(7);

/// A kind of site.
struct Shape {
    name: &'static str,
    agents: usize,
    devices: usize,
    polls: usize,
    rows_per_batch: usize,
    step_ms: u64,
    /// One in so many values passes the dead-band.
    changed_one_in: u64,
    /// Rows of a group in memory before they are sealed.
    sealed_rows: usize,
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn catalogue(devices: usize, step_ms: u64) -> Catalogue {
    let point = |at: usize| PointSpec {
        name: format!("measurement.{at}").parse().unwrap(),
        kind: PointKind::Measurement,
        unit: "V".to_owned(),
        decimals: 1,
        states: Vec::new(),
    };
    let device = |at: usize| DeviceSpec {
        key: format!("device-{at}").parse().unwrap(),
        label: String::new(),
        class: "meter".to_owned(),
        profile: "bench".to_owned(),
        area: String::new(),
        link: "link".to_owned(),
        parent: None,
        groups: vec![GroupSpec {
            name: "all".to_owned(),
            every_ms: step_ms as u32,
            heartbeat_ms: 300_000,
            points: (0..POINTS).map(point).collect(),
        }],
        actions: Vec::new(),
    };
    Catalogue { devices: (0..devices).map(device).collect() }
}

fn anchor(boot_ms: u64) -> Anchor {
    let wall = Timestamp(START_MS + boot_ms as i64);
    Anchor { boot: BootId(1), boot_time: BootTime(boot_ms), wall, trusted: true }
}

/// Fills a log as ingest would. Returns kept values and rows.
fn fill(shape: &Shape, ingest: &Path) -> (usize, usize) {
    let mut log = SqliteLog::new(open_writable(ingest, File::Ingest).unwrap()).unwrap();
    let catalogue = catalogue(shape.devices, shape.step_ms);
    let encoded = catalogue.encode();
    let hash = Catalogue::hash_of(&encoded);
    let (mut kept, mut kept_rows) = (0, 0);
    for agent in 0..shape.agents {
        let agent: AgentId = format!("agent-{agent}").parse().unwrap();
        let claim = LaneClaim {
            lane: Lane::Readings,
            epoch: EPOCH,
            oldest_seq: 1,
            next_seq: 1,
            digests: vec![],
            volatile: false,
        };
        let hello = Hello {
            protocol: PROTOCOL,
            software: String::new(),
            incarnation: Incarnation(1),
            journal: Incarnation(1),
            now: anchor(0),
            lanes: vec![claim],
            kinds: vec![],
            catalogues: vec![hash],
            config_hash: String::new(),
        };
        log.reconcile(&agent, "hall", &hello, Timestamp(START_MS)).unwrap();
    }
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut values = vec![vec![[2300_i64; POINTS]; shape.devices]; shape.agents];
    let mut next_seq = vec![1_u64; shape.agents];
    let mut poll = 0;
    while poll < shape.polls {
        let polls = shape.rows_per_batch.min(shape.polls - poll);
        let now = anchor((poll + polls) as u64 * shape.step_ms);
        let mut arrivals = Vec::new();
        for agent in 0..shape.agents {
            let first_seq = next_seq[agent];
            let mut seq = first_seq;
            let mut groups = Vec::new();
            for ((index, _, spec), values) in catalogue.groups().zip(&mut values[agent]) {
                let mut rows = Vec::new();
                for at in poll..poll + polls {
                    // Devices are asked one after the other, with a little jitter.
                    let boot_ms = at as u64 * shape.step_ms + u64::from(index.0) * shape.step_ms / shape.devices as u64;
                    let mut cells = Vec::new();
                    for (column, value) in values.iter_mut().enumerate() {
                        *value += dice.next() as i64 % 3;
                        if dice.next().is_multiple_of(shape.changed_one_in) {
                            cells.push((column as u16, Cell::good(Value::Number(*value as f64 / 10.0))));
                        }
                    }
                    if !cells.is_empty() {
                        kept += cells.len();
                        rows.push(Row { seq, boot_time: BootTime(boot_ms + dice.next() % 12), cells });
                        seq += 1;
                    }
                }
                kept_rows += rows.len();
                if !rows.is_empty() {
                    groups.push(GroupRows::encode(index, spec, &rows, first_seq, &now));
                }
            }
            next_seq[agent] = seq;
            let batch = Batch {
                first_seq,
                count: seq - first_seq,
                anchor: now,
                catalogue: Some(hash),
                groups,
                records: vec![],
                volatile: false,
                all_alarms: false,
            };
            let body = batch.encode();
            let received = now.wall.plus_ms(400);
            let correction = Correction { received, shift_ms: 0, status: TimeStatus::Trusted };
            arrivals.push(Arrival {
                agent: format!("agent-{agent}").parse().unwrap(),
                site: "hall".to_owned(),
                received,
                sent: now,
                catalogues: if poll == 0 { vec![(hash, encoded.clone())] } else { vec![] },
                batches: vec![checked(&batch, body, hash, correction)],
            });
        }
        log.append(&arrivals).unwrap();
        poll += polls;
    }
    (kept, kept_rows)
}

fn checked(batch: &Batch, body: Vec<u8>, hash: CatalogueHash, correction: Correction) -> CheckedBatch {
    CheckedBatch {
        lane: Lane::Readings.number(),
        epoch: EPOCH,
        first_seq: batch.first_seq,
        last_seq: batch.last_seq(),
        digest: Digest::of(&body),
        body,
        content: Ok(Content { catalogue: Some(hash), correction, gaps: vec![] }),
        opened: None,
    }
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn folder_bytes(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn span() -> Span {
    Span {
        device: "d".to_owned(),
        agent: "agent-0".parse().unwrap(),
        key: "device-3".parse().unwrap(),
        from_ms: 0,
        to_ms: i64::MAX,
    }
}

/// The median of the times that `ask` takes, in milliseconds.
fn median(times: usize, mut ask: impl FnMut()) -> f64 {
    let mut taken: Vec<f64> = (0..times)
        .map(|_| {
            let started = Instant::now();
            ask();
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    taken[times / 2]
}

fn raw_day(history: &dyn History, day: i64) -> usize {
    let from = Timestamp(START_MS + day * 86_400_000);
    let query = SeriesQuery {
        spans: vec![span()],
        point: "measurement.4".parse().unwrap(),
        from,
        to: from.plus_ms(86_400_000),
        after: None,
        limit: 10_000,
    };
    history.columns(&query).unwrap().times.len()
}

async fn measure(shape: &Shape) {
    let folder = tempfile::tempdir().unwrap();
    let (ingest, history_folder) = (folder.path().join("ingest.db"), folder.path().join("history"));
    std::fs::create_dir(&history_folder).unwrap();
    let (kept, rows) = fill(shape, &ingest);
    let log_bytes = std::fs::metadata(&ingest).unwrap().len();
    let settings = HistorySettings {
        keep_personal_values_at: vec![],
        memory_bytes: shape.agents
            * shape.devices
            * shape.sealed_rows
            * (POINTS * 8 / shape.changed_one_in as usize + 40),
        seal_every_ms: u64::MAX,
        retention: Retention::default(),
    };
    let span_ms = (shape.polls as u64 * shape.step_ms) as i64;
    let clock = Arc::new(ManualClock::at(START_MS + span_ms + 2 * 86_400_000));
    let open = || HistoryReader::open(&ingest, &history_folder, settings.clone(), clock.clone()).unwrap();
    let mut reader = open();
    let (cpu, started) = (cpu_seconds(), Instant::now());
    let newest = log_head(&ingest);
    while reader.caught_up_to() < newest {
        reader.step().await.unwrap();
    }
    reader.stop().await.unwrap();
    let (cpu, wall) = (cpu_seconds() - cpu, started.elapsed().as_secs_f64());
    let before_sums = (cpu_seconds(), folder_bytes(&history_folder));
    while reader.step().await.unwrap() {}
    let sums = (cpu_seconds() - before_sums.0, folder_bytes(&history_folder) - before_sums.1);
    drop(reader);
    let bytes = folder_bytes(&history_folder);
    let million = kept as f64 / 1e6;
    println!("{}", shape.name);
    println!("  {kept} values in {rows} rows; {:.2} B a value in the log", log_bytes as f64 / kept as f64);
    println!("  CPU {:.3} s a million values ({wall:.1} s in all)", cpu / million);
    println!("  {:.3} B a value, {:.2} B a row", bytes as f64 / kept as f64, bytes as f64 / rows as f64);
    println!("  sums: CPU {:.3} s a million values, {:.3} B a value", sums.0 / million, sums.1 as f64 / kept as f64);
    let started = Instant::now();
    let reader = open();
    println!("  opened in {:.1} ms", started.elapsed().as_secs_f64() * 1000.0);
    let history = reader.history().unwrap();
    let found = raw_day(&*history, 0);
    println!("  one series, one day raw: {found} readings in {:.3} ms", median(101, || _ = raw_day(&*history, 0)));
    let days = span_ms / 86_400_000;
    if days > 2 {
        let over_days = || _ = (1..days).map(|day| raw_day(&*history, day)).sum::<usize>();
        println!("  the same, another day each time: {:.3} ms", median(5, over_days) / (days - 1) as f64);
        let (levels, found) = hours(&*history, days.min(30));
        let asked = median(101, || drop(hours(&*history, days.min(30))));
        println!("  one series, {} days hourly: {found} windows of {levels:?} in {asked:.3} ms", days.min(30));
    }
}

fn hours(history: &dyn History, days: i64) -> (Vec<&'static str>, usize) {
    let query = WindowsQuery {
        spans: vec![span()],
        point: "measurement.4".parse().unwrap(),
        from: Timestamp(START_MS),
        to: Timestamp(START_MS + days * 86_400_000),
        resolution: Resolution(3_600_000),
        now: Timestamp(START_MS + 400 * 86_400_000),
    };
    let answer = history.windows(&query).unwrap();
    (answer.levels, answer.windows.len())
}

fn log_head(ingest: &Path) -> i64 {
    rusqlite::Connection::open(ingest).unwrap().query_row("SELECT max(id) FROM log", [], |row| row.get(0)).unwrap()
}

#[tokio::main]
async fn main() {
    let full = Shape {
        name: "full rows, one row a batch, sealed every hour",
        agents: 4,
        devices: 250,
        polls: 1_080,
        rows_per_batch: 1,
        step_ms: 10_000,
        changed_one_in: 1,
        sealed_rows: 360,
    };
    let dead_band = Shape { name: "one value in ten kept", changed_one_in: 10, ..full };
    let month = Shape {
        name: "31 days of 10 devices",
        agents: 1,
        devices: 10,
        polls: 31 * 8_640,
        rows_per_batch: 60,
        step_ms: 10_000,
        sealed_rows: 4_320,
        changed_one_in: 1,
    };
    let year = Shape {
        name: "365 days of 20 devices, asked every five minutes",
        devices: 20,
        polls: 365 * 288,
        step_ms: 300_000,
        rows_per_batch: 24,
        sealed_rows: 288,
        ..month
    };
    for shape in [full, dead_band, month, year] {
        measure(&shape).await;
    }
}
