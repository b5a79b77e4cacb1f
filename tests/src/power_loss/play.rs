//! One recording of both programs, and power cuts at many of its moments.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::agent::check_agent;
use super::collector::{check_collector, check_meeting};
use super::cuts::Cut;
use super::disk::Honesty;
use super::site::{self, Run};

/// The collector is run, and not only opened, after each of so many cuts.
const RUNS_AFTER: usize = 10;
/// Problems that are kept word by word.
const SHOWN: usize = 20;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct PowerLoss {
    /// Draws moments, and what the disk keeps.
    pub seed: u64,
    /// How many cuts.
    pub cuts: usize,
    /// How long the programs run.
    pub length: Duration,
    /// Whether the disk keeps what it promises.
    pub honesty: Honesty,
}

/// What was found.
#[derive(Debug, Default)]
pub struct PowerLossReport {
    /// Changes and syncs on both disks.
    pub changes: usize,
    /// Syncs on both disks.
    pub syncs: usize,
    /// Batches that the agent sent.
    pub sent: usize,
    /// Commands that a device obeyed.
    pub acts: usize,
    /// Cuts that were made, each on both disks.
    pub cuts: usize,
    /// Cuts after which something was wrong.
    pub broken: usize,
    /// What was wrong, the first of it.
    pub problems: Vec<String>,
}

impl fmt::Display for PowerLossReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, syncs, sent, acts, cuts, broken, .. } = self;
        write!(
            f,
            "{changes} changes and {syncs} syncs recorded, {sent} batches sent, {acts} commands obeyed; \
             power cut at {cuts} moments, {broken} broken"
        )
    }
}

impl PowerLoss {
    /// Records the real programs under load, cuts the power and looks at what is left with their own code.
    ///
    /// # Errors
    /// When the programs do not come up or a file cannot be read.
    pub async fn play(&self) -> anyhow::Result<PowerLossReport> {
        let run = site::run(self.length).await?;
        let mut report = PowerLossReport {
            changes: run.agent.len() + run.collector.len(),
            syncs: run.agent.syncs() + run.collector.syncs(),
            sent: run.testimony.sent.len(),
            acts: run.acts.len(),
            ..PowerLossReport::default()
        };
        // Half of the moments by what one disk did, half by the other.
        let mut moments = run.agent.moments(self.cuts / 2, self.seed);
        moments.extend(run.collector.moments(self.cuts - self.cuts / 2, self.seed));
        moments.sort_unstable();
        let agents = run.agent.cuts(&moments, self.honesty, self.seed);
        let collectors = run.collector.cuts(&moments, self.honesty, self.seed);
        for (number, (agent, collector)) in agents.zip(collectors).enumerate() {
            let mut problems = Vec::new();
            let runs = number % RUNS_AFTER == 0;
            if let Err(error) = look(&run, &agent, &collector, runs, &mut problems).await {
                problems.push(format!("{error:#}"));
            }
            report.cuts += 1;
            report.broken += usize::from(!problems.is_empty());
            let named = problems.into_iter().map(|problem| format!("cut {number}: {problem}"));
            report.problems.extend(named);
            report.problems.truncate(SHOWN);
        }
        Ok(report)
    }
}

async fn look(run: &Run, agent: &Cut, collector: &Cut, runs: bool, problems: &mut Vec<String>) -> anyhow::Result<()> {
    let (agent_files, collector_files) = (agent.files()?, collector.files()?);
    let (agent_root, collector_root): (&Path, &Path) = (agent_files.path(), collector_files.path());
    let found = check_agent(agent_root, run, agent.at, problems).await?;
    check_collector(collector_root, run, collector.at, runs, problems).await?;
    check_meeting(collector_root, &found, problems)
}
