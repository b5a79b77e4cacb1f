//! Files that are damaged, were given up, or could not take what came.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use kouan_agent::buffer::Buffer;
use kouan_protocol::*;

use crate::site::{clock, event, numbers, open, row, waiting};

fn gaps(batches: &[Batch]) -> Vec<Gap> {
    let records = batches.iter().flat_map(|batch| &batch.records);
    let gap = |record: &Record| match &record.body {
        RecordBody::Gap(gap) => Some(gap.clone()),
        _ => None,
    };
    records.filter_map(gap).collect()
}

/// Opens a file of a buffer that is closed.
fn sqlite(folder: &Path, file: &str) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join(file)).unwrap()
}

fn overwrite(folder: &Path, file: &str, at: u64, bytes: usize) {
    let mut file = std::fs::OpenOptions::new().write(true).open(folder.join(file)).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&vec![0x5A; bytes]).unwrap();
}

fn moved_aside(folder: &Path, file: &str) -> usize {
    let start = format!("{file}.damaged-2026");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(&start) && !name.ends_with("-wal")).count()
}

async fn wait_moved_aside(buffer: &Buffer) {
    buffer.condition().wait_for(|condition| condition.moved_aside == 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_file_is_moved_aside_and_the_other_file_knows_what_it_held() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, threads) = open(folder.path(), &clock);
    for kind in ["one", "two", "three"] {
        buffer.append(Lane::Events, vec![event(kind)], vec![]).await.unwrap();
    }
    let lost = buffer.epoch(Lane::Events);
    drop(buffer);
    threads.join();
    // The next run's first commit of readings notes where the events stand.
    let (buffer, threads) = open(folder.path(), &clock);
    buffer.push(GroupIndex(0), row(1.0)).await.unwrap();
    buffer.flush().await.unwrap();
    drop(buffer);
    threads.join();
    overwrite(folder.path(), "urgent.db", 0, 4096);

    let (buffer, _threads) = open(folder.path(), &clock);
    assert_eq!(moved_aside(folder.path(), "urgent.db"), 1);
    assert_eq!(buffer.condition().borrow().moved_aside, 1);
    buffer.append(Lane::Events, vec![event("four")], vec![]).await.unwrap();
    let batches = waiting(&buffer, Lane::Events).await;
    assert_eq!(numbers(&batches), (1, 2));
    let gap = gaps(&batches).remove(0);
    assert_eq!((gap.reason, gap.lost, gap.earlier_epoch), (GapReason::Damaged, 3, Some(lost)));
    assert_eq!(waiting(&buffer, Lane::Readings).await.len(), 1, "the other file is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_only_the_check_sees_is_found_while_the_agent_runs() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, threads) = open(folder.path(), &clock);
    buffer.append(Lane::Events, vec![event("one"), event("two")], vec![]).await.unwrap();
    drop(buffer);
    threads.join();
    let page: i64 = sqlite(folder.path(), "urgent.db")
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'reserve'", [], |row| row.get(0))
        .unwrap();
    overwrite(folder.path(), "urgent.db", (page.unsigned_abs() - 1) * 4096 + 8, 400);

    let (buffer, _threads) = open(folder.path(), &clock);
    let before = buffer.epoch(Lane::Events);
    wait_moved_aside(&buffer).await;
    buffer.append(Lane::Events, vec![event("three")], vec![]).await.unwrap();
    assert_ne!(buffer.epoch(Lane::Events), before);
    let gap = gaps(&waiting(&buffer, Lane::Events).await).remove(0);
    assert_eq!((gap.reason, gap.lost, gap.earlier_epoch), (GapReason::Damaged, 2, Some(before)));
    assert!(!buffer.condition().borrow().is_volatile());
    assert_eq!(moved_aside(folder.path(), "urgent.db"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_that_were_not_kept_are_told_of_once_after_a_power_cut() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, threads) = open(folder.path(), &clock);
    drop(buffer);
    threads.join();
    let since = clock.wall().0 - 60_000;
    let store = || {
        sqlite(folder.path(), "urgent.db")
            .execute(
                "INSERT INTO pause (only_row, id, reason, since_ms, until_ms, lost, devices, more_devices)
                 VALUES (1, 7, ?1, ?2, ?2, 40, '[\"ups-1\"]', 0)",
                rusqlite::params![GapReason::DiskFull.number(), since],
            )
            .unwrap();
    };
    store();
    let (buffer, threads) = open(folder.path(), &clock);
    buffer.flush().await.unwrap();
    let told = gaps(&waiting(&buffer, Lane::Readings).await);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].reason, told[0].lost), (GapReason::DiskFull, 0), "nobody knows what came after the last note");
    assert_eq!((told[0].from, told[0].to), (Timestamp(since), clock.wall()));
    assert_eq!(told[0].devices, ["ups-1".parse().unwrap()]);
    drop(buffer);
    threads.join();
    // The power was cut between the gap and the note that it is written.
    sqlite(folder.path(), "urgent.db").execute("DELETE FROM pause", []).unwrap();
    store();
    let (buffer, _threads) = open(folder.path(), &clock);
    buffer.flush().await.unwrap();
    assert_eq!(gaps(&waiting(&buffer, Lane::Readings).await).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_given_up_says_since_when_it_lacks_something() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, threads) = open(folder.path(), &clock);
    buffer.append(Lane::Urgent, vec![event("kept")], vec![]).await.unwrap();
    let epoch = buffer.epoch(Lane::Urgent);
    drop(buffer);
    threads.join();
    let since = clock.wall().0 / 1000 - 60;
    sqlite(folder.path(), "urgent.db").execute_batch(&format!("PRAGMA user_version = {since}")).unwrap();

    let (buffer, threads) = open(folder.path(), &clock);
    assert_eq!(buffer.epoch(Lane::Urgent), epoch, "what the file holds goes on under its epoch");
    let told = gaps(&waiting(&buffer, Lane::Urgent).await);
    assert_eq!((told[0].reason, told[0].from), (GapReason::Volatile, Timestamp(since * 1000)));
    drop(buffer);
    threads.join();
    let (buffer, _threads) = open(folder.path(), &clock);
    assert_eq!(gaps(&waiting(&buffer, Lane::Urgent).await).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wal_and_the_file_stay_small_under_constant_load() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, threads) = open(folder.path(), &clock);
    let epoch = buffer.epoch(Lane::Events);
    let figures = buffer.figures();
    let mut largest = 0;
    for round in 1..=600_u64 {
        let records = (0..20).map(|_| event("passage")).collect();
        buffer.append(Lane::Events, records, vec![]).await.unwrap();
        buffer.acknowledge(Lane::Events, epoch, round * 20).await.unwrap();
        largest = largest.max(figures.sizes()[0].wal_bytes);
    }
    assert!(largest <= 300 << 10, "the WAL of 256 KiB grew to {largest} bytes");
    assert!(figures.sizes()[0].bytes <= 1 << 20, "{:?}", figures.sizes()[0]);
    drop(buffer);
    threads.join();
}

