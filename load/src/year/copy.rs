//! A backup while readings come in.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kouan_figures::process::folder_bytes;

use super::memory::{Memory, Most};
use crate::collector::Collector;

/// A copy that never ends would be a fault of its own.
const LONGEST: Duration = Duration::from_secs(600);

/// A copy of the data folder, which accounts for every number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied {
    /// Seconds until all files were there.
    pub(super) copied: f64,
    /// Seconds until the copy was verified as well.
    pub(super) took: f64,
    pub(super) bytes: f64,
    /// MiB of the program that copies, at most.
    pub(super) own_memory: f64,
    /// Of the collector.
    pub(super) memory: Memory,
}

/// Copies beside the running collector.
pub(super) async fn backup(collector: &Collector, target: &Path) -> anyhow::Result<Copied> {
    let (most, started) = (Most::watch(collector.pid()?)?, Instant::now());
    let mut command = collector.beside()?;
    command.arg("backup").arg(target).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().context("starting a backup failed")?;
    let own = Most::watch(child.id().context("the backup has ended at once")?)?;
    // The sums are written when every file is there.
    let (sums, complete) = (target.join("SHA256SUMS"), tokio_util::sync::CancellationToken::new());
    let looking = tokio::spawn({
        let complete = complete.clone();
        async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while !sums.exists() {
                complete.run_until_cancelled(ticks.tick()).await?;
            }
            Some(started.elapsed().as_secs_f64())
        }
    });
    let output = tokio::time::timeout(LONGEST, child.wait_with_output()).await.context("the backup does not end")??;
    let (took, own_memory) = (started.elapsed().as_secs_f64(), own.so_far());
    complete.cancel();
    ensure!(output.status.success(), "the backup failed: {}", String::from_utf8_lossy(&output.stderr));
    let copied = looking.await?.unwrap_or(took);
    Ok(Copied { copied, took, bytes: folder_bytes(target)?, own_memory, memory: most.end()? })
}
