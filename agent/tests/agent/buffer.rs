//! The buffer keeps what it was given until it is confirmed or a limit drops it.

use std::time::Duration;

use kouan_agent::buffer::{Baseline, Counted, LaneLimit};
use kouan_protocol::*;

use crate::site::{catalogue, clock, config, event, numbers, open, open_with, row, waiting};

fn kinds(batches: &[Batch]) -> Vec<String> {
    let records = batches.iter().flat_map(|batch| &batch.records);
    let kind = |record: &Record| match &record.body {
        RecordBody::Event(event) => event.kind.clone(),
        RecordBody::Gap(gap) => format!("gap of {} ({}, {})", record.span, gap.lost, gap.reason),
        other => panic!("{other:?}"),
    };
    records.map(kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_survive_a_new_start_and_leave_when_confirmed() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, threads) = open(folder.path(), &clock);
    buffer.append(Lane::Events, vec![event("one"), event("two")], vec![]).await.unwrap();
    buffer.append(Lane::Events, vec![event("three")], vec![]).await.unwrap();
    let epoch = buffer.claims().await.unwrap()[1].epoch;
    drop(buffer);
    threads.join();

    let (buffer, threads) = open(folder.path(), &clock);
    let batches = waiting(&buffer, Lane::Events).await;
    assert_eq!(kinds(&batches), ["one", "two", "three"]);
    assert_eq!(numbers(&batches), (1, 3));
    buffer.acknowledge(Lane::Events, epoch, 2).await.unwrap();
    let claim = buffer.claims().await.unwrap().remove(1);
    assert_eq!((claim.epoch, claim.oldest_seq, claim.next_seq), (epoch, 3, 4));
    assert_eq!(claim.digests.len(), 2, "the confirmed batch is remembered by its digest");
    assert_eq!(kinds(&waiting(&buffer, Lane::Events).await), ["three"]);
    // A confirmation for another epoch, or for less than is already confirmed, changes nothing.
    buffer.acknowledge(Lane::Events, Epoch(1), 3).await.unwrap();
    buffer.acknowledge(Lane::Events, epoch, 1).await.unwrap();
    assert_eq!(buffer.claims().await.unwrap()[1].oldest_seq, 3);
    drop(buffer);
    threads.join();
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_become_batches_that_open_with_their_catalogue() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, _threads) = open(folder.path(), &clock);
    for value in [230.1, 230.2, 230.3] {
        buffer.push(GroupIndex(0), row(value)).await.unwrap();
    }
    buffer.flush().await.unwrap();
    let batches = waiting(&buffer, Lane::Readings).await;
    assert_eq!(numbers(&batches), (1, 3));
    let hash = batches[0].catalogue.unwrap();
    let stored = buffer.catalogue(hash).await.unwrap().unwrap();
    let catalogue = Catalogue::decode(&stored).unwrap();
    let rows: Vec<Row> =
        batches.iter().flat_map(|batch| batch.open_rows(&catalogue).unwrap()).flat_map(|group| group.rows).collect();
    let values: Vec<_> = rows.iter().map(|row| (row.seq, row.cells[0].1.value.clone().unwrap())).collect();
    assert_eq!(values, [(1, 230.1), (2, 230.2), (3, 230.3)].map(|(seq, value)| (seq, Value::Number(value))));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_go_first_and_a_gap_takes_their_numbers() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let mut config = config(folder.path());
    config.events = LaneLimit { bytes: 400, age: Duration::from_secs(86_400) };
    let (buffer, threads) = open_with(&config, &clock);
    for number in 1..=20 {
        buffer.append(Lane::Events, vec![event(&format!("event-{number}"))], vec![]).await.unwrap();
    }
    assert!(buffer.status().await.unwrap()[1].gap_open);
    let batches = waiting(&buffer, Lane::Events).await;
    assert_eq!(numbers(&batches), (1, 20));
    let kinds = kinds(&batches);
    let kept = kinds.len() - 1;
    assert_eq!(kinds[0], format!("gap of {0} ({0}, bytes-limit)", 20 - kept));
    assert_eq!(kinds.last().unwrap(), "event-20");
    let RecordBody::Gap(gap) = &batches[0].records[0].body else { panic!() };
    assert_eq!(gap.devices, ["gate-1".parse().unwrap()]);
    // Once it was handed out the gap is a batch like any other: it does not grow, and it survives.
    drop(buffer);
    threads.join();
    let (buffer, _threads) = open_with(&config, &clock);
    assert_eq!(waiting(&buffer, Lane::Events).await[0], batches[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_grew_too_old_become_a_gap() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, _threads) = open(folder.path(), &clock);
    buffer.append(Lane::Urgent, vec![event("old")], vec![]).await.unwrap();
    clock.advance_ms(2 * 86_400_000);
    buffer.append(Lane::Urgent, vec![event("new")], vec![]).await.unwrap();
    assert_eq!(kinds(&waiting(&buffer, Lane::Urgent).await), ["gap of 1 (1, age-limit)", "new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_clock_that_jumps_ages_nothing() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, _threads) = open(folder.path(), &clock);
    let year_ms = 365 * 86_400_000;
    buffer.append(Lane::Urgent, vec![event("before")], vec![]).await.unwrap();
    clock.change(|anchor| anchor.wall = anchor.wall.plus_ms(year_ms));
    buffer.append(Lane::Urgent, vec![event("a year ahead")], vec![]).await.unwrap();
    clock.change(|anchor| anchor.wall = anchor.wall.plus_ms(-2 * year_ms));
    buffer.append(Lane::Urgent, vec![event("a year back")], vec![]).await.unwrap();
    assert_eq!(kinds(&waiting(&buffer, Lane::Urgent).await), ["before", "a year ahead", "a year back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_epoch_still_tells_what_a_limit_had_dropped() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let mut config = config(folder.path());
    config.events = LaneLimit { bytes: 250, age: Duration::from_secs(86_400) };
    let (buffer, _threads) = open_with(&config, &clock);
    for kind in ["one", "two", "three", "four", "five", "six", "seven"] {
        buffer.append(Lane::Events, vec![event(kind)], vec![]).await.unwrap();
    }
    assert!(buffer.status().await.unwrap()[1].gap_open);
    buffer.new_epoch(Lane::Events, buffer.epoch(Lane::Events), 0).await.unwrap();
    let kinds = kinds(&waiting(&buffer, Lane::Events).await);
    assert!(kinds[0].starts_with("gap of ") && kinds[0].ends_with("bytes-limit)"), "{kinds:?}");
    assert_eq!(kinds[kinds.len() - 2..], ["seven", "gap of 1 (0, diverged)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_sides_disagree_about_goes_on_in_a_new_epoch() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, _threads) = open(folder.path(), &clock);
    for kind in ["one", "two", "three"] {
        buffer.append(Lane::Events, vec![event(kind)], vec![]).await.unwrap();
    }
    buffer.push(GroupIndex(0), row(1.0)).await.unwrap();
    buffer.push(GroupIndex(0), row(2.0)).await.unwrap();
    buffer.flush().await.unwrap();
    let before = buffer.claims().await.unwrap();

    let epoch = buffer.new_epoch(Lane::Events, buffer.epoch(Lane::Events), 1).await.unwrap();
    assert_ne!(epoch, before[1].epoch);
    let batches = waiting(&buffer, Lane::Events).await;
    assert_eq!(numbers(&batches), (1, 3));
    assert_eq!(kinds(&batches), ["gap of 1 (0, diverged)", "two", "three"]);

    buffer.new_epoch(Lane::Readings, buffer.epoch(Lane::Readings), 0).await.unwrap();
    let batches = waiting(&buffer, Lane::Readings).await;
    assert_eq!(numbers(&batches), (1, 3));
    let rows = batches[0].open_rows(&catalogue()).unwrap().remove(0).rows;
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2], "nothing came before them");
    assert_eq!(kinds(&batches[1..]), ["gap of 1 (0, diverged)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_batch_is_never_sent_and_a_gap_takes_its_place() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, threads) = open(folder.path(), &clock);
    for kind in ["one", "two", "three"] {
        buffer.append(Lane::Events, vec![event(kind)], vec![]).await.unwrap();
    }
    drop(buffer);
    threads.join();
    let file = rusqlite::Connection::open(folder.path().join("urgent.db")).unwrap();
    file.execute("UPDATE batch_2 SET body = zeroblob(LENGTH(body)) WHERE first_seq = 2", []).unwrap();
    drop(file);

    let (buffer, _threads) = open(folder.path(), &clock);
    let first = buffer.read(Lane::Events, 0, usize::MAX, 10).await.unwrap();
    assert_eq!(first.len(), 1, "what stands before the damage goes out first");
    assert_eq!(kinds(&waiting(&buffer, Lane::Events).await), ["one", "gap of 1 (1, damaged)", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_becomes_a_gap_and_harms_no_other() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, _threads) = open(folder.path(), &clock);
    let mut large = event("large");
    let RecordBody::Event(body) = &mut large.body else { panic!() };
    body.fields = (0..limits::FIELDS)
        .map(|at| Field::new(&format!("field-{at}"), FieldValue::Text("x".repeat(limits::TEXT_BYTES))))
        .collect();
    buffer.append(Lane::Events, vec![event("before"), large, event("after")], vec![]).await.unwrap();
    assert_eq!(kinds(&waiting(&buffer, Lane::Events).await), ["before", "gap of 1 (1, too-large)", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_together_is_split_at_the_size_of_a_batch() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let mut config = config(folder.path());
    config.events.bytes = 64 << 20;
    let (buffer, _threads) = open_with(&config, &clock);
    let long = Field::new("note", FieldValue::Text("长".repeat(limits::TEXT_BYTES / 3)));
    let records: Vec<_> = (0..700)
        .map(|at| {
            let mut record = event(&format!("event-{at}"));
            let RecordBody::Event(body) = &mut record.body else { panic!() };
            body.fields = vec![long.clone()];
            record
        })
        .collect();
    buffer.append(Lane::Events, records, vec![]).await.unwrap();
    let batches = waiting(&buffer, Lane::Events).await;
    assert!(batches.len() > 2);
    assert_eq!(numbers(&batches), (1, 700));
    assert_eq!(kinds(&batches), (0..700).map(|at| format!("event-{at}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_move_with_the_events_that_they_stand_for() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, threads) = open(folder.path(), &clock);
    let baseline = |value| Baseline { device: "gate-1".parse().unwrap(), point: "in".parse().unwrap(), value };
    buffer.append(Lane::Events, vec![event("passage")], vec![baseline(Some(7))]).await.unwrap();
    buffer.append(Lane::Events, vec![], vec![baseline(Some(8))]).await.unwrap();
    drop(buffer);
    threads.join();
    let (buffer, threads) = open(folder.path(), &clock);
    assert_eq!(buffer.baselines().await.unwrap(), [baseline(Some(8))]);
    buffer.append(Lane::Events, vec![event("tag-missing")], vec![baseline(None)]).await.unwrap();
    assert_eq!(buffer.baselines().await.unwrap(), []);
    drop(buffer);
    threads.join();
    let (buffer, _threads) = open(folder.path(), &clock);
    assert_eq!(buffer.baselines().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_from_an_older_file_than_the_collectors_is_not_told_again() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let baseline = |point: &str, value| Baseline {
        device: "gate-1".parse().unwrap(),
        point: point.parse().unwrap(),
        value: Some(value),
    };
    let (buffer, threads) = open(folder.path(), &clock);
    buffer.append(Lane::Events, vec![event("one")], vec![baseline("in", 7), baseline("out", 3)]).await.unwrap();
    drop(buffer);
    threads.join();
    for agreed in [true, false] {
        let copy = tempfile::tempdir().unwrap();
        for name in ["urgent.db", "readings.db"] {
            std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        let (buffer, _threads) = open(copy.path(), &clock);
        let mut life = buffer.counters_life();
        let counted = Counted {
            steps: vec![event("counted in this run")],
            carried: vec![event("counted from the file"), event("the same")],
            baselines: vec![baseline("in", 9)],
            life: *life.borrow_and_update(),
        };
        buffer.append_counted(counted.clone()).await.unwrap();
        if agreed {
            buffer.agreed().await.unwrap();
        }
        let epoch = buffer.epoch(Lane::Events);
        buffer.new_epoch(Lane::Events, epoch, 1).await.unwrap();
        assert!(life.has_changed().unwrap());
        assert_eq!(buffer.baselines().await.unwrap(), [baseline("in", 9)], "out was not read since");
        let told = kinds(&waiting(&buffer, Lane::Events).await);
        if agreed {
            let all = ["gap of 1 (0, diverged)", "counted from the file", "the same", "counted in this run"];
            assert_eq!(told, all);
            continue;
        }
        assert_eq!(told, ["gap of 1 (0, diverged)", "gap of 2 (2, diverged)", "counted in this run"]);
        // Whoever compared before the values were forgotten comes too late.
        buffer.append_counted(counted).await.unwrap();
        assert_eq!(kinds(&waiting(&buffer, Lane::Events).await)[3..], ["counted in this run"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_confirm_what_is_not_written_yet() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, _threads) = open(folder.path(), &clock);
    buffer.append(Lane::Events, vec![event("one")], vec![]).await.unwrap();
    let epoch = buffer.epoch(Lane::Events);
    buffer.push(GroupIndex(0), row(1.0)).await.unwrap();
    for lane in [Lane::Events, Lane::Readings] {
        buffer.acknowledge(lane, buffer.epoch(lane), 9).await.unwrap();
    }
    buffer.append(Lane::Events, vec![event("two")], vec![]).await.unwrap();
    buffer.flush().await.unwrap();
    assert_eq!(kinds(&waiting(&buffer, Lane::Events).await), ["two"]);
    assert_eq!(waiting(&buffer, Lane::Readings).await.len(), 1);
    assert_eq!(buffer.epoch(Lane::Events), epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_stays_as_long_as_readings_need_it() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let (buffer, threads) = open(folder.path(), &clock);
    let old = buffer.current_catalogue();
    buffer.push(GroupIndex(0), row(1.0)).await.unwrap();
    drop(buffer);
    threads.join();

    let mut changed = catalogue();
    changed.devices[0].label = "renamed".to_owned();
    let open_changed = || {
        let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::clone(&clock) as _;
        kouan_agent::buffer::Buffer::open(&config(folder.path()), &changed, &clock).unwrap()
    };
    let (buffer, threads) = open_changed();
    let epoch = buffer.claims().await.unwrap()[2].epoch;
    assert_eq!(buffer.catalogues().await.unwrap().len(), 2);
    assert_eq!(waiting(&buffer, Lane::Readings).await[0].catalogue, Some(old));
    buffer.acknowledge(Lane::Readings, epoch, 1).await.unwrap();
    drop(buffer);
    threads.join();
    let (buffer, _threads) = open_changed();
    assert_eq!(buffer.catalogues().await.unwrap(), [buffer.current_catalogue()]);
}
