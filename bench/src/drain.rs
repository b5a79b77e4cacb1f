//! The end of an outage: an agent with a large backlog reaches its collector again.
//!
//! Told are: how long the agent takes to start with it, how soon the state at the API is fresh, how fast the backlog
//! goes, what it costs, and how soon events and health that are born meanwhile can be read.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use kouan_agent::local::LocalClient;
use kouan_protocol::{Clock, SystemClock};
use kouan_tests::{Agent, Api, Collector, Line, Proxy};

use crate::backlog::{self, Backlog};
use crate::born_meanwhile::{events, healths};
use crate::centre;
use crate::local;
use crate::modbus_site::{Gates, ModbusSite, Shape};
use kouan_figures::process::{Memory, cpu_seconds, forget_peak, memory_mib};
use kouan_figures::{Figure, quantile};

/// The devices of a large site, read now and then besides.
const SITE: Shape = Shape { meters: 500, points: 20, every: "5s" };
/// How long anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// How long the agent may take to stop.
const STOP: Duration = Duration::from_secs(10);
/// Starts of which the median is told.
const STARTS: usize = 5;
/// How often the API is asked.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

pub(crate) async fn measure(readings: u64) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let site = ModbusSite::start(folder.path(), SITE, true).await?;
    let mut collector = Collector::start(folder.path()).await?;
    let token = collector.enrol("bench", "bench").await?;
    let line = Proxy::start(collector.address()).await?;
    line.set(Line::Cut);
    let mut agent = site.agent(folder.path(), line.address(), token)?;

    start(&mut agent).await?;
    agent.stop(STOP).await?;
    let (empty_start, _, empty_memory) = start_again(&mut agent).await?;
    agent.stop(STOP).await?;
    let data = agent.configuration().data();
    std::fs::remove_dir_all(&data).context("emptying the data folder failed")?;
    let backlog = backlog::fill(&agent.configuration().file(), SITE, readings).await?;
    let mut figures = kept(&backlog);

    let began_ms = SystemClock::new()?.wall().0;
    let (start, status, waiting) = start_again(&mut agent).await?;
    let pid = agent.process()?.id().context("the agent has no process")?;
    let figure = |what: &str, value, unit| Figure::new("drain", what, value, unit);
    figures.extend([
        figure("agent's start, nothing waits", empty_start, "ms"),
        figure("agent's start, backlog waits", start, "ms"),
        figure("agent's memory (anonymous), nothing waits", empty_memory.anonymous, "MiB"),
        figure("agent's memory (anonymous), backlog waits", waiting.anonymous, "MiB"),
    ]);

    let end = Outage { collector: &mut collector, agent: pid, status, backlog: &backlog, began_ms };
    figures.extend(end.finish(&line, &site.gates()).await?);
    agent.stop(STOP).await?;
    collector.stop(Duration::from_secs(20)).await?;
    Ok(figures)
}

async fn start(agent: &mut Agent) -> anyhow::Result<(Duration, LocalClient)> {
    let started = Instant::now();
    agent.start()?;
    let status = local::connect(&agent.configuration().data(), PATIENCE).await?;
    Ok((started.elapsed(), status))
}

/// The median time of several starts in ms, and the agent as the last one left it, with every device working.
async fn start_again(agent: &mut Agent) -> anyhow::Result<(f64, LocalClient, Memory)> {
    let mut taken = Vec::new();
    loop {
        let (time, mut status) = start(agent).await?;
        taken.push(time.as_secs_f64() * 1000.0);
        if taken.len() == STARTS {
            local::wait_working(&mut status, SITE.meters + 2, PATIENCE).await?;
            let memory = Memory::of(agent.process()?.id().context("the agent has no process")?)?;
            taken.sort_by(f64::total_cmp);
            return Ok((quantile(&taken, 0.5), status, memory));
        }
        agent.stop(STOP).await?;
    }
}

fn kept(backlog: &Backlog) -> Vec<Figure> {
    let figure = |what: &str, value, unit| Figure::new("drain", what, value, unit);
    let readings = backlog.readings as f64;
    vec![
        figure("backlog", readings, "readings"),
        figure("backlog", backlog.rows as f64, "rows"),
        figure("backlog", backlog.batches as f64, "batches"),
        figure("backlog, bytes per reading", backlog.bytes as f64 / readings, "B"),
        figure("written by the buffer", readings / backlog.written_in.as_secs_f64(), "readings/s"),
        figure("bare copy from file to file, FULL", readings / backlog.copied_in.as_secs_f64(), "readings/s"),
    ]
}

/// An outage that is about to end.
struct Outage<'a> {
    collector: &'a mut Collector,
    agent: u32,
    status: LocalClient,
    backlog: &'a Backlog,
    /// What was read after this is no part of the backlog.
    began_ms: i64,
}

