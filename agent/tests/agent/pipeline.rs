//! From observations to records, through the real buffer.

use std::sync::Arc;
use std::time::Duration;

use kouan_agent::pipeline::{self, Current, PipelineSettings};
use kouan_drivers::configure::{ConfiguredDevice, ConfiguredLink, DeviceIdentity, catalogue};
use kouan_drivers::driver::{Observation, RawEvent, RawHealth, RawRow, RawValue};
use kouan_drivers::profile::{CounterEvent, GroupProfile, PointProfile, Scale};
use kouan_protocol::*;
use tokio::sync::{mpsc, oneshot};

use crate::site::{clock, config, waiting};

pub(crate) fn gate() -> ConfiguredLink {
    let count = PointProfile {
        spec: PointSpec {
            name: "passage.count.in".parse().unwrap(),
            kind: PointKind::Counter,
            unit: String::new(),
            decimals: 0,
            states: vec![],
        },
        scale: Scale::NONE,
        not_available: vec![],
        range: None,
        words: vec![],
        dead_band: 0.0,
        wraps_at: Some(1 << 24),
        counts: Some(CounterEvent {
            kind: "passage".to_owned(),
            fields: vec![Field::new("direction", FieldValue::Text("in".to_owned()))],
        }),
    };
    let group = GroupProfile {
        name: "status".to_owned(),
        every: Duration::from_millis(250),
        heartbeat: Duration::from_secs(60),
        points: vec![Arc::new(count)],
    };
    let identity = DeviceIdentity {
        key: "gate-1".parse().unwrap(),
        label: "闸机".to_owned(),
        class: "passenger-gate".to_owned(),
        profile: "test".to_owned(),
        area: String::new(),
        parent: None,
    };
    ConfiguredLink {
        name: "gate-line".into(),
        devices: vec![ConfiguredDevice { identity, groups: vec![group], actions: vec![] }],
        build: Box::new(|| panic!("nobody starts this driver")),
    }
}

fn counted(count: i64) -> Observation {
    Observation::Row(RawRow {
        device: "gate-1".parse().unwrap(),
        group: 0,
        boot_time: BootTime(3_600_000),
        cells: vec![(0, Ok(RawValue::Integer(count)))],
    })
}

/// Runs the pipeline over `observations` on the buffer in `folder`, as one life of an agent would.
async fn live(folder: &std::path::Path, observations: Vec<Observation>) -> (Vec<Batch>, Vec<Batch>) {
    let links = [gate()];
    let clock: Arc<dyn Clock> = clock();
    let catalogue = catalogue(&links);
    let (buffer, threads) = kouan_agent::buffer::Buffer::open(&config(folder), &catalogue, &clock).unwrap();
    let buffer = Arc::new(buffer);
    let (sender, receiver) = mpsc::channel(64);
    for observation in observations {
        sender.send(observation).await.unwrap();
    }
    drop(sender);
    let settings = PipelineSettings { buffer: Arc::clone(&buffer), current: Arc::new(Current::new(catalogue)) };
    pipeline::run(settings, &links, receiver).await.unwrap();
    buffer.flush().await.unwrap();
    let (events, urgent) = (waiting(&buffer, Lane::Events).await, waiting(&buffer, Lane::Urgent).await);
    drop(buffer);
    threads.join();
    (events, urgent)
}

fn count(batches: &[Batch]) -> usize {
    batches.iter().map(|batch| batch.records.len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn passages_that_happened_while_the_agent_was_away_become_events_once() {
    let folder = tempfile::tempdir().unwrap();
    let (events, _) = live(folder.path(), vec![counted(100), counted(100), counted(102)]).await;
    assert_eq!(count(&events), 2, "the first value is where counting begins");
    let (events, _) = live(folder.path(), vec![counted(105), counted(105)]).await;
    assert_eq!(count(&events), 2 + 3);
    // The gate wraps around, then is switched off and on and counts from zero.
    let turn = (1 << 24) - 1;
    let (events, _) = live(folder.path(), vec![counted(turn), counted(1)]).await;
    let before_turn = 1; // one event with a count, because so many steps came at once
    assert_eq!(count(&events), 5 + before_turn + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let health = |level, reason| {
        Observation::Health(RawHealth {
            device: "gate-1".parse().unwrap(),
            boot_time: BootTime(3_600_000),
            level,
            reason,
            text: String::new(),
        })
    };
    let said = vec![
        health(HealthLevel::Working, ""),
        health(HealthLevel::Working, ""),
        health(HealthLevel::Unreachable, "timeout"),
        health(HealthLevel::Unreachable, "timeout"),
        health(HealthLevel::Working, ""),
    ];
    let (_, urgent) = live(folder.path(), said).await;
    let levels = urgent.iter().flat_map(|batch| &batch.records).map(|record| match &record.body {
        RecordBody::Health(health) => health.level,
        other => panic!("{other:?}"),
    });
    use HealthLevel::{Unreachable, Working};
    assert_eq!(levels.collect::<Vec<_>>(), [Working, Unreachable, Working]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_confirmed_once_it_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let links = [gate()];
    let clock: Arc<dyn Clock> = clock();
    let catalogue = catalogue(&links);
    let (buffer, threads) = kouan_agent::buffer::Buffer::open(&config(folder.path()), &catalogue, &clock).unwrap();
    let buffer = Arc::new(buffer);
    let (sender, receiver) = mpsc::channel(64);
    let settings = PipelineSettings { buffer: Arc::clone(&buffer), current: Arc::new(Current::new(catalogue)) };
    let pipeline = tokio::spawn(async move { pipeline::run(settings, &links, receiver).await });
    let event = |device: &str| {
        let (stored, confirmation) = oneshot::channel();
        let device = device.parse().unwrap();
        let event =
            RawEvent { device, boot_time: BootTime(3_600_000), kind: "ticket-issued".to_owned(), fields: vec![] };
        (Observation::Event { event, stored: Some(stored) }, confirmation)
    };
    let (known, confirmation) = event("gate-1");
    sender.send(known).await.unwrap();
    confirmation.await.unwrap();
    assert_eq!(count(&waiting(&buffer, Lane::Events).await), 1, "it was confirmed before it could be read");
    let (unknown, confirmation) = event("gate-2");
    sender.send(unknown).await.unwrap();
    assert!(confirmation.await.is_err(), "nobody kept it");
    drop(sender);
    pipeline.await.unwrap().unwrap();
    drop(buffer);
    threads.join();
}
