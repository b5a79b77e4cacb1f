//! The data folder and the lock that keeps two collectors from sharing it.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::StoreError;

/// Locked by those who delete, and shared by those who copy.
const DELETIONS: &str = "deletions.lock";
/// Stands in a backup that is complete.
const BACKUP_MARK: &str = "SHA256SUMS";
/// Stands in a folder while it is being put back.
pub const RESTORING_MARK: &str = "restore.unfinished";

/// Where the collector keeps everything.
#[derive(Debug, Clone)]
pub struct DataFolder(PathBuf);

/// Held while a collector runs on the folder; released when dropped, also by a crash.
#[derive(Debug)]
pub struct FolderLock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

impl DataFolder {
    /// The folder at `path`, which need not exist.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The ingest log.
    #[must_use]
    pub fn ingest(&self) -> PathBuf {
        self.0.join("ingest.db")
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.0.join("state.db")
    }

    /// The folder of history partitions.
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.0.join("history")
    }

    /// The certificate that was made here, with its key.
    #[must_use]
    pub fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    /// The folder of pictures.
    #[must_use]
    pub fn evidence(&self) -> PathBuf {
        self.0.join("evidence")
    }

    /// Makes the folder, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self) -> Result<(), StoreError> {
        create(&self.history()).map_err(StoreError::io("make the data folder", &self.0))
    }

    /// Makes a folder beneath the data folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_below(&self, name: &str) -> Result<(), StoreError> {
        let path = self.0.join(name);
        create(&path).map_err(StoreError::io("make", &path))
    }

    /// Takes the lock of a running collector.
    ///
    /// # Errors
    /// When another collector holds it, or when the folder is none to run on: a backup, or one that was not put back
    /// whole.
    pub fn lock(&self) -> Result<FolderLock, StoreError> {
        for (file, why) in [
            (BACKUP_MARK, "it is a backup; put it back into another folder with `kouan-collector restore`"),
            (RESTORING_MARK, "a restore into it has not ended; repeat the restore"),
        ] {
            if self.0.join(file).exists() {
                return Err(StoreError::NotToRun { path: self.0.clone(), why });
            }
        }
        self.lock_to_restore()
    }

    /// Takes the same lock on a folder that is being put back.
    ///
    /// # Errors
    /// When a collector holds it.
    pub fn lock_to_restore(&self) -> Result<FolderLock, StoreError> {
        let path = self.0.join("collector.lock");
        let mut file = open_lock(&path)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            // The process id is a courtesy to the reader of the message.
            let _ = std::io::Read::by_ref(&mut file).take(32).read_to_string(&mut holder);
            return Err(StoreError::InUse { path: self.0.clone(), holder: holder.trim().to_owned() });
        }
        file.set_len(0).map_err(StoreError::io("write", &path))?;
        file.write_all(std::process::id().to_string().as_bytes()).map_err(StoreError::io("write", &path))?;
        Ok(FolderLock(file))
    }

    /// While the lock is held, nothing is removed from the log and no part of the history is deleted. Waits until
    /// what is being deleted is gone. Many may hold it.
    ///
    /// # Errors
    /// When the lock file cannot be used.
    pub fn hold_deletions(&self) -> Result<FolderLock, StoreError> {
        let path = self.0.join(DELETIONS);
        let file = open_lock(&path)?;
        flock(&file, FlockOperation::LockShared)
            .map_err(|error| StoreError::io("lock", &path)(std::io::Error::from(error)))?;
        Ok(FolderLock(file))
    }

    /// Leave to delete, for as long as the lock is held; `None` while somebody copies the folder.
    ///
    /// # Errors
    /// When the lock file cannot be used.
    pub fn may_delete(&self) -> Result<Option<FolderLock>, StoreError> {
        let file = open_lock(&self.0.join(DELETIONS))?;
        Ok(flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(FolderLock(file)))
    }

    /// Waits until nobody else opens or migrates files of the folder, and keeps it so while the lock is held.
    ///
    /// # Errors
    /// When the lock file cannot be used.
    pub fn lock_setup(&self) -> Result<FolderLock, StoreError> {
        let path = self.0.join("setup.lock");
        let file = open_lock(&path)?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| StoreError::io("lock", &path)(std::io::Error::from(error)))?;
        Ok(FolderLock(file))
    }
}

/// Makes the folder and what is missing above it. Its name is on disk when this returns: what is synced inside a folder
/// is gone after a power cut when the folder's own name was not synced.
fn create(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create(above)?;
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(above)?.sync_all()
}

fn open_lock(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(StoreError::io("open", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_collector_is_refused_and_told_why() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path());
        let lock = data.lock().unwrap();
        let refused = data.lock().unwrap_err().to_string();
        assert!(refused.contains("in use") && refused.contains(&std::process::id().to_string()), "{refused}");
        drop(lock);
        data.lock().unwrap();
    }

    #[test]
    fn nothing_is_deleted_while_somebody_copies() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path());
        let holders = [data.hold_deletions().unwrap(), data.hold_deletions().unwrap()];
        for holder in holders {
            assert!(data.may_delete().unwrap().is_none());
            drop(holder);
        }
        assert!(data.may_delete().unwrap().is_some());
    }

    #[test]
    fn no_collector_runs_on_a_backup_or_on_half_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path());
        for mark in [BACKUP_MARK, RESTORING_MARK] {
            std::fs::write(folder.path().join(mark), "").unwrap();
            assert!(data.lock().unwrap_err().to_string().contains("restore"), "{mark}");
            std::fs::remove_file(folder.path().join(mark)).unwrap();
        }
        data.lock().unwrap();
    }
}