/// One row is kept, and the gaps that the lane of readings tells.
async fn keep(buffer: &Buffer) -> Vec<Gap> {
    buffer.push(GroupIndex(0), row(1.0)).await.unwrap();
    buffer.flush().await.unwrap();
    gaps(&waiting(buffer, Lane::Readings).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_tells_how_long_nothing_was_kept() {
    let (folder, copy, clock) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), clock());
    let (buffer, threads) = open(folder.path(), &clock);
    assert_eq!(keep(&buffer).await, [], "nothing was before the first start");
    // A copy of the files as they are while the agent runs is what a kill leaves.
    for name in ["urgent.db", "urgent.db-wal", "readings.db", "readings.db-wal"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let kept = clock.wall();
    clock.advance_ms(5_000);
    drop(buffer);
    threads.join();
    let stopped = clock.wall();
    clock.advance_ms(60_000);

    let (buffer, _threads) = open(folder.path(), &clock);
    let told = keep(&buffer).await.remove(0);
    assert_eq!((told.reason, told.from, told.to), (GapReason::NotRunning, stopped, clock.wall()));

    // Restarts that keep nothing leave it to the first one that does.
    for _ in 0..3 {
        let (buffer, threads) = open(copy.path(), &clock);
        buffer.flush().await.unwrap();
        assert_eq!(gaps(&waiting(&buffer, Lane::Readings).await), []);
        drop(buffer);
        threads.join();
        clock.advance_ms(1_000);
    }
    let (buffer, threads) = open(copy.path(), &clock);
    let told = keep(&buffer).await;
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].reason, told[0].lost), (GapReason::Interrupted, 0), "nobody knows how many");
    assert_eq!((told[0].from, told[0].to), (kept, clock.wall()));
    drop(buffer);
    // What was read and did not reach the buffer is as good as a crash.
    threads.incomplete_switch().store(true, std::sync::atomic::Ordering::Relaxed);
    threads.join();
    let (buffer, _threads) = open(copy.path(), &clock);
    assert_eq!(keep(&buffer).await.last().unwrap().reason, GapReason::Interrupted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_turns_no_gap_around() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, threads) = open(folder.path(), &clock);
    keep(&buffer).await;
    drop(buffer);
    threads.join();
    let kept = clock.wall();
    // The clock was not set yet when the agent was started.
    clock.change(|anchor| (anchor.wall, anchor.trusted) = (Timestamp(0), false));
    let (buffer, threads) = open(folder.path(), &clock);
    let told = keep(&buffer).await;
    assert_eq!((told[0].from, told[0].to), (kept, kept));
    drop(buffer);
    threads.join();
    // The clock that the last run had was wrong.
    clock.change(|anchor| (anchor.wall, anchor.trusted) = (kept.plus_ms(1 << 36), true));
    let (buffer, threads) = open(folder.path(), &clock);
    keep(&buffer).await;
    drop(buffer);
    threads.join();
    clock.change(|anchor| (anchor.wall, anchor.trusted) = (kept.plus_ms(9), true));
    let (buffer, _threads) = open(folder.path(), &clock);
    let told = keep(&buffer).await.pop().unwrap();
    assert_eq!((told.from, told.to), (clock.wall(), clock.wall()));
}
