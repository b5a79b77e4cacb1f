//! A record that says which records were lost. Loss is never silent.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::DecodeError;
use crate::event::wire_name;
use crate::ids::{DeviceKey, Epoch};
use crate::wire;

/// Why records were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// The lane reached its byte limit; its oldest records were dropped.
    BytesLimit,
    /// Records grew older than the lane's age limit and were dropped.
    AgeLimit,
    /// The disk was full; new records could not be kept.
    DiskFull,
    /// The buffer could not keep up; new records were not taken.
    Overload,
    /// The buffer's file or disk was damaged or lost.
    Damaged,
    /// The two sides disagreed, so the lane went on in a new epoch.
    Diverged,
    /// The collector had lost what was acknowledged before.
    CollectorLost,
    /// The record was larger than the protocol carries.
    TooLarge,
    /// A buffer that was kept in memory ended; what it had not sent is lost.
    Volatile,
    /// The collector does not know this kind of record.
    UnknownKind,
    /// The agent ended without order (a crash, a power cut) or its disk refused; nothing was kept until it was started.
    Interrupted,
    /// The agent was stopped; nothing was kept until it was started again.
    NotRunning,
}

impl GapReason {
    const ALL: [Self; 12] = [
        Self::BytesLimit,
        Self::AgeLimit,
        Self::DiskFull,
        Self::Overload,
        Self::Damaged,
        Self::Diverged,
        Self::CollectorLost,
        Self::TooLarge,
        Self::Volatile,
        Self::UnknownKind,
        Self::Interrupted,
        Self::NotRunning,
    ];

    /// The reason's number on the wire and in files.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32 + 1
    }

    /// The reason with that number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.number() == number)
    }

    /// The reason's name in logs, APIs and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BytesLimit => "bytes-limit",
            Self::AgeLimit => "age-limit",
            Self::DiskFull => "disk-full",
            Self::Overload => "overload",
            Self::Damaged => "damaged",
            Self::Diverged => "diverged",
            Self::CollectorLost => "collector-lost",
            Self::TooLarge => "too-large",
            Self::Volatile => "volatile",
            Self::UnknownKind => "unknown-kind",
            Self::Interrupted => "interrupted",
            Self::NotRunning => "not-running",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Records of this lane that will never come.
///
/// The record that carries the gap takes the numbers of what was dropped. What never had a number (a full disk, a
/// damaged file) is announced by a gap that takes one number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Why they were lost.
    pub reason: GapReason,
    /// How many were lost; zero if unknown.
    pub lost: u64,
    /// Agent's wall time of the first lost record.
    pub from: Timestamp,
    /// Agent's wall time of the last lost record.
    pub to: Timestamp,
    /// Devices touched, at most [`Gap::DEVICES`].
    pub devices: Vec<DeviceKey>,
    /// Whether more devices were touched than are named.
    pub more_devices: bool,
    /// The epoch that ended, where the gap tells of an earlier buffer.
    pub earlier_epoch: Option<Epoch>,
}

impl Gap {
    /// Most devices that a gap names.
    pub const DEVICES: usize = 32;

    pub(crate) fn to_wire(&self) -> wire::Gap {
        wire::Gap {
            reason: self.reason.number(),
            lost: self.lost,
            from_ms: self.from.0,
            to_ms: self.to.0,
            devices: self.devices.iter().map(ToString::to_string).collect(),
            more_devices: self.more_devices,
            epoch: self.earlier_epoch.map_or(0, |epoch| epoch.0),
        }
    }

    pub(crate) fn from_wire(gap: wire::Gap) -> Result<Self, DecodeError> {
        DecodeError::check_size("gap device count", gap.devices.len(), Self::DEVICES)?;
        let reason = GapReason::from_number(gap.reason)
            .ok_or_else(|| DecodeError::inconsistent("gap", format!("reason {} is not known", gap.reason)))?;
        Ok(Self {
            reason,
            lost: gap.lost,
            from: Timestamp(gap.from_ms),
            to: Timestamp(gap.to_ms),
            devices: gap.devices.iter().map(|name| wire_name(name, "gap")).collect::<Result<_, _>>()?,
            more_devices: gap.more_devices,
            earlier_epoch: (gap.epoch != 0).then_some(Epoch(gap.epoch)),
        })
    }
}
