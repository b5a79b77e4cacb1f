//! A command as it stands in the journal.

use kouan_protocol::command::LocalRequest;
use kouan_protocol::{
    ArgumentProblem, BootId, BootTime, CommandId, CommandProgress, CommandState, DeviceKey, Field, Incarnation,
    Timestamp,
};
use kouan_settings::Bilingual;
use rusqlite::{Connection, Row, Transaction, params};

/// A command in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Which command.
    pub id: CommandId,
    /// The device.
    pub device: DeviceKey,
    /// The action.
    pub action: String,
    /// Its arguments.
    pub arguments: Vec<Field>,
    /// The local user, for a command that was asked for here.
    pub by: Option<String>,
    /// The boot whose clock the deadline is on.
    pub boot: BootId,
    /// When its life ends if it was not started.
    pub deadline: BootTime,
    /// Where it stands.
    pub state: CommandState,
    /// Why.
    pub reason: String,
    /// The same in Chinese; empty where there is none.
    pub reason_zh: String,
    /// What the device answered.
    pub results: Vec<Field>,
    /// Whether the collector's lane has this state.
    pub reported: bool,
}

impl Entry {
    /// What the collector is told.
    #[must_use]
    pub fn progress(&self, journal: Incarnation) -> CommandProgress {
        let local = self.by.as_ref().map(|by| LocalRequest {
            device: self.device.clone(),
            action: self.action.clone(),
            arguments: self.arguments.clone(),
            by: by.clone(),
        });
        CommandProgress {
            command: self.id.clone(),
            state: self.state,
            reason: self.reason.clone(),
            reason_zh: self.reason_zh.clone(),
            results: self.results.clone(),
            journal,
            local,
        }
    }
}

/// Commands that are not finished, or whose state was not reported.
pub(super) fn open_entries(connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
    let mut statement =
        connection.prepare(&format!("{SELECT} WHERE state < ?1 OR reported = 0 ORDER BY changed_ms"))?;
    let entries = statement.query_map([CommandState::Succeeded.number()], read_entry)?;
    entries.filter_map(Result::transpose).collect()
}

/// The commands that changed last, whatever became of them.
pub(super) fn newest_entries(connection: &Connection, most: i64) -> rusqlite::Result<Vec<Entry>> {
    let mut statement = connection.prepare(&format!("{SELECT} ORDER BY changed_ms DESC LIMIT ?1"))?;
    let entries = statement.query_map([most], read_entry)?;
    entries.filter_map(Result::transpose).collect()
}

/// Puts a command into the journal. `false`: it is there already.
pub(super) fn insert(tx: &Transaction<'_>, entry: &Entry, now: Timestamp) -> rusqlite::Result<bool> {
    tx.execute(
        "INSERT OR IGNORE INTO command
             (id, device, action, arguments, by, boot, deadline_ms, state, reason, results, changed_ms, reported, reason_zh)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            entry.id.as_str(),
            entry.device.as_str(),
            entry.action,
            json(&entry.arguments),
            entry.by,
            entry.boot.0 as i64,
            entry.deadline.0 as i64,
            entry.state.number(),
            entry.reason,
            json(&entry.results),
            now.0,
            entry.reported,
            entry.reason_zh
        ],
    )
    .map(|changed| changed == 1)
}

pub(super) const SELECT: &str = "SELECT id, device, action, arguments, by, boot, deadline_ms, state, reason, results, reported, reason_zh FROM command";

/// `None` for a row that this version cannot read.
pub(super) fn read_entry(row: &Row<'_>) -> rusqlite::Result<Option<Entry>> {
    let text = |at: usize| row.get::<_, String>(at);
    let entry = (|| {
        Some(Entry {
            id: text(0).ok()?.parse().ok()?,
            device: text(1).ok()?.parse().ok()?,
            action: text(2).ok()?,
            arguments: serde_json::from_str(&text(3).ok()?).ok()?,
            by: row.get(4).ok()?,
            boot: BootId(row.get::<_, i64>(5).ok()? as u64),
            deadline: BootTime(row.get::<_, i64>(6).ok()? as u64),
            state: CommandState::from_number(row.get(7).ok()?)?,
            reason: text(8).ok()?,
            results: serde_json::from_str(&text(9).ok()?).ok()?,
            reported: row.get(10).ok()?,
            reason_zh: text(11).ok()?,
        })
    })();
    Ok(entry)
}

pub(super) fn json(fields: &[Field]) -> String {
    serde_json::to_string(fields).expect("fields hold only plain values")
}

/// What is wrong with the arguments of a command.
#[must_use]
pub fn arguments_wrong(problems: &[ArgumentProblem]) -> Bilingual {
    let joined = |said: &dyn Fn(&ArgumentProblem) -> String, between: &str| {
        problems.iter().map(said).collect::<Vec<_>>().join(between)
    };
    Bilingual::new(joined(&ToString::to_string, "; "), joined(&ArgumentProblem::chinese, "；"))
}
