//! The control file, which the library maps into the tested program and the test writes while that runs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::NamedTempFile;

use super::library::disk_library;

/// `struct control` of `tests/faults/disk.c`: where each field stands.
mod layout {
    pub(super) const MAGIC: u64 = 0;
    pub(super) const LIMITED: u64 = 4;
    pub(super) const SPACE: u64 = 8;
    pub(super) const READ_ONLY: u64 = 16;
    pub(super) const FAIL_SYNCS: u64 = 20;
    pub(super) const SYNC_DELAY: u64 = 24;
    pub(super) const RECORDING: u64 = 32;
    pub(super) const COUNTS: u64 = 40;
    pub(super) const FOLDER: u64 = 72;
    /// Longest path, with its end mark.
    pub(super) const PATH: usize = 4096;
    pub(super) const RECORD: u64 = FOLDER + PATH as u64;
    pub(super) const SIZE: u64 = RECORD + PATH as u64;
}
const MAGIC: u32 = 0x4b4f_5541;

/// What happened to the files of the folder since the beginning, in all programs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskCounts {
    /// Syncs that succeeded.
    pub syncs: u64,
    /// Syncs that were made to fail.
    pub failed_syncs: u64,
    /// Changes that were refused because the disk was full or read-only.
    pub refused: u64,
    /// Bytes written.
    pub written: u64,
}

/// The disk under one folder, for programs that are started with [`DiskFaults::environment`]. It works well until it
/// is told otherwise; every change takes effect at once, in programs that run already too.
#[derive(Debug)]
pub struct DiskFaults {
    control: NamedTempFile,
    library: PathBuf,
    folder: PathBuf,
}

impl DiskFaults {
    /// A disk under `folder`, which must exist. It is told apart from others by its name after links are followed.
    ///
    /// # Errors
    /// When the library cannot be built or a file cannot be written.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let library = disk_library()?;
        let folder = folder.canonicalize().with_context(|| format!("finding {} failed", folder.display()))?;
        let control = NamedTempFile::with_prefix("kouan-disk-").context("making the control file failed")?;
        control.as_file().set_len(layout::SIZE).context("growing the control file failed")?;
        let disk = Self { control, library, folder };
        disk.put_path(layout::FOLDER, &disk.folder)?;
        disk.put(layout::MAGIC, &MAGIC.to_ne_bytes())?;
        Ok(disk)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Variables to set for a program whose files in the folder shall stand on this disk.
    #[must_use]
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("LD_PRELOAD".into(), self.library.clone().into_os_string()),
            ("KOUAN_DISK_FAULTS".into(), self.control.path().as_os_str().to_owned()),
        ]
    }

    /// Whether the disk is full: what is in the files can be overwritten, no file can grow.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn full(&self, full: bool) -> anyhow::Result<()> {
        self.put(layout::SPACE, &0_i64.to_ne_bytes())?;
        self.put(layout::LIMITED, &u32::from(full).to_ne_bytes())
    }

    /// Lets files grow by so many bytes altogether before the disk is full. What is freed is not given back.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn space(&self, bytes: u64) -> anyhow::Result<()> {
        self.put(layout::SPACE, &i64::try_from(bytes).unwrap_or(i64::MAX).to_ne_bytes())?;
        self.put(layout::LIMITED, &1_u32.to_ne_bytes())
    }

    /// Whether every change is refused, as on a disk that the kernel made read-only.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn read_only(&self, read_only: bool) -> anyhow::Result<()> {
        self.put(layout::READ_ONLY, &u32::from(read_only).to_ne_bytes())
    }

    /// Whether syncs fail with an input/output error.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn fail_syncs(&self, fail: bool) -> anyhow::Result<()> {
        self.put(layout::FAIL_SYNCS, &u32::from(fail).to_ne_bytes())
    }

    /// How much longer each sync takes than the disk really needs.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn sync_delay(&self, delay: Duration) -> anyhow::Result<()> {
        let nanoseconds = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.put(layout::SYNC_DELAY, &nanoseconds.to_ne_bytes())
    }

    /// Records every change and sync to this file, which must not lie in the folder, from now on.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn record_to(&self, file: &Path) -> anyhow::Result<()> {
        self.put_path(layout::RECORD, file)?;
        self.put(layout::RECORDING, &1_u32.to_ne_bytes())
    }

    /// What happened so far.
    ///
    /// # Errors
    /// When the control file cannot be read.
    pub fn counts(&self) -> anyhow::Result<DiskCounts> {
        let mut bytes = [0; 32];
        self.control.as_file().read_exact_at(&mut bytes, layout::COUNTS).context("reading the control file failed")?;
        let mut counts = bytes.as_chunks::<8>().0.iter().map(|count| u64::from_ne_bytes(*count));
        let mut next = || counts.next().unwrap_or(0);
        Ok(DiskCounts { syncs: next(), failed_syncs: next(), refused: next(), written: next() })
    }

    fn put_path(&self, offset: u64, path: &Path) -> anyhow::Result<()> {
        let mut bytes = path.as_os_str().as_bytes().to_vec();
        anyhow::ensure!(bytes.len() < layout::PATH, "{} is too long", path.display());
        bytes.push(0);
        self.put(offset, &bytes)
    }

    /// A shared mapping sees what is written to its file at once.
    fn put(&self, offset: u64, bytes: &[u8]) -> anyhow::Result<()> {
        self.control.as_file().write_all_at(bytes, offset).context("writing the control file failed")
    }
}
