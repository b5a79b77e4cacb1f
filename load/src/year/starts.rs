//! From the start of the program to its answers.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kouan_figures::process::memory_mib;

use super::asked::Asked;
use crate::api::Api;
use crate::collector::Collector;

/// How often it is looked whether the readers have caught up.
const LOOK: Duration = Duration::from_millis(20);
/// They never take longer.
const LONGEST: Duration = Duration::from_secs(300);

/// What must be answered.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    devices: usize,
    year: String,
    hours: usize,
}

/// One start. Times are milliseconds since the program was told to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// Until it listens.
    pub(super) listens: f64,
    /// Until the latest of everything was read from its port, and then a year of a point by the hour.
    pub(super) answered: f64,
    /// Until every reader had taken all that the log has.
    pub(super) caught_up: f64,
    /// MiB then.
    pub(super) memory: f64,
}

impl Probe {
    /// Asks for a year of the device's numbers.
    pub(super) fn new(devices: &[Asked], of: &Asked, (from_s, to_s): (u64, u64)) -> anyhow::Result<Self> {
        let point = of.number.context("the device has no numbers")?;
        let (from, to) = (from_s / 3_600 * 3_600, to_s / 3_600 * 3_600);
        let year = format!(
            "/api/v1/devices/{}/series?points={point}&resolution=1h&from={}&to={}",
            of.id,
            from * 1000,
            to * 1000
        );
        Ok(Self { devices: devices.len(), year, hours: ((to - from) / 3_600) as usize })
    }

    async fn ask(&self, api: &Api) -> anyhow::Result<()> {
        let latest = api.get("/api/v1/latest/columns").await?;
        let found = latest["items"].as_array().map_or(0, Vec::len);
        ensure!(found == self.devices, "the latest of {found} devices was told, of {}", self.devices);
        let year = api.get(&self.year).await?;
        let found = year["series"][0]["times"].as_array().map_or(0, Vec::len);
        // A device falls silent for minutes, never for an hour.
        ensure!(found * 100 >= self.hours * 98, "{found} of {} hours of the year were told", self.hours);
        let levels = &year["series"][0]["levels"];
        let of_sums = levels.as_array().is_some_and(|levels| levels.contains(&"1h".into()));
        ensure!(of_sums, "the year was made of {levels}, not of sums over hours");
        Ok(())
    }
}

/// Starts it again after a stop or a crash, and asks at once.
pub(super) async fn start(collector: Collector, probe: &Probe) -> anyhow::Result<(Collector, Start)> {
    let started = Instant::now();
    let since = || started.elapsed().as_secs_f64() * 1000.0;
    let collector = collector.restart().await?;
    let listens = since();
    let api = collector.api()?;
    probe.ask(&api).await?;
    let answered = since();
    while api.behind().await? > 0.0 {
        ensure!(started.elapsed() < LONGEST, "the readers do not catch up with the log");
        tokio::time::sleep(LOOK).await;
    }
    let caught_up = since();
    let memory = memory_mib(collector.pid()?, "VmRSS")?;
    Ok((collector, Start { listens, answered, caught_up, memory }))
}

/// Takes the files out of the disk cache, as after a start of the machine.
pub(super) fn forget_cached(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {} failed", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            forget_cached(&path)?;
            continue;
        }
        let file = File::open(&path).with_context(|| format!("opening {} failed", path.display()))?;
        // What is not on disk cannot leave the cache.
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)
            .with_context(|| format!("taking {} out of the disk cache failed", path.display()))?;
    }
    Ok(())
}
