//! What is known of each picture: rows of `state.db`.

use kouan_protocol::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Digest, Picture};
use crate::audit::Actor;
use crate::auth::Scope;
use crate::store::{During as _, StoreError};

const DAY_MS: i64 = 24 * 3_600_000;
const COLUMNS: &str = "number, id, site, device, alarm, event, command, sha256, media_type, width, height, bytes, \
                       taken_ms, kept_ms, by_kind, by_name, note, removed_ms, removed_by, removed_why";

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all pictures together.
    pub total_bytes: u64,
    /// Pictures of one device within 24 hours.
    pub per_device_and_day: u64,
    /// How many days a picture is kept; for ever if `None`.
    pub days: Option<i64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total_bytes: 10 << 30, per_device_and_day: 500, days: None }
    }
}

/// A picture as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EvidenceRow {
    /// Its place in the list.
    #[serde(skip)]
    pub number: i64,
    /// Names it for ever.
    pub id: String,
    /// The site of the device when it was given.
    pub site: String,
    /// The device that it shows or belongs to.
    pub device: String,
    /// The alarm that it is evidence of.
    pub alarm: Option<String>,
    /// The event that it is evidence of.
    pub event: Option<String>,
    /// The command that it is evidence of.
    pub command: Option<String>,
    /// When it was taken, as whoever gave it says.
    pub taken_ms: i64,
    /// When it arrived.
    pub kept_ms: i64,
    /// Who gave it.
    pub by: String,
    /// `user` or `key`.
    pub by_kind: String,
    /// What they say of it.
    pub note: String,
    /// `image/jpeg`, `image/png` or `image/webp`.
    pub media_type: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Its length.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// `kept`; `lost`, if the file is not there; `removed`, if an administrator took it away.
    pub state: String,
    /// Who took it away, when and why.
    pub removed: Option<Removed>,
}

/// Who took a picture away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Removed {
    /// When.
    pub at_ms: i64,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What a picture shows, and who says so.
#[derive(Debug, Clone)]
pub(super) struct NewRow<'n> {
    pub(super) site: &'n str,
    pub(super) device: &'n str,
    /// Alarm, event, command.
    pub(super) belongs: [Option<&'n str>; 3],
    pub(super) taken: Timestamp,
    pub(super) note: &'n str,
    pub(super) picture: Picture,
    pub(super) bytes: u64,
    pub(super) digest: &'n Digest,
    pub(super) by: &'n Actor,
}

/// A picture that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is kept from now on.
    Now(EvidenceRow),
    /// It was kept before, of the same device, alarm, event and command.
    Before(EvidenceRow),
}

/// Why a picture is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeepProblem {
    /// All pictures together would be too many.
    #[error("all pictures together may have {0} MiB, and there is no room for this one")]
    Full(u64),
    /// The disk has no room that it could spare.
    #[error("the disk is nearly full; what devices tell comes first")]
    Disk,
    /// A device has enough of them.
    #[error("{0} pictures of this device were given within 24 hours; there may be no more")]
    Many(u64),
}

/// Why a picture is not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RemoveProblem {
    /// There is none.
    #[error("there is no such picture")]
    None,
    /// It was removed before.
    #[error("the picture was removed before")]
    Gone,
}

/// A number that is never below zero.
pub(super) fn unsigned(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(at)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, number))
}

fn read(row: &Row<'_>) -> rusqlite::Result<EvidenceRow> {
    let removed_ms: Option<i64> = row.get(17)?;
    let removed = match removed_ms {
        Some(at_ms) => Some(Removed {
            at_ms,
            by: row.get::<_, Option<String>>(18)?.unwrap_or_default(),
            reason: row.get::<_, Option<String>>(19)?.unwrap_or_default(),
        }),
        None => None,
    };
    Ok(EvidenceRow {
        number: row.get(0)?,
        id: row.get(1)?,
        site: row.get(2)?,
        device: row.get(3)?,
        alarm: row.get(4)?,
        event: row.get(5)?,
        command: row.get(6)?,
        sha256: row.get(7)?,
        media_type: row.get(8)?,
        width: row.get(9)?,
        height: row.get(10)?,
        bytes: unsigned(row, 11)?,
        taken_ms: row.get(12)?,
        kept_ms: row.get(13)?,
        by_kind: row.get(14)?,
        by: row.get(15)?,
        note: row.get(16)?,
        state: if removed.is_some() { "removed" } else { "kept" }.to_owned(),
        removed,
    })
}

