//! One SQLite file that keeps its promises: what is committed is on disk, a full disk does not stop it at once, and an
//! error of the disk is never tried away.
//!
//! Three things make a full disk harmless for a while. The WAL is grown beforehand and keeps its size, because SQLite
//! writes there first, even into free pages. No transaction is committed before the file has real space for its pages,
//! so a checkpoint never needs new space and the WAL can always begin again at its start. And a reserve of rows stands
//! in the file; when the disk is full they are deleted, and their pages serve.

use std::ffi::c_int;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kouan_protocol::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use tracing::{error, warn};

use super::control;
use super::error::BufferError;
use super::trouble::{Trouble, disk_full};

/// SQLite's page size here.
const PAGE: i64 = 4096;
/// The file grows by this much at a time.
const CHUNK: i64 = 256 * 1024;
/// One row of the reserve.
const RESERVE_ROW: u64 = 256 * 1024;
/// How often a reserve that was used is tried to be filled again.
const REFILL_EVERY: Duration = Duration::from_secs(30);
/// The VFS whose index of the WAL stands in memory, so that opening a file needs no space on the disk. It also keeps
/// other processes out.
const VFS: &str = "unix-excl";

/// Space that a file has before it needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes inside the file that are given back when the disk is full.
    pub reserve_bytes: u64,
    /// Size of the WAL, obtained when the file is opened and kept.
    pub wal_bytes: u64,
}

/// The tables of a file.
pub(crate) type Migrate = fn(&mut Connection) -> Result<(), refinery::Error>;

/// A file as its only writer sees it.
#[derive(Debug)]
pub(crate) struct DurableFile {
    path: PathBuf,
    connection: Connection,
    migrate: Migrate,
    volatile: bool,
    room: Room,
    /// Bytes of the file that have real space on the disk.
    covered: i64,
    /// Whether commits wait for their fsync at present.
    synchronous: bool,
    /// An error outside a commit, told at the next one.
    broken: Option<rusqlite::Error>,
    refilled: Option<Instant>,
    /// Set when the WAL must begin again and a reader stands in the way.
    readers_must_end: Arc<AtomicBool>,
}

impl DurableFile {
    /// Opens or creates the file.
    pub(crate) fn open(path: &Path, room: Room, migrate: Migrate) -> Result<Self, BufferError> {
        let failed = |operation| at(path, operation);
        let mut connection =
            Connection::open_with_flags_and_vfs(path, flags(), VFS).map_err(failed("opening the file"))?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(failed("setting the busy time-out"))?;
        set_up(&connection, room).map_err(failed("setting the durability"))?;
        migrate(&mut connection)
            .map_err(|cause| BufferError::Migration { file: path.to_owned(), cause: Box::new(cause) })?;
        let length = std::fs::metadata(path).map_or(0, |file| file.len());
        let mut file = Self {
            path: path.to_owned(),
            connection,
            migrate,
            volatile: false,
            room,
            covered: i64::try_from(length).unwrap_or(0),
            synchronous: true,
            broken: None,
            refilled: None,
            readers_must_end: Arc::default(),
        };
        file.secure_wal().map_err(failed("securing what the last run left in the WAL"))?;
        if let Err(cause) = file.grow_wal() {
            warn!(file = %path.display(), error = %cause, "The WAL could not be grown beforehand.");
        }
        while file.refill_reserve() {}
        if let Some(cause) = file.broken.take() {
            return Err(at(path, "growing the file")(cause));
        }
        // The pages of the reserve were written once and are not read.
        file.connection.execute_batch("PRAGMA shrink_memory").map_err(at(path, "letting go of memory"))?;
        Ok(file)
    }

