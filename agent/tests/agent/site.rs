//! A small site: a gate and a UPS, a temporary data folder, a clock that moves when told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kouan_agent::buffer::{Buffer, BufferConfig, BufferThreads, LaneLimit, NewRecord, Room};
use kouan_protocol::*;

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(1_795_305_600_000))
}

pub(crate) fn catalogue() -> Catalogue {
    let point = PointSpec {
        name: "voltage".parse().unwrap(),
        kind: PointKind::Measurement,
        unit: "V".to_owned(),
        decimals: 1,
        states: Vec::new(),
    };
    let group = GroupSpec { name: "all".to_owned(), every_ms: 1000, heartbeat_ms: 60_000, points: vec![point] };
    let open = ActionSpec {
        name: "gate.open".to_owned(),
        moves: true,
        arguments: vec![ArgumentSpec {
            name: "direction".to_owned(),
            kind: ArgumentKind::Text,
            required: true,
            min: None,
            max: None,
            choices: vec!["in".to_owned(), "out".to_owned()],
        }],
    };
    let device = |key: &str, groups, actions| DeviceSpec {
        key: key.parse().unwrap(),
        label: key.to_owned(),
        class: "test".to_owned(),
        profile: "test".to_owned(),
        area: String::new(),
        link: "line".to_owned(),
        parent: None,
        groups,
        actions,
    };
    Catalogue { devices: vec![device("ups-1", vec![group], vec![]), device("gate-1", vec![], vec![open])] }
}

pub(crate) fn config(folder: &Path) -> BufferConfig {
    let limit = LaneLimit { bytes: 1 << 20, age: Duration::from_secs(86_400) };
    BufferConfig {
        folder: folder.to_owned(),
        urgent: limit,
        events: limit,
        readings: limit,
        commit_every: Duration::from_millis(10),
        urgent_room: Room { reserve_bytes: 512 << 10, wal_bytes: 256 << 10 },
        readings_room: Room { reserve_bytes: 0, wal_bytes: 256 << 10 },
    }
}

pub(crate) fn open(folder: &Path, clock: &Arc<ManualClock>) -> (Buffer, BufferThreads) {
    open_with(&config(folder), clock)
}

pub(crate) fn open_with(config: &BufferConfig, clock: &Arc<ManualClock>) -> (Buffer, BufferThreads) {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    Buffer::open(config, &catalogue(), &clock).unwrap()
}

pub(crate) fn event(kind: &str) -> NewRecord {
    let event = Event { device: "gate-1".parse().unwrap(), kind: kind.to_owned(), fields: vec![], blobs: vec![] };
    NewRecord { boot_time: BootTime(3_600_000), body: RecordBody::Event(event) }
}

pub(crate) fn row(value: f64) -> Row {
    Row { seq: 0, boot_time: BootTime(3_600_000), cells: vec![(0, Cell::good(Value::Number(value)))] }
}

/// Everything that waits in a lane, opened.
pub(crate) async fn waiting(buffer: &Buffer, lane: Lane) -> Vec<Batch> {
    let batches = buffer.read(lane, 0, usize::MAX, 10_000).await.unwrap();
    batches.iter().map(|batch| Batch::decode(&batch.body).unwrap()).collect()
}

/// The numbers that batches cover, which must follow each other without a hole.
pub(crate) fn numbers(batches: &[Batch]) -> (u64, u64) {
    for pair in batches.windows(2) {
        assert_eq!(pair[1].first_seq, pair[0].last_seq() + 1, "a lane has no holes");
    }
    (batches.first().unwrap().first_seq, batches.last().unwrap().last_seq())
}