/// Writes the row of a picture whose file is on disk.
pub(super) fn add(
    transaction: &Transaction<'_>,
    new: &NewRow<'_>,
    limits: &Limits,
    now: Timestamp,
) -> Result<Result<Kept, KeepProblem>, StoreError> {
    let [alarm, event, command] = new.belongs;
    let known = transaction
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM evidence WHERE sha256 = ?1 AND device = ?2 AND alarm IS ?3 AND event IS ?4
             AND command IS ?5 AND removed_ms IS NULL"
        ))
        .and_then(|mut statement| {
            statement.query_row(params![new.digest.as_str(), new.device, alarm, event, command], read).optional()
        })
        .during("look for a picture")?;
    if let Some(row) = known {
        return Ok(Ok(Kept::Before(row)));
    }
    let of_device: u64 = transaction
        .prepare_cached("SELECT count(*) FROM evidence WHERE device = ?1 AND kept_ms > ?2 AND kept_ms <= ?3")
        .and_then(|mut statement| {
            statement.query_row(params![new.device, now.0.saturating_sub(DAY_MS), now.0], |row| unsigned(row, 0))
        })
        .during("count the pictures of a device")?;
    if of_device >= limits.per_device_and_day {
        return Ok(Err(KeepProblem::Many(limits.per_device_and_day)));
    }
    let (_, bytes) = totals(transaction)?;
    let has_file: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM evidence_files WHERE sha256 = ?1)")
        .and_then(|mut statement| statement.query_row([new.digest.as_str()], |row| row.get(0)))
        .during("look for the file of a picture")?;
    if !has_file && bytes.saturating_add(new.bytes) > limits.total_bytes {
        return Ok(Err(KeepProblem::Full(limits.total_bytes >> 20)));
    }
    let bytes_of_new = i64::try_from(new.bytes).unwrap_or(i64::MAX);
    transaction
        .prepare_cached("INSERT OR IGNORE INTO evidence_files (sha256, bytes) VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute(params![new.digest.as_str(), bytes_of_new]))
        .during("write down the file of a picture")?;
    let Picture { media_type, width, height } = new.picture;
    let id = random_id();
    transaction
        .prepare_cached(
            "INSERT INTO evidence (id, site, device, alarm, event, command, sha256, media_type, width, height, bytes,
                                   taken_ms, kept_ms, by_kind, by_id, by_name, note)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                id,
                new.site,
                new.device,
                alarm,
                event,
                command,
                new.digest.as_str(),
                media_type,
                width,
                height,
                bytes_of_new,
                new.taken.0,
                now.0,
                new.by.kind.as_str(),
                new.by.id,
                new.by.name,
                new.note
            ])
        })
        .during("write down a picture")?;
    let row = find(transaction, &Scope::All, &id)?;
    let row = row.ok_or_else(|| StoreError::damaged("a picture")("it is gone as soon as it is written"))?;
    Ok(Ok(Kept::Now(row)))
}

/// Which pictures.
#[derive(Debug, Clone, Default)]
pub struct EvidenceFilter {
    /// Of this device.
    pub device: Option<String>,
    /// Of this alarm.
    pub alarm: Option<String>,
    /// Of this event.
    pub event: Option<String>,
    /// Of this command.
    pub command: Option<String>,
    /// Taken from this time on.
    pub from_ms: Option<i64>,
    /// Taken before this time.
    pub to_ms: Option<i64>,
}

/// Pictures behind `after` (time and number), the one that was taken last first.
pub(super) fn list(
    conn: &Connection,
    scope: &Scope,
    filter: &EvidenceFilter,
    after: (i64, i64),
    limit: usize,
) -> Result<Vec<EvidenceRow>, StoreError> {
    // Each filter that is there becomes a condition of its own, so that SQLite can choose the index that fits.
    let mut conditions = String::from(
        "(?1 IS NULL OR site IN (SELECT value FROM json_each(?1))) AND (taken_ms, number) < (?2, ?3)
         AND taken_ms >= ?4 AND taken_ms < ?5",
    );
    let wanted = [
        ("device", &filter.device, "?6"),
        ("alarm", &filter.alarm, "?7"),
        ("event", &filter.event, "?8"),
        ("command", &filter.command, "?9"),
    ];
    for (column, value, parameter) in wanted {
        let known = if value.is_some() { format!("{column} = {parameter}") } else { format!("{parameter} IS NULL") };
        conditions.push_str(&format!(" AND {known}"));
    }
    conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM evidence WHERE {conditions} ORDER BY taken_ms DESC, number DESC LIMIT ?10"
    ))
    .and_then(|mut statement| {
        let rows = statement.query_map(
            params![
                scope.to_sql(),
                after.0,
                after.1,
                filter.from_ms.unwrap_or(i64::MIN),
                filter.to_ms.unwrap_or(i64::MAX),
                filter.device,
                filter.alarm,
                filter.event,
                filter.command,
                limit as i64
            ],
            read,
        )?;
        rows.collect()
    })
    .during("list pictures")
}

