//! The journal of commands, in a file of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kouan_protocol::{Clock, CommandId, CommandState, Epoch, Field, Incarnation, Timestamp};
use kouan_settings::{Bilingual, both};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{error, warn};

use super::entry::{Entry, SELECT, insert, json, newest_entries, open_entries, read_entry};
use crate::buffer::{
    BufferError, DurableFile, FileState, JournalMark, Room, Trouble, forget_given_up, given_up_since, move_aside,
};

mod migrations {
    refinery::embed_migrations!("migrations/journal");
}

/// Finished commands that are remembered, so that one delivered again is recognised.
const REMEMBERED: i64 = 20_000;
/// Finished commands that are still remembered when the disk is full or refuses.
const REMEMBERED_WHEN_FULL: i64 = 1000;
/// Finished commands that are told again when the lane that they were told in may be lost.
const TOLD_AGAIN: i64 = 1000;
/// What the journal obtains when it is opened, so that a full disk does not stop it.
const ROOM: Room = Room { reserve_bytes: 1 << 20, wal_bytes: 1 << 20 };

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
    /// The file could not be opened or replaced.
    #[error(transparent)]
    File(#[from] BufferError),
    /// The journal was malformed and another one begins; what was asked for was not done.
    #[error("the journal was malformed; {operation} was not done, and another journal begins")]
    Replaced {
        /// What was being done.
        operation: &'static str,
    },
}

impl JournalError {
    /// Whether the disk is full, and what was asked for is certainly not in the file.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Sqlite { cause, .. } if Trouble::of(cause) == Trouble::Full)
    }
}

/// How the journal is kept, for people and for the agent's own alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JournalCondition {
    /// Where it is kept. Nothing that moves is carried out while it is in memory only.
    pub state: FileState,
    /// Malformed journals that were moved aside since the agent started.
    pub moved_aside: u32,
}

/// The journal. Every change is on disk when its call returns; calls block for one fsync.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    condition: watch::Sender<JournalCondition>,
}

#[derive(Debug)]
struct Inner {
    /// Taken when the journal is closed.
    file: Option<DurableFile>,
    incarnation: Incarnation,
    changes: u64,
}

