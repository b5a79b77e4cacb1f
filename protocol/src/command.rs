//! Requests that a device do something, and what became of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::DecodeError;
use crate::event::wire_name;
use crate::field::{self, Field};
use crate::ids::{CommandId, DeviceKey, Incarnation};
use crate::{limits, wire};

/// A request as it is handed to an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Names the request for ever; the same id twice is the same request.
    pub id: CommandId,
    /// The device, as the agent's configuration names it.
    pub device: DeviceKey,
    /// One of the device's actions: `relay.set`.
    pub action: String,
    /// The action's arguments.
    pub arguments: Vec<Field>,
    /// How long the request may still wait to be started, in milliseconds, when the collector answered.
    pub life_left_ms: u64,
}

/// Where a command stands, as the agent knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommandState {
    /// In the agent's journal, on disk.
    Delivered,
    /// The first byte may have gone to the device.
    Started,
    /// The device confirmed it.
    Succeeded,
    /// The device refused it, or it was certainly not carried out.
    Failed,
    /// Its life ended before it was started.
    Expired,
    /// Refused before it was started: unknown device, wrong arguments, interlock.
    Rejected,
    /// Nobody can tell whether the device did it. A person must look; it is never tried again.
    Unknown,
}

impl CommandState {
    const ALL: [Self; 7] =
        [Self::Delivered, Self::Started, Self::Succeeded, Self::Failed, Self::Expired, Self::Rejected, Self::Unknown];

    /// The state's number on the wire and in files.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32 + 1
    }

    /// The state with that number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The state's name in logs, APIs and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nothing can follow.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Delivered | Self::Started)
    }
}

impl fmt::Display for CommandState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who asked for what at the agent itself, so that the collector can keep a record of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocalRequest {
    /// The device.
    pub device: DeviceKey,
    /// The action.
    pub action: String,
    /// Its arguments.
    pub arguments: Vec<Field>,
    /// The local user who asked.
    pub by: String,
}

/// A command moved to another state, with the agent's evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandProgress {
    /// Which command.
    pub command: CommandId,
    /// Where it stands now.
    pub state: CommandState,
    /// Why, for a person; empty when there is nothing to explain.
    pub reason: String,
    /// The reason in Chinese, empty where there is none; `reason` is then for everybody.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason_zh: String,
    /// What the device answered.
    pub results: Vec<Field>,
    /// The journal that speaks.
    pub journal: Incarnation,
    /// Present in the first record of a command that was asked for at the agent itself.
    pub local: Option<LocalRequest>,
}

impl Command {
    pub(crate) fn to_wire(&self) -> wire::Command {
        wire::Command {
            id: self.id.to_string(),
            device: self.device.to_string(),
            action: self.action.clone(),
            arguments: field::to_wire(&self.arguments),
            life_left_ms: self.life_left_ms,
        }
    }

    pub(crate) fn from_wire(command: wire::Command) -> Result<Self, DecodeError> {
        DecodeError::check_size("action bytes", command.action.len(), limits::NAME_BYTES)?;
        Ok(Self {
            id: wire_name(&command.id, "command")?,
            device: wire_name(&command.device, "command")?,
            action: command.action,
            arguments: field::from_wire(command.arguments)?,
            life_left_ms: command.life_left_ms,
        })
    }
}

impl CommandProgress {
    pub(crate) fn to_wire(&self) -> wire::CommandProgress {
        wire::CommandProgress {
            command: self.command.to_string(),
            state: self.state.number(),
            reason: self.reason.clone(),
            reason_zh: self.reason_zh.clone(),
            results: field::to_wire(&self.results),
            journal: self.journal.0,
            local: self.local.as_ref().map(|local| wire::LocalRequest {
                device: local.device.to_string(),
                action: local.action.clone(),
                arguments: field::to_wire(&local.arguments),
                by: local.by.clone(),
            }),
        }
    }

    pub(crate) fn from_wire(progress: wire::CommandProgress) -> Result<Self, DecodeError> {
        DecodeError::check_size("command reason bytes", progress.reason.len(), limits::TEXT_BYTES)?;
        DecodeError::check_size("command reason bytes", progress.reason_zh.len(), limits::TEXT_BYTES)?;
        let state = CommandState::from_number(progress.state).ok_or_else(|| {
            DecodeError::inconsistent("command progress", format!("state {} is not known", progress.state))
        })?;
        let local = match progress.local {
            None => None,
            Some(local) => {
                DecodeError::check_size("action bytes", local.action.len(), limits::NAME_BYTES)?;
                DecodeError::check_size("requester bytes", local.by.len(), limits::NAME_BYTES)?;
                Some(LocalRequest {
                    device: wire_name(&local.device, "command progress")?,
                    action: local.action,
                    arguments: field::from_wire(local.arguments)?,
                    by: local.by,
                })
            }
        };
        Ok(Self {
            command: wire_name(&progress.command, "command progress")?,
            state,
            reason: progress.reason,
            reason_zh: progress.reason_zh,
            results: field::from_wire(progress.results)?,
            journal: Incarnation(progress.journal),
            local,
        })
    }
}
