//! The alarms of devices that hold, in a file, so that a restart does not end them.
//!
//! The agent's own are not in it: it knows at its start whether they hold.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use kouan_protocol::{AlarmChange, BootTime, Clock, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::registry::{ActiveAlarm, agent_device};

/// The longest file that is read.
const LONGEST: u64 = 8 << 20;

/// An alarm as it stands in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    change: AlarmChange,
    /// When it was raised, in milliseconds since 1970 by this machine's clock.
    since_ms: i64,
}

/// What is kept of `alarms`.
pub(super) fn of(alarms: &[ActiveAlarm], now: BootTime, wall: Timestamp) -> Vec<Kept> {
    let of_devices = alarms.iter().filter(|alarm| alarm.change.device != agent_device());
    let kept = |alarm: &ActiveAlarm| {
        let age_ms = i64::try_from(now.since_ms(alarm.since)).unwrap_or(i64::MAX);
        Kept { change: alarm.change.clone(), since_ms: wall.0.saturating_sub(age_ms) }
    };
    of_devices.map(kept).collect()
}

/// Reads what an earlier run has left; nothing where there is none. A damaged file is moved aside.
pub(super) fn read(file: &Path, clock: &dyn Clock) -> Vec<ActiveAlarm> {
    let text = match fs::metadata(file).map(|facts| facts.len()) {
        Ok(length) if length > LONGEST => Err(io::Error::other(format!("it has {length} bytes"))),
        Ok(_) => fs::read_to_string(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => Err(error),
    };
    let kept = text.and_then(|text| serde_json::from_str::<Vec<Kept>>(&text).map_err(io::Error::other));
    let kept = match kept {
        Ok(kept) => kept,
        Err(error) => {
            let aside = file.with_extension("damaged");
            let moved = fs::rename(file, &aside).is_ok();
            warn!(file = %file.display(), %error, moved, "The alarms of the last run cannot be read: they are judged anew.");
            return Vec::new();
        }
    };
    let (now, wall) = (clock.boot_time(), clock.wall());
    let alarm = |kept: Kept| {
        let age_ms = u64::try_from(wall.0.saturating_sub(kept.since_ms)).unwrap_or(0);
        ActiveAlarm { change: kept.change, since: BootTime(now.0.saturating_sub(age_ms)) }
    };
    kept.into_iter().map(alarm).collect()
}

/// Replaces the file, so that after a power cut there is the old one or the new one.
pub(super) fn write(file: &Path, kept: &[Kept]) -> io::Result<()> {
    let text = serde_json::to_vec(kept).map_err(io::Error::other)?;
    let aside = file.with_extension("new");
    let mut new = File::create(&aside)?;
    new.write_all(&text)?;
    new.sync_all()?;
    fs::rename(&aside, file)?;
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kouan_protocol::{AlarmState, ManualClock, Severity};

    use super::*;
    use crate::alarms::AgentAlarms;

    fn change(device: &str) -> AlarmChange {
        AlarmChange {
            device: device.parse().unwrap(),
            condition: "leak".to_owned(),
            state: AlarmState::Raised,
            severity: Severity::Critical,
            text: "water".to_owned(),
            point: "leak".to_owned(),
            text_zh: "漏水".to_owned(),
        }
    }

    #[test]
    fn what_held_before_a_restart_holds_after_it_until_it_is_judged() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alarms.json");
        let clock = Arc::new(ManualClock::at(1_000_000));
        let (alarms, _recorder) = AgentAlarms::kept(clock.clone(), file.clone());
        assert!(alarms.active().is_empty());
        alarms.raise_of(change("cellar"));
        alarms.raise_of(change("hall"));
        alarms.raise("buffer.volatile", Severity::Critical, ("the disk refuses", "磁盘拒绝写入"));
        write(&file, &of(&alarms.active(), clock.boot_time(), clock.wall())).unwrap();

        let (alarms, _recorder) = AgentAlarms::kept(clock.clone(), file.clone());
        let held = |alarms: &AgentAlarms| {
            alarms.active().iter().map(|alarm| alarm.change.device.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(held(&alarms), ["cellar", "hall"], "the agent's own are judged anew");
        assert_eq!(alarms.active()[0].change, change("cellar"));
        // A device that is not there any more has no alarms.
        alarms.keep_only(|change| change.device.as_str() == "hall");
        assert_eq!(held(&alarms), ["hall"]);
        fs::write(&file, "[{").unwrap();
        assert!(AgentAlarms::kept(clock, file.clone()).0.active().is_empty());
        assert!(file.with_extension("damaged").exists() && !file.exists());
    }
}
