//! Handing commands out.

use kouan_protocol::{AgentId, Anchor, Command, Field};
use rusqlite::{Transaction, params};

use super::{Life, Reason, change, write_down};
use crate::ingest::Session;
use crate::store::{During as _, StoreError};

/// A command without evidence is handed out again in the same session after this time; the agent knows its id.
pub const REOFFER_MS: u64 = 2_000;
/// Commands in one answer.
const BATCH: usize = 32;
/// Queued commands that a poll looks at; those whose life has ended must not stand in the way of others.
const LOOKED_AT: i64 = 512;

const MOVED: Reason<'_> = Reason::new("the device was moved", "设备已改归其他代理，或已改名");

/// What a poll finds.
#[derive(Debug, Default)]
pub struct Offered {
    /// To be sent now.
    pub commands: Vec<Command>,
    /// Handed out a moment ago and without evidence: look again soon.
    pub pending: bool,
}

struct Queued {
    number: i64,
    id: String,
    key: String,
    action: String,
    arguments: String,
    life: Life,
    bound: bool,
    session: Option<String>,
    offered_boot_ms: Option<i64>,
}

/// Takes what waits for the agent and notes, durably, which journal it goes to. Only then may the answer leave.
///
/// # Errors
/// When it cannot be written; nothing may be sent then.
pub fn offer(
    transaction: &Transaction<'_>,
    agent: &AgentId,
    session: &Session,
    now: &Anchor,
) -> Result<Offered, StoreError> {
    let mut offered = Offered::default();
    for queued in queued(transaction, agent)? {
        if offered.commands.len() >= BATCH {
            offered.pending = true;
            break;
        }
        // Nobody is handed a command whose life is over. One that was handed out before is asked after all the same:
        // with no life left it cannot be started, and the agent's journal says what became of it.
        let life_left_ms = u64::try_from(queued.life.left_ms(now)).unwrap_or(0);
        let first = queued.session.is_none();
        if first && life_left_ms == 0 {
            continue;
        }
        if first && !queued.bound {
            change(transaction, queued.number, "rejected", now.wall.0, "collector", MOVED)?;
            continue;
        }
        let boot_ms = i64::try_from(now.boot_time.0).unwrap_or(i64::MAX);
        let same_session = queued.session.as_deref() == Some(session.id.to_string().as_str());
        let since = boot_ms.saturating_sub(queued.offered_boot_ms.unwrap_or(i64::MIN));
        if same_session && (0..REOFFER_MS as i64).contains(&since) {
            offered.pending = true;
            continue;
        }
        let arguments: Vec<Field> =
            serde_json::from_str(&queued.arguments).map_err(StoreError::damaged("a command's arguments"))?;
        transaction
            .execute(
                "UPDATE commands SET offered_journal = ?2, offered_session = ?3, offered_boot_ms = ?4 WHERE number = ?1",
                params![queued.number, session.journal.to_string(), session.id.to_string(), boot_ms],
            )
            .during("note that a command is handed out")?;
        if first {
            write_down(transaction, queued.number, "offered", now.wall.0, "collector", Reason::default())?;
        }
        offered.commands.push(Command {
            id: queued.id.parse().map_err(StoreError::damaged("a command's id"))?,
            device: queued.key.parse().map_err(StoreError::damaged("a command's device"))?,
            action: queued.action,
            arguments,
            life_left_ms,
        });
        offered.pending = true;
    }
    Ok(offered)
}

fn queued(transaction: &Transaction<'_>, agent: &AgentId) -> Result<Vec<Queued>, StoreError> {
    transaction
        .prepare_cached(
            "SELECT c.number, c.id, c.key, c.action, c.arguments, c.created_ms, c.created_boot, c.created_boot_ms,
                 c.life_ms, b.id IS NOT NULL, c.offered_session, c.offered_boot_ms
             FROM commands c LEFT JOIN bindings b ON b.id = c.binding AND b.to_ms IS NULL
             WHERE c.agent = ?1 AND c.state IN ('queued', 'held') AND c.state = 'queued' ORDER BY c.number LIMIT ?2",
        )
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Queued {
                    number: row.get(0)?,
                    id: row.get(1)?,
                    key: row.get(2)?,
                    action: row.get(3)?,
                    arguments: row.get(4)?,
                    life: Life {
                        created_ms: row.get(5)?,
                        boot: row.get(6)?,
                        boot_ms: row.get(7)?,
                        life_ms: row.get(8)?,
                    },
                    bound: row.get(9)?,
                    session: row.get(10)?,
                    offered_boot_ms: row.get(11)?,
                })
            };
            statement.query_map(params![agent.as_str(), LOOKED_AT], read)?.collect()
        })
        .during("look for queued commands")
}
