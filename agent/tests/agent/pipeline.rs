//! From observations to records, through the real buffer.

use std::sync::Arc;
use std::time::Duration;

use kouan_agent::alarms::AgentAlarms;
use kouan_agent::pipeline::{self, Current, PipelineSettings};
use kouan_drivers::configure::{ConfiguredDevice, ConfiguredLink, DeviceIdentity, catalogue};
use kouan_drivers::driver::{Observation, RawEvent, RawHealth, RawRow, RawStock, RawValue, Stock, Tag};
use kouan_drivers::profile::{CounterEvent, GroupProfile, Limit, LimitTest, PointProfile, Scale, StateAlarm, Tells};
use kouan_protocol::*;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

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
        tells: None,
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
        devices: vec![ConfiguredDevice {
            identity,
            groups: vec![group],
            actions: vec![],
            limits: vec![],
            reader: None,
        }],
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

/// A cabinet with one slot.
fn cabinet() -> ConfiguredLink {
    let mut link = gate();
    let alarm = StateAlarm {
        word: "unlocked".to_owned(),
        after: Duration::from_secs(90),
        severity: Severity::Major,
        condition: "slot-left-open".to_owned(),
        text: "a slot was left open".to_owned(),
        text_zh: "柜门未关".to_owned(),
        unproved: false,
        raw: None,
    };
    let changes = [("unlocked", "slot-opened"), ("locked", "slot-closed")];
    let tells = Tells {
        changes: changes.map(|(word, event)| (word.to_owned(), event.to_owned())).to_vec(),
        place: Some("slot".to_owned()),
        alarm: Some(alarm),
    };
    let lock = PointProfile {
        spec: PointSpec {
            name: "lock.3".parse().unwrap(),
            kind: PointKind::State,
            unit: String::new(),
            decimals: 0,
            states: vec!["unlocked".to_owned(), "locked".to_owned()],
        },
        words: vec![(0, "unlocked".to_owned()), (1, "locked".to_owned())],
        wraps_at: None,
        counts: None,
        tells: Some(Arc::new(tells)),
        ..(*link.devices[0].groups[0].points[0]).clone()
    };
    link.devices[0].groups[0].points = vec![Arc::new(lock)];
    link
}

/// Runs the pipeline over `observations` on the buffer in `folder`, as one life of an agent would.
async fn live(folder: &std::path::Path, observations: Vec<Observation>) -> (Vec<Batch>, Vec<Batch>) {
    live_with(gate(), folder, observations).await
}

async fn live_with(
    link: ConfiguredLink,
    folder: &std::path::Path,
    observations: Vec<Observation>,
) -> (Vec<Batch>, Vec<Batch>) {
    let links = [link];
    let clock: Arc<dyn Clock> = clock();
    let catalogue = catalogue(&links);
    let (buffer, threads) = kouan_agent::buffer::Buffer::open(&config(folder), &catalogue, &clock).unwrap();
    let buffer = Arc::new(buffer);
    let (sender, receiver) = mpsc::channel(64);
    for observation in observations {
        sender.send(observation).await.unwrap();
    }
    drop(sender);
    let (alarms, recorder) = AgentAlarms::new(Arc::clone(&clock));
    let current = Arc::new(Current::new(catalogue));
    let settings = PipelineSettings { buffer: Arc::clone(&buffer), current, alarms, clock: Arc::clone(&clock) };
    pipeline::run(settings, &links, receiver).await.unwrap();
    let stopped = CancellationToken::new();
    stopped.cancel();
    recorder.run(Arc::clone(&buffer), stopped).await;
    buffer.flush().await.unwrap();
    let (events, urgent) = (waiting(&buffer, Lane::Events).await, waiting(&buffer, Lane::Urgent).await);
    drop(buffer);
    threads.join();
    (events, urgent)
}