impl Journal {
    /// Opens the journal or begins a new incarnation of it. A malformed file is moved aside; where the disk refuses,
    /// the journal is in memory and [`Journal::is_volatile`].
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, clock: &Arc<dyn Clock>) -> Result<Self, JournalError> {
        let mut condition = JournalCondition::default();
        let attempt = || DurableFile::open(path, ROOM, migrate).and_then(prepare);
        let (file, incarnation, changes) = match attempt() {
            Ok(ready) => ready,
            Err(problem) => match problem.trouble() {
                Trouble::Damaged => {
                    error!(error = %problem, "The command journal is malformed.");
                    move_aside(path, clock.wall())?;
                    condition.moved_aside = 1;
                    attempt()?
                }
                Trouble::Refused => {
                    error!(error = %problem, "The disk refuses the command journal; nothing that moves is carried out.");
                    condition.state = FileState::Volatile;
                    prepare(DurableFile::in_memory(path, migrate)?)?
                }
                Trouble::Full | Trouble::Passing => return Err(problem.into()),
            },
        };
        let stale = file.read(given_up_since).map_err(crate::buffer::at(path, "reading the journal's state"))?;
        let inner = Inner { file: Some(file), incarnation, changes };
        let (clock, condition) = (Arc::clone(clock), watch::Sender::new(condition));
        let journal = Self { path: path.to_owned(), clock, inner: Mutex::new(inner), condition };
        if stale.is_some() {
            journal.begin_new_incarnation(&both!(
                "the disk refused the command journal, which then went on in memory",
                "磁盘拒绝写入命令日志，日志改在内存中"
            ))?;
        }
        Ok(journal)
    }

    /// The life of this journal.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.lock().incarnation
    }

    /// How far the journal has come.
    #[must_use]
    pub fn mark(&self) -> JournalMark {
        let inner = self.lock();
        JournalMark { incarnation: inner.incarnation, changes: inner.changes }
    }

    /// Whether this is an older copy of the journal that `mark` was made of.
    #[must_use]
    pub fn is_behind(&self, mark: JournalMark) -> bool {
        let inner = self.lock();
        inner.incarnation == mark.incarnation && inner.changes < mark.changes
    }

    /// Whether it is in memory only; nothing that moves may then be carried out.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.condition.borrow().state == FileState::Volatile
    }

    /// How it is kept, and every change of it.
    #[must_use]
    pub fn condition(&self) -> watch::Receiver<JournalCondition> {
        self.condition.subscribe()
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal may be an older copy: it goes on as another incarnation, and what is not finished in it is
    /// `unknown`. Returns those commands, which are to be reported.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn begin_new_incarnation(&self, reason: &Bilingual) -> Result<Vec<Entry>, JournalError> {
        let (incarnation, unknown) = (Incarnation::random(), CommandState::Unknown.number());
        let now = self.clock.wall();
        self.change("beginning another incarnation", |tx| {
            tx.execute("UPDATE journal SET incarnation = ?1", [incarnation.0 as i64])?;
            forget_given_up(tx)?;
            tx.execute(
                "UPDATE command SET state = ?1, reason = ?2, reason_zh = ?3, reported = 0, changed_ms = ?4 WHERE state < ?5",
                params![unknown, reason.english, reason.chinese, now.0, CommandState::Succeeded.number()],
            )
            .map(|_| ())
        })?;
        self.lock().incarnation = incarnation;
        warn!(journal = %incarnation, %reason, "The command journal goes on as another one.");
        self.open_entries()
    }

    /// Records a command as delivered. `false`: it is already there, whatever became of it.
    ///
    /// # Errors
    /// When the journal cannot be written; the command must then not be carried out.
    pub fn deliver(&self, entry: &Entry) -> Result<bool, JournalError> {
        let now = self.clock.wall();
        self.change("recording a command", |tx| insert(tx, entry, now))
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
        reason: &Bilingual,
        results: &[Field],
    ) -> Result<bool, JournalError> {
        let (results, now) = (json(results), self.clock.wall());
        self.change("moving a command on", |tx| {
            tx.prepare_cached(
                "UPDATE command SET state = ?3, reason = ?4, results = ?5, reported = 0, changed_ms = ?6, reason_zh = ?7
                     WHERE id = ?1 AND state = ?2",
            )?
            .execute(params![id.as_str(), from.number(), to.number(), reason.english, results, now.0, reason.chinese])
            .map(|changed| changed == 1)
        })
    }

    /// Notes that the collector's lane has the command's present state.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn mark_reported(&self, id: &CommandId, state: CommandState) -> Result<(), JournalError> {
        // Not worth an fsync: what is forgotten here is reported once more.
        let mut inner = self.lock();
        let noted = inner.file()?.write(false, |tx| {
            tx.prepare_cached("UPDATE command SET reported = 1 WHERE id = ?1 AND state = ?2")?
                .execute(params![id.as_str(), state.number()])
                .map(|_| ())
        });
        noted.map_err(self.at("noting a report"))
    }

    /// The urgent lane lives in this epoch now. If it was another one, what was told in that may be lost with its file,
    /// and the latest outcomes are to be told again. Returns what is to be reported.
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub fn tell_in(&self, epoch: Epoch) -> Result<Vec<Entry>, JournalError> {
        let known = self.read("looking for the lane of reports", |connection| {
            connection.query_row("SELECT told_in FROM journal", [], |row| row.get::<_, i64>(0))
        })?;
        if known as u64 == epoch.0 {
            return Ok(Vec::new());
        }
        self.change("noting the lane of reports", |tx| {
            tx.execute("UPDATE journal SET told_in = ?1", [epoch.0 as i64])?;
            tx.execute(
                "UPDATE command SET reported = 0 WHERE reported = 1
                     AND id IN (SELECT id FROM command ORDER BY changed_ms DESC LIMIT ?1)",
                [TOLD_AGAIN],
            )
        })?;
        // A journal that told nothing yet lost nothing. What is not finished will be told when it is.
        let mut lost = if known == 0 { Vec::new() } else { self.open_entries()? };
        lost.retain(|entry| entry.state.is_final());
        Ok(lost)
    }

    /// A command.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn entry(&self, id: &CommandId) -> Result<Option<Entry>, JournalError> {
        self.read("reading a command", |connection| {
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
        self.read("reading open commands", open_entries)
    }

    fn read<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let mut inner = self.lock();
        inner.file()?.read(work).map_err(self.at(operation))
    }

    /// Changes the journal durably. A disk that refuses leaves the journal in memory; a malformed file is replaced, and
    /// then nothing was changed, because nobody knows what the old one had of it.
    fn change<T>(
        &self,
        operation: &'static str,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let mut inner = self.lock();
        let mut pruned = false;
        loop {
            let changed = inner.file()?.write(true, |tx| {
                tx.prepare_cached("UPDATE journal SET changes = changes + 1")?.execute([])?;
                work(tx)
            });
            let cause = match changed {
                Ok(value) => {
                    inner.changes += 1;
                    inner.file()?.tend_reserve();
                    return Ok(value);
                }
                Err(cause) => cause,
            };
            let durable = !inner.file()?.is_volatile();
            match Trouble::of(&cause) {
                Trouble::Full if inner.file()?.give_reserve_back().unwrap_or(false) => {}
                Trouble::Full
                    if !pruned && inner.file()?.write(false, |tx| forget(tx, REMEMBERED_WHEN_FULL)).is_ok() =>
                {
                    pruned = true;
                }
                Trouble::Refused if durable => self.give_file_up(&mut inner, &cause)?,
                Trouble::Damaged if durable => {
                    self.replace(&mut inner, &cause)?;
                    return Err(JournalError::Replaced { operation });
                }
                _ => return Err(self.at(operation)(cause)),
            }
        }
    }

    /// The disk refused: what is open goes on in memory, so that it can still be told how it ended, and what is finished
    /// is remembered there, so that one delivered again is recognised.
    fn give_file_up(&self, inner: &mut Inner, cause: &rusqlite::Error) -> Result<(), JournalError> {
        error!(error = %cause, "The command journal is in memory only; nothing that moves is carried out.");
        let (incarnation, changes) = (inner.incarnation, inner.changes);
        let file = inner.file()?;
        let mut known = file.read(open_entries).unwrap_or_default();
        known.extend(file.read(|connection| newest_entries(connection, REMEMBERED_WHEN_FULL)).unwrap_or_default());
        file.abandon(self.clock.wall())?;
        let filled = file.write(true, |tx| {
            tx.execute(
                "INSERT INTO journal (only_row, incarnation, changes) VALUES (1, ?1, ?2)",
                params![incarnation.0 as i64, changes as i64],
            )?;
            known.iter().try_for_each(|entry| insert(tx, entry, Timestamp(0)).map(|_| ()))
        });
        self.condition.send_modify(|condition| condition.state = FileState::Volatile);
        filled.map_err(self.at("going on in memory"))
    }

    /// The file is malformed: another journal begins, with another incarnation.
    fn replace(&self, inner: &mut Inner, cause: &rusqlite::Error) -> Result<(), JournalError> {
        error!(error = %cause, "The command journal is malformed.");
        let mut file = inner.file.take().ok_or(JournalError::Replaced { operation: "replacing it" })?;
        let replaced = file.replace(self.clock.wall());
        let volatile = file.is_volatile();
        let (file, incarnation, changes) = prepare(file)?;
        *inner = Inner { file: Some(file), incarnation, changes };
        self.condition.send_modify(|condition| {
            condition.moved_aside += 1;
            if volatile {
                condition.state = FileState::Volatile;
            }
        });
        replaced.map_err(JournalError::File)
    }

    fn at(&self, operation: &'static str) -> impl Fn(rusqlite::Error) -> JournalError {
        let file = self.path.clone();
        move |cause| JournalError::Sqlite { operation, file: file.clone(), cause }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(file) = self.lock().file.take() {
            file.close();
        }
    }
}

