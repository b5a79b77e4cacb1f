//! Which device a reading belongs to.

use std::collections::HashMap;

use kouan_protocol::AgentId;
use rusqlite::Connection;

use crate::monitoring::Labels;
use crate::state::{self, DeviceId, SharedFleet};
use crate::store::{During as _, StoreError};
use crate::telemetry::Span;

/// The dated bindings, read again when there is a new one.
#[derive(Debug, Default)]
pub(super) struct Names {
    newest: i64,
    spans: HashMap<(String, String), Vec<Span>>,
}

impl Names {
    /// Brings the bindings up to date.
    pub(super) fn refresh(&mut self, conn: &Connection) -> Result<(), StoreError> {
        let newest: Option<i64> =
            conn.query_row("SELECT max(id) FROM bindings", [], |row| row.get(0)).during("look for new bindings")?;
        let newest = newest.unwrap_or(0);
        if newest == self.newest {
            return Ok(());
        }
        self.spans.clear();
        for binding in state::bindings(conn, None)? {
            let span = Span::try_from(binding)?;
            self.spans.entry((span.agent.to_string(), span.key.to_string())).or_default().push(span);
        }
        self.newest = newest;
        Ok(())
    }

    /// The labels of a device, without a point, that the agent called `key` at that time.
    pub(super) fn labels(&self, fleet: &SharedFleet, agent: &AgentId, key: &str, time_ms: i64) -> Option<Labels> {
        let spans = self.spans.get(&(agent.to_string(), key.to_owned()))?;
        let span = spans.iter().find(|span| span.covers(time_ms))?;
        let fleet = fleet.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let device = fleet.get(&DeviceId::new(&span.device))?;
        Some(Labels {
            site: device.site.clone(),
            area: device.area().to_owned(),
            device: span.device.clone(),
            class: device.spec.class.clone(),
            point: String::new(),
        })
    }
}
