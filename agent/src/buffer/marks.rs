//! Notes about the other file's lanes, at a bounded rate.

use std::time::{Duration, Instant};

use kouan_protocol::{Anchor, Lane};
use rusqlite::Transaction;

use super::board::Board;
use super::epoch::set_mark;

/// How old a note may become while commits are made anyway.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// Keeps notes about `lanes` in a file.
#[derive(Debug)]
pub(super) struct Notes {
    lanes: &'static [Lane],
    noted: Option<Instant>,
}

impl Notes {
    pub(super) fn about(lanes: &'static [Lane]) -> Self {
        Self { lanes, noted: None }
    }

    /// Notes where the lanes stand if that was not done for a while. Rides on a commit that is made anyway.
    pub(super) fn write(&mut self, tx: &Transaction<'_>, board: &Board, anchor: &Anchor) -> rusqlite::Result<()> {
        if self.noted.is_some_and(|noted| noted.elapsed() < NOTE_EVERY) {
            return Ok(());
        }
        for lane in self.lanes {
            if let Some(mark) = board.mark(*lane, anchor) {
                set_mark(tx, *lane, mark)?;
            }
        }
        self.noted = Some(Instant::now());
        Ok(())
    }
}
