//! Reading the figures.

use std::ffi::OsStr;

use kouan_protocol::QualityReason;
use sysinfo::{
    Components, DiskRefreshKind, Disks, MemoryRefreshKind, Networks, ProcessRefreshKind, ProcessesToUpdate, System,
};

use super::point::Figure;
use crate::driver::RawValue;

/// What sysinfo keeps between two reads. Used on a blocking thread.
pub(super) struct HostReader {
    system: System,
    disks: Disks,
    networks: Networks,
    components: Components,
}

/// What a group of figures needs refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Source {
    System,
    Disks,
    Networks,
    Temperatures,
    Processes,
}

/// Kernel file systems without a disk, and those of other machines: asking a file server that is gone would block.
const NOT_A_DISK: [&str; 16] = [
    "tmpfs",
    "ramfs",
    "devtmpfs",
    "squashfs",
    "iso9660",
    "efivarfs",
    "autofs",
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "9p",
    "ceph",
    "glusterfs",
    "fuse.sshfs",
    "fuse.rclone",
];

impl HostReader {
    /// Lists what there is.
    pub(super) fn new() -> Result<Self, sysinfo::Error> {
        let mut reader = Self {
            system: System::new()?,
            disks: Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage())?,
            networks: Networks::new_with_refreshed_list()?,
            components: Components::new_with_refreshed_list()?,
        };
        reader.refresh(Source::System);
        Ok(reader)
    }

    /// Takes new figures from the kernel.
    pub(super) fn refresh(&mut self, source: Source) {
        match source {
            Source::System => {
                self.system.refresh_cpu_usage();
                self.system.refresh_memory_specifics(MemoryRefreshKind::everything());
            }
            Source::Disks => self.disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage()),
            Source::Networks => self.networks.refresh(true),
            Source::Temperatures => self.components.refresh(true),
            Source::Processes => {
                let what = ProcessRefreshKind::nothing().with_memory().without_tasks();
                self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
            }
        }
    }

    /// The figure as of the last refresh. `ClockSynchronised` is the caller's to answer.
    pub(super) fn read(&self, figure: &Figure) -> Result<RawValue, QualityReason> {
        let gone = QualityReason::NotAvailable;
        let percent = |part: u64, whole: u64| match whole {
            0 => Err(gone),
            whole => Ok(RawValue::Number(part as f64 * 100.0 / whole as f64)),
        };
        let number = |number: f64| if number.is_finite() { Ok(RawValue::Number(number)) } else { Err(gone) };
        let count = |count: u64| Ok(RawValue::Integer(i64::try_from(count).unwrap_or(i64::MAX)));
        let memory = || (self.system.used_memory(), self.system.total_memory());
        let disk = |mount: &str| {
            let disk = self.disks.iter().find(|disk| disk.mount_point().as_os_str() == mount);
            disk.map(|disk| (disk.available_space(), disk.total_space())).ok_or(gone)
        };
        let network = |interface: &str| self.networks.get(OsStr::new(interface)).ok_or(gone);
        match figure {
            Figure::CpuUsage => number(f64::from(self.system.global_cpu_usage())),
            Figure::LoadOneMinute => number(System::load_average().map_err(|_| gone)?.one),
            Figure::MemoryUsed => count(memory().0),
            Figure::MemoryTotal => count(memory().1),
            Figure::MemoryUsage => percent(memory().0, memory().1),
            Figure::SwapUsed => count(self.system.used_swap()),
            Figure::SwapUsage => percent(self.system.used_swap(), self.system.total_swap()),
            Figure::Uptime => count(System::uptime().map_err(|_| gone)?),
            Figure::ClockSynchronised => Err(gone),
            Figure::DiskUsage { mount } => {
                disk(mount).and_then(|(free, total)| percent(total.saturating_sub(free), total))
            }
            Figure::DiskFree { mount } => disk(mount).and_then(|(free, _)| count(free)),
            Figure::BytesReceived { interface } => count(network(interface)?.total_received()),
            Figure::BytesSent { interface } => count(network(interface)?.total_transmitted()),
            Figure::NetworkErrors { interface } => {
                let interface = network(interface)?;
                count(interface.total_errors_on_received() + interface.total_errors_on_transmitted())
            }
            Figure::Temperature { sensor } => {
                let found = self.components.iter().find(|component| component.label() == sensor.as_str());
                number(f64::from(found.and_then(|component| component.temperature()).ok_or(gone)?))
            }
            Figure::ProcessCount { process } => count(self.processes(process).0),
            Figure::ProcessRunning { process } => count(self.processes(process).0.min(1)),
            Figure::ProcessMemory { process } => count(self.processes(process).1),
        }
    }

    /// How many processes of that name there are, and their memory in bytes.
    fn processes(&self, name: &str) -> (u64, u64) {
        // The kernel cuts names after 15 bytes.
        let kernel_name = OsStr::new(name.get(..15).unwrap_or(name));
        let found = self.system.processes_by_exact_name(kernel_name);
        found.fold((0, 0), |(count, memory), process| (count + 1, memory + process.memory()))
    }

    /// Disks that hold data of this machine, one name for each.
    pub(super) fn mounts(&self) -> Vec<String> {
        let mut seen: Vec<&OsStr> = Vec::new();
        let mut mounts = Vec::new();
        for disk in &self.disks {
            let kind = disk.file_system().to_string_lossy();
            let real = disk.total_space() > 0 && !NOT_A_DISK.contains(&kind.as_ref());
            let (true, Some(mount)) = (real && !seen.contains(&disk.name()), disk.mount_point().to_str()) else {
                continue;
            };
            // The same disk under another mount point says nothing new.
            seen.push(disk.name());
            mounts.push(mount.to_owned());
        }
        mounts.sort();
        mounts
    }

    /// Interfaces that lead somewhere.
    pub(super) fn interfaces(&self) -> Vec<String> {
        let inner = ["veth", "ifb", "docker", "br-", "virbr", "dummy", "tap", "tun"];
        let leads = |name: &&str| *name != "lo" && !inner.iter().any(|prefix| name.starts_with(prefix));
        let named = self.networks.keys().filter_map(|name| name.to_str());
        let mut names: Vec<String> = named.filter(leads).map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Sensors that show a temperature.
    pub(super) fn sensors(&self) -> Vec<String> {
        let shown = self.components.iter().filter(|component| component.temperature().is_some());
        let mut labels: Vec<String> = shown.map(|component| component.label().to_owned()).collect();
        labels.sort();
        labels.dedup();
        labels
    }

    /// Whether the machine has swap space.
    pub(super) fn has_swap(&self) -> bool {
        self.system.total_swap() > 0
    }
}
