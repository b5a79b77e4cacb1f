//! An agent that does what a test says.

use std::collections::BTreeMap;
use std::sync::Arc;

use kouan_protocol::session::{
    BatchDigest, CommandDelivery, CommandPoll, Envelope, Hello, LaneClaim, MEDIA_TYPE, PROTOCOL, Receipt, Upload,
    Welcome,
};
use kouan_protocol::{
    ActionSpec, AlarmChange, AlarmState, Anchor, ArgumentKind, ArgumentSpec, Batch, BootId, Catalogue, Cell, Clock,
    CommandProgress, CommandState, DeviceHealth, DeviceSpec, Digest, Epoch, Event, Field, FieldValue, GroupIndex,
    GroupRows, GroupSpec, HealthLevel, Incarnation, Lane, ManualClock, PointKind, PointSpec, Privacy, Record,
    RecordBody, RecordKind, Row, SessionId, Severity, Value, frame,
};
use reqwest::StatusCode;

/// What the collector refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) problem: serde_json::Value,
}

pub(crate) struct ScriptedAgent {
    base: String,
    pub(crate) token: String,
    clock: Arc<ManualClock>,
    http: reqwest::Client,
    pub(crate) session: SessionId,
    pub(crate) incarnation: Incarnation,
    pub(crate) journal: Incarnation,
    pub(crate) epochs: BTreeMap<Lane, Epoch>,
    pub(crate) next: BTreeMap<Lane, u64>,
    pub(crate) digests: BTreeMap<Lane, Vec<BatchDigest>>,
    /// Whether its buffer is in memory only.
    pub(crate) volatile: bool,
    /// Another boot than the clock's.
    pub(crate) boot: Option<BootId>,
}

/// `ups-1` with a voltage and a mode, `relay-1` with an action, `gate-1` with neither.
pub(crate) fn catalogue() -> Catalogue {
    let point = |name: &str, kind, unit: &str, states: &[&str]| PointSpec {
        name: name.parse().unwrap(),
        kind,
        unit: unit.to_owned(),
        decimals: 1,
        states: states.iter().map(ToString::to_string).collect(),
    };
    let device = |key: &str, class: &str, groups, actions| DeviceSpec {
        key: key.parse().unwrap(),
        label: format!("The {class}"),
        class: class.to_owned(),
        profile: "test".to_owned(),
        area: "lane 1".to_owned(),
        link: "tcp".to_owned(),
        parent: None,
        groups,
        actions,
    };
    let argument = |name: &str, kind, min, max| ArgumentSpec {
        name: name.to_owned(),
        kind,
        required: true,
        min,
        max,
        choices: Vec::new(),
    };
    let group = GroupSpec {
        name: "electrical".to_owned(),
        every_ms: 1_000,
        heartbeat_ms: 60_000,
        points: vec![
            point("voltage", PointKind::Measurement, "V", &[]),
            point("mode", PointKind::State, "", &["mains", "battery"]),
        ],
    };
    let action = ActionSpec {
        name: "relay.set".to_owned(),
        moves: true,
        arguments: vec![
            argument("channel", ArgumentKind::Integer, Some(1.0), Some(8.0)),
            argument("on", ArgumentKind::Flag, None, None),
        ],
    };
    Catalogue {
        devices: vec![
            device("ups-1", "ups", vec![group], vec![]),
            device("relay-1", "relay-board", vec![], vec![action]),
            device("gate-1", "passenger-gate", vec![], vec![]),
        ],
    }
}

pub(crate) fn passage(direction: &str) -> RecordBody {
    let mut card = Field::new("card", FieldValue::Text("0001234".to_owned()));
    card.privacy = Privacy::Personal;
    RecordBody::Event(Event {
        device: "gate-1".parse().unwrap(),
        kind: "passage".to_owned(),
        fields: vec![Field::new("direction", FieldValue::Text(direction.to_owned())), card],
        blobs: Vec::new(),
    })
}

pub(crate) fn alarm(state: AlarmState) -> RecordBody {
    RecordBody::Alarm(AlarmChange {
        device: "ups-1".parse().unwrap(),
        condition: "on-battery".to_owned(),
        state,
        severity: Severity::Major,
        text: "The mains are gone".to_owned(),
        point: "mode".to_owned(),
        text_zh: String::new(),
    })
}

pub(crate) fn health(level: HealthLevel) -> RecordBody {
    let reason = if level == HealthLevel::Working { "" } else { "timeout" };
    RecordBody::Health(DeviceHealth {
        device: "ups-1".parse().unwrap(),
        level,
        reason: reason.to_owned(),
        text: if reason.is_empty() { String::new() } else { "no answer".to_owned() },
        text_zh: if reason.is_empty() { String::new() } else { "没有应答".to_owned() },
    })
}

