//! What the agent tells about its buffer as points of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use super::board::{Board, BufferCondition, CommitFigures, LaneStatus};
use super::file::beside;

/// Sizes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileSizes {
    /// Of the file.
    pub bytes: u64,
    /// Of its WAL.
    pub wal_bytes: u64,
}

impl FileSizes {
    /// Looks at a file that need not be there.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        Self { bytes: size(path), wal_bytes: size(&beside(path, "-wal")) }
    }
}

/// A look at the buffer from outside.
#[derive(Debug, Clone)]
pub struct BufferFigures {
    board: Arc<Board>,
    paths: [PathBuf; 2],
}

impl BufferFigures {
    pub(super) fn new(board: Arc<Board>, paths: [PathBuf; 2]) -> Self {
        Self { board, paths }
    }

    /// Where each lane stands.
    #[must_use]
    pub fn lanes(&self) -> Vec<LaneStatus> {
        self.board.lanes()
    }

    /// How long commits of `urgent.db` and `readings.db` took since this was last asked.
    #[must_use]
    pub fn take_commits(&self) -> [CommitFigures; 2] {
        self.board.take_commits()
    }

    /// Sizes of `urgent.db` and `readings.db`.
    #[must_use]
    pub fn sizes(&self) -> [FileSizes; 2] {
        [FileSizes::of(&self.paths[0]), FileSizes::of(&self.paths[1])]
    }

    /// The folder of the files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.paths[0].parent().unwrap_or(Path::new("."))
    }

    /// How the files are kept, and every change of it.
    #[must_use]
    pub fn condition(&self) -> watch::Receiver<BufferCondition> {
        self.board.condition()
    }
}
