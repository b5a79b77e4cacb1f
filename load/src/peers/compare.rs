//! One store after the other, and the figures.

use std::time::Duration;

use clap::Args;
use kouan_protocol::{Clock as _, SystemClock};

use super::ours::Ours;
use super::postgres::Postgres;
use super::readings::{DAY_MS, DAYS, Shape, month, site};
use super::victoria::Victoria;
use kouan_figures::Figure;

/// Which stores, and how much.
#[derive(Debug, Args)]
pub(crate) struct PeersOptions {
    /// Values that are read, kept or not.
    #[arg(long, default_value_t = 20_000_000)]
    samples: usize,
    /// Devices, each with ten points.
    #[arg(long, default_value_t = 2_000)]
    devices: usize,
    /// Only these stores: kouan, victoria-metrics, postgresql.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these shapes: full, dead-bands.
    #[arg(long, value_delimiter = ',')]
    shapes: Vec<String>,
    /// How often each question is asked.
    #[arg(long, default_value_t = 101)]
    times: usize,
    /// Leaves the questions out.
    #[arg(long)]
    no_questions: bool,
}

/// What it cost a store to take readings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    /// Values that were sent.
    pub(crate) kept: u64,
    /// Seconds until all were confirmed.
    pub(crate) wall: f64,
    /// CPU-seconds until it had settled.
    pub(crate) cpu: f64,
    /// Bytes on disk that stay.
    pub(crate) bytes: f64,
    /// Bytes on disk that go: logs.
    pub(crate) beside: f64,
    /// MiB at most.
    pub(crate) memory: f64,
    /// From its start to its first answer, with everything in it.
    pub(crate) start: Duration,
}

/// Median times of the questions, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) latest: f64,
    pub(crate) raw_day: f64,
    pub(crate) raw_days: f64,
    pub(crate) hourly: f64,
}

/// What the questions are about, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spans {
    pub(crate) latest: i64,
    pub(crate) day: (i64, i64),
    pub(crate) month: (i64, i64),
}

impl Spans {
    /// Every day of the month.
    pub(crate) fn days(&self) -> impl Iterator<Item = (i64, i64)> {
        let (from, to) = self.month;
        (from / DAY_MS..to / DAY_MS).map(|day| (day * DAY_MS, (day + 1) * DAY_MS))
    }
}

