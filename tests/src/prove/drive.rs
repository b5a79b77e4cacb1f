//! Carrying a schedule out, and what happens meanwhile at the devices.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use super::device::NumberedDevice;
use super::line::{Damage, DamagedLine};
use super::schedule::{Fault, Step};
use crate::{Agent, Collector};

/// A time in which a program did not run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    /// When it began.
    pub(super) from: Instant,
    /// When it was over.
    pub(super) to: Instant,
}

/// When the agent did not run.
#[derive(Debug, Clone, Default)]
pub(super) struct Outages {
    /// From a kill to the new start.
    pub(super) killed: Vec<Outage>,
    /// From SIGSTOP to SIGCONT.
    pub(super) stopped: Vec<Outage>,
}

/// Carries the faults of the two programs out.
///
/// # Errors
/// When a program ended by itself or does not come up again.
pub(super) async fn break_programs(
    steps: &[Step],
    start: Instant,
    agent: &mut Agent,
    collector: &mut Collector,
) -> anyhow::Result<Outages> {
    let mut outages = Outages::default();
    for step in steps {
        until(start + step.at).await;
        let (kills_agent, kills_collector) = match step.fault {
            Fault::KillAgent => (true, false),
            Fault::KillCollector => (false, true),
            Fault::KillBoth => (true, true),
            Fault::StopAgent => {
                let from = Instant::now();
                pause(agent.process()?, start + step.at + step.lasts).await?;
                outages.stopped.push(Outage { from, to: Instant::now() });
                continue;
            }
            Fault::StopCollector => {
                pause(collector.process()?, start + step.at + step.lasts).await?;
                continue;
            }
            Fault::Line(_) => continue,
        };
        let from = Instant::now();
        if kills_agent {
            still_runs(agent.process()?)?;
            agent.kill().await?;
        }
        if kills_collector {
            still_runs(collector.process()?)?;
            collector.kill().await?;
        }
        until(start + step.at + step.lasts).await;
        if kills_agent {
            agent.start()?;
            outages.killed.push(Outage { from, to: Instant::now() });
        }
        if kills_collector {
            collector.restart().await.context("the collector does not come up after a kill")?;
        }
    }
    Ok(outages)
}

fn still_runs(process: &mut crate::Process) -> anyhow::Result<()> {
    if process.is_running()? { Ok(()) } else { Err(process.failure("ended by itself")) }
}

async fn pause(process: &mut crate::Process, end: Instant) -> anyhow::Result<()> {
    still_runs(process)?;
    process.signal(Signal::STOP)?;
    until(end).await;
    process.signal(Signal::CONT)
}

/// Carries the faults of the line out; it is in order at the end.
pub(super) async fn break_line(steps: &[Step], start: Instant, line: &DamagedLine) {
    for step in steps {
        until(start + step.at).await;
        if let Fault::Line(damage) = step.fault {
            line.set(damage);
        }
        until(start + step.at + step.lasts).await;
        line.set(Damage::None);
    }
}

/// Lets people pass at the devices until `stop`.
pub(super) async fn let_people_pass(devices: &[NumberedDevice], seed: u64, stop: &CancellationToken) {
    let mut random = StdRng::seed_from_u64(seed);
    while !stop.is_cancelled() {
        devices[random.random_range(0..devices.len())].pass(random.random_range(1..4));
        let pause = Duration::from_millis(random.random_range(5..40));
        tokio::select! { () = tokio::time::sleep(pause) => {} () = stop.cancelled() => {} }
    }
}

/// Waits for a moment of the schedule.
pub(super) async fn until(moment: Instant) {
    tokio::time::sleep_until(moment.into()).await;
}