impl ScriptedAgent {
    pub(crate) fn new(base: &str, token: &str, clock: Arc<ManualClock>, http: reqwest::Client) -> Self {
        Self {
            base: base.to_owned(),
            token: token.to_owned(),
            clock,
            http,
            session: SessionId(0),
            incarnation: Incarnation::random(),
            journal: Incarnation::random(),
            epochs: Lane::ALL.into_iter().map(|lane| (lane, Epoch::random())).collect(),
            next: Lane::ALL.into_iter().map(|lane| (lane, 1)).collect(),
            digests: BTreeMap::new(),
            volatile: false,
            boot: None,
        }
    }

    /// A machine that starts with a copy of this one's disk.
    pub(crate) fn copy(&self) -> Self {
        Self {
            base: self.base.clone(),
            token: self.token.clone(),
            clock: Arc::clone(&self.clock),
            http: self.http.clone(),
            session: self.session,
            incarnation: self.incarnation,
            journal: self.journal,
            epochs: self.epochs.clone(),
            next: self.next.clone(),
            digests: self.digests.clone(),
            volatile: self.volatile,
            boot: self.boot,
        }
    }

    /// Begins the lane again. Returns the epoch that was.
    pub(crate) fn begin_epoch(&mut self, lane: Lane) -> Epoch {
        self.next.insert(lane, 1);
        self.digests.remove(&lane);
        self.epochs.insert(lane, Epoch::random()).unwrap()
    }

    /// A batch of one gap.
    pub(crate) fn gap_batch(&mut self, lane: Lane, gap: RecordBody) -> Envelope {
        let batch = self.batch(lane, vec![gap]);
        if let Some(last) = self.digests.get_mut(&lane).and_then(|digests| digests.last_mut()) {
            last.gap = true;
        }
        batch
    }

    /// The collector has another address after a restart.
    pub(crate) fn moved_to(&mut self, base: &str) {
        self.base = base.to_owned();
    }

    pub(crate) fn now(&self) -> Anchor {
        let now = self.clock.anchor();
        Anchor { boot: self.boot.unwrap_or(now.boot), ..now }
    }

    /// The agent has a clock of its own from now on.
    pub(crate) fn give_clock(&mut self, clock: ManualClock) -> Arc<ManualClock> {
        self.clock = Arc::new(clock);
        Arc::clone(&self.clock)
    }

