//! Reading digests.

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::Digest;
use crate::auth::Scope;
use crate::http::rfc3339;
use crate::store::{During as _, StoreError};

/// An outage of an agent and what came and went meanwhile.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OutageRow {
    /// Its place in the list.
    pub id: i64,
    /// Where.
    pub site: String,
    /// The agent that could not be heard.
    pub agent: String,
    /// When the first late record was made, corrected.
    pub from: String,
    /// The same in milliseconds.
    pub from_ms: i64,
    /// When the agent was heard again.
    pub to: String,
    /// The same in milliseconds.
    pub to_ms: i64,
    /// When its backlog had drained; `null` while it drains, and the counts still grow.
    pub complete_ms: Option<i64>,
    /// What came and went.
    #[serde(flatten)]
    pub digest: Digest,
}

/// Outages, newest first, below the id `before`.
///
/// # Errors
/// When they cannot be read.
pub fn list(
    conn: &Connection,
    scope: &Scope,
    agent: Option<&str>,
    before: i64,
    limit: usize,
) -> Result<Vec<OutageRow>, StoreError> {
    conn.prepare_cached(
        "SELECT id, site, agent, from_ms, to_ms, complete_ms, digest FROM outages
         WHERE id < ?1 AND (?2 IS NULL OR site IN (SELECT value FROM json_each(?2))) AND (?3 IS NULL OR agent = ?3)
         ORDER BY id DESC LIMIT ?4",
    )
    .and_then(|mut statement| {
        let read = |row: &Row<'_>| {
            let (from_ms, to_ms) = (row.get(3)?, row.get(4)?);
            let digest: String = row.get(6)?;
            Ok(OutageRow {
                id: row.get(0)?,
                site: row.get(1)?,
                agent: row.get(2)?,
                from: rfc3339(from_ms),
                from_ms,
                to: rfc3339(to_ms),
                to_ms,
                complete_ms: row.get(5)?,
                digest: serde_json::from_str(&digest).unwrap_or_default(),
            })
        };
        statement.query_map(params![before, scope.to_sql(), agent, limit as i64], read)?.collect()
    })
    .during("read outages")
}
