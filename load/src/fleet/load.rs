//! A fleet at a collector, and the figures.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use futures_util::StreamExt as _;
use kouan_protocol::{Clock as _, SystemClock};
use tokio_util::sync::CancellationToken;

use super::breaking;
use super::estate::{Place, places};
use super::life::Life;
use super::meter::Meter;
use super::play::{Playing, Tally};
use super::questions::{KINDS, ask};
use crate::collector::Collector;
use crate::played_agent::client;
use crate::stop::Stopped;
use kouan_figures::process::{folder_bytes, memory_mib, settle};
use kouan_figures::{Figure, quantile};

/// How the fleet is played.
#[derive(Debug, Args)]
pub(crate) struct FleetOptions {
    /// How many times over: 1 is 1,434 devices at 19 places.
    #[arg(long, value_delimiter = ',', default_value = "1,10,100")]
    times: Vec<usize>,
    /// How long it is watched, in seconds.
    #[arg(long, default_value_t = 60)]
    pub(super) seconds: u64,
    /// Sends the last `seconds` as fast as the collector takes them, instead of living through them.
    #[arg(long)]
    fast: bool,
    /// Lets the largest of `times` grow at the running collector until receipts take more than a second (p99), uploads
    /// are pushed back, or a reader is behind for ten seconds.
    #[arg(long, conflicts_with = "fast")]
    until_it_breaks: bool,
    /// By how much it grows each time.
    #[arg(long, default_value_t = 25, value_parser = at_least_one)]
    pub(super) step: usize,
    /// It does not grow beyond this.
    #[arg(long, default_value_t = 500)]
    pub(super) most: usize,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a number of at least 1".to_owned())
}

/// Agents that say hello at the same time.
const HELLOS: usize = 16;
/// What is not counted after the last hello: full snapshots have to be worked through first.
const WARM_UP: Duration = Duration::from_secs(5);

pub(crate) async fn measure(options: &FleetOptions) -> anyhow::Result<Vec<Figure>> {
    if options.until_it_breaks {
        return breaking::measure(options, options.times.iter().copied().max().unwrap_or(1)).await;
    }
    let mut figures = Vec::new();
    let mut before: Option<(usize, Vec<Figure>)> = None;
    for times in &options.times {
        let scale = at_scale(*times, options).await?;
        if let Some((smaller, before)) = &before {
            figures.extend(growth(*smaller, before, *times, &scale));
        }
        figures.extend(scale.iter().cloned());
        before = Some((*times, scale));
    }
    Ok(figures)
}

/// What is said of how cost grows, of the figures of each size.
const GROWING: [&str; 9] = [
    "devices",
    "readings kept and stored",
    "uploads",
    "CPU of the collector",
    "memory, peak",
    "log on disk, for a reading",
    "history on disk, for a reading",
    "receipt p99",
    "questions, p99",
];

fn growth(smaller: usize, before: &[Figure], times: usize, after: &[Figure]) -> Vec<Figure> {
    let part: &'static str = Box::leak(format!("from × {smaller} to × {times}").into_boxed_str());
    let value = |figures: &[Figure], what: &str| figures.iter().find(|figure| figure.what == what).map(|one| one.value);
    let ratio = |what: &&str| {
        let ratio = value(after, what)? / value(before, what)?;
        Some(Figure::new(part, format!("{what} grows by"), ratio, "times"))
    };
    GROWING.iter().filter_map(ratio).collect()
}

