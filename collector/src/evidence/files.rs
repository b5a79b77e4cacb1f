//! The folder of pictures: `evidence/ab/abcd…`, each named by its SHA-256.
//!
//! A picture is written under another name, synced, and then gets its name, so that whatever has a name of 64 digits was
//! whole. What is written or found again is held until its row is committed; nothing that is held is swept.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::store::{DataFolder, FolderLock, StoreError};

/// Where pictures are written before they have their names.
const INCOMING: &str = "evidence/incoming";
/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// The SHA-256 of a picture, which is the name of its file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// That of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_hash(Sha256::new_with_prefix(bytes))
    }

    /// The digest that 64 digits name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 64 && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// Its 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn from_hash(hash: Sha256) -> Self {
        Self(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Where its file is in a data folder.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        Path::new("evidence").join(&self.0[..2]).join(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The pictures of a data folder.
#[derive(Debug, Clone)]
pub struct Files {
    folder: DataFolder,
    held: Arc<Mutex<HashMap<Digest, usize>>>,
}

/// A picture that is on disk under its name, and stays there at least as long as this lives.
#[derive(Debug)]
pub struct Placed {
    digest: Digest,
    held: Arc<Mutex<HashMap<Digest, usize>>>,
}

impl Placed {
    /// Its name.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(count) = held.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.digest);
            }
        }
    }
}

fn lock(held: &Mutex<HashMap<Digest, usize>>) -> MutexGuard<'_, HashMap<Digest, usize>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Files {
    /// The pictures in `folder`. What was being written when the collector stopped goes.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &DataFolder) -> Result<Self, StoreError> {
        folder.create_below(INCOMING)?;
        let incoming = folder.path().join(INCOMING);
        for entry in std::fs::read_dir(&incoming).map_err(StoreError::io("list", &incoming))? {
            let path = entry.map_err(StoreError::io("list", &incoming))?.path();
            std::fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
        Ok(Self { folder: folder.clone(), held: Arc::default() })
    }

    /// Where the file of a picture is.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.path().join(digest.place())
    }

    /// Puts a picture on disk. It is there with its name when this returns, also after a power cut.
    ///
    /// # Errors
    /// When it cannot be written. Then there is nothing that a sweep does not find.
    pub fn place(&self, bytes: &[u8]) -> Result<Placed, StoreError> {
        let digest = Digest::of(bytes);
        let path = self.path(&digest);
        // Held before it is looked for: from here on no sweep removes it.
        *lock(&self.held).entry(digest.clone()).or_default() += 1;
        let placed = Placed { digest, held: Arc::clone(&self.held) };
        let above = path.parent().unwrap_or(self.folder.path());
        if is_whole(&path, &placed.digest)? {
            // It may be there since a moment ago, by a program that was killed before it synced anything.
            sync(&path)?;
            sync(above)?;
            return Ok(placed);
        }
        self.folder.create_below(&format!("evidence/{}", &placed.digest.0[..2]))?;
        let draft = self.folder.path().join(INCOMING).join(format!("{:016x}", rand::random::<u64>()));
        let written = write(&draft, bytes)
            .and_then(|()| std::fs::rename(&draft, &path).map_err(StoreError::io("name a picture", &path)));
        if let Err(error) = written {
            // A full disk must not be kept full by what nobody will ever see; if this fails too, the next start does it.
            let _ = std::fs::remove_file(&draft);
            return Err(error);
        }
        sync(above)?;
        Ok(placed)
    }

    /// Whether the file is there. Whether it is what it was is told by [`Files::open_whole`].
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Opens a picture and says how long it is; `None` if its file is not there or not what it was.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn open_whole(&self, digest: &Digest) -> Result<Option<(File, u64)>, StoreError> {
        let path = self.path(digest);
        if !is_whole(&path, digest)? {
            return Ok(None);
        }
        let opened = File::open(&path).and_then(|file| file.metadata().map(|found| (file, found.len())));
        opened.map(Some).map_err(StoreError::io("open", &path))
    }

    /// Removes files that nobody needs, of those named; all that there are if none are. Returns how many.
    ///
    /// # Errors
    /// When `is_needed` says so, or a folder cannot be read.
    pub fn sweep(
        &self,
        only: Option<&[Digest]>,
        is_needed: impl Fn(&Digest) -> Result<bool, StoreError>,
    ) -> Result<usize, StoreError> {
        let all;
        let digests = match only {
            Some(digests) => digests,
            None => {
                all = self.list()?;
                &all
            }
        };
        let mut removed = 0;
        for digest in digests {
            // Between the look and the removal nobody may find the file and rely on it.
            let held = lock(&self.held);
            if held.contains_key(digest) || is_needed(digest)? {
                continue;
            }
            let path = self.path(digest);
            match std::fs::remove_file(&path) {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io("remove", &path)(error)),
            }
        }
        Ok(removed)
    }

    /// Leave to delete; `None` while somebody copies the folder.
    ///
    /// # Errors
    /// When the lock file cannot be used.
    pub fn may_delete(&self) -> Result<Option<FolderLock>, StoreError> {
        self.folder.may_delete()
    }

    /// Bytes that the disk has left for programs that are not its administrator's.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let path = self.folder.path();
        let found = rustix::fs::statvfs(path)
            .map_err(|error| StoreError::io("look for room in", path)(std::io::Error::from(error)))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn list(&self) -> Result<Vec<Digest>, StoreError> {
        let root = self.folder.path().join("evidence");
        let mut digests = Vec::new();
        for above in std::fs::read_dir(&root).map_err(StoreError::io("list", &root))? {
            let above = above.map_err(StoreError::io("list", &root))?.path();
            if !above.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(&above).map_err(StoreError::io("list", &above))? {
                let name = entry.map_err(StoreError::io("list", &above))?.file_name();
                // What has another name was not put here by this program.
                digests.extend(name.to_str().and_then(Digest::parse));
            }
        }
        Ok(digests)
    }
}

/// Whether the file is there and its bytes are those that its name says.
///
/// # Errors
/// When it is there and cannot be read.
pub(super) fn is_whole(path: &Path, digest: &Digest) -> Result<bool, StoreError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(StoreError::io("open", path))?,
    };
    let (mut sum, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece).map_err(StoreError::io("read", path))? {
            0 => return Ok(Digest::from_hash(sum) == *digest),
            read => sum.update(&piece[..read]),
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let write = || {
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        new.write_all(bytes)?;
        new.sync_all()
    };
    write().map_err(StoreError::io("write", path))
}

fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", path))
}
