//! The proof that nothing was lost or doubled, and that it notices when something was.

use std::path::Path;

use kouan_collector::store::DataFolder;
use kouan_collector::verify::{Report, verify};
use kouan_protocol::{AlarmState, Batch, Gap, GapReason, Lane, Record, RecordBody, RecordKind, Timestamp};
use rusqlite::Connection;

use crate::running::{Running, eventually};
use crate::scripted_agent::{ScriptedAgent, alarm, passage};

fn check(folder: &Path) -> Report {
    verify(&DataFolder::new(folder)).unwrap()
}

/// Three lanes with an overlap, a gap of forty numbers, an unreadable record and an unreadable batch.
async fn fill(agent: &mut ScriptedAgent) {
    agent.hello().await;
    for _ in 0..3 {
        let rows = agent.rows(&[(20, 1.0), (10, 2.0)]);
        let events = agent.batch(Lane::Events, vec![passage("in"), passage("out")]);
        let urgent = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Raised)]);
        agent.upload(vec![rows.clone(), events, urgent]).await;
        agent.upload(vec![rows]).await;
    }
    let gap = RecordBody::Gap(Gap {
        reason: GapReason::BytesLimit,
        lost: 40,
        from: Timestamp(0),
        to: Timestamp(1),
        devices: Vec::new(),
        more_devices: false,
        earlier_epoch: None,
    });
    let now = agent.now();
    let record = Record { span: 40, ..Record::new(now.boot_time, gap) };
    let batch = Batch::of_records(agent.next[&Lane::Readings], now, vec![record]);
    let gap = agent.envelope(Lane::Readings, &batch);
    let rows = agent.rows(&[(5, 3.0)]);
    let opaque = RecordBody::Opaque { kind: RecordKind(99), body: vec![1], problem: String::new() };
    let events = agent.batch(Lane::Events, vec![opaque, passage("in")]);
    let mut garbage = agent.batch(Lane::Urgent, vec![alarm(AlarmState::Cleared)]);
    garbage.body.truncate(5);
    garbage.digest = kouan_protocol::Digest::of(&garbage.body);
    agent.upload(vec![gap, rows, events, garbage]).await;
}

#[tokio::test]
async fn a_sound_folder_is_found_sound_also_while_the_collector_runs() {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    fill(&mut agent).await;
    let report = check(collector.folder.path());
    assert!(report.ok, "{:?}", report.problems);
    let collector = collector.restart().await;
    eventually("the state caught up", async || {
        let report = check(collector.folder.path());
        assert!(report.ok, "{:?}", report.problems);
        (report.log.state_cursor == report.log.last_id).then_some(())
    })
    .await;
    let report = check(collector.stop_caught_up().await.path());
    assert_eq!(report.log.history_cursor, report.log.last_id);
    assert!(report.ok, "{:?}", report.problems);
    let lane = |name: &str| report.lanes.iter().find(|lane| lane.lane == name).unwrap();
    let readings = lane("readings");
    assert_eq!((readings.first_seq, readings.last_seq, readings.gap_numbers), (1, 47, 40));
    assert_eq!((readings.gaps, readings.history_rows), (1, Some(7)));
    assert_eq!(lane("events").history_rows, Some(8), "the unreadable one is accounted for");
    assert_eq!((lane("urgent").quarantined_batches, report.quarantined_records), (1, 2));
}

async fn filled_folder() -> tempfile::TempDir {
    let collector = Running::start().await;
    let mut agent = collector.enrol("hall-1", "hall").await;
    fill(&mut agent).await;
    collector.items_when("/api/v1/quarantine", 2).await;
    collector.stop_caught_up().await
}

fn tamper(path: &Path, sql: &str) {
    let changed = Connection::open(path).unwrap().execute(sql, []).unwrap();
    assert!(changed > 0, "{sql}");
}

#[tokio::test]
async fn whatever_is_taken_away_or_doubled_is_noticed() {
    let partition = |folder: &Path| {
        let files = std::fs::read_dir(folder.join("history")).unwrap().map(|file| file.unwrap().path());
        files.into_iter().find(|path| path.to_string_lossy().ends_with("22.db")).unwrap()
    };
    for (file, sql) in [
        ("log", "DELETE FROM log WHERE id = 4"),
        ("log", "DELETE FROM log WHERE id = (SELECT max(id) FROM log)"),
        ("log", "DELETE FROM extents WHERE lane = 2"),
        ("log", "UPDATE extents SET last_seq = last_seq - 1 WHERE lane = 3"),
        ("log", "UPDATE lanes SET stored_seq = stored_seq + 1 WHERE lane = 1"),
        ("state", "UPDATE lane_counts SET numbers = numbers + 1"),
        ("history", "UPDATE counts SET rows = rows - 1"),
        ("history", "DELETE FROM events WHERE rowid = 1"),
        (
            "history",
            "INSERT INTO events (time_ms, site, agent, key, kind, details, late, time_status, received_ms, epoch, seq,
             opaque) SELECT time_ms, site, agent, key, kind, details, late, time_status, received_ms, epoch, seq + 900,
             opaque FROM events LIMIT 1",
        ),
    ] {
        let folder = filled_folder().await;
        assert!(check(folder.path()).ok);
        let path = match file {
            "log" => folder.path().join("ingest.db"),
            "state" => folder.path().join("state.db"),
            _ => partition(folder.path()),
        };
        tamper(&path, sql);
        let report = check(folder.path());
        assert!(!report.ok && !report.problems.is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn a_reader_that_runs_again_doubles_nothing() {
    let folder = filled_folder().await;
    // As after a crash between a partition's commit and the cursor's, only further back.
    tamper(&folder.path().join("history/index.db"), "UPDATE cursors SET log_id = 0");
    let key = another_key(folder.path());
    let folder = Running::start_on(folder).await.with_key(key).stop_caught_up().await;
    let report = check(folder.path());
    assert!(report.ok, "{:?}", report.problems);
    assert_eq!(report.log.history_cursor, report.log.last_id);
}

/// A key made beside the API, for a folder whose first key is not known.
pub(crate) fn another_key(folder: &Path) -> String {
    let mut conn =
        kouan_collector::store::open_writable(&folder.join("state.db"), kouan_collector::store::File::State).unwrap();
    let transaction = conn.transaction().unwrap();
    let (scopes, sites) = ([kouan_collector::auth::Right::Read].into(), kouan_collector::auth::Scope::All);
    let key = kouan_collector::auth::add_key(&transaction, "again", &scopes, &sites, Timestamp(0)).unwrap().unwrap();
    transaction.commit().unwrap();
    key.reveal().to_owned()
}

#[tokio::test]
async fn latest_values_are_rebuilt_from_the_log() {
    let folder = filled_folder().await;
    tamper(&folder.path().join("state.db"), "DELETE FROM latest");
    tamper(&folder.path().join("state.db"), "UPDATE cursors SET log_id = 0 WHERE reader = 'latest'");
    let key = another_key(folder.path());
    let collector = Running::start_on(folder).await.with_key(key);
    let device = collector.device("ups-1").await;
    collector.value_becomes(&device, "voltage", serde_json::json!(3.0)).await;
}
