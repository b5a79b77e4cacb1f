//! What rules need to know besides devices: agents, zones, windows of maintenance.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use kouan_protocol::{AgentId, Timestamp};
use rusqlite::Connection;

use crate::availability::{Windows, zone};
use crate::store::{During as _, StoreError};

/// An agent that was heard of at least once.
#[derive(Debug, Clone)]
pub(super) struct KnownAgent {
    pub(super) agent: AgentId,
    pub(super) site: String,
}

/// What is read once a second.
#[derive(Default)]
pub(super) struct Surroundings {
    pub(super) agents: Vec<KnownAgent>,
    pub(super) zones: HashMap<String, TimeZone>,
    /// Windows that hold now.
    pub(super) holding: Vec<i64>,
    /// Whether a shelved alarm is due.
    pub(super) shelved_due: bool,
}

impl Surroundings {
    /// Reads them.
    pub(super) fn read(conn: &Connection, now: Timestamp) -> Result<Self, StoreError> {
        let agents: Vec<(String, String)> = conn
            .prepare_cached("SELECT id, site FROM agents WHERE revoked_ms IS NULL AND hello_ms IS NOT NULL")
            .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .during("read agents")?;
        let zones: Vec<(String, String)> = conn
            .prepare_cached("SELECT id, zone FROM sites")
            .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .during("read the zones of sites")?;
        let shelved_due = conn
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM alarms WHERE shelved_until_ms IS NOT NULL AND shelved_until_ms <= ?1)",
            )
            .and_then(|mut statement| statement.query_row([now.0], |row| row.get(0)))
            .during("look for alarms that were shelved")?;
        let known = |(agent, site): (String, String)| Some(KnownAgent { agent: agent.parse().ok()?, site });
        Ok(Self {
            agents: agents.into_iter().filter_map(known).collect(),
            zones: zones.into_iter().map(|(site, name)| (site, zone(&name))).collect(),
            holding: Windows::at(conn, now.0)?.holding(now.0),
            shelved_due,
        })
    }

    /// The zone of a site.
    pub(super) fn zone(&self, site: &str) -> TimeZone {
        self.zones.get(site).cloned().unwrap_or_else(|| zone(""))
    }
}
