//! One message of every kind, fixed for ever: the golden files are their encodings.

use kouan_protocol::command::LocalRequest;
use kouan_protocol::session::{
    BatchDigest, CommandDelivery, CommandPoll, Envelope, Hello, LaneClaim, LanePosition, LaneVerdict, Receipt, Upload,
    Welcome,
};
use kouan_protocol::*;

pub(crate) fn anchor() -> Anchor {
    Anchor {
        boot: BootId(0x0123_4567_89AB_CDEF),
        boot_time: BootTime(86_400_250),
        wall: Timestamp(1_795_305_600_000),
        trusted: true,
    }
}

fn point(name: &str, kind: PointKind, unit: &str, decimals: u8, states: &[&str]) -> PointSpec {
    PointSpec {
        name: name.parse().unwrap(),
        kind,
        unit: unit.to_owned(),
        decimals,
        states: states.iter().map(|state| (*state).to_owned()).collect(),
    }
}

/// A UPS with ten points in one group, and a gate with one counter group and one action.
pub(crate) fn catalogue() -> Catalogue {
    let ups = vec![
        point("power.source", PointKind::State, "", 0, &["mains", "battery", "bypass", "off"]),
        point("battery.charge", PointKind::Measurement, "%", 1, &[]),
        point("battery.runtime", PointKind::Measurement, "s", 0, &[]),
        point("battery.voltage", PointKind::Measurement, "V", 1, &[]),
        point("battery.temperature", PointKind::Measurement, "°C", 1, &[]),
        point("load.percent", PointKind::Measurement, "%", 1, &[]),
        point("input.voltage", PointKind::Measurement, "V", 1, &[]),
        point("output.voltage", PointKind::Measurement, "V", 1, &[]),
        point("output.frequency", PointKind::Measurement, "Hz", 1, &[]),
        point("serial", PointKind::Text, "", 0, &[]),
    ];
    let gate = vec![
        point("passage.count.in", PointKind::Counter, "", 0, &[]),
        point("passage.count.out", PointKind::Counter, "", 0, &[]),
    ];
    let group =
        |name: &str, every_ms, points| GroupSpec { name: name.to_owned(), every_ms, heartbeat_ms: 300_000, points };
    let device = |key: &str, label: &str, class: &str, profile: &str, link: &str| DeviceSpec {
        key: key.parse().unwrap(),
        label: label.to_owned(),
        class: class.to_owned(),
        profile: profile.to_owned(),
        area: "机房".to_owned(),
        link: link.to_owned(),
        parent: None,
        groups: Vec::new(),
        actions: Vec::new(),
    };
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
    Catalogue {
        devices: vec![
            DeviceSpec {
                groups: vec![group("dynamic", 1000, ups)],
                ..device("ups-1", "不间断电源", "ups", "apc-smart-ups", "ups-net")
            },
            DeviceSpec {
                groups: vec![group("status", 250, gate)],
                actions: vec![open],
                parent: Some("ups-1".parse().unwrap()),
                ..device("gate-1", "旅客闸机 1", "passenger-gate", "ds205a-gate", "gate-line")
            },
        ],
    }
}

pub(crate) fn catalogue_hash() -> CatalogueHash {
    Catalogue::hash_of(&catalogue().encode())
}

fn number(value: f64) -> Cell {
    Cell::good(Value::Number(value))
}

/// Rows of both groups: a full one, one with a few changes, qualities, an odd number, a word outside the states.
pub(crate) fn rows() -> Vec<(GroupIndex, Vec<Row>)> {
    let at = |back| BootTime(anchor().boot_time.0 - back);
    let full = vec![
        (0, Cell::good(Value::text("mains"))),
        (1, number(99.5)),
        (2, number(1830.0)),
        (3, number(54.2)),
        (4, number(24.8)),
        (5, number(31.7)),
        (6, number(230.2)),
        (7, number(229.9)),
        (8, number(50.0)),
        (9, Cell::good(Value::text("AS1234567890"))),
    ];
    let changes = vec![
        (0, Cell::good(Value::text("eco"))),
        (1, number(99.25)),
        (4, Cell::uncertain(Value::Number(124.8), QualityReason::OutOfRange)),
        (5, Cell::bad(QualityReason::ReadFailed)),
        (6, number(std::f64::consts::PI)),
    ];
    let count = |value| Cell::good(Value::Integer(value));
    vec![
        (
            GroupIndex(0),
            vec![
                Row { seq: 42, boot_time: at(1100), cells: full },
                Row { seq: 45, boot_time: at(100), cells: changes },
            ],
        ),
        (
            GroupIndex(1),
            vec![
                Row { seq: 43, boot_time: at(900), cells: vec![(0, count(16_777_215)), (1, count(7))] },
                Row { seq: 44, boot_time: at(400), cells: vec![(0, count(0))] },
            ],
        ),
    ]
}

