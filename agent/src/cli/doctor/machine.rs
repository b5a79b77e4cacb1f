//! The machine: its clock and its disk.

use std::path::Path;
use std::time::Duration;

use kouan_protocol::{Clock as _, SystemClock, Timestamp};

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
    vec![of_clock(anchor.wall, anchor.trusted, words)]
}

fn of_clock(wall: Timestamp, trusted: bool, words: Words) -> Finding {
    let year = 1970 + wall.0.div_euclid(YEAR_MS);
    if !(EARLIEST_YEAR..LATEST_YEAR).contains(&year) {
        return Finding::wrong("clock", words.clock_wrong(year), words.clock_wrong_fix());
    }
    if trusted {
        Finding::fine("clock", words.clock_fine())
    } else {
        Finding::advice("clock", words.clock_unsynchronised(), words.clock_fix())
    }
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
        if let Some(finding) = of_room(folder, free, used_by(folder), wanted, words) {
            findings.push(finding);
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

/// Whether what is free and what the buffer has already hold all that it may keep.
fn of_room(folder: &Path, free: u64, used: u64, wanted: u64, words: Words) -> Option<Finding> {
    let is_little = free.saturating_add(used) < wanted;
    let says = || words.disk_little(folder.display(), show::size(free), show::size(wanted));
    is_little.then(|| Finding::advice("disk", says(), words.disk_little_fix()))
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

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::cli::words::Language;

    fn english() -> Words {
        Words::new(Language::English)
    }

    fn config(data: &Path) -> Config {
        Config::parse("agent.toml", &format!("data = \"{}\"\n", data.display())).unwrap()
    }

    #[test]
    fn a_clock_without_a_battery_is_wrong_and_one_without_a_source_is_advised() {
        // 2026-11-22
        let now = Timestamp(1_795_305_600_000);
        assert_eq!(of_clock(now, true, english()).verdict, Verdict::Fine);
        assert_eq!(of_clock(now, false, english()).verdict, Verdict::Advice);
        for (wall, year) in [(0, "1970"), (-86_400_000, "1969"), (4_200_000_000_000, "2103")] {
            // A clock that is far off is wrong, whatever keeps it.
            let found = of_clock(Timestamp(wall), true, english());
            assert_eq!(found.verdict, Verdict::Wrong, "{found:?}");
            assert!(found.says.contains(year), "{found:?}");
        }
    }

    #[test]
    fn a_disk_that_cannot_hold_the_limits_is_advised() {
        let judge = |free, used| of_room(Path::new("/data"), free, used, 1000, english());
        assert_eq!(judge(1000, 0), None);
        assert_eq!(judge(100, 900), None, "what the buffer holds already needs no room");
        let found = judge(100, 800).unwrap();
        assert_eq!((found.subject, found.verdict), ("disk", Verdict::Advice));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_wrong_and_one_that_is_not_there_is_made_later() {
        let folder = tempfile::tempdir().unwrap();
        let well = disk(&config(folder.path()), english());
        assert!(well.iter().all(|finding| finding.verdict != Verdict::Wrong), "{well:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
        // Not even the administrator makes a file here.
        let ill = disk(&config(Path::new("/proc")), english());
        assert_eq!((ill[0].subject, ill[0].verdict), ("disk", Verdict::Wrong));
        assert!(ill[0].says.contains("/proc"), "{ill:?}");
        let later = disk(&config(&folder.path().join("later")), english());
        assert_eq!(later[0].verdict, Verdict::Fine);
    }
}
