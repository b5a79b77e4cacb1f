//! Which figures this machine has, as read groups.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kouan_protocol::limits::GROUP_POINTS;

use super::point::{Figure, name_part};
use super::reader::{HostReader, Source};
use crate::profile::GroupProfile;

/// A read group and where its figures come from.
#[derive(Debug, Clone)]
pub(super) struct HostGroup {
    pub(super) source: Source,
    pub(super) profile: GroupProfile,
    /// By column.
    pub(super) figures: Vec<Figure>,
}

/// What the configuration chooses.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    /// Replaces every interval.
    pub(super) every: Option<Duration>,
    /// Processes to watch.
    pub(super) processes: Vec<String>,
    /// Interfaces to read; empty for all that lead somewhere.
    pub(super) interfaces: Vec<String>,
    /// Mount points to read; empty for all disks.
    pub(super) mounts: Vec<String>,
}

/// The groups of this machine.
pub(super) fn groups(reader: &HostReader, choice: &Choice) -> Vec<HostGroup> {
    let given = |chosen: &[String], found: Vec<String>| if chosen.is_empty() { found } else { chosen.to_vec() };
    let all = [
        (Source::System, "system", 5, system(reader)),
        (Source::Disks, "disks", 60, disks(given(&choice.mounts, reader.mounts()))),
        (Source::Networks, "network", 10, networks(given(&choice.interfaces, reader.interfaces()))),
        (Source::Temperatures, "temperatures", 30, temperatures(reader.sensors())),
        (Source::Processes, "processes", 10, processes(&choice.processes)),
    ];
    let group = |(source, name, seconds, figures)| {
        let every = choice.every.unwrap_or(Duration::from_secs(seconds));
        group(source, name, every, figures)
    };
    all.into_iter().map(group).filter(|group| !group.figures.is_empty()).collect()
}

type Named = Vec<(String, Figure)>;

fn group(source: Source, name: &str, every: Duration, named: Named) -> HostGroup {
    let mut seen = HashSet::new();
    let mut figures = Vec::new();
    let mut points = Vec::new();
    for (wanted, figure) in named.into_iter().take(GROUP_POINTS) {
        let mut name = wanted.clone();
        let mut number = 2;
        while !seen.insert(name.clone()) {
            name = format!("{wanted}-{number}");
            number += 1;
        }
        // `name_part` leaves only what a point's name may hold; anything else is left out rather than misnamed.
        if let Ok(name) = name.parse() {
            points.push(Arc::new(figure.profile(name)));
            figures.push(figure);
        }
    }
    let heartbeat = Duration::from_secs(300).max(every);
    HostGroup { source, profile: GroupProfile { name: name.to_owned(), every, heartbeat, points }, figures }
}

fn system(reader: &HostReader) -> Named {
    let mut figures = vec![
        ("cpu.usage", Figure::CpuUsage),
        ("load.1", Figure::LoadOneMinute),
        ("memory.used", Figure::MemoryUsed),
        ("memory.total", Figure::MemoryTotal),
        ("memory.usage", Figure::MemoryUsage),
    ];
    if reader.has_swap() {
        figures.extend([("swap.used", Figure::SwapUsed), ("swap.usage", Figure::SwapUsage)]);
    }
    figures.extend([("uptime", Figure::Uptime), ("clock.synchronised", Figure::ClockSynchronised)]);
    figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect()
}

fn disks(mounts: Vec<String>) -> Named {
    let figures = mounts.into_iter().flat_map(|mount| {
        let part = name_part(&mount);
        [
            (format!("disk.{part}.used"), Figure::DiskUsage { mount: mount.clone() }),
            (format!("disk.{part}.free"), Figure::DiskFree { mount }),
        ]
    });
    figures.collect()
}

fn networks(interfaces: Vec<String>) -> Named {
    let figures = interfaces.into_iter().flat_map(|interface| {
        let part = name_part(&interface);
        [
            (format!("network.{part}.received"), Figure::BytesReceived { interface: interface.clone() }),
            (format!("network.{part}.sent"), Figure::BytesSent { interface: interface.clone() }),
            (format!("network.{part}.errors"), Figure::NetworkErrors { interface }),
        ]
    });
    figures.collect()
}

fn temperatures(sensors: Vec<String>) -> Named {
    let figures =
        sensors.into_iter().map(|sensor| (format!("temp.{}", name_part(&sensor)), Figure::Temperature { sensor }));
    figures.collect()
}

fn processes(names: &[String]) -> Named {
    let figures = names.iter().flat_map(|process| {
        let part = name_part(process);
        let process = process.clone();
        [
            (format!("process.{part}.running"), Figure::ProcessRunning { process: process.clone() }),
            (format!("process.{part}.count"), Figure::ProcessCount { process: process.clone() }),
            (format!("process.{part}.memory"), Figure::ProcessMemory { process }),
        ]
    });
    figures.collect()
}
