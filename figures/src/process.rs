//! What the system says of a process, and of the disk.

use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::quantile;

/// CPU time that a process has used, in seconds.
///
/// # Errors
/// When the system does not tell, as of a process that has ended.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    // User and system time.
    Ok(stat(pid)?[11..13].iter().sum::<f64>() / 100.0)
}

/// CPU time of a process and all its children, ended ones included, in seconds.
///
/// # Errors
/// When the system does not tell, as of a process that has ended.
pub fn tree_cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let own = stat(pid)?;
    let living = children(pid)?.into_iter().filter_map(|child| Some(stat(child).ok()?[11..13].iter().sum::<f64>()));
    Ok((own[11..15].iter().sum::<f64>() + living.sum::<f64>()) / 100.0)
}

/// Memory of a process and its children in MiB, shared pages counted once.
///
/// # Errors
/// When the system does not tell, as of a process that has ended.
pub fn tree_memory_mib(pid: u32) -> anyhow::Result<f64> {
    let memory = |pid: u32| in_mib(&format!("/proc/{pid}/smaps_rollup"), "Pss:");
    Ok(memory(pid)? + children(pid)?.into_iter().filter_map(|child| memory(child).ok()).sum::<f64>())
}

fn children(pid: u32) -> anyhow::Result<Vec<u32>> {
    let text = read(&format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text.split_whitespace().filter_map(|child| child.parse().ok()).collect())
}

/// The fields after the name; the state is the first.
fn stat(pid: u32) -> anyhow::Result<Vec<f64>> {
    let text = read(&format!("/proc/{pid}/stat"))?;
    // The name may hold spaces; the fields after it do not.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    Ok(fields.map(|field| field.parse().unwrap_or(0.0)).collect())
}

/// Waits until a process has stopped working through what it took.
///
/// # Errors
/// When it does not come to rest within five minutes, or has ended.
pub async fn settle(pid: u32) -> anyhow::Result<()> {
    let (started, mut quiet, mut before) = (Instant::now(), 0, cpu_seconds(pid)?);
    while quiet < 3 {
        ensure!(started.elapsed() < Duration::from_secs(300), "process {pid} does not come to rest");
        tokio::time::sleep(Duration::from_millis(400)).await;
        let now = cpu_seconds(pid)?;
        quiet = if now - before < 0.03 { quiet + 1 } else { 0 };
        before = now;
    }
    Ok(())
}

/// The sizes of all files in a folder, in bytes.
///
/// # Errors
/// When the folder cannot be read.
pub fn folder_bytes(folder: &Path) -> anyhow::Result<f64> {
    let mut bytes = 0.0;
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {} failed", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() as f64 };
    }
    Ok(bytes)
}

/// A value in MiB from a process's status: `VmRSS`, `VmHWM`, `RssAnon`.
///
/// # Errors
/// When the system does not tell, as of a process that has ended.
pub fn memory_mib(pid: u32, key: &str) -> anyhow::Result<f64> {
    in_mib(&format!("/proc/{pid}/status"), key)
}

/// A process's memory in MiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Everything resident, the program's own pages and those it shares with others included.
    pub resident: f64,
    /// Shared pages divided by those who share them.
    pub proportional: f64,
    /// What nobody could take from it: heap and stacks.
    pub anonymous: f64,
}

impl Memory {
    /// What the process has now.
    ///
    /// # Errors
    /// When the system does not tell, as of a process that has ended.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/smaps_rollup");
        Ok(Self {
            resident: in_mib(&path, "Rss:")?,
            proportional: in_mib(&path, "Pss:")?,
            anonymous: in_mib(&path, "Anonymous:")?,
        })
    }
}

/// Forgets a process's peak memory, so that `VmHWM` tells of what follows.
///
/// # Errors
/// When the system does not allow it.
pub fn forget_peak(pid: u32) -> anyhow::Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    std::fs::write(&path, "5").with_context(|| format!("writing {path} failed"))
}

/// What writing 4 KiB in place and `fdatasync` take in `folder`, in ms: median and 99th percentile.
///
/// # Errors
/// When the file cannot be written.
pub fn sync_cost_ms(folder: &Path, times: usize) -> anyhow::Result<(f64, f64)> {
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
