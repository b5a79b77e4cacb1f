//! Holding commands for a person.

use kouan_protocol::{AgentId, Timestamp};
use rusqlite::{Transaction, params};

use super::{Reason, change};
use crate::store::{During as _, StoreError};

/// Why commands are held when an agent was told that records are stored here which are not.
pub const RECORDS_LOST: Reason<'_> = Reason::new(
    "this collector has lost records of the agent, perhaps also about this command",
    "采集中心丢失了该代理的部分记录，其中可能有关于此命令的记录",
);
/// Why commands are held when the data folder was put back from a backup.
pub const RESTORED: Reason<'_> = Reason::new(
    "this collector was put back from a backup and may not know what became of this command",
    "采集中心从备份恢复，可能不知道此命令的结果",
);

/// Holds what waits for the agent, or for all agents: its outcome may be among what this side has lost. What had been
/// started is `unknown` until the agent says how it ended. Returns how many commands that concerns.
///
/// # Errors
/// When it cannot be written.
pub fn hold(
    transaction: &Transaction<'_>,
    agent: Option<&AgentId>,
    reason: Reason<'_>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let open: Vec<(i64, String, String)> = transaction
        .prepare_cached(
            "SELECT number, state, origin FROM commands
             WHERE state IN ('queued', 'held', 'delivered', 'started') AND (?1 IS NULL OR agent = ?1)",
        )
        .and_then(|mut statement| {
            let agent = agent.map(AgentId::as_str);
            statement.query_map([agent], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })
        .during("look for commands to hold")?;
    let mut held = 0;
    for (number, state, origin) in open {
        let becomes = match (state.as_str(), origin.as_str()) {
            ("held", _) => continue,
            ("queued" | "delivered", "api") => "held",
            _ => "unknown",
        };
        change(transaction, number, becomes, now.0, "collector", reason)?;
        transaction
            .execute("UPDATE commands SET evidence = 0 WHERE number = ?1", params![number])
            .during("note a guess about a command")?;
        held += 1;
    }
    Ok(held)
}
