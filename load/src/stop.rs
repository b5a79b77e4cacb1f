//! Stopping a store in order, and what that takes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kouan_figures::process::cpu_seconds;
use tokio::process::{Child, Command};

/// No store may take longer.
const LONGEST: Duration = Duration::from_secs(600);

/// What a stop took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopped {
    /// In CPU-seconds.
    pub(crate) cpu: f64,
    /// On the clock.
    pub(crate) took: Duration,
}

/// Tells the process to stop and waits until it has.
pub(crate) async fn stop(process: &mut Child) -> anyhow::Result<Stopped> {
    let pid = process.id().context("the process has ended already")?;
    let (started, before) = (Instant::now(), cpu_seconds(pid)?);
    let mut last = before;
    let killed = Command::new("kill").arg(pid.to_string()).status().await.context("stopping a process failed")?;
    ensure!(killed.success(), "process {pid} could not be told to stop");
    loop {
        ensure!(started.elapsed() < LONGEST, "process {pid} did not stop within {LONGEST:?}");
        // Its figures stay until its end is noticed here.
        last = cpu_seconds(pid).unwrap_or(last);
        if let Some(status) = process.try_wait()? {
            ensure!(status.success(), "process {pid} ended with {status}");
            return Ok(Stopped { cpu: last - before, took: started.elapsed() });
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
