//! Putting a copy back.

use std::collections::BTreeSet;
use std::fs::File as OpenFile;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kouan_protocol::Timestamp;

use super::sums::{self, Sum};
use super::{BackupError, copy};
use crate::restore::{self, Restored};
use crate::store::log::SqliteLog;
use crate::store::{DataFolder, File, RESTORING_MARK, StoreError, open_writable};
use crate::telemetry::history_last_seen;

/// Copies `backup` into `data`, which must hold no data yet, and begins another life of it: what waits is held for a
/// person. Until that is done no collector starts on `data`; to repeat it after it broke off begins from the start.
///
/// # Errors
/// When the backup is not complete or not what was written, or when `data` cannot be written.
pub fn put_back(backup: &Path, data: &DataFolder, now: Timestamp) -> Result<Restored, BackupError> {
    let files = sums::read(backup)?;
    data.create()?;
    let mark = data.path().join(RESTORING_MARK);
    let _lock = data.lock_to_restore()?;
    if mark.exists() {
        clear(data)?;
        clear_pictures(data)?;
    } else if data.ingest().exists() || data.state().exists() || data.evidence().exists() || !is_empty(&data.history())?
    {
        return Err(BackupError::Used(data.path().to_owned()));
    }
    std::fs::write(&mark, "").map_err(StoreError::io("write", &mark))?;
    copy::sync(&mark)?;
    copy::sync(data.path())?;
    if files.iter().any(|file| file.name.starts_with("tls/")) {
        data.create_below("tls")?;
    }
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    for file in &files {
        if let Some(above) = Path::new(&file.name).parent().filter(|above| above.starts_with("evidence"))
            && folders.insert(above.to_owned())
        {
            data.create_below(&above.display().to_string())?;
        }
    }
    for file in &files {
        copy_checked(backup, data.path(), file)?;
    }
    folders.iter().try_for_each(|folder| copy::sync(&data.path().join(folder)))?;
    for folder in [data.history(), data.tls(), data.path().to_owned()].into_iter().filter(|folder| folder.exists()) {
        copy::sync(&folder)?;
    }
    let restored = begin_again(data, now)?;
    std::fs::remove_file(&mark).map_err(StoreError::io("remove", &mark))?;
    copy::sync(data.path())?;
    Ok(restored)
}

fn begin_again(data: &DataFolder, now: Timestamp) -> Result<Restored, StoreError> {
    let _setup = data.lock_setup()?;
    let mut log = SqliteLog::new(open_writable(&data.ingest(), File::Ingest)?)?;
    let mut state = open_writable(&data.state(), File::State)?;
    let history = history_last_seen(&data.history())?;
    restore::begin_again(&mut log, &mut state, history, now)
}

fn copy_checked(backup: &Path, data: &Path, file: &Sum) -> Result<(), BackupError> {
    let (from, to) = (backup.join(&file.name), data.join(&file.name));
    let mut copied = OpenFile::create(&to).map_err(StoreError::io("make", &to))?;
    let (digits, _) = sums::of(&from, |piece| copied.write_all(piece).map_err(StoreError::io("write", &to)))?;
    if digits != file.digits {
        return Err(BackupError::Damaged(from));
    }
    // The key of a certificate is for its owner only.
    let permissions = std::fs::metadata(&from).map_err(StoreError::io("look at", &from))?.permissions();
    copied.set_permissions(permissions).map_err(StoreError::io("set who may read", &to))?;
    Ok(copied.sync_all().map_err(StoreError::io("sync", &to))?)
}

fn is_empty(folder: &Path) -> Result<bool, StoreError> {
    Ok(std::fs::read_dir(folder).map_err(StoreError::io("list", folder))?.next().is_none())
}

/// The data folder was empty when the restore began, so all of this is the restore's.
fn clear_pictures(data: &DataFolder) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(data.evidence()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", &data.evidence())(error))
        }
        _ => Ok(()),
    }
}

/// Removes what a restore that broke off has left.
fn clear(data: &DataFolder) -> Result<(), StoreError> {
    for folder in [data.path().to_owned(), data.history(), data.tls()] {
        if !folder.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&folder).map_err(StoreError::io("list", &folder))? {
            let path = entry.map_err(StoreError::io("list", &folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if [".db", ".db-wal", ".db-shm", ".db-journal", ".pem"].iter().any(|ending| name.ends_with(ending)) {
                std::fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
    }
    Ok(())
}
