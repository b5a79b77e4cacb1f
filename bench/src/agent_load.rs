//! What an agent costs under a steady load of Modbus TCP devices whose registers all change with every read.

use std::time::Duration;

use anyhow::Context as _;
use kouan_tests::Collector;

use crate::local;
use crate::modbus_site::{ModbusSite, Shape};
use kouan_figures::Figure;
use kouan_figures::process::{Memory, cpu_seconds, memory_mib};

/// The load under which gateways are compared.
pub(crate) const FIFTY: Shape = Shape { meters: 50, points: 20, every: "1s" };
/// Ten thousand points a second.
pub(crate) const TEN_THOUSAND: Shape = Shape { meters: 100, points: 100, every: "1s" };
/// A hundred thousand points a second.
pub(crate) const HUNDRED_THOUSAND: Shape = Shape { meters: 1000, points: 100, every: "1s" };

/// How long the agent may take until every device works.
const WORKING: Duration = Duration::from_secs(60);

/// Watches an agent for `seconds`. What it keeps is fsynced every second, sent, and confirmed.
pub(crate) async fn measure(shape: Shape, seconds: u64) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let site = ModbusSite::start(folder.path(), shape, false).await?;
    let mut collector = Collector::start(folder.path()).await?;
    let token = collector.enrol("bench", "bench").await?;
    let mut agent = site.agent(folder.path(), collector.address(), token)?;
    agent.start()?;
    let mut status = local::connect(&agent.configuration().data(), WORKING).await?;
    local::wait_working(&mut status, shape.meters, WORKING).await?;
    let pid = agent.process()?.id().context("the agent has no process")?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    // From commit to commit, so that the last second counts whole or not at all.
    let (began, before) = local::after_commit(&mut status).await?;
    let cpu = cpu_seconds(pid)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (ended, after) = local::after_commit(&mut status).await?;
    let (used, seconds) = (cpu_seconds(pid)? - cpu, (ended - began).as_secs_f64());
    let memory = Memory::of(pid)?;
    let points = ((after.last_seq - before.last_seq) as usize * shape.points) as f64;
    let load = format!("{} × {} points", shape.meters, shape.points);
    let figure = |what: &str, value, unit| Figure::new("agent", format!("{load}: {what}"), value, unit);
    let figures = vec![
        figure("kept", points / seconds, "readings/s"),
        figure("not yet confirmed at the end", (after.waiting as usize * shape.points) as f64, "readings"),
        figure("CPU of one core", used / seconds * 100.0, "%"),
        figure("CPU per million readings", used / points * 1e6, "s"),
        figure("memory, resident", memory.resident, "MiB"),
        figure("memory, proportional", memory.proportional, "MiB"),
        figure("memory, anonymous", memory.anonymous, "MiB"),
        figure("memory, peak", memory_mib(pid, "VmHWM")?, "MiB"),
    ];
    agent.stop(Duration::from_secs(5)).await?;
    collector.stop(Duration::from_secs(10)).await?;
    Ok(figures)
}
