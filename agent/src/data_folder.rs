//! The data folder: one process at a time, and a random id for its life.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use kouan_protocol::Incarnation;

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Another process uses it.
    #[error(
        "the data folder {path} is in use by another kouan-agent; stop that one first, or give this one a folder of its own with data = \"…\""
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{operation} {path} failed: {cause}")]
    System {
        /// What was being done.
        operation: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The file that holds the incarnation is damaged.
    #[error("{path} does not hold an incarnation (16 hexadecimal digits); remove it to begin a new one")]
    Incarnation {
        /// The file.
        path: PathBuf,
    },
}

/// The folder, locked for this process until dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    incarnation: Incarnation,
    _lock: File,
}

impl DataFolder {
    /// Creates the folder if needed, locks it, and reads or begins its incarnation.
    ///
    /// # Errors
    /// When another process uses it or the system refuses.
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        let system = |operation, path: &Path| {
            let path = path.to_owned();
            move |cause| DataFolderError::System { operation, path, cause }
        };
        create(path).map_err(system("creating the data folder", path))?;
        let lock_path = path.join("agent.lock");
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o640).open(&lock_path);
        let lock = match opened {
            // A lock needs no writing. On a disk that became read-only the agent still runs, from memory.
            Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => File::open(&lock_path),
            opened => opened,
        };
        let lock = lock.map_err(system("opening", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataFolderError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(cause)) => return Err(system("locking", &lock_path)(cause)),
        }
        let file = path.join("incarnation");
        let incarnation = match std::fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().map_err(|_| DataFolderError::Incarnation { path: file })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                begin(path, &file).map_err(system("writing", &file))?
            }
            Err(cause) => return Err(system("reading", &file)(cause)),
        };
        Ok(Self { path: path.to_owned(), incarnation, _lock: lock })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The life of the folder.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }
}

/// Makes the folder and what is missing above it. Its name is on disk when this returns: what is synced inside a folder
/// is gone after a power cut when the folder's own name was not synced.
fn create(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create(above)?;
    match std::fs::DirBuilder::new().mode(0o750).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(above)?.sync_all()
}

/// Writes a new incarnation so that it is there whole or not at all after a power cut.
fn begin(folder: &Path, file: &Path) -> std::io::Result<Incarnation> {
    let incarnation = Incarnation::random();
    let temporary = folder.join("incarnation.new");
    let mut new = File::create(&temporary)?;
    writeln!(new, "{incarnation}")?;
    new.sync_all()?;
    std::fs::rename(&temporary, file)?;
    File::open(folder)?.sync_all()?;
    Ok(incarnation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_life_and_has_one_user() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::open(folder.path()).unwrap();
        let refused = DataFolder::open(folder.path()).unwrap_err();
        assert!(matches!(refused, DataFolderError::InUse { .. }), "{refused}");
        let incarnation = first.incarnation();
        drop(first);
        assert_eq!(DataFolder::open(folder.path()).unwrap().incarnation(), incarnation);
    }
}