/// The middle of `taken`.
pub(crate) fn median(mut taken: Vec<f64>) -> f64 {
    taken.sort_by(f64::total_cmp);
    taken.get(taken.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) async fn measure(options: &PeersOptions) -> anyhow::Result<Vec<Figure>> {
    let wanted = |list: &[String], name: &str| list.is_empty() || list.iter().any(|only| only == name);
    let mut figures = Vec::new();
    for (shape, name) in [(Shape::FullRows, "full"), (Shape::DeadBands, "dead-bands")] {
        if !wanted(&options.shapes, name) {
            continue;
        }
        if wanted(&options.only, "kouan") {
            figures.extend(ours(options, shape, name).await?);
        }
        if wanted(&options.only, "victoria-metrics") {
            figures.extend(victoria(options, shape, name).await?);
        }
        if wanted(&options.only, "postgresql") {
            figures.extend(postgres(options, shape, name).await?);
        }
    }
    Ok(figures)
}

/// The end of what many devices send: just now; and that of the month: a midnight, so that its days are over.
fn ends() -> anyhow::Result<(i64, i64)> {
    let now = SystemClock::new()?.wall().0 - 60_000;
    Ok((now, (now - 2 * 3_600_000) / DAY_MS * DAY_MS))
}

fn spans((site_end, month_end): (i64, i64)) -> Spans {
    let start = month_end - DAYS * DAY_MS;
    let day = (start + 7 * DAY_MS, start + 8 * DAY_MS);
    Spans { latest: site_end, day, month: (start, start + 30 * DAY_MS) }
}

async fn ours(options: &PeersOptions, shape: Shape, name: &str) -> anyhow::Result<Vec<Figure>> {
    let (folder, ends) = (tempfile::tempdir()?, ends()?);
    let store = Ours::start(folder.path()).await?;
    let (store, costs) = store.fill(site(options.devices, options.samples, ends.0, shape)).await?;
    let mut figures = told("kouan", name, options, &costs);
    if shape == Shape::FullRows && !options.no_questions {
        let (store, kept, cpu) = store.fill_month(month(ends.1)).await?;
        let what = "CPU for a million, 60 rows of a group in a request, sums included";
        figures.push(Figure::new("kouan", what, cpu / kept as f64 * 1e6, "s"));
        figures.extend(answers("kouan", &store.ask(&spans(ends), options.times).await?));
    }
    Ok(figures)
}

async fn victoria(options: &PeersOptions, shape: Shape, name: &str) -> anyhow::Result<Vec<Figure>> {
    let (folder, ends) = (tempfile::tempdir()?, ends()?);
    let store = Victoria::start(folder.path()).await?;
    let (store, costs) = store.fill("site", site(options.devices, options.samples, ends.0, shape)).await?;
    let mut figures = told("victoria-metrics", name, options, &costs);
    if shape == Shape::FullRows && !options.no_questions {
        let (store, month) = store.fill("month", month(ends.1)).await?;
        let what = "CPU for a million, 60 rows of a group in a request, sums included";
        figures.push(Figure::new("victoria-metrics", what, month.cpu / month.kept as f64 * 1e6, "s"));
        figures.extend(answers("victoria-metrics", &store.ask(&spans(ends), options.times).await?));
    }
    Ok(figures)
}

async fn postgres(options: &PeersOptions, shape: Shape, name: &str) -> anyhow::Result<Vec<Figure>> {
    let (folder, ends) = (tempfile::tempdir()?, ends()?);
    let store = Postgres::start(folder.path()).await?;
    store.prepare(ends.1 - DAYS * DAY_MS, ends.0).await?;
    let costs = store.fill(site(options.devices, options.samples, ends.0, shape), false).await?;
    let mut figures = told("postgresql", name, options, &costs);
    if shape == Shape::FullRows && !options.no_questions {
        store.fill(month(ends.1), true).await?;
        figures.extend(answers("postgresql", &store.ask(&spans(ends), options.times).await?));
    }
    store.stop().await?;
    Ok(figures)
}

fn told(part: &'static str, shape: &str, options: &PeersOptions, costs: &Costs) -> Vec<Figure> {
    let figure = |what: &str, value, unit| Figure::new(part, format!("{shape}: {what}"), value, unit);
    let kept = costs.kept as f64;
    let polls = (options.samples / super::readings::POINTS) as f64;
    let mut figures = vec![
        figure("values kept", kept, ""),
        figure("confirmed", kept / costs.wall, "1/s"),
        figure("CPU for a million", costs.cpu / kept * 1e6, "s"),
        figure("values for a CPU-second", kept / costs.cpu, ""),
        figure("bytes that stay, for a value", costs.bytes / kept, "B"),
        figure("bytes that stay, for a poll", costs.bytes / polls, "B"),
        figure("logs, for a value", costs.beside / kept, "B"),
        figure("memory, peak", costs.memory, "MiB"),
    ];
    if !costs.start.is_zero() {
        figures.push(figure("started with it in", costs.start.as_secs_f64() * 1000.0, "ms"));
    }
    figures
}

fn answers(part: &'static str, times: &Times) -> Vec<Figure> {
    let figure = |what: &str, value| Figure::new(part, what, value, "ms");
    vec![
        figure("latest of all series, p50", times.latest),
        figure("a day of one series, raw, p50", times.raw_day),
        figure("the same, another day each time, p50", times.raw_days),
        figure("30 days of one series by the hour, p50", times.hourly),
    ]
}