impl Outage<'_> {
    async fn finish(mut self, line: &Proxy, gates: &Gates) -> anyhow::Result<Vec<Figure>> {
        let api = self.collector.api()?;
        let collector = self.collector.process()?.id().context("the collector has no process")?;
        let target = local::readings(&mut self.status).await?.last_seq;
        let cpu = (cpu_seconds(self.agent)?, cpu_seconds(collector)?);
        forget_peak(self.agent)?;
        let opened_ms = now_ms()?;
        line.set(Line::Open);
        let (drained, stored_at, (fresh_at, all_fresh_at), events, healths) = tokio::try_join!(
            confirmed(&mut self.status, self.agent, target, &api, gates),
            centre::stored(&api, self.backlog.batches),
            fresh(&api, self.began_ms),
            events(&api, gates),
            healths(&api, gates),
        )?;
        let used = cpu_seconds(collector)? - cpu.1;
        let hello_ms = centre::hello_ms(&api).await?;
        let seconds = (stored_at - hello_ms).max(1) as f64 / 1000.0;
        let readings = self.backlog.readings as f64;
        let figure = |what: &str, value, unit| Figure::new("drain", what, value, unit);
        let since_hello = |at: i64| (at - hello_ms) as f64;
        let mut figures = vec![
            figure("line open to hello", (hello_ms - opened_ms) as f64, "ms"),
            figure("hello to a fresh device at the API", since_hello(fresh_at), "ms"),
            figure("hello to 10,000 fresh points at the API", since_hello(all_fresh_at), "ms"),
            figure("backlog stored, fsynced", readings / seconds, "readings/s"),
            figure("backlog stored, fsynced", self.backlog.rows as f64 / seconds, "rows/s"),
            figure("ratio to the bare copy", self.backlog.copied_in.as_secs_f64() / seconds, "×"),
            figure("hello to backlog stored", seconds, "s"),
            figure("hello to backlog confirmed and forgotten", since_hello(drained.confirmed_at) / 1000.0, "s"),
            figure("hello to backlog readable", since_hello(drained.readable_at) / 1000.0, "s"),
            figure("agent's CPU until confirmed", (drained.agent_cpu - cpu.0) / readings * 1e6, "CPU-s per million"),
            figure("collector's CPU until readable", used / readings * 1e6, "CPU-s per million"),
            figure("agent's memory while draining, peak", drained.peak, "MiB"),
            figure("agent's memory (anonymous) while draining, peak", drained.anonymous, "MiB"),
            figure("collector's memory, peak", memory_mib(collector, "VmHWM")?, "MiB"),
        ];
        for (what, mut latencies) in [("event", events), ("health", healths)] {
            latencies.sort_by(f64::total_cmp);
            figures.extend([
                figure(&format!("{what} born meanwhile, seen"), latencies.len() as f64, ""),
                figure(&format!("{what} born meanwhile, to the API, p50"), quantile(&latencies, 0.5), "ms"),
                figure(&format!("{what} born meanwhile, to the API, longest"), quantile(&latencies, 1.0), "ms"),
            ]);
        }
        Ok(figures)
    }
}

/// How the backlog went; times are of the wall clock, in ms, and memory is in MiB.
struct Drained {
    /// The agent knows that it is stored. It notes that with its next commit, up to a second later.
    confirmed_at: i64,
    readable_at: i64,
    agent_cpu: f64,
    /// The most memory that the agent had until then.
    peak: f64,
    anonymous: f64,
}

/// Waits until everything up to `target` is confirmed, and then until it can be read at the API.
async fn confirmed(
    status: &mut LocalClient,
    agent: u32,
    target: u64,
    api: &Api,
    gates: &Gates,
) -> anyhow::Result<Drained> {
    let (started, mut anonymous) = (Instant::now(), 0.0_f64);
    loop {
        anonymous = anonymous.max(memory_mib(agent, "RssAnon")?);
        let lane = local::readings(status).await?;
        if lane.confirmed_seq >= target {
            break;
        }
        if started.elapsed() > PATIENCE {
            bail!("{} of {target} rows are confirmed after {PATIENCE:?}", lane.confirmed_seq);
        }
        tokio::time::sleep(LOOK).await;
    }
    let (confirmed_at, agent_cpu, peak) = (now_ms()?, cpu_seconds(agent)?, memory_mib(agent, "VmHWM")?);
    let readable_at = centre::readable(api).await?;
    gates.end();
    Ok(Drained { confirmed_at, readable_at, agent_cpu, peak, anonymous })
}

/// When the API shows a device, and then all points, as they were read after `began_ms`.
async fn fresh(api: &Api, began_ms: i64) -> anyhow::Result<(i64, i64)> {
    let is_fresh = |point: &serde_json::Value| point["time_ms"].as_i64().is_some_and(|at| at >= began_ms);
    let last = format!("/latest?limit=1000&q=meter-{:04}", SITE.meters - 1);
    let started = Instant::now();
    let mut first = None;
    loop {
        let path = if first.is_none() { last.as_str() } else { "/latest?limit=1000&class=meter" };
        let wanted = if first.is_none() { SITE.points } else { SITE.meters * SITE.points };
        let asked = now_ms()?;
        let points = api.list(path).await?;
        if points.len() == wanted && points.iter().all(is_fresh) {
            match first {
                None => first = Some(now_ms()?),
                // The state was fresh when the question came; reading ten pages takes a while.
                Some(first) => return Ok((first, asked)),
            }
        }
        if started.elapsed() > PATIENCE {
            bail!("the state is not fresh after {PATIENCE:?}: {} of {wanted} points are there", points.len());
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub(crate) fn now_ms() -> anyhow::Result<i64> {
    Ok(SystemClock::new()?.wall().0)
}
