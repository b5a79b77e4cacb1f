//! What is asked and answered over the local socket.

use kouan_drivers::link::trace::Piece;
use kouan_drivers::search::identity::Identity;
use kouan_protocol::{Field, Quality, QualityReason, Severity, Timestamp, Value};
use kouan_settings::Bilingual;
use serde::{Deserialize, Serialize};

use crate::buffer::{BufferCondition, LaneStatus};
use crate::commands::JournalCondition;
use crate::config_facts::ConfigFacts;
use crate::uplink::UplinkStatus;

/// A question to the running agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Question {
    /// How the agent stands.
    Status,
    /// Every device with its latest values.
    Devices,
    /// Talk to a device now.
    Read {
        /// Which device.
        device: String,
    },
    /// What is known of a device; nothing is asked of it.
    Device {
        /// Which device.
        device: String,
    },
    /// Talk to a device now and show the bytes.
    Probe {
        /// Which device.
        device: String,
    },
    /// Ask whether somebody answers at an address of a line that the agent uses, in its turn on it.
    Search {
        /// The link.
        link: String,
        /// The address.
        unit: u8,
        /// How long it may think, in milliseconds.
        wait_ms: u64,
    },
    /// Do something with a device and wait for the outcome.
    Command {
        /// Which device.
        device: String,
        /// Which action.
        action: String,
        /// Its arguments.
        arguments: Vec<Field>,
        /// Who asks.
        by: String,
        /// How long the command may wait to be started, in milliseconds.
        life_ms: u64,
    },
}

/// The agent's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// How the agent stands.
    Status(StatusReport),
    /// Devices with their latest values.
    Devices {
        /// In the order of the configuration.
        devices: Vec<DeviceReport>,
    },
    /// A conversation with a device.
    Probe(ProbeReport),
    /// Who is at an address.
    Searched {
        /// Whether somebody answers, or is in the configuration.
        heard: bool,
        /// Whether it is in the configuration; it was then not asked.
        configured: bool,
        /// What it says of itself.
        identity: Option<Identity>,
    },
    /// What became of a command.
    Command {
        /// Its id.
        id: String,
        /// Its state.
        state: String,
        /// Why.
        reason: String,
        /// The same in Chinese; empty where there is none.
        #[serde(default)]
        reason_zh: String,
        /// What the device answered.
        results: Vec<Field>,
    },
    /// The question could not be answered.
    Problem {
        /// Why, and what to do.
        text: String,
        /// The same in Chinese; empty where there is none.
        #[serde(default)]
        text_zh: String,
    },
}

impl Answer {
    /// The question could not be answered.
    #[must_use]
    pub fn problem(why: impl Into<Bilingual>) -> Self {
        let Bilingual { english, chinese } = why.into();
        Self::Problem { text: english, text_zh: chinese }
    }
}

/// How the agent stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Name and version.
    pub software: String,
    /// The life of the data folder.
    pub incarnation: String,
    /// The life of the command journal.
    pub journal: String,
    /// How long the agent has been running, in milliseconds.
    pub up_ms: u64,
    /// The conversation with the collector.
    pub uplink: UplinkStatus,
    /// The agent's own alarms that hold now.
    #[serde(default)]
    pub alarms: Vec<AlarmReport>,
    /// The buffer's lanes.
    pub lanes: Vec<LaneStatus>,
    /// How the buffer's files are kept.
    #[serde(default)]
    pub buffer: BufferCondition,
    /// How the command journal is kept.
    #[serde(default)]
    pub journal_kept: JournalCondition,
    /// What it was told to do, and where its links end.
    #[serde(default)]
    pub config: ConfigFacts,
    /// Devices, the agent itself among them.
    pub devices: usize,
    /// Devices that work.
    pub working: usize,
}

/// A conversation with a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The device, with what it said.
    pub device: DeviceReport,
    /// The bytes, with their meaning; none if the driver has no line.
    pub pieces: Vec<Piece>,
    /// Why there are no values.
    pub problem: Option<String>,
    /// The same in Chinese.
    #[serde(default)]
    pub problem_zh: Option<String>,
}

/// An alarm that holds, of the agent itself or of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmReport {
    /// Whose alarm it is.
    #[serde(default)]
    pub device: String,
    /// The condition, such as `collector.certificate`.
    pub condition: String,
    /// How much it matters.
    pub severity: Severity,
    /// What to tell a person.
    pub text: String,
    /// The same in Chinese; empty where there is none.
    #[serde(default)]
    pub text_zh: String,
    /// For how long it has been raised, in milliseconds.
    pub for_ms: u64,
}

impl AlarmReport {
    /// Its name for a person; the agent's own are named by their condition alone.
    #[must_use]
    pub fn name(&self) -> String {
        if self.device.is_empty() || self.device == "agent" {
            self.condition.clone()
        } else {
            format!("{}: {}", self.device, self.condition)
        }
    }
}

/// A device with its latest values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Name within the agent.
    pub device: String,
    /// Name for people.
    pub label: String,
    /// What it is for.
    pub class: String,
    /// The link it hangs on.
    pub link: String,
    /// Its health: `working`, or `unknown` before anything was heard.
    pub health: String,
    /// Why it does not work fully.
    pub reason: String,
    /// Why, for a person.
    pub text: String,
    /// The same in Chinese; empty where there is none.
    #[serde(default)]
    pub text_zh: String,
    /// Its points.
    pub points: Vec<PointReport>,
    /// What it can be told to do.
    pub actions: Vec<String>,
}

/// A point with its latest value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointReport {
    /// Its name.
    pub point: String,
    /// Its value; `None` if there is no usable one.
    pub value: Option<Value>,
    /// Its unit.
    pub unit: String,
    /// How far it may be believed.
    pub quality: Quality,
    /// Why it is not good.
    pub reason: QualityReason,
    /// When it was read, by the agent's wall clock.
    pub time: Timestamp,
    /// How long ago that is, in milliseconds.
    pub age_ms: u64,
}