/// One picture by its id.
pub(super) fn find(conn: &Connection, scope: &Scope, id: &str) -> Result<Option<EvidenceRow>, StoreError> {
    let found = conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM evidence WHERE id = ?1"))
        .and_then(|mut statement| statement.query_row([id], read).optional())
        .during("read a picture's row")?;
    Ok(found.filter(|row| scope.covers(&row.site)))
}

/// Takes a picture away; its row stays and says so.
pub(super) fn remove(
    transaction: &Transaction<'_>,
    scope: &Scope,
    id: &str,
    (by, reason): (&str, &str),
    now: Timestamp,
) -> Result<Result<EvidenceRow, RemoveProblem>, StoreError> {
    let Some(row) = find(transaction, scope, id)? else { return Ok(Err(RemoveProblem::None)) };
    if row.removed.is_some() {
        return Ok(Err(RemoveProblem::Gone));
    }
    transaction
        .prepare_cached("UPDATE evidence SET removed_ms = ?2, removed_by = ?3, removed_why = ?4 WHERE number = ?1")
        .and_then(|mut statement| statement.execute(params![row.number, now.0, by, reason]))
        .during("remove a picture")?;
    forget_file(transaction, &row.sha256)?;
    Ok(Ok(row))
}

/// Removes the rows of up to `at_once` pictures that arrived before a time, and returns whose files they had.
pub(super) fn forget(transaction: &Transaction<'_>, before_ms: i64, at_once: usize) -> Result<Vec<Digest>, StoreError> {
    let old: Vec<(i64, String)> = transaction
        .prepare_cached("SELECT number, sha256 FROM evidence WHERE kept_ms < ?1 ORDER BY number LIMIT ?2")
        .and_then(|mut statement| {
            let rows = statement.query_map(params![before_ms, at_once as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .during("look for old pictures")?;
    for (number, sha256) in &old {
        transaction
            .prepare_cached("DELETE FROM evidence WHERE number = ?1")
            .and_then(|mut statement| statement.execute([number]))
            .during("forget an old picture")?;
        forget_file(transaction, sha256)?;
    }
    Ok(old.iter().filter_map(|(_, sha256)| Digest::parse(sha256)).collect())
}

/// A file that no picture has any more is not needed.
fn forget_file(transaction: &Transaction<'_>, sha256: &str) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "DELETE FROM evidence_files WHERE sha256 = ?1
             AND NOT EXISTS (SELECT 1 FROM evidence WHERE sha256 = ?1 AND removed_ms IS NULL)",
        )
        .and_then(|mut statement| statement.execute([sha256]))
        .map(drop)
        .during("forget the file of a picture")
}

/// Whether a picture needs its file.
pub(super) fn is_needed(conn: &Connection, digest: &Digest) -> Result<bool, StoreError> {
    conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM evidence_files WHERE sha256 = ?1)")
        .and_then(|mut statement| statement.query_row([digest.as_str()], |row| row.get(0)))
        .during("look for the file of a picture")
}

/// How many files there are, and how many bytes they have together.
///
/// # Errors
/// When they cannot be counted.
pub fn totals(conn: &Connection) -> Result<(u64, u64), StoreError> {
    conn.prepare_cached("SELECT count(*), coalesce(sum(bytes), 0) FROM evidence_files")
        .and_then(|mut statement| statement.query_row([], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?))))
        .during("measure the pictures")
}

fn random_id() -> String {
    // Base 32 of RFC 4648 in lower case, as in the ids of devices.
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = rand::random::<u64>();
    let letters = (0..12).map(|place| char::from(ALPHABET[(bits >> (5 * place) & 31) as usize]));
    ['p', '-'].into_iter().chain(letters).collect()
}
