//! The machine: its clock and its disk.

use std::path::Path;
use std::time::Duration;

use kouan_protocol::{Clock as _, SystemClock};

use super::super::show;
use super::super::words::Words;
use super::Finding;
use crate::config::Config;

/// Nobody runs this program before it was written.
const EARLIEST_YEAR: i64 = 2026;
const LATEST_YEAR: i64 = 2100;
const YEAR_MS: i64 = 31_556_952_000;
/// What one commit writes at most, besides the readings themselves: a page of the log and one of the file.
const COMMIT_BYTES: u64 = 2 * 4096;

pub(super) fn clock(words: Words) -> Vec<Finding> {
    let Ok(clock) = SystemClock::new() else { return Vec::new() };
    let anchor = clock.anchor();
    let year = 1970 + anchor.wall.0.div_euclid(YEAR_MS);
    if !(EARLIEST_YEAR..LATEST_YEAR).contains(&year) {
        return vec![Finding::wrong("clock", words.clock_wrong(year), words.clock_wrong_fix())];
    }
    vec![if anchor.trusted {
        Finding::fine("clock", words.clock_fine())
    } else {
        Finding::advice("clock", words.clock_unsynchronised(), words.clock_fix())
    }]
}

pub(super) fn disk(config: &Config, words: Words) -> Vec<Finding> {
    let folder = &config.data;
    let shown = folder.display();
    let mut findings = Vec::new();
    match std::fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return vec![Finding::advice("disk", words.disk_not_seen(&shown), words.service_forbidden_fix())];
        }
        Err(_) => findings.push(Finding::fine("disk", words.disk_missing(&shown))),
        Ok(_) => {
            if let Err(error) = try_write(folder) {
                findings.push(Finding::wrong(
                    "disk",
                    words.disk_refuses(&shown, error),
                    words.disk_refuses_fix(&shown),
                ));
            }
        }
    }
    let above = folder.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
    if let Ok(room) = rustix::fs::statvfs(above) {
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        let limits = [config.buffer.urgent, config.buffer.events, config.buffer.readings];
        let wanted = limits.iter().map(|limit| limit.bytes).sum::<u64>();
        let used = used_by(folder);
        if free + used < wanted {
            let says = words.disk_little(&shown, show::size(free), show::size(wanted));
            findings.push(Finding::advice("disk", says, words.disk_little_fix()));
        } else if findings.is_empty() {
            findings.push(Finding::fine("disk", words.disk_fine(&shown, show::size(free))));
        }
    }
    let every = config.buffer.commit_every.max(Duration::from_millis(10));
    let commits = 86_400_000 / u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1);
    let wear = (commits * COMMIT_BYTES) >> 20;
    let every = humantime::format_duration(every);
    findings.push(Finding::fine("disk", words.disk_wear(wear, every)));
    findings
}

/// A file is made and taken away, which is what a full or read-only disk refuses.
fn try_write(folder: &Path) -> std::io::Result<()> {
    let file = folder.join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::write(&file, b"kouan").and_then(|()| std::fs::File::open(&file)?.sync_all());
    let removed = std::fs::remove_file(&file);
    written.and(removed)
}

fn used_by(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}
