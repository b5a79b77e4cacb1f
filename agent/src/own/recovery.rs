//! Notices that a disk that refused takes writes again. A file that was given up is not touched again by the run that
//! gave it up: a new run opens it as after any start.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{info, warn};

use super::link::OwnSources;
use crate::buffer::{Buffer, FileState};

/// How often the disk is tried while a file is in memory.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// So many tries in a row must have been good.
const PROBES: u32 = 3;
/// What a try writes.
const PROBE_BYTES: usize = 16 * 1024;

/// Returns when a file is in memory only, the disk has taken writes for some seconds, and nothing would be lost: the
/// collector has confirmed what is in memory.
pub async fn disk_is_back(folder: PathBuf, sources: OwnSources, buffer: &Buffer) {
    let mut good = 0;
    loop {
        tokio::time::sleep(PROBE_EVERY).await;
        if !is_volatile(&sources) {
            good = 0;
            continue;
        }
        let folder = folder.clone();
        let probed = tokio::task::spawn_blocking(move || probe(&folder)).await;
        good = if matches!(probed, Ok(Ok(()))) { good + 1 } else { 0 };
        // A buffer that does not answer is not done.
        let waits = match buffer.status().await {
            Ok(lanes) => lanes.iter().any(|lane| lane.volatile && lane.waiting > 0),
            Err(_) => true,
        };
        match (good >= PROBES, waits) {
            (true, false) => {
                info!("The disk takes writes again; the agent opens its files anew.");
                return;
            }
            (true, true) if good == PROBES => {
                warn!(
                    "The disk takes writes again; the files are opened anew once the collector has what is in memory."
                );
            }
            _ => {}
        }
    }
}

fn is_volatile(sources: &OwnSources) -> bool {
    let buffer = sources.buffer.condition();
    let condition = buffer.borrow();
    let states = [condition.urgent, condition.readings, sources.journal.borrow().state];
    states.contains(&FileState::Volatile)
}

fn probe(folder: &Path) -> std::io::Result<()> {
    let path = folder.join("disk.probe");
    let mut file = std::fs::File::create(&path)?;
    file.write_all(&[0; PROBE_BYTES])?;
    file.sync_all()?;
    std::fs::remove_file(&path)?;
    std::fs::File::open(folder)?.sync_all()
}
