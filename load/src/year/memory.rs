//! The most memory that a process took over some time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kouan_figures::process::memory_mib;
use tokio_util::sync::CancellationToken;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(10);
/// What nobody could take from the process: heap and stacks. Pages of files that it reads are not its own.
const OWN: &str = "RssAnon";

/// Looks until it is asked.
pub(super) struct Most {
    pid: u32,
    before: f64,
    most_kib: Arc<AtomicU64>,
    stop: CancellationToken,
}

/// Memory of a process in MiB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) before: f64,
    pub(super) most: f64,
    pub(super) after: f64,
}

impl Memory {
    pub(super) fn growth(&self) -> f64 {
        self.most - self.before
    }
}

impl Most {
    pub(super) fn watch(pid: u32) -> anyhow::Result<Self> {
        let before = memory_mib(pid, OWN)?;
        let (most_kib, stop) = (Arc::new(AtomicU64::new((before * 1024.0) as u64)), CancellationToken::new());
        let (seen, ended) = (Arc::clone(&most_kib), stop.clone());
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LOOK);
            while ended.run_until_cancelled(ticks.tick()).await.is_some() {
                // Its end is noticed by whoever waits for it.
                let Ok(now) = memory_mib(pid, OWN) else { break };
                seen.fetch_max((now * 1024.0) as u64, Ordering::Relaxed);
            }
        });
        Ok(Self { pid, before, most_kib, stop })
    }

    /// What was seen of a process that still runs.
    pub(super) fn end(self) -> anyhow::Result<Memory> {
        let after = memory_mib(self.pid, OWN)?;
        Ok(Memory { before: self.before, most: self.so_far().max(after), after })
    }

    /// MiB at most until now.
    pub(super) fn so_far(&self) -> f64 {
        self.most_kib.load(Ordering::Relaxed) as f64 / 1024.0
    }
}

impl Drop for Most {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
