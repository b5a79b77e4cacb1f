//! Carrying a schedule out, and what happens meanwhile at the devices.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use super::device::NumberedDevice;
use super::line::{Damage, DamagedLine};
use super::schedule::{AgentFile, DiskTrouble, Fault, Schedule, Step};
use crate::{Agent, ClockFaults, Collector, DiskFaults, SHORT, wait_for};

/// How much longer a sync takes on a slow disk.
pub(super) const SLOW_SYNC: Duration = Duration::from_millis(50);
/// Syncs that a commit may wait for, with those of others before it.
const SYNCS_OF_A_COMMIT: u32 = 20;
/// How long the agent may take to stop in order.
const STOP: Duration = Duration::from_secs(15);
/// What is overwritten at once.
const SECTOR: usize = 512;

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
    /// By how much a slow disk may delay a commit.
    pub(super) slow: Duration,
    /// How often it ended by itself.
    pub(super) ended: u64,
}

/// Carries the faults of the two programs out.
///
/// # Errors
/// When a program ended by itself or does not come up again.
pub(super) async fn break_programs(
    Schedule { programs, disk, line, .. }: &Schedule,
    start: Instant,
    seed: u64,
    agent: &mut Agent,
    collector: &mut Collector,
) -> anyhow::Result<Outages> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut outages = Outages::default();
    if !disk.is_empty() {
        outages.slow = SLOW_SYNC * SYNCS_OF_A_COMMIT;
    }
    let mut started = start;
    for step in programs {
        until(start + step.at).await;
        let (kills_agent, kills_collector) = match step.fault {
            Fault::KillAgent => (true, false),
            Fault::KillCollector => (false, true),
            Fault::KillBoth => (true, true),
            Fault::StopAgent => {
                keep_running(agent, started, disk, &mut outages)?;
                let from = Instant::now();
                pause(agent.process()?, start + step.at + step.lasts).await?;
                outages.stopped.push(Outage { from, to: Instant::now() });
                continue;
            }
            Fault::StopCollector => {
                pause(collector.process()?, start + step.at + step.lasts).await?;
                continue;
            }
            Fault::DamageDead(_) => (true, false),
            Fault::DamageLive(file) => {
                damage(&agent.configuration().data(), file, &mut random)?;
                continue;
            }
            Fault::Line(_) | Fault::Disk(_) | Fault::AgentClock(_) | Fault::CollectorClock(_) => continue,
        };
        let from = Instant::now();
        if kills_agent {
            keep_running(agent, started, disk, &mut outages)?;
            agent.kill().await?;
        }
        if let Fault::DamageDead(file) = step.fault {
            damage(&agent.configuration().data(), file, &mut random)?;
        }
        if kills_collector {
            still_runs(collector.process()?)?;
            collector.kill().await?;
        }
        until(start + step.at + step.lasts).await;
        if kills_agent {
            agent.start()?;
            started = Instant::now();
            outages.killed.push(Outage { from, to: started });
        }
        if kills_collector {
            collector.restart().await.context("the collector does not come up after a kill")?;
        }
    }
    // What ended on a broken disk gets another chance on a sound one.
    let last = disk.iter().chain(line).map(|step| step.at + step.lasts).max();
    until(start + last.unwrap_or_default()).await;
    if !disk.is_empty() {
        // What a person does whom the agent's alarm has called: a file that was given up is used again after a start.
        keep_running(agent, started, disk, &mut outages)?;
        let sent = wait_for("memory being sent", SHORT, async || {
            let status = agent.tool(&["status"]).await?.json()?;
            let lanes = status["lanes"].as_array().context("no lanes")?;
            let waiting = lanes.iter().filter(|lane| lane["lane"] != "readings" && lane["waiting"] != 0).count();
            Ok(if waiting == 0 { Ok(()) } else { Err(status.to_string()) })
        });
        // An agent that nobody can ask is started again all the same.
        let _ = sent.await;
        let from = Instant::now();
        agent.stop(STOP).await?;
        agent.start()?;
        outages.killed.push(Outage { from, to: Instant::now() });
    }
    Ok(outages)
}

/// Starts an agent again that ended by itself, as a service manager would. Only a broken disk may end it.
fn keep_running(agent: &mut Agent, started: Instant, disk: &[Step], outages: &mut Outages) -> anyhow::Result<()> {
    let process = agent.process()?;
    if process.is_running()? {
        return Ok(());
    }
    if disk.is_empty() {
        return Err(process.failure("ended by itself"));
    }
    agent.start()?;
    outages.killed.push(Outage { from: started, to: Instant::now() });
    outages.ended += 1;
    Ok(())
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

/// Carries the faults of the disk out; it is in order at the end.
///
/// # Errors
/// When the disk cannot be told.
pub(super) async fn break_disk(steps: &[Step], start: Instant, disk: &DiskFaults) -> anyhow::Result<()> {
    for step in steps {
        until(start + step.at).await;
        match step.fault {
            Fault::Disk(DiskTrouble::Full) => disk.full(true)?,
            Fault::Disk(DiskTrouble::ReadOnly) => disk.read_only(true)?,
            Fault::Disk(DiskTrouble::SyncsFail) => disk.fail_syncs(true)?,
            Fault::Disk(DiskTrouble::Slow) => disk.sync_delay(SLOW_SYNC)?,
            _ => {}
        }
        until(start + step.at + step.lasts).await;
        disk.full(false)?;
        disk.read_only(false)?;
        disk.fail_syncs(false)?;
        disk.sync_delay(Duration::ZERO)?;
    }
    Ok(())
}

/// Lets the wall clocks jump; they are right at the end.
///
/// # Errors
/// When a clock cannot be told.
pub(super) async fn break_clocks(
    steps: &[Step],
    start: Instant,
    agent: &ClockFaults,
    collector: &ClockFaults,
) -> anyhow::Result<()> {
    for step in steps {
        until(start + step.at).await;
        match step.fault {
            Fault::AgentClock(ahead) => agent.set(ahead)?,
            Fault::CollectorClock(ahead) => collector.set(ahead)?,
            _ => {}
        }
    }
    if let Some(last) = steps.last() {
        until(start + last.at + last.lasts).await;
        agent.set(0)?;
        collector.set(0)?;
    }
    Ok(())
}

/// Overwrites a few sectors of a file, or of its write-ahead log.
fn damage(data: &Path, file: AgentFile, random: &mut StdRng) -> anyhow::Result<()> {
    let ending = if random.random_bool(0.3) { "-wal" } else { "" };
    let path = data.join(format!("{}{ending}", file.name()));
    let damaging = || format!("damaging {} failed", path.display());
    let Ok(file) = OpenOptions::new().write(true).open(&path) else {
        // There need not be a log, nor anything yet.
        return Ok(());
    };
    let sectors = file.metadata().with_context(damaging)?.len() / SECTOR as u64;
    for _ in 0..random.random_range(1..4) {
        let mut garbage = [0; SECTOR];
        random.fill(&mut garbage);
        let sector = random.random_range(0..sectors.max(1));
        file.write_all_at(&garbage, sector * SECTOR as u64).with_context(damaging)?;
    }
    Ok(())
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
