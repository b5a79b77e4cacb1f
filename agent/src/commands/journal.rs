//! The journal of commands, in a file of its own.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use kouan_protocol::command::LocalRequest;
use kouan_protocol::{
    BootId, BootTime, Clock, CommandId, CommandProgress, CommandState, DeviceKey, Field, Incarnation,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

mod migrations {
    refinery::embed_migrations!("migrations/journal");
}

/// Finished commands that are remembered, so that one delivered again is recognised.
const REMEMBERED: i64 = 20_000;

/// The journal refused an operation.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite refused.
    #[error("{operation} in {file} failed: {cause}")]
    Sqlite {
        /// What was being done.
        operation: &'static str,
        /// In which file.
        file: PathBuf,
        /// What SQLite said.
        #[source]
        cause: rusqlite::Error,
    },
    /// The schema could not be brought up to date.
    #[error("preparing the tables of {file} failed: {cause}")]
    Migration {
        /// In which file.
        file: PathBuf,
        /// What the migration said.
        #[source]
        cause: Box<refinery::Error>,
    },
}

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
            results: self.results.clone(),
            journal,
            local,
        }
    }
}

/// The journal. Every change is on disk when its call returns; calls block for one fsync.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    incarnation: Incarnation,
    connection: Mutex<Connection>,
}

impl Journal {
    /// Opens the journal or begins a new incarnation of it.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |operation| move |cause| JournalError::Sqlite { operation, file: path.to_owned(), cause };
        let mut connection = Connection::open(path).map_err(failed("opening the journal"))?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(failed("setting the busy time-out"))?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 200;
                 PRAGMA journal_size_limit = 1048576; PRAGMA cache_size = -256;",
            )
            .map_err(failed("setting the durability"))?;
        migrations::migrations::runner()
            .run(&mut connection)
            .map_err(|cause| JournalError::Migration { file: path.to_owned(), cause: Box::new(cause) })?;
        connection
            .execute(
                "INSERT OR IGNORE INTO journal (only_row, incarnation) VALUES (1, ?1)",
                [Incarnation::random().0 as i64],
            )
            .map_err(failed("beginning an incarnation"))?;
        connection
            .execute(
                "DELETE FROM command WHERE reported = 1 AND state >= ?1 AND changed_ms <
                     (SELECT MIN(changed_ms) FROM
                         (SELECT changed_ms FROM command ORDER BY changed_ms DESC LIMIT ?2))",
                params![CommandState::Succeeded.number(), REMEMBERED],
            )
            .map_err(failed("forgetting old commands"))?;
        let incarnation = connection
            .query_row("SELECT incarnation FROM journal", [], |row| row.get::<_, i64>(0))
            .map_err(failed("reading the incarnation"))?;
        Ok(Self {
            path: path.to_owned(),
            incarnation: Incarnation(incarnation as u64),
            connection: Mutex::new(connection),
        })
    }

    /// The life of this journal.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Records a command as delivered. `false`: it is already there, whatever became of it.
    ///
    /// # Errors
    /// When the journal cannot be written; the command must then not be carried out.
    pub fn deliver(&self, entry: &Entry, clock: &dyn Clock) -> Result<bool, JournalError> {
        let arguments = json(&entry.arguments);
        self.with("recording a command", |connection| {
            connection
                .execute(
                    "INSERT OR IGNORE INTO command
                         (id, device, action, arguments, by, boot, deadline_ms, state, reason, changed_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    params![
                        entry.id.as_str(),
                        entry.device.as_str(),
                        entry.action,
                        arguments,
                        entry.by,
                        entry.boot.0 as i64,
                        entry.deadline.0 as i64,
                        entry.state.number(),
                        entry.reason,
                        clock.wall().0
                    ],
                )
                .map(|changed| changed == 1)
        })
    }

    /// Moves a command from `from` to `to`. `false`: it was not in `from` any more, and nothing changed.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn advance(
        &self,
        id: &CommandId,
        from: CommandState,
        to: CommandState,
        reason: &str,
        results: &[Field],
        clock: &dyn Clock,
    ) -> Result<bool, JournalError> {
        let results = json(results);
        self.with("moving a command on", |connection| {
            connection
                .prepare_cached(
                    "UPDATE command SET state = ?3, reason = ?4, results = ?5, reported = 0, changed_ms = ?6
                     WHERE id = ?1 AND state = ?2",
                )?
                .execute(params![id.as_str(), from.number(), to.number(), reason, results, clock.wall().0])
                .map(|changed| changed == 1)
        })
    }

    /// Notes that the collector's lane has the command's present state.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn mark_reported(&self, id: &CommandId, state: CommandState) -> Result<(), JournalError> {
        self.with("noting a report", |connection| {
            connection
                .prepare_cached("UPDATE command SET reported = 1 WHERE id = ?1 AND state = ?2")?
                .execute(params![id.as_str(), state.number()])
                .map(|_| ())
        })
    }

    /// A command.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn entry(&self, id: &CommandId) -> Result<Option<Entry>, JournalError> {
        self.with("reading a command", |connection| {
            connection
                .query_row(&format!("{SELECT} WHERE id = ?1"), [id.as_str()], read_entry)
                .optional()
                .map(Option::flatten)
        })
    }

    /// Commands that are not finished, or whose state was not reported.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn open_entries(&self) -> Result<Vec<Entry>, JournalError> {
        self.with("reading open commands", |connection| {
            let mut statement =
                connection.prepare(&format!("{SELECT} WHERE state < ?1 OR reported = 0 ORDER BY changed_ms"))?;
            let entries = statement.query_map([CommandState::Succeeded.number()], read_entry)?;
            entries.filter_map(Result::transpose).collect()
        })
    }

    fn with<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let connection = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        work(&connection).map_err(|cause| JournalError::Sqlite { operation, file: self.path.clone(), cause })
    }
}

const SELECT: &str =
    "SELECT id, device, action, arguments, by, boot, deadline_ms, state, reason, results, reported FROM command";

/// `None` for a row that this version cannot read.
fn read_entry(row: &Row<'_>) -> rusqlite::Result<Option<Entry>> {
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
        })
    })();
    Ok(entry)
}

fn json(fields: &[Field]) -> String {
    serde_json::to_string(fields).expect("fields hold only plain values")
}
