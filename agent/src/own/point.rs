//! The points of the agent itself.

use std::time::Duration;

use kouan_drivers::driver::RawValue;
use kouan_drivers::profile::{PointProfile, Scale};
use kouan_protocol::{Clock, PointKind, PointSpec, QualityReason};

use super::link::OwnSources;
use crate::buffer::{FileSizes, FileState};

/// What is said of each lane.
const LANE_POINTS: [(&str, PointKind, &str, f64); 4] = [
    ("waiting", PointKind::Measurement, "1", 100.0),
    ("bytes", PointKind::Measurement, "B", 65_536.0),
    ("age", PointKind::Measurement, "s", 30.0),
    ("lost", PointKind::Counter, "", 0.0),
];
const LANES: [&str; 3] = ["urgent", "events", "readings"];
/// What is said of each file. The journal's commits are not measured.
const FILES: [&str; 3] = ["urgent", "readings", "journal"];
const MEASURED: [&str; 2] = ["urgent", "readings"];
const MIB: f64 = 1024.0 * 1024.0;

/// How the buffer is kept, as words of the point `buffer.state`.
const STATES: [&str; 3] = ["durable", "paused", "volatile"];

/// The points in the order of [`read`].
pub(super) fn profiles() -> Vec<PointProfile> {
    let mut points = vec![state_profile()];
    for lane in LANES {
        for (what, kind, unit, dead_band) in LANE_POINTS {
            points.push(profile(&format!("lane.{lane}.{what}"), kind, unit, 0, dead_band));
        }
    }
    for file in FILES {
        points.push(profile(&format!("file.{file}.bytes"), PointKind::Measurement, "B", 0, MIB));
        points.push(profile(&format!("file.{file}.wal"), PointKind::Measurement, "B", 0, MIB));
    }
    for file in MEASURED {
        points.push(profile(&format!("commit.{file}.last"), PointKind::Measurement, "ms", 1, 20.0));
        points.push(profile(&format!("commit.{file}.worst"), PointKind::Measurement, "ms", 1, 20.0));
    }
    points
}

/// The values in the order of [`profiles`].
pub(super) fn read(sources: &OwnSources, clock: &dyn Clock) -> Vec<Result<RawValue, QualityReason>> {
    let condition = sources.buffer.condition().borrow().clone();
    let volatile = condition.is_volatile()
        || condition.readings == FileState::Volatile
        || sources.journal.borrow().state == FileState::Volatile;
    let state = match (volatile, condition.paused) {
        (true, _) => 2,
        (false, Some(_)) => 1,
        (false, None) => 0,
    };
    let now = clock.wall();
    let mut values = vec![RawValue::Integer(state)];
    for lane in sources.buffer.lanes() {
        let age_ms = lane.oldest.map_or(0, |oldest| now.0.saturating_sub(oldest.0).max(0));
        values.extend([lane.waiting, lane.bytes, age_ms.unsigned_abs() / 1000, lane.lost].map(integer));
    }
    let [urgent, readings] = sources.buffer.sizes();
    for size in [urgent, readings, FileSizes::of(&sources.journal_path)] {
        values.extend([size.bytes, size.wal_bytes].map(integer));
    }
    for commits in sources.buffer.take_commits() {
        values.extend([commits.last, commits.worst].map(milliseconds));
    }
    values.into_iter().map(Ok).collect()
}

fn integer(value: u64) -> RawValue {
    RawValue::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn milliseconds(value: Duration) -> RawValue {
    RawValue::Number(value.as_secs_f64() * 1000.0)
}

fn state_profile() -> PointProfile {
    let words = STATES.iter().zip(0..).map(|(word, raw)| (raw, (*word).to_owned())).collect();
    let mut profile = profile("buffer.state", PointKind::State, "", 0, 0.0);
    profile.spec.states = STATES.map(str::to_owned).to_vec();
    PointProfile { words, ..profile }
}

fn profile(name: &str, kind: PointKind, unit: &str, decimals: u8, dead_band: f64) -> PointProfile {
    let name = name.parse().expect("the agent's own point names are plain");
    PointProfile {
        spec: PointSpec { name, kind, unit: unit.to_owned(), decimals, states: Vec::new() },
        scale: Scale { round: Some(decimals), ..Scale::NONE },
        not_available: Vec::new(),
        range: None,
        words: Vec::new(),
        dead_band,
        wraps_at: None,
        counts: None,
        tells: None,
    }
}
