//! Making a copy of a data folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::sums::{self, Sum};
use super::{BackupError, copy};
use crate::evidence;
use crate::store::{DataFolder, StoreError, open_read_only};

/// A copy that is complete and on disk.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
    /// Where it is.
    pub folder: PathBuf,
    /// How many files it has.
    pub files: usize,
    /// Their length in bytes.
    pub bytes: u64,
    /// Files that are no readable databases; they were copied as they are.
    pub problems: Vec<String>,
}

/// Copies `data` into `target`, which must not exist or be empty. A collector may run on `data` under any load.
///
/// A file is copied before those that it could run ahead of: first the mark how far the history is, then its days and
/// sums, then the state, then the pictures that its rows need, and the log last. So the log of the copy has all that a mark of the copy has passed, and what a
/// day has more than its mark says is known by the day itself. While it is copied, nothing is removed from the log and
/// no part of the history is deleted, so that what a mark has not passed is still there when the log's turn comes.
///
/// # Errors
/// When a file cannot be copied. Then `target` has no `SHA256SUMS` and is of no use.
pub fn make(data: &DataFolder, target: &Path) -> Result<Made, BackupError> {
    std::fs::metadata(data.ingest()).map_err(StoreError::io("open", &data.ingest()))?;
    let copied = DataFolder::new(target);
    if target.exists() && std::fs::read_dir(target).map_err(StoreError::io("list", target))?.next().is_some() {
        return Err(BackupError::NotEmpty(target.to_owned()));
    }
    copied.create()?;
    let _held = data.hold_deletions()?;
    let mut made = Making { from: data.path(), to: target, sums: Vec::new(), bytes: 0, problems: Vec::new() };
    let index = Path::new("history/index.db");
    if data.path().join(index).exists() {
        made.database(index)?;
    }
    for name in names(&data.history(), "db")? {
        // What finds events is made again from the days; a copy of it could know more than those of the copy.
        if name != "index.db" && !name.starts_with("events-") {
            made.part_of_history(&Path::new("history").join(name))?;
        }
    }
    if data.tls().exists() {
        copied.create_below("tls")?;
        for name in names(&data.tls(), "pem")? {
            made.plain(&Path::new("tls").join(name))?;
        }
    }
    made.database(Path::new("state.db"))?;
    made.pictures(&copied)?;
    made.database(Path::new("ingest.db"))?;
    for folder in [copied.history(), copied.tls()].into_iter().filter(|folder| folder.exists()) {
        copy::sync(&folder)?;
    }
    sums::write(target, &made.sums)?;
    let Making { sums, bytes, problems, .. } = made;
    Ok(Made { folder: target.to_owned(), files: sums.len(), bytes, problems })
}

struct Making<'p> {
    from: &'p Path,
    to: &'p Path,
    sums: Vec<Sum>,
    bytes: u64,
    problems: Vec<String>,
}

impl Making<'_> {
    fn database(&mut self, name: &Path) -> Result<(), StoreError> {
        copy::database(&self.from.join(name), &self.to.join(name))?;
        self.add(name)
    }

    /// A day that is broken must not be what keeps all others from being copied.
    fn part_of_history(&mut self, name: &Path) -> Result<(), StoreError> {
        let (from, to) = (self.from.join(name), self.to.join(name));
        if let Err(error) = copy::database(&from, &to) {
            let is_broken = matches!(&error, StoreError::Sqlite { source, .. } if is_damage(source));
            if !is_broken {
                return Err(error);
            }
            self.problems.push(format!("{}: {error}; it was copied as it is", from.display()));
            return self.plain(name);
        }
        self.add(name)
    }

    /// The files that the copied rows need. A file was there before its row, and none is removed meanwhile.
    fn pictures(&mut self, copied: &DataFolder) -> Result<(), StoreError> {
        let needed = evidence::needed(&open_read_only(&copied.state())?)?;
        let mut folders = BTreeSet::new();
        for (digest, _) in &needed {
            let (name, from) = (digest.place(), self.from.join(digest.place()));
            if !from.exists() {
                self.problems.push(format!("{}: it is lost, so the copy has none of it", from.display()));
                continue;
            }
            let above = name.parent().unwrap_or(Path::new("evidence")).to_owned();
            if folders.insert(above.clone()) {
                copied.create_below(&above.display().to_string())?;
            }
            self.plain(&name)?;
        }
        folders.iter().try_for_each(|folder| copy::sync(&self.to.join(folder)))
    }

    fn plain(&mut self, name: &Path) -> Result<(), StoreError> {
        copy::plain(&self.from.join(name), &self.to.join(name))?;
        self.add(name)
    }

    fn add(&mut self, name: &Path) -> Result<(), StoreError> {
        let (digits, length) = sums::of(&self.to.join(name), |_| Ok(()))?;
        self.sums.push(Sum { name: name.display().to_string(), digits });
        self.bytes += length;
        Ok(())
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// The files of a folder with that ending, in order.
fn names(folder: &Path, ending: &str) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let path = entry.map_err(StoreError::io("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if path.extension().is_some_and(|extension| extension == ending) {
            names.extend(name.map(str::to_owned));
        }
    }
    names.sort_unstable();
    Ok(names)
}
