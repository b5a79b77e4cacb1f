//! Files of the history that are damaged.
//!
//! A damaged page makes SQLite refuse whatever needs it, which may be everything. Such a file is set aside under
//! another name, never deleted, so that readings go on into a new one at once; what the ingest log still has of the day
//! is read again. What was set aside stands in the index until it is dealt with, so that a crash in between loses
//! nothing more.

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kouan_protocol::{BootTime, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tracing::{error, warn};

use super::day_ms;
use super::missing::{IncompleteReason, Missing, Stretch};
use super::partition::sync_folder;
use crate::store::{During as _, StoreError, open_read_only};

/// A file that was found sound is not looked at again so soon: that reads all of it.
const AGAIN_MS: u64 = 60_000;
/// A clock that counts as right may be ahead by this much: what it stamped arrived before its time.
const AHEAD_MS: i64 = 60_000;
/// What stands between a file's own name and the time at which it was set aside.
const ASIDE: &str = ".damaged-";

/// A file that was set aside and has not been dealt with.
#[derive(Debug, Clone)]
pub(super) struct SetAside {
    id: i64,
    /// The name that it had.
    pub(super) file: String,
    /// The day, if it was a day's.
    pub(super) day: Option<i64>,
    /// Entries of the log up to this one are read again.
    pub(super) through: i64,
    /// What arrived before this time was in the log no longer.
    pub(super) lost_to_ms: Option<i64>,
}

/// What a damaged file held.
#[derive(Debug, Clone)]
pub(super) enum Held {
    /// Readings of a day. The log has entries up to `through` of it, as far as it still has them.
    Day {
        day: i64,
        /// The day's sums know more than what will be left.
        summed: bool,
        through: i64,
    },
    /// Sums, and those of these days cannot be made again, or not all.
    Sums { lost: Vec<i64> },
}

/// Sets files aside.
#[derive(Debug)]
pub(super) struct Mender {
    folder: PathBuf,
    waiting: Vec<SetAside>,
    found_sound: HashMap<PathBuf, BootTime>,
}

impl Mender {
    /// Goes on where the program ended; `cursor` is the history's.
    pub(super) fn open(index: &Connection, folder: &Path, cursor: i64) -> Result<Self, StoreError> {
        let begun: Vec<(SetAside, String)> = index
            .prepare("SELECT id, file, day, through, lost_to_ms, aside FROM damaged WHERE done = 0 ORDER BY id")
            .and_then(|mut statement| {
                let read = |row: &rusqlite::Row<'_>| {
                    let through = row.get::<_, Option<i64>>(3)?.unwrap_or(cursor);
                    let lost_to_ms = row.get(4)?;
                    Ok((
                        SetAside { id: row.get(0)?, file: row.get(1)?, day: row.get(2)?, through, lost_to_ms },
                        row.get(5)?,
                    ))
                };
                statement.query_map([], read)?.collect()
            })
            .during("read which files are damaged")?;
        let mut waiting = Vec::new();
        for (file, aside) in begun {
            // What has its name now may be the new file, when somebody has deleted the damaged one since.
            let path = folder.join(&file.file);
            if !folder.join(&aside).exists() && path.exists() && is_damaged(&path)? {
                rename(&path, &folder.join(aside))?;
            }
            waiting.push(file);
        }
        Ok(Self { folder: folder.to_owned(), waiting, found_sound: HashMap::new() })
    }

    /// Whether the file is damaged indeed: what a question met may have been a fault of memory.
    pub(super) fn is_damaged(&mut self, path: &Path, now: BootTime) -> Result<bool, StoreError> {
        if self.found_sound.get(path).is_some_and(|at| now.since_ms(*at) < AGAIN_MS) || !path.exists() {
            return Ok(false);
        }
        if is_damaged(path)? {
            self.found_sound.remove(path);
            return Ok(true);
        }
        warn!(file = %path.display(), "A file of the history could not be read and was found sound on a second look.");
        self.found_sound.insert(path.to_owned(), now);
        Ok(false)
    }

    /// Gives the file another name. Nobody may write to it. Everybody who asks is told what is missing before it is.
    pub(super) fn set_aside(
        &mut self,
        (index, missing): (&mut Connection, &Missing),
        path: &Path,
        held: &Held,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        let aside = self.name_aside(file, now);
        let (day, summed, through) = match held {
            Held::Day { day, summed, through } => (Some(*day), *summed, *through),
            Held::Sums { .. } => (None, false, 0),
        };
        let transaction =
            index.transaction_with_behavior(TransactionBehavior::Immediate).during("begin noting a damaged file")?;
        transaction
            .execute(
                "INSERT INTO damaged (file, aside, found_ms, day, summed, through) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![file, aside, now.0, day, summed, through],
            )
            .during("note a damaged file")?;
        let id = transaction.last_insert_rowid();
        let changed = match held {
            Held::Day { day, .. } => vec![*day],
            Held::Sums { lost } => lost.clone(),
        };
        for day in &changed {
            match held {
                Held::Day { .. } => Stretch::of_day(*day, IncompleteReason::Damaged).write(&transaction)?,
                Held::Sums { .. } => {
                    Stretch::of_sums(*day, None, IncompleteReason::Damaged).write(&transaction)?;
                }
            }
        }
        if let Some(day) = day {
            forget_late(&transaction, day, summed)?;
        }
        transaction.commit().during("commit the note of a damaged file")?;
        for day in changed {
            missing.load_day(index, day)?;
        }
        if let Err(error) = rename(path, &self.folder.join(&aside)) {
            // The next try notes it again.
            index.execute("DELETE FROM damaged WHERE id = ?1", [id]).during("forget the note of a damaged file")?;
            return Err(error);
        }
        error!(file = %path.display(), %aside,
            "A file of the history is damaged and was set aside; what the log still has is read again.");
        self.waiting.push(SetAside { id, file: file.to_owned(), day, through, lost_to_ms: None });
        Ok(())
    }

    /// A name for what was a part of that file.
    fn name_aside(&self, file: &str, now: Timestamp) -> String {
        let at = jiff::Timestamp::from_millisecond(now.0)
            .map_or_else(|_| now.0.to_string(), |time| time.strftime("%Y-%m-%dT%H%M%SZ").to_string());
        let mut aside = format!("{file}{ASIDE}{at}");
        while self.folder.join(&aside).exists() {
            aside.push('+');
        }
        aside
    }

    /// Writes a chunk that does not open into a file of its own, before it leaves the day's.
    pub(super) fn keep_chunk(&self, path: &Path, chunk: &BrokenChunk, now: Timestamp) -> Result<String, StoreError> {
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let aside = self.name_aside(&format!("{file}-chunk-{}", chunk.id), now);
        let mut bytes = chunk.described.to_string().into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(&chunk.body);
        let kept = self.folder.join(&aside);
        std::fs::File::create(&kept)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .map_err(StoreError::io("write", &kept))?;
        sync_folder(&kept)?;
        Ok(aside)
    }

    /// The next that must be dealt with.
    pub(super) fn next(&self) -> Option<SetAside> {
        self.waiting.first().cloned()
    }

    /// Whether a file of that day waits.
    pub(super) fn is_waiting(&self, day: i64) -> bool {
        self.waiting.iter().any(|file| file.day == Some(day))
    }

    /// The days that wait to be filled again, each with the entry up to which it will be.
    pub(super) fn days(&self) -> impl Iterator<Item = (i64, i64)> {
        self.waiting.iter().filter_map(|file| file.day.map(|day| (day, file.through)))
    }

    /// Notes that what arrived before `lost_to` was in the log no longer.
    pub(super) fn lost(&mut self, index: &Connection, file: &SetAside, lost_to: Timestamp) -> Result<(), StoreError> {
        index
            .execute("UPDATE damaged SET lost_to_ms = ?2 WHERE id = ?1", [file.id, lost_to.0])
            .during("note what the log has no longer")?;
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.id == file.id) {
            waiting.lost_to_ms = Some(lost_to.0);
        }
        Ok(())
    }

    /// It has been dealt with. What is known to be missing changes with it.
    pub(super) fn done(
        &mut self,
        (index, missing): (&mut Connection, &Missing),
        file: &SetAside,
    ) -> Result<Filled, StoreError> {
        let transaction =
            index.transaction_with_behavior(TransactionBehavior::Immediate).during("begin noting a mended file")?;
        transaction
            .execute("UPDATE damaged SET done = 1 WHERE id = ?1", [file.id])
            .during("note that a file was mended")?;
        let mut filled = Filled::Whole;
        if let Some(day) = file.day {
            let lost_to = file.lost_to_ms.map_or(i64::MIN, |lost| lost.saturating_add(AHEAD_MS));
            if lost_to <= day_ms(day) {
                is_whole_again(&transaction, day)?;
            } else {
                filled = Filled::From(lost_to.min(day_ms(day + 1)));
                transaction
                    .execute(
                        "UPDATE OR REPLACE missing SET to_ms = ?2
                         WHERE day = ?1 AND agent = '' AND reason = 'damaged' AND readings AND to_ms > ?2",
                        [day, lost_to],
                    )
                    .during("note what is missing")?;
            }
        }
        transaction.commit().during("commit the note of a mended file")?;
        if let Some(day) = file.day {
            missing.load_day(index, day)?;
        }
        self.waiting.retain(|waiting| waiting.id != file.id);
        Ok(filled)
    }
}

