//! What the system says of a process, and of the disk.

use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;

use crate::figure::quantile;

/// CPU time that a process has used, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // The name may hold spaces; the fields after it do not. User and system time are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}

/// A value in MiB from a process's status: `VmRSS`, `VmHWM`, `RssAnon`.
pub(crate) fn memory_mib(pid: u32, key: &str) -> anyhow::Result<f64> {
    in_mib(&format!("/proc/{pid}/status"), key)
}

/// A process's memory in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Everything resident, the program's own pages and those it shares with others included.
    pub(crate) resident: f64,
    /// Shared pages divided by those who share them.
    pub(crate) proportional: f64,
    /// What nobody could take from it: heap and stacks.
    pub(crate) anonymous: f64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/smaps_rollup");
        Ok(Self {
            resident: in_mib(&path, "Rss:")?,
            proportional: in_mib(&path, "Pss:")?,
            anonymous: in_mib(&path, "Anonymous:")?,
        })
    }
}

/// Forgets a process's peak memory, so that `VmHWM` tells of what follows.
pub(crate) fn forget_peak(pid: u32) -> anyhow::Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    std::fs::write(&path, "5").with_context(|| format!("writing {path} failed"))
}

/// What writing 4 KiB in place and `fdatasync` take in `folder`, in ms: median and 99th percentile.
pub(crate) fn sync_cost_ms(folder: &Path, times: usize) -> anyhow::Result<(f64, f64)> {
    let mut file = std::fs::File::create(folder.join("sync"))?;
    let mut taken = Vec::new();
    for _ in 0..times {
        let started = Instant::now();
        file.rewind()?;
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        taken.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    taken.sort_by(f64::total_cmp);
    Ok((quantile(&taken, 0.5), quantile(&taken, 0.99)))
}

fn in_mib(path: &str, key: &str) -> anyhow::Result<f64> {
    let text = read(path)?;
    let line = text.lines().find(|line| line.starts_with(key)).with_context(|| format!("{path} has no {key}"))?;
    let kib: f64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0.0);
    Ok(kib / 1024.0)
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {path} failed"))
}
