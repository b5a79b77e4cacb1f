//! What people do to alarms.

use kouan_protocol::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::clear::{close_in_time, close_unshelved};
use super::{Step, close, next_change, write_step};
use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// Who does it: the name, and the sites where that is allowed.
#[derive(Debug, Clone)]
pub struct By {
    /// The name that logs show.
    pub name: String,
    /// Where it may be done.
    pub sites: Scope,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Somebody has seen it.
    Acknowledge {
        /// A word about it; may be empty.
        text: String,
    },
    /// Somebody is to look after it; `None`: nobody in particular.
    Assign(Option<(String, String)>),
    /// A remark.
    Comment(String),
    /// Nobody wants to hear of it until then.
    Shelve {
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// It is to be heard of again.
    Unshelve,
    /// Nobody has to care any more.
    Close {
        /// A word about it; may be empty.
        text: String,
    },
}

/// Why it was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActProblem {
    /// No such alarm.
    #[error("there is no such alarm")]
    None,
    /// Nothing is done to closed alarms except that one may comment on them.
    #[error("the alarm is closed")]
    Closed,
    /// It cannot be closed while the condition holds.
    #[error("the condition still holds; shelve the alarm if nobody wants to hear of it")]
    StillRaised,
    /// Somebody has done so.
    #[error("it was acknowledged already")]
    Acknowledged,
    /// It is not shelved.
    #[error("it is not shelved")]
    NotShelved,
}

struct Found {
    site: String,
    state: String,
    /// Since when somebody is asked to look at it; `None`: nobody is.
    asked_ms: Option<i64>,
    acknowledged: bool,
    shelved: bool,
}

/// Does it to one alarm. Returns its site.
///
/// # Errors
/// When it cannot be written; the inner error when it cannot be done.
pub fn act(
    transaction: &Transaction<'_>,
    id: &str,
    deed: &Deed,
    by: &By,
    now: Timestamp,
) -> Result<Result<String, ActProblem>, StoreError> {
    let found = transaction
        .prepare_cached(
            "SELECT site, state, asked_ms, acknowledged_by IS NOT NULL, shelved_until_ms IS NOT NULL FROM alarms
             WHERE id = ?1",
        )
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Found {
                    site: row.get(0)?,
                    state: row.get(1)?,
                    asked_ms: row.get(2)?,
                    acknowledged: row.get(3)?,
                    shelved: row.get(4)?,
                })
            };
            statement.query_row([id], read).optional()
        })
        .during("look for an alarm")?;
    let Some(found) = found.filter(|found| by.sites.covers(&found.site)) else { return Ok(Err(ActProblem::None)) };
    let problem = match deed {
        Deed::Comment(_) => None,
        _ if found.state == "closed" => Some(ActProblem::Closed),
        Deed::Acknowledge { .. } if found.acknowledged => Some(ActProblem::Acknowledged),
        Deed::Unshelve if !found.shelved => Some(ActProblem::NotShelved),
        Deed::Close { .. } if found.state == "raised" => Some(ActProblem::StillRaised),
        _ => None,
    };
    if let Some(problem) = problem {
        return Ok(Err(problem));
    }
    apply(transaction, id, &found, deed, by, now)?;
    Ok(Ok(found.site))
}

fn apply(
    transaction: &Transaction<'_>,
    id: &str,
    found: &Found,
    deed: &Deed,
    by: &By,
    now: Timestamp,
) -> Result<(), StoreError> {
    let change = next_change(transaction)?;
    let step = |what, text: &str| {
        write_step(transaction, &Step { alarm: id, site: &found.site, what, by: &by.name, text }, now)
    };
    let during = "change an alarm";
    match deed {
        Deed::Acknowledge { text } => {
            let response = found.asked_ms.map(|asked| now.0.saturating_sub(asked).max(0));
            transaction
                .prepare_cached(
                    "UPDATE alarms SET acknowledged_by = ?2, acknowledged_ms = ?3, change = ?4,
                         response_ms = coalesce(response_ms, ?5) WHERE id = ?1",
                )
                .and_then(|mut statement| statement.execute(params![id, by.name, now.0, change, response]))
                .during(during)?;
            step("acknowledged", text)?;
            if found.state == "cleared" && !found.shelved {
                close_in_time(transaction, (id, &found.site), &by.name, now)?;
            }
        }
        Deed::Assign(to) => {
            let (user, name) = to.clone().unzip();
            transaction
                .prepare_cached("UPDATE alarms SET assigned_to = ?2, assigned_name = ?3, change = ?4 WHERE id = ?1")
                .and_then(|mut statement| statement.execute(params![id, user, name, change]))
                .during(during)?;
            step("assigned", name.as_deref().unwrap_or_default())?;
        }
        Deed::Comment(text) => {
            transaction
                .prepare_cached("UPDATE alarms SET comments = comments + 1, change = ?2 WHERE id = ?1")
                .and_then(|mut statement| statement.execute(params![id, change]))
                .during(during)?;
            step("comment", text)?;
        }
        Deed::Shelve { until, reason } => {
            transaction
                .prepare_cached(
                    "UPDATE alarms SET shelved_until_ms = ?2, shelved_by = ?3, shelve_reason = ?4, change = ?5
                     WHERE id = ?1",
                )
                .and_then(|mut statement| statement.execute(params![id, until.0, by.name, reason, change]))
                .during(during)?;
            step("shelved", reason)?;
        }
        Deed::Unshelve => {
            transaction
                .prepare_cached(
                    "UPDATE alarms SET shelved_until_ms = NULL, shelved_by = NULL, shelve_reason = NULL, change = ?2
                     WHERE id = ?1",
                )
                .and_then(|mut statement| statement.execute(params![id, change]))
                .during(during)?;
            step("unshelved", "")?;
            close_unshelved(transaction, (id, &found.site), now)?;
        }
        Deed::Close { text } => {
            transaction
                .prepare_cached(
                    "UPDATE alarms SET response_ms = coalesce(response_ms, max(0, ?2 - asked_ms)) WHERE id = ?1",
                )
                .and_then(|mut statement| statement.execute(params![id, now.0]))
                .during(during)?;
            close(transaction, (id, &found.site), &by.name, text, now)?;
        }
    }
    Ok(())
}