pub(crate) fn readings() -> Batch {
    let catalogue = catalogue();
    let groups: Vec<_> = catalogue.groups().collect();
    let encode = |(index, rows): (GroupIndex, Vec<Row>)| {
        GroupRows::encode(index, groups[index.0 as usize].2, &rows, 42, &anchor())
    };
    Batch {
        first_seq: 42,
        count: 4,
        anchor: anchor(),
        catalogue: Some(catalogue_hash()),
        groups: rows().into_iter().map(encode).collect(),
        records: Vec::new(),
        volatile: false,
        all_alarms: false,
    }
}

/// One record of each kind that `urgent` and `events` carry.
pub(crate) fn records() -> Batch {
    let now = anchor().boot_time;
    let plate =
        Field { name: "plate".to_owned(), value: FieldValue::Text("粤C12345".to_owned()), privacy: Privacy::Personal };
    let fields = vec![
        Field::new("direction", FieldValue::Text("in".to_owned())),
        Field::new("count", FieldValue::Integer(-1)),
        Field::new("confidence", FieldValue::Number(0.97)),
        Field::new("first", FieldValue::Flag(true)),
        plate,
    ];
    let picture = BlobRef { sha256: [7; 32], size: 48_213, media_type: "image/jpeg".to_owned() };
    let gate: DeviceKey = "gate-1".parse().unwrap();
    let bodies = vec![
        RecordBody::Event(Event {
            device: gate.clone(),
            kind: "passage".to_owned(),
            fields: fields.clone(),
            blobs: vec![picture],
        }),
        RecordBody::Alarm(AlarmChange {
            device: "ups-1".parse().unwrap(),
            condition: "battery-low".to_owned(),
            state: AlarmState::Raised,
            severity: Severity::Major,
            text: "电池电量低".to_owned(),
            point: "battery.charge".to_owned(),
            text_zh: String::new(),
        }),
        RecordBody::Command(CommandProgress {
            command: "c-0001".parse().unwrap(),
            state: CommandState::Unknown,
            reason: "no answer within 1 s".to_owned(),
            reason_zh: String::new(),
            results: vec![Field::new("passed", FieldValue::Integer(1))],
            journal: Incarnation(0x1111_2222_3333_4444),
            local: Some(LocalRequest {
                device: gate,
                action: "gate.open".to_owned(),
                arguments: vec![Field::new("direction", FieldValue::Text("in".to_owned()))],
                by: "engineer".to_owned(),
            }),
        }),
        RecordBody::Health(DeviceHealth {
            device: "ups-1".parse().unwrap(),
            level: HealthLevel::Reachable,
            reason: "timeout".to_owned(),
            text: "no answer in 3 tries".to_owned(),
            text_zh: String::new(),
        }),
    ];
    let records = bodies.into_iter().zip(0..).map(|(body, ago)| Record::new(BootTime(now.0 - ago * 10), body));
    Batch::of_records(7, anchor(), records.collect())
}

/// The same records where what they say is also said in Chinese.
pub(crate) fn records_in_chinese() -> Batch {
    let mut batch = records();
    for record in &mut batch.records {
        match &mut record.body {
            RecordBody::Alarm(alarm) => alarm.text_zh = "电池电量低".to_owned(),
            RecordBody::Command(progress) => progress.reason_zh = "1 秒内没有应答".to_owned(),
            RecordBody::Health(health) => health.text_zh = "3 次询问都没有应答".to_owned(),
            _ => {}
        }
    }
    batch
}

/// A gap that takes the numbers of what was dropped.
pub(crate) fn gap() -> Batch {
    let gap = Gap {
        reason: GapReason::BytesLimit,
        lost: 1000,
        from: Timestamp(1_795_300_000_000),
        to: Timestamp(1_795_303_600_000),
        devices: vec!["ups-1".parse().unwrap(), "gate-1".parse().unwrap()],
        more_devices: true,
        earlier_epoch: Some(Epoch(0xAAAA_BBBB_CCCC_DDDD)),
    };
    let record = Record { boot_time: anchor().boot_time, body: RecordBody::Gap(gap), span: 1000 };
    Batch::of_records(1001, anchor(), vec![record])
}

