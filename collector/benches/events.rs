//! What events cost and how long it takes to find one among millions, out of the files and over HTTP.
//!
//! `cargo bench -p kouan-collector --bench events -- 10` for ten million; one million by default. Figures of one
//! machine; compare within a run. Needs about 0.6 GB of disk for a million.

#![expect(clippy::print_stdout, reason = "the program's purpose is to print figures")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails says where")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use kouan_collector::auth::Scope;
use kouan_collector::reader::Reader as _;
use kouan_collector::store::log::{Arrival, CheckedBatch, Content, Correction, IngestLog as _, SqliteLog, TimeStatus};
use kouan_collector::store::{File, open_writable};
use kouan_collector::telemetry::{EventFilter, History, HistoryReader, HistorySettings, Retention, Span};
use kouan_collector::{App, Config};
use kouan_protocol::session::{Hello, LaneClaim, PROTOCOL};
use kouan_protocol::{
    AgentId, Anchor, Batch, BootId, BootTime, Digest, Epoch, Event, Field, FieldValue, Incarnation, Lane, ManualClock,
    Record, RecordBody, Timestamp,
};
use tokio_util::sync::CancellationToken;

const START_MS: i64 = 1_763_769_600_000;
const DAY_MS: i64 = 86_400_000;
const DAYS: i64 = 365;
const EPOCH: Epoch = Epoch(7);
const AGENTS: usize = 4;
/// Devices of each agent that have events.
const DEVICES: u64 = 60;
const BATCH: usize = 500;

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn agent(at: usize) -> AgentId {
    format!("agent-{at}").parse().unwrap()
}

fn anchor(boot_ms: u64) -> Anchor {
    let wall = Timestamp(START_MS + boot_ms as i64);
    Anchor { boot: BootId(1), boot_time: BootTime(boot_ms), wall, trusted: true }
}

/// A passage through a gate: one in forty is refused.
fn event(number: u64, dice: &mut Dice) -> RecordBody {
    let text = |text: String| FieldValue::Text(text);
    let roll = dice.next();
    let kind = if roll.is_multiple_of(40) { "card-denied" } else { "passage" };
    RecordBody::Event(Event {
        device: format!("gate-{}", roll % DEVICES).parse().unwrap(),
        kind: kind.to_owned(),
        fields: vec![
            Field::new("number", FieldValue::Integer(number as i64)),
            Field::new("plate", text(plate(roll >> 8))),
            Field::new("card", text(format!("{:08}", (roll >> 20) % 500_000))),
            Field::new("direction", text(if roll & 1 == 0 { "in" } else { "out" }.to_owned())),
        ],
        blobs: vec![],
    })
}

fn plate(roll: u64) -> String {
    format!("沪A{:05}", roll % 200_000)
}

fn settle(log: &mut SqliteLog) {
    for at in 0..AGENTS {
        let claim = LaneClaim {
            lane: Lane::Events,
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
            catalogues: vec![],
            config_hash: String::new(),
        };
        log.reconcile(&agent(at), "hall", &hello, Timestamp(START_MS)).unwrap();
    }
}

/// Appends the events of a day as agents send them. Their numbers go on from `number`.
fn append_day(log: &mut SqliteLog, day: i64, per_agent: usize, seqs: &mut [u64], number: &mut u64, dice: &mut Dice) {
    let step = DAY_MS as u64 / per_agent as u64;
    for at in (0..per_agent).step_by(BATCH) {
        let arrivals = (0..AGENTS).map(|agent_at| {
            let count = BATCH.min(per_agent - at);
            let boot = |at: usize| BootTime(day as u64 * DAY_MS as u64 + at as u64 * step);
            let records = (at..at + count).map(|at| {
                *number += 1;
                Record::new(boot(at), event(*number, dice))
            });
            let now = anchor(boot(at + count).0);
            let batch = Batch::of_records(seqs[agent_at], now, records.collect());
            seqs[agent_at] = batch.last_seq() + 1;
            let (body, received) = (batch.encode(), now.wall.plus_ms(100));
            let correction = Correction { received, shift_ms: 0, status: TimeStatus::Trusted };
            let checked = CheckedBatch {
                lane: Lane::Events.number(),
                epoch: EPOCH,
                first_seq: batch.first_seq,
                last_seq: batch.last_seq(),
                digest: Digest::of(&body),
                body,
                content: Ok(Content { catalogue: None, correction, gaps: vec![] }),
                opened: None,
            };
            let (agent, site) = (agent(agent_at), "hall".to_owned());
            Arrival { agent, site, received, sent: now, catalogues: vec![], batches: vec![checked] }
        });
        log.append(&arrivals.collect::<Vec<_>>()).unwrap();
    }
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Bytes of the partitions and of the indexes.
fn sizes(folder: &Path) -> (u64, u64) {
    let (mut days, mut indexes) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let is_index = entry.file_name().to_string_lossy().starts_with("events-");
        *(if is_index { &mut indexes } else { &mut days }) += entry.metadata().unwrap().len();
    }
    (days, indexes)
}

