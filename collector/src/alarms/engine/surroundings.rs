//! What rules need to know besides devices: agents, zones, windows of maintenance.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use kouan_protocol::{AgentId, Timestamp};
use rusqlite::Connection;

use crate::alarms::life;
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
    /// What sites are called, in Chinese and English.
    pub(super) site_names: HashMap<String, (String, String)>,
    /// Windows that hold now.
    pub(super) holding: Vec<i64>,
    /// Whether time has something to do to alarms.
    pub(super) is_due: bool,
}

impl Surroundings {
    /// Reads them.
    pub(super) fn read(conn: &Connection, now: Timestamp) -> Result<Self, StoreError> {
        let agents: Vec<(String, String)> = conn
            .prepare_cached("SELECT id, site FROM agents WHERE revoked_ms IS NULL AND hello_ms IS NOT NULL")
            .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .during("read agents")?;
        type Site = (String, String, (String, String));
        let sites: Vec<Site> = conn
            .prepare_cached("SELECT id, zone, name_zh, name_en FROM sites")
            .and_then(|mut statement| {
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, (row.get(2)?, row.get(3)?)));
                statement.query_map([], read)?.collect()
            })
            .during("read sites")?;
        let known = |(agent, site): (String, String)| Some(KnownAgent { agent: agent.parse().ok()?, site });
        Ok(Self {
            agents: agents.into_iter().filter_map(known).collect(),
            zones: sites.iter().map(|(site, name, _)| (site.clone(), zone(name))).collect(),
            site_names: sites.into_iter().map(|(site, _, names)| (site, names)).collect(),
            holding: Windows::at(conn, now.0)?.holding(now.0),
            is_due: life::is_due(conn, now)?,
        })
    }

    /// The zone of a site.
    pub(super) fn zone(&self, site: &str) -> TimeZone {
        self.zones.get(site).cloned().unwrap_or_else(|| zone(""))
    }
}