/// How much of a day is there again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filled {
    /// All of it.
    Whole,
    /// What was read from this time on; of what was before, something may be missing.
    From(i64),
}

/// A chunk that does not open.
#[derive(Debug)]
pub(super) struct BrokenChunk {
    pub(super) id: i64,
    /// What its entry says of it.
    pub(super) described: serde_json::Value,
    pub(super) body: Vec<u8>,
}

/// Sums that stay as they are lack what had come late; others are made of everything that is there.
fn forget_late(transaction: &Transaction<'_>, day: i64, summed: bool) -> Result<(), StoreError> {
    if summed {
        let devices: Vec<(String, String)> = transaction
            .prepare("SELECT agent, key FROM dirty WHERE day = ?1")
            .and_then(|mut statement| statement.query_map([day], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .during("read marks of late readings")?;
        for device in devices {
            Stretch::of_sums(day, Some(device), IncompleteReason::Late).write(transaction)?;
        }
    }
    transaction.execute("DELETE FROM dirty WHERE day = ?1", [day]).during("forget marks of late readings")?;
    Ok(())
}

/// The log had everything of the day: nothing is missing, and its sums are made anew.
fn is_whole_again(transaction: &Transaction<'_>, day: i64) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM missing WHERE day = ?1",
        "UPDATE damaged SET summed = 0 WHERE day = ?1",
        "DELETE FROM rolled WHERE day = ?1",
        "DELETE FROM dirty WHERE day = ?1",
    ] {
        transaction.execute(sql, [day]).during("note that a day is whole again")?;
    }
    Ok(())
}

/// Days whose sums stay as they are, because the readings were in a file that was damaged.
pub(super) fn frozen(index: &Connection) -> Result<BTreeSet<i64>, StoreError> {
    index
        .prepare("SELECT DISTINCT day FROM damaged WHERE summed = 1 AND day IS NOT NULL")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .during("read which days were damaged")
}

/// The names of files that were set aside, in order.
///
/// # Errors
/// When the folder cannot be read.
pub fn set_aside(folder: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let name = entry.map_err(StoreError::io("list", folder))?.file_name();
        let is_log = |name: &str| name.ends_with("-wal") || name.ends_with("-shm");
        names.extend(name.to_str().filter(|name| name.contains(ASIDE) && !is_log(name)).map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}

fn is_damaged(path: &Path) -> Result<bool, StoreError> {
    if is_empty(path) {
        return Ok(true);
    }
    let check = |conn: &Connection| {
        conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0)).during("check a file")
    };
    match open_read_only(path).and_then(|conn| check(&conn)) {
        Ok(said) => Ok(said != "ok"),
        Err(error) if error.is_damage() => Ok(true),
        Err(error) => Err(error),
    }
}

/// A file of the history gets its name when it has its tables: an empty one has lost them.
pub(super) fn is_empty(path: &Path) -> bool {
    let length = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.len());
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    length(path).is_ok_and(|length| length == 0) && length(Path::new(&wal)).unwrap_or(0) == 0
}

/// The log of a file goes first: left alone beside a later file of the same name it could be mistaken for that one's.
fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    for ending in ["-wal", "-shm", ""] {
        let name = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        match std::fs::rename(name(from), name(to)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("set aside", from)(error));
            }
            _ => {}
        }
    }
    sync_folder(from)
}
