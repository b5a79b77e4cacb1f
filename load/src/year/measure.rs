//! All of it in order, the figures, and the limits.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use kouan_figures::process::settle;
use kouan_figures::{Figure, quantile};

use super::asked::{Asked, devices};
use super::copy::backup;
use super::exports::{quick, slow};
use super::living::{Living, greet};
use super::make::{DAY_S, Made, Year, again, make, relive};
use super::memory::Memory;
use super::questions::{KINDS, ask};
use super::starts::{Probe, Start, forget_cached, start};
use crate::collector::Collector;
use crate::fleet::life::Pace;
use crate::fleet::play::Parcel;

/// How much of a year, and how often it is asked.
#[derive(Debug, Args)]
pub(crate) struct YearOptions {
    /// Days of data.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u64).range(40..=390))]
    pub(super) days: u64,
    /// Seconds between two polls of a device, but for those of one place, which lives at its full rate.
    #[arg(long, default_value_t = 1_800, value_parser = clap::value_parser!(u64).range(60..=86_400))]
    pub(super) every_s: u64,
    /// Only so many of the 19 places, the smallest first.
    #[arg(long, default_value_t = 19)]
    pub(super) places: usize,
    /// How often the program is started in each way.
    #[arg(long, default_value_t = 5)]
    starts: usize,
    /// How often each question is asked.
    #[arg(long, default_value_t = 200)]
    times: usize,
    /// Where the data folder is made; it is removed afterwards. A temporary folder otherwise.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// The longest start with a year of data until it has answered, in milliseconds.
const START_MS: f64 = 2_000.0;
/// The most memory that an export of any size takes, in MiB, and that four slow ones at once take.
const EXPORT_MIB: f64 = 128.0;
const SLOW_EXPORTS_MIB: f64 = 256.0;
/// How long agents send before the collector is killed under them.
const BEFORE_THE_CRASH: Duration = Duration::from_secs(3);

/// The figures, and the limits that were broken.
pub(crate) async fn measure(options: &YearOptions) -> anyhow::Result<(Vec<Figure>, Vec<String>)> {
    let folder = match &options.folder {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let year = make(folder.path(), options).await?;
    let (mut figures, mut broken) = (of_making(&year.made, options), Vec::new());
    let asked = devices(&year.collector.api()?, &year).await?;
    let rack = asked.iter().filter(|device| device.is_lively).max_by_key(|device| device.points.len());
    let rack = rack.context("there is no lively device")?.clone();
    let probe = Probe::new(&asked, &rack, year.span_s)?;

    let (year, quiet) = stopped_and_started(year, &probe, options.starts, false).await?;
    of_starts("start", &quiet, &mut figures, &mut broken);
    let (year, cold) = stopped_and_started(year, &probe, options.starts, true).await?;
    of_starts("start with nothing in the disk cache", &cold, &mut figures, &mut broken);

    for (name, mut taken) in KINDS.into_iter().zip(ask(&year.collector.api()?, &year, &asked, options.times).await?) {
        taken.sort_by(f64::total_cmp);
        for (share, at) in [("p50", 0.5), ("p99", 0.99)] {
            figures.push(Figure::new("questions", format!("{name}, {share}"), quantile(&taken, at), "ms"));
        }
    }
    of_exports(&year, &asked, &rack, &mut figures, &mut broken).await?;

    let (year, killed) = killed_and_started(year, &probe, options.starts, &mut figures).await?;
    of_starts("start after kill -9 under ingest", &killed, &mut figures, &mut broken);
    let mut collector = copied(year, &folder.path().join("backup"), &mut figures).await?;
    collector.stop().await?;
    let started = Instant::now();
    let verified = collector.beside()?.args(["verify", "--json"]).output().await.context("verify failed")?;
    ensure!(verified.status.success(), "verify found: {}", String::from_utf8_lossy(&verified.stdout));
    let took = started.elapsed().as_secs_f64();
    figures.push(Figure::new("verify", "nothing was lost or doubled, told after", took, "s"));
    Ok((figures, broken))
}

fn of_making(made: &Made, options: &YearOptions) -> Vec<Figure> {
    let figure = |what: &str, value, unit| Figure::new("the year", what, value, unit);
    let mib = f64::from(1 << 20);
    vec![
        figure("devices", made.devices as f64, ""),
        figure("points", made.points as f64, ""),
        figure("days", options.days as f64, ""),
        figure("a device is read every", options.every_s as f64, "s"),
        figure("readings kept", made.kept / 1e6, "million"),
        figure("events", made.events / 1e6, "million"),
        figure("sent and confirmed in", made.wall, "s"),
        figure("sums of all days made after the next start in", made.summed, "s"),
        figure("CPU for a million readings, sealing and sums included", made.cpu / made.kept * 1e6, "s"),
        figure("history on disk", made.history / mib, "MiB"),
        figure("state on disk", made.state / mib, "MiB"),
        figure("log on disk", made.log / mib, "MiB"),
    ]
}

async fn stopped_and_started(
    mut year: Year,
    probe: &Probe,
    times: usize,
    is_cold: bool,
) -> anyhow::Result<(Year, Vec<Start>)> {
    let mut starts = Vec::new();
    for _ in 0..times {
        year.collector.stop().await?;
        if is_cold {
            forget_cached(year.collector.data())?;
        }
        let (collector, seen) = start(year.collector, probe).await?;
        settle(collector.pid()?).await?;
        starts.push(seen);
        year.collector = collector;
    }
    Ok((year, starts))
}

/// The whole estate lives through the last day at its full rate, and goes on in real time; under that the collector is
/// killed, again and again. Everything that came since the last seal is read from the log each time.
async fn killed_and_started(
    mut year: Year,
    probe: &Probe,
    times: usize,
    figures: &mut Vec<Figure>,
) -> anyhow::Result<(Year, Vec<Start>)> {
    greet(&mut year.agents, &year.collector).await?;
    let (_, day_s) = year.span_s;
    for playing in &mut year.agents {
        playing.set_pace(Pace::REAL);
    }
    let (before, started) = (year.tally.ever_kept.load(Ordering::Relaxed), Instant::now());
    year.agents = relive(year.agents, (day_s, day_s + DAY_S), Parcel::SHORT).await?;
    let kept = year.tally.ever_kept.load(Ordering::Relaxed) - before;
    let log = std::fs::metadata(year.collector.data().join("ingest.db"))?.len() as f64 / f64::from(1 << 20);
    let figure = |what: &str, value, unit| Figure::new("the last day", what, value, unit);
    figures.push(figure("readings kept", kept as f64 / 1e6, "million"));
    figures.push(figure("sent and confirmed in", started.elapsed().as_secs_f64(), "s"));
    figures.push(figure("log on disk with it, and the year's", log, "MiB"));
    let mut starts = Vec::new();
    for _ in 0..times {
        let living = Living::begin(year.agents);
        tokio::time::sleep(BEFORE_THE_CRASH).await;
        year.collector.kill().await?;
        year.agents = living.cut_off().await?;
        let (collector, seen) = start(year.collector, probe).await?;
        starts.push(seen);
        year.collector = collector;
        // Also proves that nothing is gone that was confirmed.
        greet(&mut year.agents, &year.collector).await?;
    }
    Ok((year, starts))
}

/// A part of a start, and its time.
type Part = (&'static str, fn(&Start) -> f64);

fn of_starts(part: &'static str, starts: &[Start], figures: &mut Vec<Figure>, broken: &mut Vec<String>) {
    let sorted = |of: fn(&Start) -> f64| {
        let mut all: Vec<f64> = starts.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let mut figure = |what: &str, value, unit| figures.push(Figure::new(part, what, value, unit));
    let times: [Part; 3] = [
        ("listens", |start| start.listens),
        ("latest of all and a year by the hour answered", |start| start.answered),
        ("all of the log taken", |start| start.caught_up),
    ];
    for (what, of) in times {
        let all = sorted(of);
        figure(&format!("{what}, median"), quantile(&all, 0.5), "ms");
        figure(&format!("{what}, longest"), quantile(&all, 1.0), "ms");
    }
    figure("memory then, at most", quantile(&sorted(|start| start.memory), 1.0), "MiB");
    let longest = quantile(&sorted(|start| start.answered), 1.0);
    if longest > START_MS {
        broken.push(format!("{part}: answers came after {longest:.0} ms, the limit is {START_MS:.0} ms"));
    }
}

fn of_memory(part: &'static str, memory: &Memory, figures: &mut Vec<Figure>) {
    let mut figure = |what: &str, value| figures.push(Figure::new(part, what, value, "MiB"));
    figure("memory of the collector (anonymous), before", memory.before);
    figure("memory of the collector, most", memory.most);
    figure("memory of the collector, after", memory.after);
}

async fn of_exports(
    year: &Year,
    asked: &[Asked],
    largest: &Asked,
    figures: &mut Vec<Figure>,
    broken: &mut Vec<String>,
) -> anyhow::Result<()> {
    let of_site: Vec<&Asked> = asked.iter().filter(|device| device.site == largest.site).collect();
    let mib = f64::from(1 << 20);
    for (format, part) in [("csv", "export of a site's year, CSV"), ("parquet", "export of a site's year, Parquet")] {
        settle(year.collector.pid()?).await?;
        let exported = quick(&year.collector, &of_site, format, year.span_s).await?;
        let mut figure = |what: &str, value, unit| figures.push(Figure::new(part, what, value, unit));
        figure("files, one of each device", exported.files as f64, "");
        figure("size of all", exported.bytes / mib, "MiB");
        figure("took", exported.took, "s");
        of_memory(part, &exported.memory, figures);
        let growth = exported.memory.growth();
        if growth > EXPORT_MIB {
            broken.push(format!("{part}: memory grew by {growth:.0} MiB, the limit is {EXPORT_MIB:.0} MiB"));
        }
    }
    for (format, part) in [("csv", "slow exports, CSV"), ("parquet", "slow exports, Parquet")] {
        settle(year.collector.pid()?).await?;
        let read = slow(&year.collector, largest, format, year.span_s).await?;
        let mut figure = |what: &str, value, unit| figures.push(Figure::new(part, what, value, unit));
        figure("readers at once, 100 kB/s each", read.readers as f64, "");
        figure("read by all", read.bytes / mib, "MiB");
        figure("they left after", read.took, "s");
        of_memory(part, &read.memory, figures);
        let growth = read.memory.growth();
        if growth > SLOW_EXPORTS_MIB {
            broken.push(format!("{part}: memory grew by {growth:.0} MiB, the limit is {SLOW_EXPORTS_MIB:.0} MiB"));
        }
    }
    Ok(())
}

async fn copied(year: Year, target: &Path, figures: &mut Vec<Figure>) -> anyhow::Result<Collector> {
    // What waited for the log is sealed first, as on any day; then the agents send on while it is copied.
    let (collector, _) = again(year.collector).await?;
    let mut agents = year.agents;
    greet(&mut agents, &collector).await?;
    let living = Living::begin(agents);
    let copied = backup(&collector, target).await;
    living.end().await?;
    let copied = copied?;
    let part = "backup under ingest";
    let mut figure = |what: &str, value, unit| figures.push(Figure::new(part, what, value, unit));
    figure("copied after", copied.copied, "s");
    figure("copied and verified after", copied.took, "s");
    figure("size", copied.bytes / f64::from(1 << 20), "MiB");
    figure("memory of the program that copies (anonymous), most", copied.own_memory, "MiB");
    of_memory(part, &copied.memory, figures);
    Ok(collector)
}
