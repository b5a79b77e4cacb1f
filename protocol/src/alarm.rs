//! Conditions that are on or off and that somebody must care about.

use serde::{Deserialize, Serialize};

use crate::error::DecodeError;
use crate::event::wire_name;
use crate::ids::DeviceKey;
use crate::{limits, wire};

/// How much an alarm matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will become a fault if nobody looks.
    Warning,
    /// A fault: somebody must act.
    Major,
    /// Service or safety is affected now.
    Critical,
}

impl Severity {
    const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Major, Self::Critical];

    /// The severity's number on the wire, 1 (info) to 4 (critical).
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32 + 1
    }

    /// The severity with that number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.number() == number)
    }
}

/// Whether the condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlarmState {
    /// It holds.
    Raised,
    /// It holds no longer.
    Cleared,
}

/// An alarm was raised or cleared at the edge. (device, condition) names the alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmChange {
    /// Whose alarm it is.
    pub device: DeviceKey,
    /// The condition, such as `battery-low`.
    pub condition: String,
    /// Raised or cleared.
    pub state: AlarmState,
    /// How much it matters.
    pub severity: Severity,
    /// What to tell a person.
    pub text: String,
    /// The point that the condition is about, empty if none.
    #[serde(default)]
    pub point: String,
    /// The text in Chinese, empty where there is none; `text` is then for everybody.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text_zh: String,
}

impl AlarmChange {
    pub(crate) fn to_wire(&self) -> wire::AlarmChange {
        wire::AlarmChange {
            device: self.device.to_string(),
            condition: self.condition.clone(),
            state: match self.state {
                AlarmState::Raised => 1,
                AlarmState::Cleared => 2,
            },
            severity: self.severity.number(),
            text: self.text.clone(),
            point: self.point.clone(),
            text_zh: self.text_zh.clone(),
        }
    }

    pub(crate) fn from_wire(alarm: wire::AlarmChange) -> Result<Self, DecodeError> {
        DecodeError::check_size("alarm condition bytes", alarm.condition.len(), limits::NAME_BYTES)?;
        DecodeError::check_size("alarm text bytes", alarm.text.len(), limits::TEXT_BYTES)?;
        DecodeError::check_size("alarm text bytes", alarm.text_zh.len(), limits::TEXT_BYTES)?;
        DecodeError::check_size("alarm point bytes", alarm.point.len(), limits::NAME_BYTES)?;
        let unknown =
            |what: &str, number: u32| DecodeError::inconsistent("alarm", format!("{what} {number} is not known"));
        Ok(Self {
            device: wire_name(&alarm.device, "alarm")?,
            condition: alarm.condition,
            state: match alarm.state {
                1 => AlarmState::Raised,
                2 => AlarmState::Cleared,
                other => return Err(unknown("state", other)),
            },
            severity: Severity::from_number(alarm.severity).ok_or_else(|| unknown("severity", alarm.severity))?,
            text: alarm.text,
            point: alarm.point,
            text_zh: alarm.text_zh,
        })
    }
}