impl Inner {
    fn file(&mut self) -> Result<&mut DurableFile, JournalError> {
        self.file.as_mut().ok_or(JournalError::Replaced { operation: "using a journal that could not be replaced" })
    }
}

fn migrate(connection: &mut Connection) -> Result<(), refinery::Error> {
    migrations::migrations::runner().set_grouped(true).run(connection).map(|_| ())
}

/// Makes sure that the journal has an incarnation, and forgets what is long finished.
fn prepare(mut file: DurableFile) -> Result<(DurableFile, Incarnation, u64), BufferError> {
    let path = file.path().to_owned();
    let prepared = file.write(true, |tx| {
        tx.execute(
            "INSERT OR IGNORE INTO journal (only_row, incarnation) VALUES (1, ?1)",
            [Incarnation::random().0 as i64],
        )?;
        forget(tx, REMEMBERED)?;
        tx.query_row("SELECT incarnation, changes FROM journal", [], |row| {
            Ok((Incarnation(row.get::<_, i64>(0)? as u64), row.get::<_, i64>(1)? as u64))
        })
    });
    let (incarnation, changes) = prepared.map_err(crate::buffer::at(&path, "preparing the journal"))?;
    Ok((file, incarnation, changes))
}

/// Forgets commands that are finished and reported, but the newest `kept`.
fn forget(tx: &Transaction<'_>, kept: i64) -> rusqlite::Result<()> {
    tx.execute(
        "DELETE FROM command WHERE reported = 1 AND state >= ?1 AND changed_ms <
             (SELECT MIN(changed_ms) FROM (SELECT changed_ms FROM command ORDER BY changed_ms DESC LIMIT ?2))",
        params![CommandState::Succeeded.number(), kept],
    )
    .map(|_| ())
}
