//! The check of a file's structure, in the background, on a connection of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::file::DurableFile;
use super::trouble::Trouble;

/// Steps of the check between two looks at who else wants the disk.
const STEPS: i32 = 200;
/// After this much work the check rests.
const WORK: Duration = Duration::from_millis(10);
const REST: Duration = Duration::from_millis(20);
/// Pause before a check that had to let go of the WAL begins again; it grows, because the file is busy.
const AGAIN: Duration = Duration::from_secs(30);
/// Attempts before the check is left to the next start.
const ATTEMPTS: u32 = 5;

/// Checks one file.
#[derive(Debug)]
pub(super) struct FileCheck {
    pub(super) path: PathBuf,
    /// Set by the writer when its WAL must begin again.
    pub(super) must_end: Arc<AtomicBool>,
    /// Set when the buffer is closed.
    pub(super) stop: Arc<AtomicBool>,
}

impl FileCheck {
    /// Runs the check; says what is wrong, if anything is.
    pub(super) fn run(self) -> Option<String> {
        let began = Instant::now();
        for attempt in 1..=ATTEMPTS {
            match self.attempt() {
                Ok(None) => {
                    let took_ms = began.elapsed().as_millis() as u64;
                    info!(file = %self.path.display(), took_ms, "The file is sound.");
                    return None;
                }
                Ok(Some(problem)) => return Some(problem),
                Err(cause) => match Trouble::of(&cause) {
                    Trouble::Damaged => return Some(cause.to_string()),
                    _ if self.stop.load(Ordering::Relaxed) => return None,
                    _ => warn!(file = %self.path.display(), error = %cause, "The check of the file was put off."),
                },
            }
            if !self.wait(AGAIN * attempt) {
                return None;
            }
        }
        None
    }

    fn attempt(&self) -> rusqlite::Result<Option<String>> {
        let mut connection = DurableFile::open_checker(&self.path)?;
        let (must_end, stop) = (Arc::clone(&self.must_end), Arc::clone(&self.stop));
        let mut working = Instant::now();
        connection.progress_handler(
            STEPS,
            Some(move || {
                if must_end.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) {
                    return true;
                }
                if working.elapsed() >= WORK {
                    std::thread::sleep(REST);
                    working = Instant::now();
                }
                false
            }),
        )?;
        let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok((said != "ok").then_some(said))
    }

    /// `false`: the buffer was closed meanwhile.
    fn wait(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(200).min(pause));
        }
        true
    }
}

/// Whether a file of that path stands there at all.
pub(super) fn is_there(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() > 0)
}