pub(crate) fn snapshot() -> Batch {
    let catalogue = catalogue();
    let (_, _, group) = catalogue.groups().next().unwrap();
    let (index, rows) = rows().remove(0);
    let rows: Vec<_> = rows.into_iter().map(|row| Row { seq: 0, ..row }).collect();
    Batch {
        first_seq: 0,
        count: 0,
        anchor: anchor(),
        catalogue: Some(catalogue_hash()),
        groups: vec![GroupRows::encode(index, group, &rows, 0, &anchor())],
        records: records().records.into_iter().filter(|r| matches!(r.body, RecordBody::Health(_))).collect(),
        volatile: false,
        all_alarms: false,
    }
}

/// A snapshot that names every active alarm.
pub(crate) fn snapshot_with_alarms() -> Batch {
    let records = records().records.into_iter().filter(|r| matches!(r.body, RecordBody::Alarm(_))).collect();
    Batch { records, catalogue: None, groups: Vec::new(), all_alarms: true, ..snapshot() }
}

/// Records that were never on a disk at the agent.
pub(crate) fn volatile() -> Batch {
    Batch { volatile: true, ..records() }
}

/// The hello of an agent whose buffer is in memory and has dropped records.
pub(crate) fn hello_from_memory() -> Hello {
    let mut hello = hello();
    for claim in &mut hello.lanes {
        claim.volatile = true;
        claim.digests.iter_mut().for_each(|batch| batch.gap = true);
    }
    hello
}

pub(crate) fn hello() -> Hello {
    let digest = BatchDigest { first_seq: 40, last_seq: 41, digest: Digest(0xDEAD_BEEF_0000_0001), gap: false };
    let claim = |lane, digests| LaneClaim {
        lane,
        epoch: Epoch(0x5555),
        oldest_seq: 42,
        next_seq: 46,
        digests,
        volatile: false,
    };
    Hello {
        protocol: session::PROTOCOL,
        software: "kouan-agent 0.1.0".to_owned(),
        incarnation: Incarnation(0x9999),
        journal: Incarnation(0x1111_2222_3333_4444),
        now: anchor(),
        lanes: vec![claim(Lane::Urgent, vec![]), claim(Lane::Events, vec![]), claim(Lane::Readings, vec![digest])],
        kinds: RecordKind::KNOWN.to_vec(),
        catalogues: vec![catalogue_hash()],
        config_hash: "00ff".to_owned(),
    }
}

pub(crate) fn welcome() -> Welcome {
    let verdict = |lane, new_epoch| LaneVerdict {
        lane,
        epoch: Epoch(0x5555),
        stored_seq: 41,
        new_epoch,
        reason: if new_epoch { "digest of 40 to 41 differs".to_owned() } else { String::new() },
        last: None,
    };
    Welcome {
        session: SessionId(0x77),
        incarnation: Incarnation(0x8888),
        time: Timestamp(1_795_305_600_123),
        kinds: RecordKind::KNOWN.to_vec(),
        lanes: vec![verdict(Lane::Urgent, false), verdict(Lane::Readings, true)],
        wanted_catalogues: vec![catalogue_hash()],
        agent: "hall-1".parse().unwrap(),
        site: "demo-checkpoint".to_owned(),
    }
}

pub(crate) fn upload() -> Upload {
    let body = readings().encode();
    let envelope = Envelope {
        lane: Lane::Readings.number(),
        epoch: Epoch(0x5555),
        first_seq: 42,
        last_seq: 45,
        digest: Digest::of(&body),
        body,
    };
    Upload {
        session: SessionId(0x77),
        now: anchor(),
        catalogues: vec![catalogue().encode()],
        batches: vec![envelope],
        snapshots: vec![snapshot().encode()],
    }
}

pub(crate) fn receipt() -> Receipt {
    Receipt {
        stored: vec![LanePosition { lane: 3, epoch: Epoch(0x5555), stored_seq: 45 }],
        time: Timestamp(1_795_305_600_150),
        commands_wait: true,
        wanted_catalogues: vec![catalogue_hash()],
        quarantined: 1,
        held_ms: 0,
    }
}

/// A receipt that also says how long the collector took.
pub(crate) fn receipt_held() -> Receipt {
    Receipt { held_ms: 14, ..receipt() }
}

pub(crate) fn poll() -> CommandPoll {
    CommandPoll { session: SessionId(0x77), wait_ms: 25_000 }
}

pub(crate) fn delivery() -> CommandDelivery {
    CommandDelivery {
        held_ms: 1234,
        commands: vec![Command {
            id: "c-0001".parse().unwrap(),
            device: "gate-1".parse().unwrap(),
            action: "gate.open".to_owned(),
            arguments: vec![Field::new("direction", FieldValue::Text("in".to_owned()))],
            life_left_ms: 8766,
        }],
    }
}
