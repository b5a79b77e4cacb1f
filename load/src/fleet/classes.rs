//! What a device of each class measures, how its values move, and what happens at it.
//!
//! Values are integers in units of the last decimal that the device shows. How often a device is asked, and with which
//! dead-bands, is what the profiles of such devices do.

use kouan_protocol::{Field, FieldValue, PointKind, PointSpec, Privacy};

use crate::dice::Dice;

/// How a value moves from one poll to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Motion {
    /// By at most so much, between two bounds.
    Walk { step: i64, low: i64, high: i64 },
    /// Around one value, by at most so much.
    Noise { around: i64, spread: i64 },
    /// Upwards, by about so much a minute.
    Counter { per_minute: u64 },
    /// The first word, and now and then another for a while: one poll in so many changes it.
    Word { words: &'static [&'static str], one_in: u64 },
}

/// One point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PointPlay {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) decimals: u8,
    pub(crate) motion: Motion,
    /// A value that moved by less since it was last kept is left out.
    pub(crate) dead_band: i64,
}

/// Points that are read together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupPlay {
    pub(crate) name: &'static str,
    pub(crate) every_s: u64,
    pub(crate) points: &'static [PointPlay],
}

/// Something that happens at a device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventPlay {
    pub(crate) kind: &'static str,
    /// How often in a busy hour.
    pub(crate) per_hour: u64,
    pub(crate) fields: fn(&mut Dice) -> Vec<Field>,
}

/// A class of devices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClassPlay {
    pub(crate) groups: &'static [GroupPlay],
    pub(crate) events: &'static [EventPlay],
}

impl PointPlay {
    pub(crate) fn spec(&self) -> anyhow::Result<PointSpec> {
        let (kind, states) = match self.motion {
            Motion::Walk { .. } | Motion::Noise { .. } => (PointKind::Measurement, Vec::new()),
            Motion::Counter { .. } => (PointKind::Counter, Vec::new()),
            Motion::Word { words, .. } => (PointKind::State, words.iter().map(|word| (*word).to_owned()).collect()),
        };
        let (name, unit) = (self.name.parse()?, self.unit.to_owned());
        Ok(PointSpec { name, kind, unit, decimals: self.decimals, states })
    }
}

const fn walk(
    name: &'static str,
    unit: &'static str,
    decimals: u8,
    (low, high): (i64, i64),
    step: i64,
    dead_band: i64,
) -> PointPlay {
    PointPlay { name, unit, decimals, motion: Motion::Walk { step, low, high }, dead_band }
}

const fn noise(
    name: &'static str,
    unit: &'static str,
    decimals: u8,
    around: i64,
    spread: i64,
    dead_band: i64,
) -> PointPlay {
    PointPlay { name, unit, decimals, motion: Motion::Noise { around, spread }, dead_band }
}

const fn counter(name: &'static str, unit: &'static str, per_minute: u64) -> PointPlay {
    PointPlay { name, unit, decimals: 0, motion: Motion::Counter { per_minute }, dead_band: 1 }
}

