//! What a person decides about a command that waits.

use kouan_protocol::{AgentId, Anchor};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{Life, Reason, change};
use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// Why a decision was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideProblem {
    /// No such command at the caller's sites.
    #[error("there is no such command")]
    NoCommand,
    /// It is in another state.
    #[error("the command is {0}; only a held one can be released, only one that waits can be cancelled")]
    State(String),
    /// Its life has ended.
    #[error("the command's life has ended; ask for it again if it is still wanted")]
    Ended,
    /// The journal that had it is gone.
    #[error(
        "the agent's journal was replaced since the command was handed out: it may have been done, and never runs again"
    )]
    OtherJournal,
    /// It is with the agent.
    #[error("the command was handed to the agent, which may be at it; it cannot be called back")]
    HandedOut,
}

struct Waiting {
    number: i64,
    state: String,
    agent: String,
    journal: Option<String>,
    current_journal: Option<String>,
    life: Life,
}

/// Puts a held command back into the queue.
///
/// What had been handed out before goes to the same journal only, which knows it and does nothing twice.
///
/// # Errors
/// When it cannot be written; the inner error when it is not to be released.
pub fn release(
    transaction: &Transaction<'_>,
    scope: &Scope,
    id: &str,
    by: &str,
    why: &str,
    now: &Anchor,
) -> Result<Result<AgentId, DecideProblem>, StoreError> {
    let Some(waiting) = find(transaction, scope, id)? else { return Ok(Err(DecideProblem::NoCommand)) };
    if waiting.state != "held" {
        return Ok(Err(DecideProblem::State(waiting.state)));
    }
    let number = waiting.number;
    if waiting.journal.is_some() && waiting.journal != waiting.current_journal {
        super::sweep::give_up(transaction, number, now.wall)?;
        return Ok(Err(DecideProblem::OtherJournal));
    }
    if waiting.life.left_ms(now) <= 0 {
        let state = if waiting.journal.is_some() { "unknown" } else { "expired" };
        let reason = Reason::new("its life ended while it was held", "扣留期间已过有效期");
        change(transaction, number, state, now.wall.0, "collector", reason)?;
        return Ok(Err(DecideProblem::Ended));
    }
    change(transaction, number, "queued", now.wall.0, by, Reason::of_person(why))?;
    let agent = waiting.agent.parse().map_err(StoreError::damaged("an agent's name"))?;
    Ok(Ok(agent))
}

/// Gives up a command that waits. One that may have reached the agent is `unknown` then.
///
/// # Errors
/// When it cannot be written; the inner error when it cannot be cancelled.
pub fn cancel(
    transaction: &Transaction<'_>,
    scope: &Scope,
    id: &str,
    by: &str,
    why: &str,
    now: &Anchor,
) -> Result<Result<(), DecideProblem>, StoreError> {
    let Some(waiting) = find(transaction, scope, id)? else { return Ok(Err(DecideProblem::NoCommand)) };
    let state = match (waiting.state.as_str(), waiting.journal.is_some()) {
        ("held", true) => "unknown",
        ("held" | "queued", false) => "rejected",
        ("queued", true) => return Ok(Err(DecideProblem::HandedOut)),
        _ => return Ok(Err(DecideProblem::State(waiting.state))),
    };
    let (reason, reason_zh) = match why {
        "" => ("cancelled".to_owned(), "已取消".to_owned()),
        why => (format!("cancelled: {why}"), format!("已取消：{why}")),
    };
    change(transaction, waiting.number, state, now.wall.0, by, Reason::new(&reason, &reason_zh))?;
    Ok(Ok(()))
}

fn find(transaction: &Transaction<'_>, scope: &Scope, id: &str) -> Result<Option<Waiting>, StoreError> {
    transaction
        .prepare_cached(
            "SELECT c.number, c.state, c.agent, c.offered_journal, a.journal, c.created_ms, c.created_boot,
                 c.created_boot_ms, c.life_ms
             FROM commands c LEFT JOIN agents a ON a.id = c.agent
             WHERE c.id = ?1 AND c.origin = 'api' AND (?2 IS NULL OR c.site IN (SELECT value FROM json_each(?2)))",
        )
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Waiting {
                    number: row.get(0)?,
                    state: row.get(1)?,
                    agent: row.get(2)?,
                    journal: row.get(3)?,
                    current_journal: row.get(4)?,
                    life: Life {
                        created_ms: row.get(5)?,
                        boot: row.get(6)?,
                        boot_ms: row.get(7)?,
                        life_ms: row.get(8)?,
                    },
                })
            };
            statement.query_row(params![id, scope.to_sql()], read).optional()
        })
        .during("look for a command")
}
