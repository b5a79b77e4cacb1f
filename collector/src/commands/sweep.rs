//! Ending commands that nobody else will end.

use kouan_protocol::{AgentId, Anchor, Incarnation, Timestamp};
use rusqlite::{Transaction, params};

use super::{Life, Reason, change};
use crate::store::{During as _, StoreError};

/// How long after its life a command that was handed out may stay without evidence.
const EVIDENCE_MS: i64 = 5 * 60_000;

/// Ends commands by time: never handed out, `expired`; handed out and no word since, `unknown`. Returns how many.
///
/// # Errors
/// When it cannot be written.
pub fn sweep(transaction: &Transaction<'_>, now: &Anchor) -> Result<usize, StoreError> {
    let open: Vec<(i64, bool, Life)> = transaction
        .prepare_cached(
            "SELECT number, offered_journal IS NOT NULL, created_ms, created_boot, created_boot_ms, life_ms
             FROM commands WHERE state IN ('queued', 'held') AND origin = 'api'",
        )
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                let life =
                    Life { created_ms: row.get(2)?, boot: row.get(3)?, boot_ms: row.get(4)?, life_ms: row.get(5)? };
                Ok((row.get(0)?, row.get(1)?, life))
            };
            statement.query_map([], read)?.collect()
        })
        .during("look for commands whose life ended")?;
    let mut ended = 0;
    for (number, offered, life) in open {
        let left_ms = life.left_ms(now);
        let (state, reason) = match offered {
            false if left_ms <= 0 => {
                ("expired", Reason::new("its life ended before the agent asked for it", "代理来取之前，命令已过有效期"))
            }
            true if left_ms <= -EVIDENCE_MS => {
                let text = "it was handed out, and the agent said nothing of it since";
                ("unknown", Reason::new(text, "命令已交给代理，此后代理没有任何回报"))
            }
            _ => continue,
        };
        change(transaction, number, state, now.wall.0, "collector", reason)?;
        ended += 1;
    }
    Ok(ended)
}

/// The agent speaks with another journal: what was handed out to an earlier one and is not final becomes `unknown`.
/// Returns how many commands that were.
///
/// # Errors
/// When it cannot be written.
pub fn journal_changed(
    transaction: &Transaction<'_>,
    agent: &AgentId,
    journal: Incarnation,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let journal = journal.to_string();
    give_up_all(transaction, agent, Some(&journal), now)
}

/// The agent's disk holds an earlier state, or a copy: its journal may have forgotten what it was handed. What is not
/// final becomes `unknown`. Returns how many commands that were.
///
/// # Errors
/// When it cannot be written.
pub fn agent_restored(transaction: &Transaction<'_>, agent: &AgentId, now: Timestamp) -> Result<usize, StoreError> {
    give_up_all(transaction, agent, None, now)
}

/// Gives up what was handed out and is not final, unless it was handed to the journal `kept`.
fn give_up_all(
    transaction: &Transaction<'_>,
    agent: &AgentId,
    kept: Option<&str>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let numbers: Vec<i64> = transaction
        .prepare_cached(
            "SELECT number FROM commands
             WHERE agent = ?1 AND state IN ('queued', 'held', 'delivered', 'started')
               AND offered_journal IS NOT NULL AND (?2 IS NULL OR offered_journal <> ?2)",
        )
        .and_then(|mut statement| statement.query_map(params![agent.as_str(), kept], |row| row.get(0))?.collect())
        .during("look for commands of an earlier journal")?;
    for number in &numbers {
        give_up(transaction, *number, now)?;
    }
    Ok(numbers.len())
}

/// The journal that had the command is gone; an end that it told before may still be on its way.
pub(super) fn give_up(transaction: &Transaction<'_>, number: i64, now: Timestamp) -> Result<(), StoreError> {
    let text = "the agent's command journal was lost, replaced or put back from a backup";
    let reason = Reason::new(text, "代理的命令日志丢失、被更换或从备份恢复");
    change(transaction, number, "unknown", now.0, "collector", reason)?;
    transaction
        .execute("UPDATE commands SET evidence = 0 WHERE number = ?1", [number])
        .during("note a guess about a command")?;
    Ok(())
}

/// Rejects commands of a device that was moved, unless they were handed out before.
///
/// # Errors
/// When it cannot be written.
pub fn reject_moved(transaction: &Transaction<'_>, device: &str, now: Timestamp) -> Result<(), StoreError> {
    let numbers: Vec<i64> = transaction
        .prepare_cached(
            "SELECT number FROM commands
             WHERE device = ?1 AND state IN ('queued', 'held') AND offered_journal IS NULL",
        )
        .and_then(|mut statement| statement.query_map([device], |row| row.get(0))?.collect())
        .during("look for commands of a moved device")?;
    let reason = Reason::new("the device was moved to another agent or name", "设备已改归其他代理，或已改名");
    for number in numbers {
        change(transaction, number, "rejected", now.0, "collector", reason)?;
    }
    Ok(())
}