async fn at_scale(times: usize, options: &FleetOptions) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let mut collector = Collector::start(folder.path()).await?;
    let pid = collector.pid()?;
    let places = places(times)?;
    let devices: usize = places.iter().map(|place| place.devices.len()).sum();
    let tally = Arc::new(Tally::default());
    let joining = Instant::now();
    let playing = join(&collector, &places, &tally).await?;
    let joined = joining.elapsed();
    tokio::time::sleep(WARM_UP).await;

    let stop = CancellationToken::new();
    let sites = places.iter().map(|place| place.name.clone()).collect();
    let questions = tokio::spawn(ask(collector.api()?, sites, stop.clone()));
    let agents: Vec<_> = playing
        .into_iter()
        .map(|mut playing| {
            let (stop, seconds, fast) = (stop.clone(), options.seconds, options.fast);
            tokio::spawn(async move { if fast { playing.relive(seconds).await } else { playing.live(stop).await } })
        })
        .collect();
    if !options.fast {
        tokio::time::sleep(WARM_UP).await;
    }
    let api = collector.api()?;
    let meter = Meter::begin(pid, &api).await?;
    tally.begin();
    let mut ended = Vec::new();
    if options.fast {
        for agent in agents {
            ended.push(agent.await);
        }
    } else {
        tokio::time::sleep(Duration::from_secs(options.seconds)).await;
        tally.counts.store(false, Ordering::Relaxed);
    }
    let usage = meter.end(&api).await?;
    let lag = api.behind().await?;
    stop.cancel();
    let answers = questions.await??;
    for ended in ended {
        ended??;
    }
    settle(pid).await?;
    let memory = (memory_mib(pid, "VmHWM")?, memory_mib(pid, "RssAnon")?);
    let (wall, used) = (usage.wall, usage.cpu * usage.wall);
    let kept = tally.kept.load(Ordering::Relaxed) as f64;
    let Stopped { cpu: sealing, took } = collector.stop().await?;
    let data = collector.data();
    let (log, state) = (file_bytes(&data.join("ingest.db"))?, file_bytes(&data.join("state.db"))?);
    let history = folder_bytes(&data.join("history"))?;
    let ever = tally.ever_kept.load(Ordering::Relaxed) as f64;
    let ever_events = tally.ever_events.load(Ordering::Relaxed) as f64;
    let sizes = sizes(&collector).await?;

    let mut latencies = tally.take_latencies();
    latencies.sort_by(f64::total_cmp);
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let part: &'static str = Box::leak(format!("fleet × {times}").into_boxed_str());
    let figure = |what: &str, value, unit| Figure::new(part, what, value, unit);
    let mut figures = vec![
        figure("devices", devices as f64, ""),
        figure("agents", places.len() as f64, ""),
        figure("all agents joined after", joined.as_secs_f64(), "s"),
        figure("values read by the agents", count(&tally.polled) / wall, "1/s"),
        figure("readings kept and stored", kept / wall, "1/s"),
        figure("rows", count(&tally.rows) / wall, "1/s"),
        figure("events", count(&tally.events) / wall, "1/s"),
        figure("uploads", count(&tally.uploads) / wall, "1/s"),
        figure("bytes of an upload", count(&tally.bytes) / count(&tally.uploads), "B"),
        figure("CPU for a million readings", used / kept * 1e6, "s"),
        figure("CPU for an upload", used / count(&tally.uploads) * 1e6, "µs"),
        figure("memory, peak", memory.0, "MiB"),
        figure("memory (anonymous) at the end", memory.1, "MiB"),
        figure("log on disk, for a reading", log / ever, "B"),
        figure("history on disk, for a reading", history / ever, "B"),
        figure("of that, chunks of readings, for a reading", sizes.readings / ever, "B"),
        figure("days without chunks of readings, for an event", (sizes.days - sizes.readings) / ever_events, "B"),
        figure("index of events, for an event", sizes.index / ever_events, "B"),
        figure("state on disk", state / f64::from(1 << 20), "MiB"),
        figure("CPU of the stop, which seals everything", sealing, "s"),
        figure("the stop took", took.as_secs_f64(), "s"),
        figure("receipt p50", quantile(&latencies, 0.5), "ms"),
        figure("receipt p99", quantile(&latencies, 0.99), "ms"),
        figure("receipt, longest", quantile(&latencies, 1.0), "ms"),
        figure("uploads pushed back", count(&tally.pushed_back), ""),
        figure("entries that a reader was behind at the end", lag, ""),
        figure("a second begun late by, at most", count(&tally.latest_ms), "ms"),
    ];
    figures.extend(usage.figures(part));
    let mut all: Vec<f64> = answers.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    figures.push(figure("questions, p50", quantile(&all, 0.5), "ms"));
    figures.push(figure("questions, p99", quantile(&all, 0.99), "ms"));
    for (kind, mut taken) in KINDS.into_iter().zip(answers) {
        taken.sort_by(f64::total_cmp);
        figures.push(figure(&format!("{kind}, p50"), quantile(&taken, 0.5), "ms"));
        figures.push(figure(&format!("{kind}, p99"), quantile(&taken, 0.99), "ms"));
    }
    Ok(figures)
}

/// What the history takes on disk, in bytes.
struct Sizes {
    /// Files of days: readings and events.
    days: f64,
    /// Of these, chunks of readings.
    readings: f64,
    /// What finds events.
    index: f64,
}

async fn sizes(collector: &Collector) -> anyhow::Result<Sizes> {
    let output = collector.beside()?.args(["sizes", "--json"]).output().await.context("asking for the sizes failed")?;
    ensure!(output.status.success(), "the sizes are not told: {}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).context("the sizes are no JSON")?;
    let level = |name: &str| {
        let found = told["files"].as_array().into_iter().flatten().find(|level| level["level"] == name);
        found.and_then(|level| level["bytes"].as_f64()).unwrap_or(0.0)
    };
    let classes = told["classes"].as_array().into_iter().flatten();
    let readings = classes.filter_map(|class| class["readings"].as_f64()).sum();
    Ok(Sizes { days: level("days"), readings, index: level("events") })
}

/// Enrols the agents of all places and begins their sessions.
pub(crate) async fn join(collector: &Collector, places: &[Place], tally: &Arc<Tally>) -> anyhow::Result<Vec<Playing>> {
    join_since(collector, places, tally, SystemClock::new()?.wall().0.unsigned_abs() / 1000).await
}

/// The same of agents that live on from a time in the past, in seconds since 1970.
pub(crate) async fn join_since(
    collector: &Collector,
    places: &[Place],
    tally: &Arc<Tally>,
    now_s: u64,
) -> anyhow::Result<Vec<Playing>> {
    let (api, http, url) = (collector.api()?, client()?, collector.url.as_str());
    let joining = places.iter().zip(0..).map(|(place, seed)| {
        let (api, http, tally) = (&api, http.clone(), Arc::clone(tally));
        async move {
            let token = api.enrol(&place.name, &place.name).await?;
            Playing::begin(http, url, &token, Life::new(place, seed + 1, now_s)?, tally).await
        }
    });
    let joined: Vec<_> = futures_util::stream::iter(joining).buffer_unordered(HELLOS).collect().await;
    joined.into_iter().collect()
}

fn file_bytes(path: &Path) -> anyhow::Result<f64> {
    let metadata = std::fs::metadata(path).with_context(|| format!("looking at {} failed", path.display()))?;
    Ok(metadata.len() as f64)
}
