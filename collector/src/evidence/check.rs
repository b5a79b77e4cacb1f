//! Whether every picture that is kept is what it was; also beside a running collector, and of a backup.

use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use super::Digest;
use super::files::is_whole;
use super::rows::unsigned;
use crate::store::{DataFolder, During as _, StoreError, open_read_only};

/// What was found.
#[derive(Debug, Default, Clone, Serialize)]
pub struct EvidenceReport {
    /// Files that were read.
    pub pictures: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is lost or broken, in words.
    pub problems: Vec<String>,
}

/// The files that the rows of a `state.db` need, with their lengths; none if it is of a version that knew no evidence.
///
/// # Errors
/// When they cannot be read.
pub fn needed(state: &Connection) -> Result<Vec<(Digest, u64)>, StoreError> {
    let knows: bool = state
        .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'evidence_files')", [], |row| row.get(0))
        .during("look for pictures")?;
    if !knows {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, u64)> = state
        .prepare("SELECT sha256, bytes FROM evidence_files ORDER BY sha256")
        .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?.collect())
        .during("list the files of pictures")?;
    let parsed = rows.into_iter().map(|(sha256, bytes)| {
        let digest = Digest::parse(&sha256);
        digest.map(|digest| (digest, bytes)).ok_or_else(|| StoreError::damaged("the name of a picture")(sha256))
    });
    parsed.collect()
}

/// Reads every picture of the data folder at `folder`.
///
/// # Errors
/// When the rows cannot be read. A picture that cannot be read is a problem of the report.
pub fn check(folder: &Path) -> Result<EvidenceReport, StoreError> {
    let data = DataFolder::new(folder);
    let mut report = EvidenceReport::default();
    if !data.state().exists() {
        return Ok(report);
    }
    let state = open_read_only(&data.state())?;
    for (digest, bytes) in needed(&state)? {
        report.pictures += 1;
        report.bytes += bytes;
        let path = folder.join(digest.place());
        match is_whole(&path, &digest) {
            Ok(true) => {}
            // One that was removed since the list was read is not needed any more.
            Ok(false) if !super::rows::is_needed(&state, &digest)? => {}
            Ok(false) if path.exists() => report.problems.push(format!("{}: it is not what it was", path.display())),
            Ok(false) => report.problems.push(format!("{}: it is lost", path.display())),
            Err(error) => report.problems.push(format!("{}: {error}", path.display())),
        }
    }
    Ok(report)
}
