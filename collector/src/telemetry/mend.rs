//! Files of the history that are damaged.
//!
//! A damaged page makes SQLite refuse whatever needs it, which may be everything. Such a file is set aside under
//! another name, never deleted, so that readings go on into a new one at once; what the ingest log still has of the day
//! is read again. What was set aside stands in the index until it is dealt with, so that a crash in between loses
//! nothing more.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use kouan_protocol::{BootTime, Timestamp};
use rusqlite::{Connection, params};
use tracing::{error, warn};

use super::head::{Head, HeadDay};
use super::partition::sync_folder;
use super::take::Taker;
use crate::store::log::{FollowLog, Page, Wanted};
use crate::store::{During as _, StoreError, open_read_only};

/// A file that was found sound is not looked at again so soon: that reads all of it.
const AGAIN_MS: u64 = 60_000;
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
}

/// Sets files aside.
#[derive(Debug)]
pub(super) struct Mender {
    folder: PathBuf,
    waiting: Vec<SetAside>,
    found_sound: HashMap<PathBuf, BootTime>,
}

impl Mender {
    /// Goes on where the program ended.
    pub(super) fn open(index: &Connection, folder: &Path) -> Result<Self, StoreError> {
        let begun: Vec<(SetAside, String)> = index
            .prepare("SELECT id, file, day, aside FROM damaged WHERE done = 0 ORDER BY id")
            .and_then(|mut statement| {
                let read = |row: &rusqlite::Row<'_>| {
                    Ok((SetAside { id: row.get(0)?, file: row.get(1)?, day: row.get(2)? }, row.get(3)?))
                };
                statement.query_map([], read)?.collect()
            })
            .during("read which files are damaged")?;
        let mut waiting = Vec::new();
        for (file, aside) in begun {
            if !folder.join(&aside).exists() {
                rename(&folder.join(&file.file), &folder.join(aside))?;
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

    /// Gives the file another name. Nobody may write to it. `summed`: the day's sums know more than what will be left.
    pub(super) fn set_aside(
        &mut self,
        index: &Connection,
        path: &Path,
        (day, summed): (Option<i64>, bool),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        let at = jiff::Timestamp::from_millisecond(now.0)
            .map_or_else(|_| now.0.to_string(), |time| time.strftime("%Y-%m-%dT%H%M%SZ").to_string());
        let mut aside = format!("{file}{ASIDE}{at}");
        while self.folder.join(&aside).exists() {
            aside.push('+');
        }
        index
            .execute(
                "INSERT INTO damaged (file, aside, found_ms, day, summed) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![file, aside, now.0, day, summed],
            )
            .during("note a damaged file")?;
        let id = index.last_insert_rowid();
        rename(path, &self.folder.join(&aside))?;
        error!(file = %path.display(), %aside,
            "A file of the history is damaged and was set aside; what the log still has is read again.");
        self.waiting.push(SetAside { id, file: file.to_owned(), day });
        Ok(())
    }

    /// The next that must be dealt with.
    pub(super) fn next(&self) -> Option<SetAside> {
        self.waiting.first().cloned()
    }

    /// It has been dealt with.
    pub(super) fn done(&mut self, index: &Connection, file: &SetAside) -> Result<(), StoreError> {
        index.execute("UPDATE damaged SET done = 1 WHERE id = ?1", [file.id]).during("note that a file was mended")?;
        self.waiting.retain(|waiting| waiting.id != file.id);
        Ok(())
    }
}

/// Days whose sums stay as they are, because the readings were in a file that was damaged.
pub(super) fn frozen(index: &Connection) -> Result<Vec<i64>, StoreError> {
    index
        .prepare("SELECT day FROM damaged WHERE summed = 1 AND day IS NOT NULL")
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

/// Reads the readings of a day again that came with the log's entries after the first and up to the second of
/// `entries`, and hands them over to be sealed. Returns how many numbers that were.
pub(super) fn read_again(
    log: &mut dyn FollowLog,
    taker: &mut Taker,
    day: i64,
    entries: (i64, i64),
    (page_bytes, memory_bytes): (usize, usize),
    mut seal: impl FnMut(&HeadDay, i64) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let head = Head::default();
    let ((mut at, last), mut found) = (entries, 0);
    while at < last {
        let Page { mut entries, through } = log.after(at, page_bytes, Wanted::Readings)?;
        // Behind a page without entries there is nothing.
        at = if entries.is_empty() { last } else { through.min(last) };
        entries.retain(|entry| entry.id <= at);
        for entry in &entries {
            taker.take(log, &head, entry, |of| Ok(of == day))?;
        }
        taker.account(&head, at);
        if at < last && head.bytes() < memory_bytes {
            continue;
        }
        let generation = head.begin_seal();
        taker.begin_anew();
        if let Some(rows) = generation.days.get(&day) {
            seal(rows, generation.through)?;
            found += rows.counts.values().sum::<u64>();
        }
        head.end_seal();
    }
    Ok(found)
}
