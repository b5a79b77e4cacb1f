//! A device's time under one name.

use kouan_protocol::{AgentId, DeviceKey};

use crate::state::BindingRow;
use crate::store::StoreError;

/// The agent called a device by that name from `from_ms` to before `to_ms`.
#[derive(Debug, Clone)]
pub struct Span {
    /// The device.
    pub device: String,
    /// The agent.
    pub agent: AgentId,
    /// The name.
    pub key: DeviceKey,
    /// Since when.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
}

impl TryFrom<BindingRow> for Span {
    type Error = StoreError;

    fn try_from(row: BindingRow) -> Result<Self, StoreError> {
        Ok(Self {
            device: row.device,
            agent: row.agent.parse().map_err(StoreError::damaged("the agent of a binding"))?,
            key: row.key.parse().map_err(StoreError::damaged("the device of a binding"))?,
            from_ms: row.from_ms,
            to_ms: row.to_ms.unwrap_or(i64::MAX),
        })
    }
}

impl Span {
    /// Whether the span covers that instant.
    #[must_use]
    pub fn covers(&self, time_ms: i64) -> bool {
        (self.from_ms..self.to_ms).contains(&time_ms)
    }
}