    /// The same tables in memory, in the place of a file that was given up.
    pub(crate) fn in_memory(path: &Path, migrate: Migrate) -> Result<Self, BufferError> {
        let mut connection = Connection::open_in_memory().map_err(at(path, "opening a file in memory"))?;
        migrate(&mut connection)
            .map_err(|cause| BufferError::Migration { file: path.to_owned(), cause: Box::new(cause) })?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            migrate,
            volatile: true,
            room: Room { reserve_bytes: 0, wal_bytes: 0 },
            covered: i64::MAX,
            synchronous: true,
            broken: None,
            refilled: None,
            readers_must_end: Arc::default(),
        })
    }

    /// Where the file is, or was.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is in memory only.
    pub(crate) fn is_volatile(&self) -> bool {
        self.volatile
    }

    /// Runs `work` in one transaction. If it is `durable`, its commit is on disk when this returns; otherwise it is
    /// at the next commit that is, and in any case before anything that follows.
    pub(crate) fn write<T>(
        &mut self,
        durable: bool,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        self.synchronise(durable)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        cover(&transaction, &mut self.covered)?;
        transaction.commit()?;
        self.tend_wal();
        Ok(value)
    }

    /// Reads without writing.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        work(&self.connection)
    }

    /// Whether the disk failed after the last commit was safe.
    pub(crate) fn take_broken(&mut self) -> Option<rusqlite::Error> {
        self.broken.take()
    }

    /// The disk is full: gives back a part of the reserve. `false`: nothing is left of it.
    pub(crate) fn give_reserve_back(&mut self) -> rusqlite::Result<bool> {
        self.refilled = Some(Instant::now());
        let given = self.write(false, |tx| {
            tx.execute("DELETE FROM reserve WHERE id = (SELECT MAX(id) FROM reserve)", []).map(|rows| rows > 0)
        })?;
        if given {
            warn!(file = %self.path.display(), "The disk is full; a part of the file's reserve is used.");
        }
        Ok(given)
    }

    /// Fills a part of the reserve that was used, if enough time has passed since the disk was full.
    pub(crate) fn tend_reserve(&mut self) {
        if self.refilled.is_some_and(|tried| tried.elapsed() >= REFILL_EVERY) {
            self.refilled = self.refill_reserve().then(Instant::now);
        }
    }

    /// Adds a row to the reserve. `false`: it is full, or the disk is.
    fn refill_reserve(&mut self) -> bool {
        let wanted = i64::try_from(self.room.reserve_bytes / RESERVE_ROW).unwrap_or(0);
        let refill = |tx: &Transaction<'_>| {
            let there: i64 = tx.query_row("SELECT COUNT(*) FROM reserve", [], |row| row.get(0))?;
            if there < wanted {
                tx.execute("INSERT INTO reserve (filler) VALUES (zeroblob(?1))", params![RESERVE_ROW as i64])?;
            }
            Ok(there < wanted)
        };
        match self.write(false, refill) {
            Ok(added) => added,
            Err(cause) if Trouble::of(&cause) == Trouble::Full => {
                warn!(file = %self.path.display(), "The disk has no space for the whole reserve.");
                // Whoever has space again is asked again.
                self.refilled = Some(Instant::now());
                false
            }
            Err(cause) => {
                self.broken = Some(cause);
                false
            }
        }
    }

    /// Copies the WAL into the file when it has grown, so that it begins again at its start.
    fn tend_wal(&mut self) {
        if self.volatile {
            return;
        }
        let limit = u32::try_from(self.room.wal_bytes / PAGE.unsigned_abs()).unwrap_or(u32::MAX).max(64);
        let tended = control::wal_frames(&self.connection).and_then(|(frames, _)| {
            // A quarter before the copying begins, a quarter for the largest transaction, and half for what a
            // reader may hold back meanwhile.
            self.readers_must_end.store(frames > limit / 2, Ordering::Relaxed);
            if frames > limit / 4 { control::checkpoint(&self.connection).map(|_| ()) } else { Ok(()) }
        });
        match tended {
            Ok(()) => {}
            Err(cause) if matches!(Trouble::of(&cause), Trouble::Full | Trouble::Passing) => {
                warn!(file = %self.path.display(), error = %cause, "The WAL could not be copied into its file.");
            }
            Err(cause) => self.broken = Some(cause),
        }
    }

    /// A second connection that only reads, for checking the file. [`Self::reader_must_end`] says when to let go.
    pub(crate) fn open_checker(path: &Path) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags_and_vfs(path, flags(), VFS)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -256; PRAGMA wal_autocheckpoint = 0;")?;
        Ok(connection)
    }

    /// Tells a checking reader to let go of the WAL.
    pub(crate) fn reader_must_end(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.readers_must_end)
    }

    fn synchronise(&mut self, durable: bool) -> rusqlite::Result<()> {
        if self.synchronous != durable {
            let mode = if durable { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            self.connection.execute_batch(mode)?;
            self.synchronous = durable;
        }
        Ok(())
    }

    /// A process that was killed may have left commits in the WAL which it had written and not synced. SQLite takes them
    /// for committed now, so they must be on disk before anything of them is sent. Copying the WAL begins with its sync.
    fn secure_wal(&self) -> rusqlite::Result<()> {
        match control::checkpoint(&self.connection) {
            Err(cause) if Trouble::of(&cause) != Trouble::Full => Err(cause),
            _ => Ok(()),
        }
    }

    /// Obtains the space of the WAL with real bytes. Zeros after the last frame mean nothing to SQLite.
    fn grow_wal(&self) -> std::io::Result<()> {
        let mut wal = std::fs::OpenOptions::new().append(true).open(beside(&self.path, "-wal"))?;
        let (length, wanted) = (wal.metadata()?.len(), self.room.wal_bytes);
        if length < wanted {
            std::io::copy(&mut std::io::repeat(0).take(wanted - length), &mut wal)?;
            wal.sync_all()?;
        }
        Ok(())
    }

    /// Closes the file in order.
    pub(crate) fn close(mut self) {
        if self.volatile || self.broken.is_some() || self.synchronise(true).is_err() {
            return;
        }
        let complete = match control::checkpoint(&self.connection) {
            Ok((frames, copied)) => frames == copied,
            Err(cause) => {
                warn!(file = %self.path.display(), error = %cause, "The WAL stays as it is until the next start.");
                false
            }
        };
        let wal = beside(&self.path, "-wal");
        drop(self.connection);
        // The WAL keeps its space, but what it holds is in the file now. Without its header nobody can take it for the
        // continuation of another copy of the file.
        if complete && let Err(cause) = forget_header(&wal) {
            warn!(file = %wal.display(), error = %cause, "The WAL could not be closed.");
        }
    }

    /// Gives the file up after the disk refused, and goes on with the same tables in memory. What was committed stays
    /// in the file for the next start; the transaction that failed is made unreadable as far as the disk still
    /// allows, so that it does not come back then.
    pub(crate) fn abandon(&mut self, now: Timestamp) -> Result<(), BufferError> {
        let memory = Self::in_memory(&self.path, self.migrate)?;
        let given_up = std::mem::replace(self, memory);
        // Overwrites the frames of the failed transaction, whose fsync nobody may repeat, and says to the next start
        // since when the file lacks what happened.
        let since = (now.0.div_euclid(1000) as u32).max(1) as i32;
        let mark = format!("PRAGMA synchronous = OFF; PRAGMA user_version = {since};");
        let _ = given_up.connection.execute_batch(&mark);
        error!(file = %self.path.display(), "The file is given up until the next start; what it holds stays in it.");
        Ok(())
    }

    /// Moves the damaged file aside and begins a new one. If that fails it goes on in memory.
    pub(crate) fn replace(&mut self, now: Timestamp) -> Result<(), BufferError> {
        let memory = Self::in_memory(&self.path, self.migrate)?;
        let (path, room, migrate) = (self.path.clone(), self.room, self.migrate);
        drop(std::mem::replace(self, memory));
        move_aside(&path, now)?;
        *self = Self::open(&path, room, migrate)?;
        Ok(())
    }
}

