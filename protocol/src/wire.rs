//! The protobuf messages, with hand-set tags. `docs/wire.md` describes each; a tag is never given a new meaning.

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Anchor {
    #[prost(fixed64, tag = "1")]
    pub(crate) boot: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) boot_ms: u64,
    #[prost(int64, tag = "3")]
    pub(crate) wall_ms: i64,
    #[prost(bool, tag = "4")]
    pub(crate) trusted: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Batch {
    #[prost(uint64, tag = "1")]
    pub(crate) first_seq: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) count: u64,
    #[prost(message, optional, tag = "3")]
    pub(crate) anchor: Option<Anchor>,
    #[prost(fixed64, tag = "4")]
    pub(crate) catalogue: u64,
    /// [`GroupRows`], which are opened where they lie.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub(crate) groups: Vec<prost::bytes::Bytes>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) records: Vec<Record>,
    #[prost(bool, tag = "7")]
    pub(crate) volatile: bool,
    #[prost(bool, tag = "8")]
    pub(crate) all_alarms: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GroupRows {
    #[prost(uint32, tag = "1")]
    pub(crate) group: u32,
    #[prost(uint32, repeated, tag = "2")]
    pub(crate) seq_steps: Vec<u32>,
    #[prost(sint64, repeated, tag = "3")]
    pub(crate) time_steps: Vec<i64>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) presence: Vec<u8>,
    #[prost(uint32, repeated, tag = "5")]
    pub(crate) encodings: Vec<u32>,
    #[prost(sint64, repeated, tag = "6")]
    pub(crate) integers: Vec<i64>,
    #[prost(double, repeated, tag = "7")]
    pub(crate) doubles: Vec<f64>,
    #[prost(string, repeated, tag = "8")]
    pub(crate) texts: Vec<String>,
    #[prost(uint32, repeated, tag = "9")]
    pub(crate) qualities: Vec<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Record {
    #[prost(uint32, tag = "1")]
    pub(crate) kind: u32,
    #[prost(sint64, tag = "2")]
    pub(crate) time_step: i64,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) body: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(crate) more: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Field {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(oneof = "FieldValue", tags = "2, 3, 4, 5")]
    pub(crate) value: Option<FieldValue>,
    #[prost(uint32, tag = "6")]
    pub(crate) privacy: u32,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum FieldValue {
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(sint64, tag = "3")]
    Integer(i64),
    #[prost(string, tag = "4")]
    Text(String),
    #[prost(bool, tag = "5")]
    Flag(bool),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BlobRef {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) sha256: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) size: u64,
    #[prost(string, tag = "3")]
    pub(crate) media_type: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Event {
    #[prost(string, tag = "1")]
    pub(crate) device: String,
    #[prost(string, tag = "2")]
    pub(crate) kind: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) fields: Vec<Field>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) blobs: Vec<BlobRef>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AlarmChange {
    #[prost(string, tag = "1")]
    pub(crate) device: String,
    #[prost(string, tag = "2")]
    pub(crate) condition: String,
    #[prost(uint32, tag = "3")]
    pub(crate) state: u32,
    #[prost(uint32, tag = "4")]
    pub(crate) severity: u32,
    #[prost(string, tag = "5")]
    pub(crate) text: String,
    #[prost(string, tag = "6")]
    pub(crate) point: String,
    #[prost(string, tag = "7")]
    pub(crate) text_zh: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CommandProgress {
    #[prost(string, tag = "1")]
    pub(crate) command: String,
    #[prost(uint32, tag = "2")]
    pub(crate) state: u32,
    #[prost(string, tag = "3")]
    pub(crate) reason: String,
    #[prost(message, repeated, tag = "4")]
    pub(crate) results: Vec<Field>,
    #[prost(fixed64, tag = "5")]
    pub(crate) journal: u64,
    #[prost(message, optional, tag = "6")]
    pub(crate) local: Option<LocalRequest>,
    #[prost(string, tag = "7")]
    pub(crate) reason_zh: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LocalRequest {
    #[prost(string, tag = "1")]
    pub(crate) device: String,
    #[prost(string, tag = "2")]
    pub(crate) action: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) arguments: Vec<Field>,
    #[prost(string, tag = "4")]
    pub(crate) by: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DeviceHealth {
    #[prost(string, tag = "1")]
    pub(crate) device: String,
    #[prost(uint32, tag = "2")]
    pub(crate) level: u32,
    #[prost(string, tag = "3")]
    pub(crate) reason: String,
    #[prost(string, tag = "4")]
    pub(crate) text: String,
    #[prost(string, tag = "5")]
    pub(crate) text_zh: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Gap {
    #[prost(uint32, tag = "1")]
    pub(crate) reason: u32,
    #[prost(uint64, tag = "2")]
    pub(crate) lost: u64,
    #[prost(int64, tag = "3")]
    pub(crate) from_ms: i64,
    #[prost(int64, tag = "4")]
    pub(crate) to_ms: i64,
    #[prost(string, repeated, tag = "5")]
    pub(crate) devices: Vec<String>,
    #[prost(bool, tag = "6")]
    pub(crate) more_devices: bool,
    #[prost(fixed64, tag = "7")]
    pub(crate) epoch: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Catalogue {
    #[prost(message, repeated, tag = "1")]
    pub(crate) devices: Vec<Device>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Device {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) label: String,
    #[prost(string, tag = "3")]
    pub(crate) class: String,
    #[prost(string, tag = "4")]
    pub(crate) profile: String,
    #[prost(string, tag = "5")]
    pub(crate) area: String,
    #[prost(string, tag = "6")]
    pub(crate) link: String,
    #[prost(string, tag = "7")]
    pub(crate) parent: String,
    #[prost(message, repeated, tag = "8")]
    pub(crate) groups: Vec<Group>,
    #[prost(message, repeated, tag = "9")]
    pub(crate) actions: Vec<Action>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Group {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(uint32, tag = "2")]
    pub(crate) every_ms: u32,
    #[prost(uint32, tag = "3")]
    pub(crate) heartbeat_ms: u32,
    #[prost(message, repeated, tag = "4")]
    pub(crate) points: Vec<Point>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Point {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(uint32, tag = "2")]
    pub(crate) kind: u32,
    #[prost(string, tag = "3")]
    pub(crate) unit: String,
    #[prost(uint32, tag = "4")]
    pub(crate) decimals: u32,
    #[prost(string, repeated, tag = "5")]
    pub(crate) states: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Action {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bool, tag = "2")]
    pub(crate) moves: bool,
    #[prost(message, repeated, tag = "3")]
    pub(crate) arguments: Vec<Argument>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Argument {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(uint32, tag = "2")]
    pub(crate) kind: u32,
    #[prost(bool, tag = "3")]
    pub(crate) required: bool,
    #[prost(double, optional, tag = "4")]
    pub(crate) min: Option<f64>,
    #[prost(double, optional, tag = "5")]
    pub(crate) max: Option<f64>,
    #[prost(string, repeated, tag = "6")]
    pub(crate) choices: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Hello {
    #[prost(uint32, tag = "1")]
    pub(crate) protocol: u32,
    #[prost(string, tag = "2")]
    pub(crate) software: String,
    #[prost(fixed64, tag = "3")]
    pub(crate) incarnation: u64,
    #[prost(fixed64, tag = "4")]
    pub(crate) journal: u64,
    #[prost(message, optional, tag = "5")]
    pub(crate) now: Option<Anchor>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) lanes: Vec<LaneClaim>,
    #[prost(uint32, repeated, tag = "7")]
    pub(crate) kinds: Vec<u32>,
    #[prost(fixed64, repeated, tag = "8")]
    pub(crate) catalogues: Vec<u64>,
    #[prost(string, tag = "9")]
    pub(crate) config_hash: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LaneClaim {
    #[prost(uint32, tag = "1")]
    pub(crate) lane: u32,
    #[prost(fixed64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) oldest_seq: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) next_seq: u64,
    #[prost(message, repeated, tag = "5")]
    pub(crate) digests: Vec<BatchDigest>,
    #[prost(bool, tag = "6")]
    pub(crate) volatile: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BatchDigest {
    #[prost(uint64, tag = "1")]
    pub(crate) first_seq: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) last_seq: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) digest: u64,
    #[prost(bool, tag = "4")]
    pub(crate) gap: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Welcome {
    #[prost(fixed64, tag = "1")]
    pub(crate) session: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) incarnation: u64,
    #[prost(int64, tag = "3")]
    pub(crate) time_ms: i64,
    #[prost(uint32, repeated, tag = "4")]
    pub(crate) kinds: Vec<u32>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) lanes: Vec<LaneVerdict>,
    #[prost(fixed64, repeated, tag = "6")]
    pub(crate) wanted_catalogues: Vec<u64>,
    #[prost(string, tag = "7")]
    pub(crate) agent: String,
    #[prost(string, tag = "8")]
    pub(crate) site: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LaneVerdict {
    #[prost(uint32, tag = "1")]
    pub(crate) lane: u32,
    #[prost(fixed64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) stored_seq: u64,
    #[prost(bool, tag = "4")]
    pub(crate) new_epoch: bool,
    #[prost(string, tag = "5")]
    pub(crate) reason: String,
    #[prost(fixed64, tag = "6")]
    pub(crate) last: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Upload {
    #[prost(fixed64, tag = "1")]
    pub(crate) session: u64,
    #[prost(message, optional, tag = "2")]
    pub(crate) now: Option<Anchor>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub(crate) catalogues: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) batches: Vec<Envelope>,
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub(crate) snapshots: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Envelope {
    #[prost(uint32, tag = "1")]
    pub(crate) lane: u32,
    #[prost(fixed64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) first_seq: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) last_seq: u64,
    #[prost(fixed64, tag = "5")]
    pub(crate) digest: u64,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) body: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Receipt {
    #[prost(message, repeated, tag = "1")]
    pub(crate) stored: Vec<LanePosition>,
    #[prost(int64, tag = "2")]
    pub(crate) time_ms: i64,
    #[prost(bool, tag = "3")]
    pub(crate) commands_wait: bool,
    #[prost(fixed64, repeated, tag = "4")]
    pub(crate) wanted_catalogues: Vec<u64>,
    #[prost(uint64, tag = "5")]
    pub(crate) quarantined: u64,
    #[prost(uint64, tag = "6")]
    pub(crate) held_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LanePosition {
    #[prost(uint32, tag = "1")]
    pub(crate) lane: u32,
    #[prost(fixed64, tag = "2")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) stored_seq: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CommandPoll {
    #[prost(fixed64, tag = "1")]
    pub(crate) session: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) wait_ms: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CommandDelivery {
    #[prost(uint64, tag = "1")]
    pub(crate) held_ms: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) commands: Vec<Command>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Command {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) device: String,
    #[prost(string, tag = "3")]
    pub(crate) action: String,
    #[prost(message, repeated, tag = "4")]
    pub(crate) arguments: Vec<Field>,
    #[prost(uint64, tag = "5")]
    pub(crate) life_left_ms: u64,
}
