//! Copies of a running collector's folder, and what they are worth.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kouan_collector::backup::{self, BackupError, SUMS};
use kouan_collector::store::DataFolder;
use kouan_collector::verify::verify;
use kouan_protocol::session::Envelope;
use kouan_protocol::{Lane, Timestamp, limits};

use crate::running::{NOW, Running, eventually};
use crate::scripted_agent::{ScriptedAgent, passage};

fn lane_of(verdicts: kouan_protocol::session::Welcome, lane: Lane) -> u64 {
    verdicts.lanes.into_iter().find(|verdict| verdict.lane == lane).unwrap().stored_seq
}

/// Uploads an event and two readings at a time until it is told to stop. Returns what it sent.
///
/// The scripted agent names every batch in its hello, which may name so many; so beyond that, uploads repeat the last one.
async fn load(mut agent: ScriptedAgent, stop: Arc<AtomicBool>) -> (ScriptedAgent, Vec<Envelope>) {
    let mut sent: Vec<Envelope> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let at = sent.len() as u64;
        if sent.len() / 2 == limits::HELLO_DIGESTS {
            agent.upload(sent[sent.len() - 2..].to_vec()).await;
            continue;
        }
        let batches =
            [agent.batch(Lane::Events, vec![passage("in")]), agent.rows(&[(at, 1.0), (at + 40_000_000, 2.0)])];
        sent.extend(batches.clone());
        agent.upload(batches.to_vec()).await;
    }
    (agent, sent)
}

async fn copy(collector: &Running, to: &Path) -> Result<backup::Made, BackupError> {
    let (data, to) = (DataFolder::new(collector.folder.path()), to.to_owned());
    tokio::task::spawn_blocking(move || backup::make(&data, &to)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_made_under_load_are_sound_and_the_last_one_goes_on_where_it_ended() {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    collector.clock.change(|anchor| anchor.boot_time.0 += 80_000_000);
    agent.upload(vec![]).await;
    let relay = collector.device("relay-1").await;
    let waiting = collector.ask(&relay).await;
    let stop = Arc::new(AtomicBool::new(false));
    let loading = tokio::spawn(load(agent, Arc::clone(&stop)));
    let copies = tempfile::tempdir().unwrap();
    let mut last = copies.path().to_owned();
    for round in 0..4 {
        let confirmed = collector.items_when_at_least("/api/v1/events?limit=1000", 5 * (round + 1)).await;
        last = copies.path().join(round.to_string());
        let made = copy(&collector, &last).await.unwrap();
        assert!(made.problems.is_empty() && made.files >= 4, "{made:?}");
        let report = verify(&DataFolder::new(&last)).unwrap();
        assert!(report.ok, "{:?}", report.problems);
        let events = report.lanes.iter().find(|lane| lane.lane == "events").unwrap();
        assert!(events.last_seq >= confirmed as u64, "what could be seen before is in the copy");
        let history = kouan_collector::telemetry::check(&DataFolder::new(&last).history()).unwrap();
        assert!(history.problems.is_empty(), "{:?}", history.problems);
    }
    stop.store(true, Ordering::Relaxed);
    let (mut agent, sent) = loading.await.unwrap();
    let before = agent.hello().await.incarnation;
    let key = collector.key.clone();
    collector.stop().await;

    let folder = tempfile::tempdir().unwrap();
    let restored = backup::put_back(&last, &DataFolder::new(folder.path()), Timestamp(NOW)).unwrap();
    assert_eq!(restored.held, 1);
    let collector = Running::start_on(folder).await.with_key(key);
    collector.clock.change(|anchor| anchor.boot_time.0 += 80_000_000);
    collector.command_becomes(&waiting, "held").await;
    agent.moved_to(&collector.base);
    // The agent still has everything, so what the copy lacks comes again, and nothing was lost.
    let welcome = agent.hello_keeping(1).await;
    assert_ne!(welcome.incarnation, before, "another life");
    let stored = [Lane::Events, Lane::Readings].map(|lane| (lane, lane_of(welcome.clone(), lane)));
    let lacking: Vec<Envelope> = sent
        .iter()
        .filter(|batch| stored.iter().any(|(lane, seq)| batch.lane == lane.number() && batch.first_seq > *seq))
        .cloned()
        .collect();
    assert!(lacking.len() < sent.len());
    for batches in lacking.chunks(50) {
        agent.upload(batches.to_vec()).await;
    }
    let events = sent.len() / 2;
    collector.items_when("/api/v1/events?limit=1000", events.min(1000)).await;
    let gaps = collector.items("/api/v1/gaps").await;
    assert!(gaps.is_empty(), "{gaps:?}");
    let device = collector.device("ups-1").await;
    let path = format!("/api/v1/devices/{device}/series?points=voltage&resolution=raw&from={}", NOW - 90_000_000);
    eventually("every reading once", async || {
        let times = collector.get(&path).await["series"][0]["times"].as_array().unwrap().len();
        (times == sent.len()).then_some(())
    })
    .await;
    let folder = collector.stop_caught_up().await;
    let report = verify(&DataFolder::new(folder.path())).unwrap();
    assert!(report.ok, "{:?}", report.problems);
}

#[tokio::test]
async fn only_what_is_whole_is_put_back_and_only_where_nothing_is() {
    let collector = Running::start_sealing_at_once().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    agent.hello().await;
    let batch = agent.rows(&[(40, 1.0)]);
    agent.upload(vec![batch]).await;
    collector.device("ups-1").await;
    let copies = tempfile::tempdir().unwrap();
    let made = copies.path().join("copy");
    copy(&collector, &made).await.unwrap();
    assert!(matches!(copy(&collector, &made).await, Err(BackupError::NotEmpty(_))));
    let refused = DataFolder::new(&made).lock().unwrap_err().to_string();
    assert!(refused.contains("backup"), "{refused}");

    let put_back = |data: &Path| backup::put_back(&made, &DataFolder::new(data), Timestamp(NOW));
    assert!(matches!(put_back(collector.folder.path()), Err(BackupError::Store(_))), "a collector runs there");
    let used = collector.stop().await;
    assert!(matches!(put_back(used.path()), Err(BackupError::Used(_))));

    // One byte of one page of the log.
    let log = made.join("ingest.db");
    let whole = std::fs::read(&log).unwrap();
    let mut broken = whole.clone();
    let at = broken.len() - 100;
    broken[at] ^= 1;
    std::fs::write(&log, &broken).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    assert!(matches!(put_back(fresh.path()), Err(BackupError::Damaged(path)) if path == log));
    let refused = DataFolder::new(fresh.path()).lock().unwrap_err().to_string();
    assert!(refused.contains("repeat the restore"), "{refused}");
    std::fs::write(&log, &whole).unwrap();
    put_back(fresh.path()).unwrap();
    DataFolder::new(fresh.path()).lock().unwrap();
    assert!(matches!(put_back(fresh.path()), Err(BackupError::Used(_))));

    std::fs::remove_file(made.join(SUMS)).unwrap();
    let other = tempfile::tempdir().unwrap();
    assert!(matches!(put_back(other.path()), Err(BackupError::Incomplete { .. })));
    assert!(std::fs::read_dir(other.path()).unwrap().next().is_none(), "nothing was touched");
}