/// Since when the file lacks what happened, because an earlier run gave it up.
pub(crate) fn given_up_since(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let seconds: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok((seconds != 0).then(|| Timestamp(i64::from(seconds as u32) * 1000)))
}

/// What [`given_up_since`] said is told.
pub(crate) fn forget_given_up(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("PRAGMA user_version = 0")
}

/// Renames a damaged file with its WAL; nothing is ever deleted.
pub(crate) fn move_aside(path: &Path, now: Timestamp) -> Result<PathBuf, BufferError> {
    let failed = |cause| BufferError::MoveAside { file: path.to_owned(), cause };
    let mut aside = beside(path, &format!(".damaged-{}", stamp(now)));
    let mut copy = 1;
    while aside.exists() {
        copy += 1;
        aside = beside(path, &format!(".damaged-{}-{copy}", stamp(now)));
    }
    for ending in ["-wal", "-shm"] {
        match std::fs::rename(beside(path, ending), beside(&aside, ending)) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(failed(cause)),
            _ => {}
        }
    }
    std::fs::rename(path, &aside).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    error!(file = %path.display(), aside = %aside.display(), "A damaged file was moved aside; a new one begins.");
    Ok(aside)
}

/// Makes an error of this file.
pub(crate) fn at(path: &Path, operation: &'static str) -> impl Fn(rusqlite::Error) -> BufferError {
    let file = path.to_owned();
    move |cause| BufferError::Sqlite { operation, file: file.clone(), cause }
}

/// The path with `ending` after its name.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn set_up(connection: &Connection, room: Room) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = {}; PRAGMA cache_size = -256;",
        room.wal_bytes
    ))?;
    control::grow_in_chunks(connection, CHUNK as c_int)
}

/// Obtains real space for every page of the transaction before it is committed.
fn cover(tx: &Transaction<'_>, covered: &mut i64) -> rusqlite::Result<()> {
    if *covered == i64::MAX {
        return Ok(());
    }
    let pages: i64 = tx.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get(0))?;
    let needed = pages.saturating_mul(PAGE);
    if needed > *covered {
        // SQLite reports every failure here alike; a disk that fails in another way shows that at the commit.
        control::obtain_space(tx, needed).map_err(|_| disk_full())?;
        *covered = needed.div_euclid(CHUNK).saturating_add(i64::from(needed % CHUNK != 0)).saturating_mul(CHUNK);
    }
    Ok(())
}

fn forget_header(wal: &Path) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(wal)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&[0; 32])?;
    file.sync_data()
}

/// `20261122T034500Z`.
fn stamp(now: Timestamp) -> String {
    let seconds = now.0.div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a date of the Gregorian calendar, counted in eras of 400 years that begin on the first of March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_is_a_date() {
        assert_eq!(stamp(Timestamp(1_795_319_100_000)), "20261122T034500Z");
        assert_eq!(stamp(Timestamp(951_782_399_000)), "20000228T235959Z");
        assert_eq!(stamp(Timestamp(951_868_799_000)), "20000229T235959Z");
        assert_eq!(stamp(Timestamp(0)), "19700101T000000Z");
    }
}