    pub(crate) async fn send(&self, path: &str, body: Vec<u8>, zstd: bool) -> Result<Vec<u8>, Refusal> {
        let mut request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        request = request.header("content-type", MEDIA_TYPE).body(body);
        if zstd {
            request = request.header("content-encoding", "zstd");
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let bytes = response.bytes().await.unwrap().to_vec();
        if status == StatusCode::OK {
            return Ok(bytes);
        }
        Err(Refusal { status, problem: serde_json::from_slice(&bytes).unwrap_or_default() })
    }

    /// Says hello with lanes whose oldest record is `oldest`.
    pub(crate) async fn hello_keeping(&mut self, oldest: u64) -> Welcome {
        let claim = |lane: &Lane| LaneClaim {
            lane: *lane,
            epoch: self.epochs[lane],
            oldest_seq: oldest.min(self.next[lane]),
            next_seq: self.next[lane],
            digests: self.digests.get(lane).cloned().unwrap_or_default(),
            volatile: self.volatile,
        };
        let hello = Hello {
            protocol: PROTOCOL,
            software: "scripted-agent 1".to_owned(),
            incarnation: self.incarnation,
            journal: self.journal,
            now: self.now(),
            lanes: self.epochs.keys().map(claim).collect(),
            kinds: RecordKind::KNOWN.to_vec(),
            catalogues: vec![Catalogue::hash_of(&catalogue().encode())],
            config_hash: "abc".to_owned(),
        };
        let welcome = Welcome::decode(&self.send("/agent/v1/hello", hello.encode(), false).await.unwrap()).unwrap();
        self.session = welcome.session;
        welcome
    }

    pub(crate) async fn hello(&mut self) -> Welcome {
        self.hello_keeping(1).await
    }

    /// A batch of records, each made now.
    pub(crate) fn batch(&mut self, lane: Lane, bodies: Vec<RecordBody>) -> Envelope {
        let now = self.now();
        let records = bodies.into_iter().map(|body| Record::new(now.boot_time, body)).collect();
        let batch = Batch::of_records(self.next[&lane], now, records);
        self.envelope(lane, &batch)
    }

    /// A batch of records, each so many milliseconds old.
    pub(crate) fn aged(&mut self, lane: Lane, records: Vec<(u64, RecordBody)>) -> Envelope {
        let now = self.now();
        let record = |(age, body)| Record::new(kouan_protocol::BootTime(now.boot_time.0 - age), body);
        let batch = Batch::of_records(self.next[&lane], now, records.into_iter().map(record).collect());
        self.envelope(lane, &batch)
    }

    /// Rows of `ups-1`: age in milliseconds and voltage.
    pub(crate) fn rows(&mut self, rows: &[(u64, f64)]) -> Envelope {
        let batch = self.row_batch(self.next[&Lane::Readings], rows);
        self.envelope(Lane::Readings, &batch)
    }

    pub(crate) fn row_batch(&self, first_seq: u64, rows: &[(u64, f64)]) -> Batch {
        let (now, catalogue) = (self.now(), catalogue());
        let (_, group) = catalogue.group(GroupIndex(0)).unwrap();
        let rows: Vec<Row> = rows
            .iter()
            .zip(0..)
            .map(|((age, voltage), at)| Row {
                seq: if first_seq == 0 { 0 } else { first_seq + at },
                boot_time: kouan_protocol::BootTime(now.boot_time.0 - age),
                cells: vec![
                    (0, Cell::good(Value::Number(*voltage))),
                    (1, Cell::good(Value::text(if *voltage > 100.0 { "mains" } else { "battery" }))),
                ],
            })
            .collect();
        Batch {
            first_seq,
            count: if first_seq == 0 { 0 } else { rows.len() as u64 },
            anchor: now,
            catalogue: Some(Catalogue::hash_of(&catalogue.encode())),
            groups: vec![GroupRows::encode(GroupIndex(0), group, &rows, first_seq, &now)],
            records: Vec::new(),
            volatile: false,
            all_alarms: false,
        }
    }

    pub(crate) fn envelope(&mut self, lane: Lane, batch: &Batch) -> Envelope {
        let body = batch.encode();
        let (first_seq, last_seq, digest) = (batch.first_seq, batch.last_seq(), Digest::of(&body));
        self.next.insert(lane, last_seq + 1);
        self.digests.entry(lane).or_default().push(BatchDigest { first_seq, last_seq, digest, gap: false });
        Envelope { lane: lane.number(), epoch: self.epochs[&lane], first_seq, last_seq, digest, body }
    }

    pub(crate) fn upload_of(&self, batches: Vec<Envelope>) -> Upload {
        Upload { session: self.session, now: self.now(), catalogues: Vec::new(), batches, snapshots: Vec::new() }
    }

    pub(crate) async fn try_upload(&self, upload: Upload) -> Result<Receipt, Refusal> {
        let body = frame::compress(&upload.encode()).unwrap();
        Ok(Receipt::decode(&self.send("/agent/v1/upload", body, true).await?).unwrap())
    }

    /// Uploads batches with the catalogue.
    pub(crate) async fn upload(&self, batches: Vec<Envelope>) -> Receipt {
        let upload = Upload { catalogues: vec![catalogue().encode()], ..self.upload_of(batches) };
        self.try_upload(upload).await.unwrap()
    }

    pub(crate) async fn poll(&self, wait_ms: u32) -> Result<CommandDelivery, Refusal> {
        let poll = CommandPoll { session: self.session, wait_ms };
        Ok(CommandDelivery::decode(&self.send("/agent/v1/commands", poll.encode(), false).await?).unwrap())
    }

    /// Uploads a snapshot that names all alarms that stand.
    pub(crate) async fn snapshot(&self, alarms: Vec<Record>) {
        self.snapshot_of(self.now(), alarms).await;
    }

    /// The same, made at that time.
    pub(crate) async fn snapshot_of(&self, made: Anchor, alarms: Vec<Record>) {
        let batch = Batch { first_seq: 0, count: 0, all_alarms: true, ..Batch::of_records(0, made, alarms) };
        let upload = Upload {
            catalogues: vec![catalogue().encode()],
            snapshots: vec![batch.encode()],
            ..self.upload_of(vec![])
        };
        self.try_upload(upload).await.unwrap();
    }

    /// Reports where a command stands.
    pub(crate) async fn progress(&mut self, command: &str, state: CommandState) {
        self.progress_of(self.journal, command, state).await;
    }

    /// Reports where a command stands, as that journal has it.
    pub(crate) async fn progress_of(&mut self, journal: Incarnation, command: &str, state: CommandState) {
        let progress = CommandProgress {
            command: command.parse().unwrap(),
            state,
            reason: "a reason".to_owned(),
            reason_zh: "原因".to_owned(),
            results: vec![Field::new("answer", FieldValue::Integer(1))],
            journal,
            local: None,
        };
        let batch = self.batch(Lane::Urgent, vec![RecordBody::Command(progress)]);
        self.upload(vec![batch]).await;
    }

    pub(crate) fn position(receipt: &Receipt, lane: Lane) -> u64 {
        receipt.stored.iter().find(|at| at.lane == lane.number()).unwrap().stored_seq
    }
}
