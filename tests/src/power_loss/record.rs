//! What the disk library wrote down: every change and sync of the files of one folder, in order.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// `ENTRY_MAGIC` of `tests/faults/disk.c`.
const MAGIC: u32 = 0x4b53_4944;
/// `struct entry` of `tests/faults/disk.c`.
const HEADER: usize = 48;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A file was opened, and perhaps made.
    Opened { path: PathBuf, is_new: bool },
    /// Bytes were written.
    Written { offset: u64, data: Vec<u8> },
    /// The file was given this length.
    Truncated { length: u64 },
    /// A sync of a file that began at `began` has ended: what was written before is on disk.
    Synced { began: u64 },
    /// A sync of a folder that began at `began` has ended: its names are on disk.
    FolderSynced { folder: PathBuf, began: u64 },
    /// A name was removed.
    Removed { path: PathBuf },
    /// A name was changed.
    Renamed { from: PathBuf, to: PathBuf },
    /// A folder was made.
    FolderMade { path: PathBuf },
}

/// A change and when it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// CLOCK_MONOTONIC in nanoseconds.
    pub(super) at: u64,
    /// Of which file.
    pub(super) inode: u64,
    /// What.
    pub(super) change: Change,
}

/// Reads a record. A last entry that a killed program did not finish is left out.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<Entry>> {
    let bytes = std::fs::read(file).with_context(|| format!("reading {} failed", file.display()))?;
    let mut rest = bytes.as_slice();
    let mut entries = Vec::new();
    while let Some((header, more)) = rest.split_first_chunk::<HEADER>() {
        let number = |at: usize| header[at..].first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        let long = |at: usize| header[at..].first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        if number(0) != MAGIC {
            bail!("the record {} is damaged at byte {}", file.display(), bytes.len() - rest.len());
        }
        let (path_length, data_length) = (number(40) as usize, number(44) as usize);
        let Some((path, more)) = more.split_at_checked(path_length) else { break };
        let Some((data, more)) = more.split_at_checked(data_length) else { break };
        let (path, a, b) = (PathBuf::from(OsString::from_vec(path.to_vec())), long(24), long(32));
        let change = match number(4) {
            1 => Change::Opened { path, is_new: a != 0 },
            2 => Change::Written { offset: a, data: data.to_vec() },
            3 => Change::Truncated { length: a },
            4 if b != 0 => Change::FolderSynced { folder: path, began: a },
            4 => Change::Synced { began: a },
            5 => Change::Removed { path },
            6 => Change::Renamed { from: path, to: PathBuf::from(OsString::from_vec(data.to_vec())) },
            7 => Change::FolderMade { path },
            other => bail!("the record {} holds a change of kind {other}", file.display()),
        };
        entries.push(Entry { at: long(8), inode: long(16), change });
        rest = more;
    }
    // Two programs may share a record; each writes its own entries in order.
    entries.sort_by_key(|entry| entry.at);
    Ok(entries)
}
