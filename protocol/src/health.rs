//! How far a device can be used.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::DecodeError;
use crate::event::wire_name;
use crate::ids::DeviceKey;
use crate::{limits, wire};

/// The ladder of a device's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthLevel {
    /// Taken out of service on purpose; not polled.
    Disabled,
    /// Being worked on; polled, not counted.
    Maintenance,
    /// Nothing at its address: the link does not open, or nobody answers on it.
    Unreachable,
    /// Its address accepts a connection, but the protocol gets no valid answer.
    Reachable,
    /// It answers, but not all that its profile asks: wrong login, refused reads.
    Answering,
    /// It answers everything.
    Working,
}

impl HealthLevel {
    const ALL: [Self; 6] =
        [Self::Disabled, Self::Maintenance, Self::Unreachable, Self::Reachable, Self::Answering, Self::Working];

    /// The level's number on the wire, 1 (disabled) to 6 (working).
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32 + 1
    }

    /// The level with that number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }

    /// The level's name in logs, APIs and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Maintenance => "maintenance",
            Self::Unreachable => "unreachable",
            Self::Reachable => "reachable",
            Self::Answering => "answering",
            Self::Working => "working",
        }
    }
}

impl fmt::Display for HealthLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A device's health changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceHealth {
    /// Whose health it is.
    pub device: DeviceKey,
    /// Where it stands.
    pub level: HealthLevel,
    /// Why, as a code: `timeout`, `bad-checksum`, `link-closed`; empty when working.
    pub reason: String,
    /// Why, for a person.
    pub text: String,
    /// The text in Chinese, empty where there is none; `text` is then for everybody.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text_zh: String,
}

impl DeviceHealth {
    pub(crate) fn to_wire(&self) -> wire::DeviceHealth {
        wire::DeviceHealth {
            device: self.device.to_string(),
            level: self.level.number(),
            reason: self.reason.clone(),
            text: self.text.clone(),
            text_zh: self.text_zh.clone(),
        }
    }

    pub(crate) fn from_wire(health: wire::DeviceHealth) -> Result<Self, DecodeError> {
        DecodeError::check_size("health reason bytes", health.reason.len(), limits::NAME_BYTES)?;
        DecodeError::check_size("health text bytes", health.text.len(), limits::TEXT_BYTES)?;
        DecodeError::check_size("health text bytes", health.text_zh.len(), limits::TEXT_BYTES)?;
        let level = HealthLevel::from_number(health.level).ok_or_else(|| {
            DecodeError::inconsistent("device health", format!("level {} is not known", health.level))
        })?;
        Ok(Self {
            device: wire_name(&health.device, "device health")?,
            level,
            reason: health.reason,
            text: health.text,
            text_zh: health.text_zh,
        })
    }
}
