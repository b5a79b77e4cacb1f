//! What a collector uses over some time, and whoever plays at it.

use std::time::Instant;

use kouan_figures::Figure;
use kouan_figures::process::{cpu_seconds, forget_peak, memory_mib};

use crate::api::Api;
use crate::machine::busy_seconds;
use crate::threads::Threads;

/// Time that the log's commits took so far, as the collector tells it.
const COMMITS: &str = "kouan_ingest_commit_seconds_total";

/// Begun, and not ended yet.
#[derive(Debug)]
pub(crate) struct Meter {
    pid: u32,
    began: Instant,
    cpu: f64,
    own: f64,
    busy: f64,
    commits: f64,
    threads: Threads,
}

/// What was used meanwhile. CPU is in cores.
#[derive(Debug, Clone)]
pub(crate) struct Usage {
    /// Seconds.
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    /// Of this program, which plays the agents.
    pub(crate) own: f64,
    /// Of everything on this machine.
    pub(crate) busy: f64,
    /// The share of the time in which the log was writing to the disk.
    pub(crate) committing: f64,
    /// CPU of the collector's threads by what they do, the busiest first.
    pub(crate) threads: Vec<(String, f64)>,
    /// MiB at most.
    pub(crate) memory: f64,
}

impl Meter {
    pub(crate) async fn begin(pid: u32, api: &Api) -> anyhow::Result<Self> {
        forget_peak(pid)?;
        Ok(Self {
            pid,
            commits: api.metrics().await?.largest(COMMITS),
            began: Instant::now(),
            cpu: cpu_seconds(pid)?,
            own: cpu_seconds(std::process::id())?,
            busy: busy_seconds()?,
            threads: Threads::of(pid)?,
        })
    }

    pub(crate) async fn end(self, api: &Api) -> anyhow::Result<Usage> {
        let wall = self.began.elapsed().as_secs_f64();
        let threads = Threads::of(self.pid)?.since(&self.threads);
        let cores = |now: f64, before: f64| (now - before) / wall;
        Ok(Usage {
            wall,
            cpu: cores(cpu_seconds(self.pid)?, self.cpu),
            own: cores(cpu_seconds(std::process::id())?, self.own),
            busy: cores(busy_seconds()?, self.busy),
            committing: cores(api.metrics().await?.largest(COMMITS), self.commits),
            threads: threads.into_iter().map(|(name, seconds)| (name, seconds / wall)).collect(),
            memory: memory_mib(self.pid, "VmHWM")?,
        })
    }
}

impl Usage {
    /// Where the CPU went, in figures of `part`.
    pub(super) fn figures(&self, part: &'static str) -> Vec<Figure> {
        let figure = |what: String, value, unit| Figure::new(part, what, value, unit);
        let mut figures = vec![
            figure("CPU of the collector".to_owned(), self.cpu, "cores"),
            figure("CPU of this side, which plays the agents on the same cores".to_owned(), self.own, "cores"),
            figure("CPU of the whole machine".to_owned(), self.busy, "cores"),
            figure("share of the time in which the log was being committed".to_owned(), self.committing * 100.0, "%"),
        ];
        let busiest = self.threads.iter().take(5).filter(|(_, cores)| *cores >= 0.005);
        figures.extend(busiest.map(|(name, cores)| figure(format!("thread: {name}"), *cores, "cores")));
        figures
    }
}