const fn word(name: &'static str, words: &'static [&'static str], one_in: u64) -> PointPlay {
    PointPlay { name, unit: "", decimals: 0, motion: Motion::Word { words, one_in }, dead_band: 1 }
}

const OK: &[&str] = &["ok", "warning", "failed"];
const UP: &[&str] = &["up", "down"];
const ON: &[&str] = &["on", "off"];

const NETWORK: &[GroupPlay] = &[
    GroupPlay {
        name: "system",
        every_s: 30,
        points: &[
            walk("cpu.load", "%", 0, (1, 95), 6, 5),
            walk("memory.used", "%", 0, (20, 90), 1, 2),
            walk("temperature", "°C", 0, (25, 60), 1, 1),
            word("fan.state", OK, 20_000),
            word("supply.state", OK, 20_000),
            counter("uptime", "s", 60),
        ],
    },
    GroupPlay {
        name: "uplink",
        every_s: 60,
        points: &[
            word("port.state", UP, 10_000),
            counter("port.received", "B", 90_000_000),
            counter("port.sent", "B", 30_000_000),
            counter("port.errors", "", 0),
        ],
    },
];

const LINE: &[GroupPlay] = &[GroupPlay {
    name: "line",
    every_s: 10,
    points: &[
        noise("round_trip", "ms", 1, 84, 30, 20),
        walk("loss", "%", 1, (0, 20), 1, 5),
        word("line.state", UP, 20_000),
        counter("port.received", "B", 40_000_000),
    ],
}];

const HOST: &[GroupPlay] = &[
    GroupPlay {
        name: "load",
        every_s: 15,
        points: &[
            walk("cpu.load", "%", 1, (5, 950), 40, 50),
            walk("memory.used", "%", 1, (200, 900), 3, 10),
            walk("disk.used", "%", 1, (300, 800), 1, 10),
            walk("network.received", "kB/s", 0, (10, 90_000), 900, 2_000),
            walk("network.sent", "kB/s", 0, (10, 40_000), 400, 1_000),
        ],
    },
    GroupPlay {
        name: "hardware",
        every_s: 60,
        points: &[
            walk("temperature", "°C", 0, (18, 45), 1, 1),
            noise("fan.speed", "rpm", 0, 5_400, 60, 100),
            noise("power", "W", 0, 240, 12, 10),
            word("health", OK, 30_000),
            word("disk.health", OK, 30_000),
        ],
    },
];

const CAMERA: &[GroupPlay] = &[GroupPlay {
    name: "health",
    every_s: 30,
    points: &[
        word("video.ok", &["yes", "no"], 8_000),
        noise("stream.bitrate", "kbit/s", 0, 4_096, 300, 400),
        noise("stream.frames", "1/s", 0, 25, 1, 2),
        walk("clock.offset", "s", 1, (-20, 20), 1, 5),
    ],
}];

const FLOW_CAMERA: &[GroupPlay] = &[GroupPlay {
    name: "flow",
    every_s: 30,
    points: &[
        counter("people.in", "", 14),
        counter("people.out", "", 13),
        word("video.ok", &["yes", "no"], 8_000),
        walk("clock.offset", "s", 1, (-20, 20), 1, 5),
    ],
}];

const RECORDER: &[GroupPlay] = &[GroupPlay {
    name: "storage",
    every_s: 60,
    points: &[
        walk("disk.used", "%", 1, (800, 990), 1, 5),
        word("disk.health", OK, 30_000),
        noise("channels.recording", "", 0, 64, 1, 1),
        word("recording.state", ON, 30_000),
    ],
}];

const GATE: &[GroupPlay] = &[GroupPlay {
    name: "status",
    every_s: 1,
    points: &[
        word("door.state", &["closed", "open", "moving"], 12),
        word("lane.mode", &["free", "controlled", "closed"], 40_000),
        word("fault", &["none", "motor", "sensor"], 200_000),
        counter("passages.entry", "", 4),
        counter("passages.exit", "", 3),
    ],
}];

const BARRIER: &[GroupPlay] = &[GroupPlay {
    name: "status",
    every_s: 1,
    points: &[
        word("boom.state", &["down", "up", "moving"], 40),
        word("loop.occupied", ON, 30),
        counter("passages", "", 2),
        word("fault", &["none", "motor"], 200_000),
    ],
}];

const ELECTRICAL: &[GroupPlay] = &[GroupPlay {
    name: "power",
    every_s: 5,
    points: &[
        noise("voltage.l1", "V", 1, 2_301, 12, 10),
        noise("voltage.l2", "V", 1, 2_298, 12, 10),
        noise("voltage.l3", "V", 1, 2_304, 12, 10),
        walk("current.l1", "A", 2, (100, 6_000), 20, 50),
        walk("current.l2", "A", 2, (100, 6_000), 20, 50),
        walk("current.l3", "A", 2, (100, 6_000), 20, 50),
        walk("power.active", "W", 0, (200, 30_000), 90, 200),
        noise("frequency", "Hz", 2, 5_000, 2, 2),
        noise("power.factor", "", 2, 93, 2, 2),
        counter("energy", "Wh", 80),
    ],
}];

const BOX: &[GroupPlay] = &[GroupPlay {
    name: "box",
    every_s: 5,
    points: &[
        noise("voltage", "V", 1, 2_300, 12, 10),
        walk("current", "A", 2, (20, 900), 8, 20),
        walk("temperature", "°C", 1, (-50, 550), 2, 5),
        walk("humidity", "%", 1, (200, 950), 4, 10),
        word("door.state", &["closed", "open"], 5_000),
        word("breaker.state", ON, 50_000),
        word("surge.state", OK, 50_000),
        counter("energy", "Wh", 20),
    ],
}];

const ENVIRONMENT: &[GroupPlay] = &[GroupPlay {
    name: "air",
    every_s: 5,
    points: &[
        walk("temperature", "°C", 1, (180, 320), 1, 2),
        walk("humidity", "%", 1, (300, 700), 3, 10),
        walk("carbon_dioxide", "ppm", 0, (400, 1_600), 8, 20),
        word("leak", &["none", "leak"], 200_000),
        word("smoke", &["none", "smoke"], 200_000),
    ],
}];

const SWITCHED: &[GroupPlay] = &[GroupPlay {
    name: "outputs",
    every_s: 10,
    points: &[
        word("power.state", ON, 4_000),
        word("fault", &["none", "fault"], 100_000),
        walk("temperature", "°C", 0, (25, 70), 1, 1),
        noise("voltage", "V", 1, 2_300, 12, 10),
    ],
}];

const CONTACT: &[GroupPlay] = &[GroupPlay {
    name: "contact",
    every_s: 2,
    points: &[word("contact.state", &["closed", "open"], 600), word("tamper", &["none", "tamper"], 200_000)],
}];

const DISPLAY: &[GroupPlay] = &[GroupPlay {
    name: "status",
    every_s: 30,
    points: &[
        word("power.state", ON, 2_000),
        word("input", &["hdmi-1", "hdmi-2"], 8_000),
        walk("temperature", "°C", 0, (30, 65), 1, 1),
        noise("brightness", "%", 0, 80, 1, 5),
        word("health", OK, 60_000),
    ],
}];

const TERMINAL: &[GroupPlay] = &[GroupPlay {
    name: "status",
    every_s: 60,
    points: &[
        word("application.state", &["running", "stopped"], 3_000),
        walk("cpu.load", "%", 0, (1, 95), 5, 10),
        walk("memory.used", "%", 0, (20, 90), 1, 5),
        word("screen.state", ON, 900),
        walk("signal", "dBm", 0, (-80, -40), 2, 4),
        counter("uptime", "s", 60),
    ],
}];

const HANDHELD: &[GroupPlay] = &[GroupPlay {
    name: "status",
    every_s: 60,
    points: &[
        walk("battery.charge", "%", 0, (15, 100), 1, 1),
        walk("signal", "dBm", 0, (-85, -40), 3, 4),
        word("charging", ON, 200),
        word("application.state", &["running", "stopped"], 3_000),
    ],
}];

const PRINTER: &[GroupPlay] = &[GroupPlay {
    name: "printer",
    every_s: 10,
    points: &[
        word("paper.state", &["ok", "low", "out"], 6_000),
        word("printer.state", &["ready", "offline", "error"], 8_000),
        counter("tickets", "", 2),
        word("cover.state", &["closed", "open"], 9_000),
    ],
}];

const CABINET: &[GroupPlay] = &[GroupPlay {
    name: "cabinet",
    every_s: 2,
    points: &[
        word("door.state", &["closed", "open"], 300),
        noise("slots.occupied", "", 0, 280, 1, 1),
        walk("temperature", "°C", 1, (180, 300), 1, 2),
        word("fault", &["none", "lock"], 200_000),
    ],
}];

const SERVICE: &[GroupPlay] = &[GroupPlay {
    name: "service",
    every_s: 15,
    points: &[
        noise("answer_time", "ms", 0, 45, 20, 20),
        word("service.state", UP, 20_000),
        walk("clock.offset", "ms", 1, (-40, 40), 2, 10),
        walk("sessions", "", 0, (0, 400), 5, 10),
    ],
}];

fn text(name: &str, value: &str, privacy: Privacy) -> Field {
    Field { name: name.to_owned(), value: FieldValue::Text(value.to_owned()), privacy }
}

fn passage(dice: &mut Dice) -> Vec<Field> {
    let direction = if dice.chance(2) { "entry" } else { "exit" };
    vec![text("direction", direction, Privacy::None)]
}

fn plate(dice: &mut Dice) -> Vec<Field> {
    let number = format!("粤C{:05}", dice.next() % 100_000);
    let confidence = Field {
        name: "confidence".to_owned(),
        value: FieldValue::Integer(80 + (dice.next() % 20) as i64),
        privacy: Privacy::None,
    };
    vec![text("plate", &number, Privacy::Personal), text("colour", "blue", Privacy::None), confidence]
}

fn card(dice: &mut Dice) -> Vec<Field> {
    let number = format!("{:08}", dice.next() % 100_000_000);
    let result = if dice.chance(40) { "denied" } else { "granted" };
    vec![text("card", &number, Privacy::Personal), text("result", result, Privacy::None)]
}

fn ticket(dice: &mut Dice) -> Vec<Field> {
    vec![text("number", &format!("A{:03}", dice.next() % 1_000), Privacy::None)]
}

fn slot(dice: &mut Dice) -> Vec<Field> {
    let slot = Field {
        name: "slot".to_owned(),
        value: FieldValue::Integer((dice.next() % 320) as i64),
        privacy: Privacy::None,
    };
    vec![slot]
}

fn nothing(_: &mut Dice) -> Vec<Field> {
    Vec::new()
}

const PASSAGES: &[EventPlay] = &[EventPlay { kind: "passage", per_hour: 240, fields: passage }];
const PLATES: &[EventPlay] = &[EventPlay { kind: "plate", per_hour: 120, fields: plate }];
const CARDS: &[EventPlay] = &[EventPlay { kind: "card", per_hour: 60, fields: card }];
const TICKETS: &[EventPlay] = &[EventPlay { kind: "ticket", per_hour: 60, fields: ticket }];
const CALLS: &[EventPlay] = &[EventPlay { kind: "called", per_hour: 12, fields: ticket }];
const SLOTS: &[EventPlay] = &[EventPlay { kind: "slot-opened", per_hour: 30, fields: slot }];
const PRESSES: &[EventPlay] = &[EventPlay { kind: "pressed", per_hour: 1, fields: nothing }];

/// What a device of that class does; `None` for a class that is not known.
pub(crate) fn class(name: &str) -> Option<ClassPlay> {
    let (groups, events): (&[GroupPlay], &[EventPlay]) = match name {
        "passenger-gate" => (GATE, PASSAGES),
        "vehicle-barrier" => (BARRIER, PASSAGES),
        "switch"
        | "firewall"
        | "security-appliance"
        | "network-gap"
        | "crypto-appliance"
        | "wireless-ap"
        | "wireless-controller"
        | "vpn-gateway" => (NETWORK, &[]),
        "network-line" => (LINE, &[]),
        "server" | "storage" | "media-server" | "workstation" | "conference-host" | "biometric-station" => (HOST, &[]),
        "camera" | "ptz-camera" | "conference-camera" | "video-decoder" | "video-processor" => (CAMERA, &[]),
        "flow-camera" => (FLOW_CAMERA, &[]),
        "plate-camera" => (CAMERA, PLATES),
        "nvr" | "video-platform" => (RECORDER, &[]),
        "power-cabinet" | "rack" => (ELECTRICAL, &[]),
        "equipment-box" => (BOX, &[]),
        "environment-sensor" => (ENVIRONMENT, &[]),
        "power-sequencer" | "relay-board" | "central-control" | "amplifier" | "av-matrix" => (SWITCHED, &[]),
        "electric-lock" => (CONTACT, &[]),
        "help-button" | "alarm-host" => (CONTACT, PRESSES),
        "access-terminal" | "attendance-terminal" | "document-reader" => (CONTACT, CARDS),
        "led-wall" | "lcd-wall" | "display" | "info-display" | "media-player" | "queue-display" | "window-strip"
        | "name-plate" | "broadcast-terminal" => (DISPLAY, &[]),
        "tablet" | "rating-terminal" | "plate-terminal" | "smart-terminal" => (TERMINAL, &[]),
        "calling-terminal" => (TERMINAL, CALLS),
        "handheld-terminal" => (HANDHELD, &[]),
        "ticket-machine" | "kiosk" => (PRINTER, TICKETS),
        "passport-cabinet" => (CABINET, SLOTS),
        "ntp-server" | "application" => (SERVICE, &[]),
        _ => return None,
    };
    Some(ClassPlay { groups, events })
}