/// Prints how long `ask` takes, over so many times.
fn print_times(name: &str, times: usize, mut ask: impl FnMut() -> usize) {
    let mut found = 0;
    let mut taken: Vec<f64> = (0..times)
        .map(|_| {
            let started = Instant::now();
            found += ask();
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    print_quantiles(name, &mut taken, found);
}

fn print_quantiles(name: &str, taken: &mut [f64], found: usize) {
    taken.sort_by(f64::total_cmp);
    let of = |share: f64| taken[((taken.len() - 1) as f64 * share) as usize];
    println!("  {name}: p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms; {found} found", of(0.5), of(0.99), of(1.0));
}

fn filter() -> EventFilter {
    EventFilter {
        from: Timestamp(0),
        to: Timestamp(i64::MAX),
        kind: None,
        fields: vec![],
        only_spans: false,
        spans: vec![],
        newest_first: true,
        after: None,
    }
}

fn span(agent: AgentId, key: &str) -> Span {
    Span { device: "d".to_owned(), agent, key: key.parse().unwrap(), from_ms: 0, to_ms: i64::MAX }
}

fn ask(history: &dyn History, filter: &EventFilter, limit: usize) -> usize {
    history.events(&Scope::All, filter, limit).unwrap().rows.len()
}

fn measure(history: &dyn History, count: u64) {
    let mut dice = Dice(77);
    let field = |name: &str, value: String| EventFilter { fields: vec![(name.to_owned(), value)], ..filter() };
    print_times("one by its number", 2_000, || {
        ask(history, &field("number", (dice.next() % count + 1).to_string()), 100)
    });
    print_times("one by its number, again and again", 2_000, || ask(history, &field("number", "77".to_owned()), 100));
    print_times("a number that no event has", 2_000, || ask(history, &field("number", "0".to_owned()), 100));
    let mut dice = Dice(78);
    print_times("all with a plate", 500, || ask(history, &field("plate", plate(dice.next())), 1000));
    print_times("the newest with a plate", 500, || ask(history, &field("plate", plate(dice.next())), 1));
    let mut dice = Dice(79);
    print_times("a device's newest 100 refusals before some time", 500, || {
        let roll = dice.next();
        let spans = vec![span(agent(roll as usize % AGENTS), &format!("gate-{}", roll % DEVICES))];
        let to = Timestamp(START_MS + (roll >> 20) as i64 % (DAYS * DAY_MS));
        ask(
            history,
            &EventFilter { kind: Some("card-denied".to_owned()), only_spans: true, spans, to, ..filter() },
            100,
        )
    });
    let mut dice = Dice(80);
    print_times("the newest 100 of everything before some time", 500, || {
        ask(
            history,
            &EventFilter { to: Timestamp(START_MS + (dice.next() >> 20) as i64 % (DAYS * DAY_MS)), ..filter() },
            100,
        )
    });
    print_times("the oldest 100 of a device of which there are none", 20, || {
        let spans = vec![span(agent(0), "gate-x")];
        ask(history, &EventFilter { only_spans: true, spans, newest_first: false, ..filter() }, 100)
    });
}

#[tokio::main]
async fn main() {
    let millions: f64 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1.0);
    // A folder that an earlier run left: only the questions.
    if let Some(folder) = std::env::args().skip(1).find(|argument| argument.starts_with('/')) {
        return ask_folder(Path::new(&folder), millions).await;
    }
    let per_agent = (millions * 1e6 / DAYS as f64 / AGENTS as f64).ceil() as usize;
    let folder = tempfile::tempdir().unwrap();
    let (ingest, history_folder) = (folder.path().join("ingest.db"), folder.path().join("history"));
    std::fs::create_dir(&history_folder).unwrap();
    let mut log = SqliteLog::new(open_writable(&ingest, File::Ingest).unwrap()).unwrap();
    settle(&mut log);
    let settings = HistorySettings {
        keep_personal_values_at: vec![],
        memory_bytes: 64 << 20,
        seal_every_ms: 1,
        retention: Retention::default(),
    };
    let clock = Arc::new(ManualClock::at(START_MS + (DAYS + 1) * DAY_MS));
    let mut reader = HistoryReader::open(&ingest, &history_folder, settings.clone(), clock.clone()).unwrap();
    let (mut seqs, mut number, mut dice) = ([1; AGENTS], 0, Dice(0x9E37_79B9_7F4A_7C15));
    let (mut cpu, mut wall) = (0.0, 0.0);
    for day in 0..DAYS {
        append_day(&mut log, day, per_agent, &mut seqs, &mut number, &mut dice);
        let (cpu_before, started) = (cpu_seconds(), Instant::now());
        clock.advance_ms(10);
        while reader.step().await.unwrap() {}
        cpu += cpu_seconds() - cpu_before;
        wall += started.elapsed().as_secs_f64();
        log.prune(reader.cursor(), &(Timestamp(i64::MAX)..=Timestamp(i64::MAX))).unwrap();
    }
    reader.stop().await.unwrap();
    drop((reader, log));
    let (days, indexes) = sizes(&history_folder);
    println!("{number} events in {DAYS} days");
    println!("  CPU {:.1} s a million, log to files and indexes ({wall:.0} s in all)", cpu / (number as f64 / 1e6));
    let each = |bytes: u64| bytes as f64 / number as f64;
    println!("  {:.0} B an event, {:.0} B more for its index", each(days), each(indexes));
    ask_all(folder.path(), settings, clock, number).await;
}

async fn ask_folder(folder: &Path, millions: f64) {
    let clock = Arc::new(ManualClock::at(START_MS + (DAYS + 1) * DAY_MS));
    let settings = HistorySettings {
        keep_personal_values_at: vec![],
        memory_bytes: 64 << 20,
        seal_every_ms: 1,
        retention: Retention::default(),
    };
    ask_all(folder, settings, clock, (millions * 1e6) as u64).await;
}

async fn ask_all(folder: &Path, settings: HistorySettings, clock: Arc<ManualClock>, number: u64) {
    let mut reader =
        HistoryReader::open(&folder.join("ingest.db"), &folder.join("history"), settings, clock.clone()).unwrap();
    let started = Instant::now();
    while reader.step().await.unwrap() {}
    println!("  the indexes of a year brought up to the days after a start: {:.2} s", started.elapsed().as_secs_f64());
    measure(&*reader.history().unwrap(), number);
    drop(reader);
    over_http(folder, clock, number).await;
}

/// The same lookup as a client sees it, from the first moment on at which the port is open. A page without its event is an
/// error, whatever else it says.
async fn over_http(folder: &Path, clock: Arc<ManualClock>, count: u64) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Config { data: folder.to_owned(), listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() };
    let started = Instant::now();
    let mut app = App::build(config, clock).await.unwrap();
    let (base, key) = (format!("http://{}/api/v1/events", app.address()), app.take_first_key().unwrap());
    println!("  the port is open after {:.2} s", started.elapsed().as_secs_f64());
    let stop = CancellationToken::new();
    let running = tokio::spawn(app.run(stop.clone()));
    let http = reqwest::Client::new();
    let mut dice = Dice(81);
    let (mut taken, mut found) = (Vec::new(), 0);
    for at in 0..2_000 {
        let number = dice.next() % count + 1;
        let url = format!("{base}?field=number:{number}");
        let started = Instant::now();
        let answer = http.get(&url).bearer_auth(key.reveal()).send().await.unwrap().text().await.unwrap();
        taken.push(started.elapsed().as_secs_f64() * 1000.0);
        let page: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
        if items.len() == 1 && items[0]["fields"]["number"] == number && page["next"].is_null() {
            found += 1;
        } else {
            println!("  MISSING: question {at}, {url}: {answer}");
        }
    }
    println!("  the first question, over HTTP: {:.2} ms", taken[0]);
    let asked = taken.len();
    print_quantiles("one by its number, over HTTP", &mut taken, found);
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(found, asked, "every lookup finds its event");
}
