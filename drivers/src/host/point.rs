//! What is known about a machine, and how each figure is described.

use kouan_protocol::{PointKind, PointName, PointSpec};

use crate::profile::{PointProfile, Scale};

/// One figure of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Figure {
    CpuUsage,
    LoadOneMinute,
    MemoryUsed,
    MemoryTotal,
    MemoryUsage,
    SwapUsed,
    SwapUsage,
    Uptime,
    ClockSynchronised,
    DiskUsage { mount: String },
    DiskFree { mount: String },
    BytesReceived { interface: String },
    BytesSent { interface: String },
    NetworkErrors { interface: String },
    Temperature { sensor: String },
    ProcessCount { process: String },
    ProcessRunning { process: String },
    ProcessMemory { process: String },
}

const MIB: f64 = 1024.0 * 1024.0;

impl Figure {
    /// The figure's point under `name`.
    pub(super) fn profile(&self, name: PointName) -> PointProfile {
        let percent = (PointKind::Measurement, "%", 1, 0.5);
        let bytes = (PointKind::Measurement, "B", 0, 4.0 * MIB);
        let counter = |unit| (PointKind::Counter, unit, 0, 0.0);
        let state = (PointKind::State, "", 0, 0.0);
        let (kind, unit, decimals, dead_band) = match self {
            Self::CpuUsage | Self::MemoryUsage | Self::SwapUsage | Self::DiskUsage { .. } => percent,
            Self::MemoryUsed | Self::SwapUsed | Self::DiskFree { .. } | Self::ProcessMemory { .. } => bytes,
            Self::MemoryTotal => (PointKind::Measurement, "B", 0, 0.0),
            Self::LoadOneMinute => (PointKind::Measurement, "1", 2, 0.05),
            Self::Uptime => (PointKind::Measurement, "s", 0, 59.0),
            Self::Temperature { .. } => (PointKind::Measurement, "°C", 1, 0.5),
            Self::ProcessCount { .. } => (PointKind::Measurement, "1", 0, 0.0),
            Self::ClockSynchronised | Self::ProcessRunning { .. } => state,
            Self::BytesReceived { .. } | Self::BytesSent { .. } => counter("B"),
            Self::NetworkErrors { .. } => counter(""),
        };
        let words: Vec<(i64, String)> = match kind {
            PointKind::State => vec![(0, "no".to_owned()), (1, "yes".to_owned())],
            _ => Vec::new(),
        };
        let states = words.iter().map(|(_, word)| word.clone()).collect();
        PointProfile {
            spec: PointSpec { name, kind, unit: unit.to_owned(), decimals, states },
            scale: Scale { round: Some(decimals), ..Scale::NONE },
            not_available: Vec::new(),
            range: None,
            words,
            dead_band,
            wraps_at: None,
            counts: None,
            tells: None,
        }
    }
}

/// A text as a part of a point's name: `/var/lib` becomes `var-lib`.
pub(super) fn name_part(text: &str) -> String {
    let letters = text.to_ascii_lowercase();
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' };
    let mut part = String::new();
    for letter in letters.chars().map(plain) {
        if letter != '-' || !(part.is_empty() || part.ends_with('-')) {
            part.push(letter);
        }
    }
    part.truncate(40);
    let part = part.trim_end_matches('-').trim_start_matches('_');
    if part.is_empty() { "root".to_owned() } else { part.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_parts_are_plain() {
        for (text, part) in
            [("/", "root"), ("/var/lib", "var-lib"), ("coretemp Core 0", "coretemp-core-0"), ("数据", "root")]
        {
            assert_eq!(name_part(text), part);
            assert!(format!("disk.{part}.used").parse::<PointName>().is_ok());
        }
        assert!(name_part(&"x".repeat(200)).len() <= 40);
    }
}