fn events(batches: &[Batch]) -> Vec<(String, Vec<Field>)> {
    let event = |record: &Record| match &record.body {
        RecordBody::Event(event) => (event.kind.clone(), event.fields.clone()),
        other => panic!("{other:?}"),
    };
    batches.iter().flat_map(|batch| &batch.records).map(event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_opened_while_the_agent_was_away_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let shows = |raw, at: u64| {
        Observation::Row(RawRow {
            device: "gate-1".parse().unwrap(),
            group: 0,
            boot_time: BootTime(3_600_000 + at),
            cells: vec![(0, raw)],
        })
    };
    let (locked, unlocked) = (Ok(RawValue::Integer(1)), Ok(RawValue::Integer(0)));
    let slot = vec![Field::new("slot", FieldValue::Integer(3))];
    let (told, urgent) =
        live_with(cabinet(), folder.path(), vec![shows(locked.clone(), 0), shows(locked.clone(), 500)]).await;
    assert!(told.is_empty() && urgent.is_empty(), "the first value is where telling begins");
    let unread = Err(QualityReason::ReadFailed);
    let rows = vec![
        shows(unlocked.clone(), 1000),
        shows(unread, 1500),
        shows(unlocked, 92_000),
        shows(locked.clone(), 93_000),
    ];
    let (told, urgent) = live_with(cabinet(), folder.path(), rows).await;
    let expected = [("slot-opened".to_owned(), slot.clone()), ("slot-closed".to_owned(), slot)];
    assert_eq!(events(&told), expected);
    let alarms = urgent.iter().flat_map(|batch| &batch.records).map(|record| match &record.body {
        RecordBody::Alarm(alarm) => {
            (alarm.device.to_string(), alarm.condition.clone(), alarm.state, alarm.point.clone())
        }
        other => panic!("{other:?}"),
    });
    let alarm = |state| ("gate-1".to_owned(), "slot-left-open.3".to_owned(), state, "lock.3".to_owned());
    assert_eq!(alarms.collect::<Vec<_>>(), [alarm(AlarmState::Raised), alarm(AlarmState::Cleared)]);
    let (told, _) = live_with(cabinet(), folder.path(), vec![shows(locked, 94_000)]).await;
    assert_eq!(events(&told).len(), 2, "nothing is told twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_came_and_went_while_the_agent_was_away_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let lies = |epcs: &[&str], complete| {
        let tag = |epc: &&str| Tag { epc: (*epc).to_owned(), antenna: Some(1), rssi_dbm: None };
        Observation::Stock(RawStock {
            device: "gate-1".parse().unwrap(),
            boot_time: BootTime(3_600_000),
            stock: Stock { present: epcs.iter().map(tag).collect(), complete },
        })
    };
    let told = |batches: &[Batch]| {
        let said = |(kind, fields): (String, Vec<Field>)| {
            assert_eq!(fields[0].privacy, Privacy::Personal);
            format!("{kind} {}", fields[0].value.as_str().unwrap())
        };
        events(batches).into_iter().map(said).collect::<Vec<_>>()
    };
    let (events, _) = live(folder.path(), vec![lies(&["e2aa"], false), lies(&["e2aa", "e2bb"], true)]).await;
    assert_eq!(told(&events), ["tag-seen e2aa", "tag-seen e2bb"]);
    let (events, _) = live(folder.path(), vec![lies(&["e2bb"], false), lies(&["e2bb", "e2cc"], true)]).await;
    assert_eq!(told(&events)[2..], ["tag-missing e2aa", "tag-seen e2cc"]);
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
            text: kouan_settings::Bilingual::default(),
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
    let settings = PipelineSettings {
        buffer: Arc::clone(&buffer),
        current: Arc::new(Current::new(catalogue)),
        alarms: AgentAlarms::new(Arc::clone(&clock)).0,
        clock: Arc::clone(&clock),
    };
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

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_of_a_profile_is_told_when_its_delay_is_over_and_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut link = cabinet();
    link.devices[0].limits = vec![Limit {
        line: 1,
        condition: "door-open-long".to_owned(),
        point: "lock.*".to_owned(),
        except: Vec::new(),
        test: LimitTest::Equals(vec!["unlocked".to_owned()]),
        raise_after: Duration::from_secs(10),
        clear_after: Duration::from_secs(5),
        severity: Severity::Warning,
        text: "open for long".to_owned(),
        text_zh: "长时间未关".to_owned(),
    }];
    let shows = |raw: i64, at: u64| {
        Observation::Row(RawRow {
            device: "gate-1".parse().unwrap(),
            group: 0,
            boot_time: BootTime(3_600_000 + at),
            cells: vec![(0, Ok(RawValue::Integer(raw)))],
        })
    };
    let rows =
        vec![shows(1, 0), shows(0, 1000), shows(0, 10_999), shows(0, 11_000), shows(1, 20_000), shows(1, 25_000)];
    let (_, urgent) = live_with(link, folder.path(), rows).await;
    let alarms = urgent.iter().flat_map(|batch| &batch.records).map(|record| match &record.body {
        RecordBody::Alarm(alarm) => (alarm.condition.clone(), alarm.state, record.boot_time, alarm.text_zh.clone()),
        other => panic!("{other:?}"),
    });
    let alarm = |state| ("door-open-long.3".to_owned(), state, "长时间未关（3）".to_owned());
    let told: Vec<_> = alarms.collect();
    let said: Vec<_> =
        told.iter().map(|(condition, state, _, text)| (condition.clone(), *state, text.clone())).collect();
    assert_eq!(said, [alarm(AlarmState::Raised), alarm(AlarmState::Cleared)], "{told:?}");
}
