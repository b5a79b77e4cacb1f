//! Power cuts at many moments of one recording.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;

use super::disk::{Disk, Honesty, Image};
use super::record::{self, Change, Entry};

/// Everything that happened to the files under one folder.
#[derive(Debug)]
pub struct Recording {
    root: PathBuf,
    entries: Vec<Entry>,
}

/// The files after a power cut.
#[derive(Debug)]
pub struct Cut {
    /// The moment: CLOCK_MONOTONIC in nanoseconds. What was done until then was done.
    pub at: u64,
    /// Draws the cut again, with the same recording.
    pub seed: u64,
    image: Image,
}

impl Recording {
    /// Reads what a [`crate::DiskFaults`] of the folder `root` recorded.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(file: &Path, root: &Path) -> anyhow::Result<Self> {
        Ok(Self { root: root.to_owned(), entries: record::read(file)? })
    }

    /// How many changes and syncs it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many syncs it holds.
    #[must_use]
    pub fn syncs(&self) -> usize {
        let is_sync = |entry: &&Entry| matches!(entry.change, Change::Synced { .. } | Change::FolderSynced { .. });
        self.entries.iter().filter(is_sync).count()
    }

    /// Moments spread evenly by chance over everything that was recorded, in order.
    #[must_use]
    pub fn moments(&self, count: usize, seed: u64) -> Vec<u64> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut moments: Vec<u64> = (0..count)
            .filter_map(|_| self.entries.get(random.random_range(0..self.entries.len().max(1))))
            .map(|entry| entry.at)
            .collect();
        moments.sort_unstable();
        moments
    }

    /// Cuts the power at each of `moments`, which stand in order.
    pub fn cuts(&self, moments: &[u64], honesty: Honesty, seed: u64) -> impl Iterator<Item = Cut> {
        let mut disk = Disk::new(&self.root, honesty);
        let mut next = 0;
        moments.iter().enumerate().map(move |(number, at)| {
            while let Some(entry) = self.entries.get(next).filter(|entry| entry.at <= *at) {
                disk.apply(entry);
                next += 1;
            }
            let seed = seed.wrapping_add(number as u64);
            Cut { at: *at, seed, image: disk.cut(&mut StdRng::seed_from_u64(seed)) }
        })
    }
}

impl Cut {
    /// The files in a folder of their own.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn files(&self) -> anyhow::Result<TempDir> {
        let folder = recording_folder()?;
        self.image.write_to(folder.path())?;
        Ok(folder)
    }
}

/// A folder in memory where there is one: what is opened after a cut is synced again and again.
///
/// # Errors
/// When it cannot be made.
pub fn recording_folder() -> anyhow::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let mut folder = tempfile::Builder::new();
    folder.prefix("kouan-power-");
    let made = if memory.is_dir() { folder.tempdir_in(memory) } else { folder.tempdir() };
    made.context("making a folder failed")
}

/// The clock of the recordings: CLOCK_MONOTONIC in nanoseconds.
///
/// # Errors
/// When the machine's clock is before its start, which does not happen.
pub fn now() -> anyhow::Result<u64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    Ok(seconds.context("a clock before zero")? * 1_000_000_000 + nanoseconds.context("a clock before zero")?)
}
