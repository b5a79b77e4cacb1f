//! The uplink against a collector that does as it is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kouan_agent::alarms::AgentAlarms;
use kouan_agent::buffer::{Buffer, BufferThreads};
use kouan_agent::commands::{Executor, Journal};
use kouan_agent::config::{CollectorConfig, TokenSource};
use kouan_agent::pipeline::{self, Current};
use kouan_agent::uplink::{Client, Uplink, UplinkState, UplinkStatus};
use kouan_drivers::configure::{ConfiguredLink, catalogue};
use kouan_drivers::driver::{RawRow, RawValue};
use kouan_protocol::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::collector::{Arrival, Scripted};
use crate::pipeline::gate;
use crate::site::{clock, config, event, numbers, row};

/// A buffer, current values and an uplink.
pub(crate) struct Site {
    _folder: tempfile::TempDir,
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) alarms: AgentAlarms,
    links: Vec<ConfiguredLink>,
    current: Arc<Current>,
    uplink: Option<Uplink>,
    stop: CancellationToken,
    _threads: BufferThreads,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn collector_config(url: &str) -> CollectorConfig {
    CollectorConfig {
        url: url.to_owned(),
        token: TokenSource::Inline("token".to_owned().into()),
        trust: None,
        backlog_share: 0.5,
        request_timeout: Duration::from_secs(20),
    }
}

impl Site {
    pub(crate) fn new(collector: &CollectorConfig) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
        let clock: Arc<dyn Clock> = clock;
        let links = vec![gate()];
        let catalogue = catalogue(&links);
        let mut limits = config(folder.path());
        limits.readings.bytes = 64 << 20;
        let (buffer, threads) = Buffer::open(&limits, &catalogue, &clock).unwrap();
        let (buffer, current) = (Arc::new(buffer), Arc::new(Current::new(catalogue)));
        let journal =
            Journal::open(&folder.path().join("journal.db"), &(Arc::clone(&clock) as Arc<dyn Clock>)).unwrap();
        let (executor, reporter) =
            Executor::new(journal, Arc::clone(&clock), Arc::clone(&buffer), Arc::clone(&current), HashMap::new());
        tokio::spawn(reporter.run());
        let (alarms, recorder) = AgentAlarms::new(Arc::clone(&clock));
        let stop = CancellationToken::new();
        tokio::spawn(recorder.run(Arc::clone(&buffer), stop.clone()));
        let status = watch::Sender::new(UplinkStatus {
            state: UplinkState::Connecting,
            collector: collector.url.clone(),
            since: Timestamp(0),
            agent: None,
            problem: None,
            problem_zh: None,
        });
        let uplink = Uplink {
            client: Client::new(collector).unwrap(),
            url: collector.url.clone(),
            incarnation: Incarnation(7),
            config_hash: String::new(),
            buffer: Arc::clone(&buffer),
            current: Arc::clone(&current),
            alarms: alarms.clone(),
            backlog_share: collector.backlog_share,
            executor,
            clock,
            status,
        };
        Self { _folder: folder, buffer, alarms, links, current, uplink: Some(uplink), stop, _threads: threads }
    }

    pub(crate) fn connect(&mut self) {
        tokio::spawn(self.uplink.take().unwrap().run(self.stop.clone()));
    }

    /// Readings on disk, as many rows as are told.
    pub(crate) async fn readings(&self, rows: usize) {
        for at in 0..rows {
            self.buffer.push(GroupIndex(0), integer_row(at)).await.unwrap();
        }
        self.buffer.flush().await.unwrap();
    }

    pub(crate) fn count(&self, count: i64) {
        let row = RawRow {
            device: "gate-1".parse().unwrap(),
            group: 0,
            boot_time: BootTime(3_600_000),
            cells: vec![(0, Ok(RawValue::Integer(count)))],
        };
        pipeline::show_rows(&self.links, &self.current, vec![row]);
    }
}

fn integer_row(at: usize) -> Row {
    Row { cells: vec![(0, Cell::good(Value::Integer(at as i64)))], ..row(0.0) }
}

fn opaque() -> RecordBody {
    RecordBody::Opaque { kind: RecordKind(99), body: vec![1, 2, 3], problem: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_overtakes_a_backlog_that_is_on_its_way() {
    let collector = Scripted::start().await;
    collector.answer_readings(false);
    let mut site = Site::new(&collector_config(&collector.url));
    site.readings(20_000).await;
    site.connect();
    let begun = |arrivals: &[Arrival]| {
        arrivals.iter().any(|arrival| matches!(arrival, Arrival::Begun(Lane::Readings))).then_some(())
    };
    collector.wait("an upload of readings", begun).await;
    site.buffer.append(Lane::Events, vec![event("passage")], Vec::new()).await.unwrap();
    site.buffer.append(Lane::Urgent, vec![event("passage")], Vec::new()).await.unwrap();
    collector.stored(Lane::Events, 1).await;
    collector.stored(Lane::Urgent, 1).await;
    let stored = collector.arrivals().iter().any(|arrival| matches!(arrival, Arrival::Stored(Lane::Readings, ..)));
    assert!(!stored, "the readings are still on their way");
    collector.answer_readings(true);
    let batches = collector.stored(Lane::Readings, 20_000).await;
    assert_eq!(numbers(&batches), (1, 20_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_comes_before_the_backlog_and_again_only_with_what_changed() {
    let collector = Scripted::start().await;
    collector.answer_readings(false);
    let mut site = Site::new(&collector_config(&collector.url));
    site.readings(5000).await;
    site.count(41);
    site.alarms.raise("buffer.volatile", Severity::Critical, ("the disk refuses", "磁盘拒绝写入"));
    site.connect();
    let snapshots = |nth: usize| {
        move |arrivals: &[Arrival]| {
            let snapshots = arrivals.iter().enumerate().filter_map(|(at, arrival)| match arrival {
                Arrival::Snapshots(snapshots) => Some((at, snapshots.clone())),
                _ => None,
            });
            snapshots.clone().nth(nth)
        }
    };
    let (first, state) = collector.wait("the first snapshot", snapshots(0)).await;
    let readings =
        |arrivals: &[Arrival]| arrivals.iter().position(|arrival| matches!(arrival, Arrival::Begun(Lane::Readings)));
    assert!(collector.wait("readings", readings).await > first, "state comes first");
    assert_eq!(state.iter().map(|snapshot| snapshot.groups.len()).sum::<usize>(), 1);
    let alarms: Vec<_> = state.iter().filter(|snapshot| snapshot.all_alarms).collect();
    assert_eq!(alarms.len(), 1, "one snapshot names all alarms");
    assert_eq!(alarms[0].records.len(), 1);
    // While the readings lag, a change is told; the alarms are not told again.
    site.count(42);
    let (_, state) = collector.wait("another snapshot", snapshots(1)).await;
    assert_eq!(state.len(), 1);
    assert_eq!((state[0].groups.len(), state[0].all_alarms), (1, false));
    // An alarm that ended is no longer named.
    site.alarms.clear("buffer.volatile");
    let (_, state) = collector.wait("the end of the alarm", snapshots(2)).await;
    assert_eq!(state.len(), 1, "nothing but the alarms changed");
    assert!(state[0].all_alarms && state[0].records.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_the_collector_does_not_know_becomes_a_gap_and_stays_one() {
    let collector = Scripted::start().await;
    let mut site = Site::new(&collector_config(&collector.url));
    // A newer agent wrote it; this one would not.
    site.buffer.append(Lane::Events, vec![event("first"), event("second")], Vec::new()).await.unwrap();
    let stored = site.buffer.read(Lane::Events, 0, usize::MAX, 10).await.unwrap().remove(0);
    let mut batch = Batch::decode(&stored.body).unwrap();
    batch.records[1].body = opaque();
    site.buffer.replace_batch(Lane::Events, stored.digest, batch).await.unwrap();
    site.connect();
    let batches = collector.stored(Lane::Events, 2).await;
    assert_eq!(numbers(&batches), (1, 2));
    assert!(matches!(&batches[0].records[0].body, RecordBody::Event(event) if event.kind == "first"));
    let RecordBody::Gap(gap) = &batches[0].records[1].body else { panic!("{batches:?}") };
    assert_eq!((gap.reason, gap.lost), (GapReason::UnknownKind, 1));
    let sent = collector.arrivals().into_iter().find_map(|arrival| match arrival {
        Arrival::Stored(Lane::Events, digests, _) => Some(digests),
        _ => None,
    });
    let claims = site.buffer.claims().await.unwrap();
    let claim = claims.iter().find(|claim| claim.lane == Lane::Events).unwrap();
    let claimed: Vec<_> = claim.digests.iter().map(|batch| batch.digest).collect();
    assert_eq!(Some(claimed), sent, "a later hello claims what was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_pushes_back_is_asked_again_and_nothing_is_missing() {
    let collector = Scripted::start().await;
    collector.push_back(3);
    let mut site = Site::new(&collector_config(&collector.url));
    site.readings(3000).await;
    site.buffer.append(Lane::Events, vec![event("passage")], Vec::new()).await.unwrap();
    site.connect();
    assert_eq!(numbers(&collector.stored(Lane::Readings, 3000).await), (1, 3000));
    collector.stored(Lane::Events, 1).await;
    let arrivals = collector.arrivals();
    assert_eq!(arrivals.iter().filter(|arrival| matches!(arrival, Arrival::PushedBack)).count(), 3);
    assert_eq!(arrivals.iter().filter(|arrival| matches!(arrival, Arrival::Hello)).count(), 1, "no new session");
}

/// A line that carries so many bytes a second towards the collector, whatever number of connections shares it.
async fn slow_line(to: &str, bytes_per_second: u64) -> String {
    let to = to.trim_start_matches("http://").to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let line = Arc::new(tokio::sync::Mutex::new(()));
    tokio::spawn(async move {
        loop {
            let (agent, _) = listener.accept().await.unwrap();
            let collector = tokio::net::TcpStream::connect(&to).await.unwrap();
            let (mut from_agent, mut to_agent) = agent.into_split();
            let (mut from_collector, mut to_collector) = collector.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_collector, &mut to_agent).await });
            let line = Arc::clone(&line);
            tokio::spawn(async move {
                let mut packet = [0; 1400];
                while let Ok(bytes @ 1..) = from_agent.read(&mut packet).await {
                    // Packets of all connections pass one after another.
                    let turn = line.lock().await;
                    tokio::time::sleep(Duration::from_micros(bytes as u64 * 1_000_000 / bytes_per_second)).await;
                    drop(turn);
                    if to_collector.write_all(&packet[..bytes]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_slow_line_an_event_arrives_soon_while_a_backlog_drains() {
    let collector = Scripted::start().await;
    let url = slow_line(&collector.url, 64 * 1024).await;
    let mut site = Site::new(&collector_config(&url));
    // Values that do not compress: some hundred KB, several seconds on this line.
    for _ in 0..200 {
        for _ in 0..250 {
            let noise = Cell::good(Value::Integer(rand::random::<i64>() >> 16));
            site.buffer.push(GroupIndex(0), Row { cells: vec![(0, noise)], ..row(0.0) }).await.unwrap();
        }
        site.buffer.flush().await.unwrap();
    }
    site.connect();
    let stored = |uploads: usize| {
        move |arrivals: &[Arrival]| {
            let of_readings = arrivals.iter().filter(|arrival| matches!(arrival, Arrival::Stored(Lane::Readings, ..)));
            (of_readings.count() >= uploads).then_some(())
        }
    };
    for (nth, uploads) in [(1, 2), (2, 4), (3, 6)] {
        collector.wait("uploads of readings", stored(uploads)).await;
        let began = std::time::Instant::now();
        site.buffer.append(Lane::Events, vec![event("passage")], Vec::new()).await.unwrap();
        collector.stored(Lane::Events, nth).await;
        let took = began.elapsed();
        assert!(took < Duration::from_millis(1500), "event {nth} took {took:?}");
    }
    let arrivals = collector.arrivals();
    let hellos = arrivals.iter().filter(|arrival| matches!(arrival, Arrival::Hello)).count();
    assert_eq!(hellos, 1, "the session lasts");
}
