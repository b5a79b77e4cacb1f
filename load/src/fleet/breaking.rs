//! A fleet that grows at a running collector until something breaks, and what was busy then.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kouan_figures::{Figure, quantile};
use kouan_protocol::{Clock as _, SystemClock};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::estate::copies;
use super::load::{FleetOptions, join_since};
use super::meter::{Meter, Usage};
use super::play::Tally;
use super::questions::ask;
use crate::api::Api;
use crate::collector::Collector;
use crate::machine::cores;

/// A receipt that comes later at the 99th percentile is too late ...
const RECEIPT_MS: f64 = 1_000.0;
/// ... as is a reader that is behind for longer.
const BEHIND_S: f64 = 10.0;
/// Agents that begin their second later cannot be called agents any more: this side has broken.
const LATE_MS: u64 = 1_000;
/// With less of the cores idle they are the limit.
const IDLE_CORES: f64 = 0.1;
/// A thread, or the disk, that is busy for this share of the time is the limit.
const FULL: f64 = 0.85;
/// How long readers may take to catch up after agents joined.
const CATCH_UP: Duration = Duration::from_secs(60);
/// How often it is looked how far readers are behind; the answer goes through all devices.
const LOOK: Duration = Duration::from_secs(2);

/// What was seen at one size.
struct Seen {
    usage: Usage,
    receipts: Vec<f64>,
    questions: Vec<f64>,
    pushed_back: u64,
    kept: u64,
    uploads: u64,
    late_ms: u64,
    /// By reader: how many seconds it was behind at most.
    behind: Vec<(&'static str, f64)>,
}

const READERS: [&str; 4] = ["state", "latest", "history", "outages"];

pub(super) async fn measure(options: &FleetOptions, begin: usize) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let mut collector = Collector::start(folder.path()).await?;
    let (stop, tally, api) = (CancellationToken::new(), Arc::new(Tally::default()), collector.api()?);
    let (mut agents, mut sites, mut figures) = (JoinSet::new(), Vec::new(), Vec::new());
    let (mut times, mut held) = (0, None);
    let broke = loop {
        let wanted = if times == 0 { begin } else { times + options.step };
        let places = copies(times..wanted)?;
        let now_s = SystemClock::new()?.wall().0.unsigned_abs() / 1000;
        for playing in join_since(&collector, &places, &tally, now_s).await? {
            agents.spawn(playing.live(stop.clone()));
        }
        sites.extend(places.into_iter().map(|place| place.name));
        times = wanted;
        caught_up(&api).await?;
        let seen = watch(&collector, &tally, sites.clone(), options.seconds).await?;
        let broken = seen.broken();
        figures.extend(seen.figures(times));
        if !broken.is_empty() {
            break Some((times, broken, seen.usage.limit()));
        }
        held = Some(times);
        if times + options.step > options.most {
            break None;
        }
    };
    let part = "what breaks first";
    figures.push(Figure::new(part, "the largest fleet that held", held.unwrap_or(0) as f64, "times"));
    if let Some((times, broken, limit)) = broke {
        figures.push(Figure::new(part, "broke with a fleet of", times as f64, "times"));
        figures.extend(broken.into_iter().map(|(what, value, unit)| Figure::new(part, what, value, unit)));
        figures.extend(limit.into_iter().map(|(what, share)| Figure::new(part, what, share, "cores")));
    }
    stop.cancel();
    agents.shutdown().await;
    let stopped = collector.stop().await?;
    figures.push(Figure::new(part, "the stop took", stopped.took.as_secs_f64(), "s"));
    Ok(figures)
}

/// Waits until every reader has worked through the snapshots of those who joined, or cannot.
async fn caught_up(api: &Api) -> anyhow::Result<()> {
    let deadline = Instant::now() + CATCH_UP;
    while Instant::now() < deadline {
        let metrics = api.metrics().await?;
        // A reader that has not caught up since the start has no line yet.
        let seconds: Vec<f64> = metrics.values("kouan_reader_lag_seconds{").collect();
        if seconds.len() >= READERS.len() && seconds.iter().all(|behind| *behind <= 1.0) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn watch(collector: &Collector, tally: &Arc<Tally>, sites: Vec<String>, seconds: u64) -> anyhow::Result<Seen> {
    let api = collector.api()?;
    let end = CancellationToken::new();
    let questions = tokio::spawn(ask(api.clone(), sites, end.clone()));
    tally.begin();
    let meter = Meter::begin(collector.pid()?, &api).await?;
    let mut behind = READERS.map(|reader| (reader, 0.0_f64));
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
        let metrics = api.metrics().await?;
        for (reader, most) in &mut behind {
            let line = format!("kouan_reader_lag_seconds{{reader=\"{reader}\"}}");
            *most = most.max(metrics.values(&line).next().unwrap_or(CATCH_UP.as_secs_f64()));
        }
    }
    tally.counts.store(false, Ordering::Relaxed);
    let usage = meter.end(&api).await?;
    end.cancel();
    let mut questions: Vec<f64> = questions.await??.into_iter().flatten().collect();
    questions.sort_by(f64::total_cmp);
    let mut receipts = tally.take_latencies();
    receipts.sort_by(f64::total_cmp);
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    Ok(Seen {
        usage,
        receipts,
        questions,
        pushed_back: count(&tally.pushed_back),
        kept: count(&tally.kept),
        uploads: count(&tally.uploads),
        late_ms: count(&tally.latest_ms),
        behind: behind.to_vec(),
    })
}

impl Seen {
    /// What is no longer as it should be.
    fn broken(&self) -> Vec<(String, f64, &'static str)> {
        let mut broken = Vec::new();
        let p99 = quantile(&self.receipts, 0.99);
        // Without one receipt there is no percentile.
        if p99.is_nan() || p99 > RECEIPT_MS {
            broken.push(("receipts came too late, p99".to_owned(), p99, "ms"));
        }
        if self.pushed_back > 0 {
            broken.push(("uploads were pushed back".to_owned(), self.pushed_back as f64, ""));
        }
        let behind = self.behind.iter().filter(|(_, seconds)| *seconds > BEHIND_S);
        broken.extend(behind.map(|(reader, seconds)| (format!("the reader {reader} was behind by"), *seconds, "s")));
        if self.late_ms > LATE_MS {
            let what = "the played agents themselves came late, by".to_owned();
            broken.push((what, self.late_ms as f64, "ms"));
        }
        broken
    }

    fn figures(&self, times: usize) -> Vec<Figure> {
        let part: &'static str = Box::leak(format!("fleet × {times}, growing").into_boxed_str());
        let figure = |what: &str, value, unit| Figure::new(part, what, value, unit);
        let usage = &self.usage;
        let mut figures = vec![
            figure("readings kept and stored", self.kept as f64 / usage.wall, "1/s"),
            figure("uploads", self.uploads as f64 / usage.wall, "1/s"),
            figure("receipt p50", quantile(&self.receipts, 0.5), "ms"),
            figure("receipt p99", quantile(&self.receipts, 0.99), "ms"),
            figure("questions, p50", quantile(&self.questions, 0.5), "ms"),
            figure("questions, p99", quantile(&self.questions, 0.99), "ms"),
            figure("uploads pushed back", self.pushed_back as f64, ""),
            figure("a second begun late by, at most", self.late_ms as f64, "ms"),
            figure("memory, peak", usage.memory, "MiB"),
        ];
        figures.extend(
            self.behind
                .iter()
                .map(|(reader, seconds)| figure(&format!("the reader {reader} was behind by, at most"), *seconds, "s")),
        );
        figures.extend(usage.figures(part));
        figures
    }
}

impl Usage {
    /// What was used up, as far as it can be told; else what was busiest.
    fn limit(&self) -> Vec<(String, f64)> {
        let mut limit = Vec::new();
        if self.busy > cores() - IDLE_CORES {
            limit.push(("all cores were busy; of that the collector".to_owned(), self.cpu));
            limit.push(("and this side, which plays the agents".to_owned(), self.own));
        }
        // Threads that are one figure together may be more than one core.
        let full = |(name, share): &&(String, f64)| *share > FULL && !name.ends_with("together");
        limit.extend(
            self.threads.iter().filter(full).map(|(name, share)| (format!("one thread was full: {name}"), *share)),
        );
        if self.committing > FULL {
            limit.push(("the log waited for the disk all the time".to_owned(), self.committing));
        }
        if limit.is_empty() {
            let busiest = self.threads.first();
            limit.extend(
                busiest.map(|(name, share)| (format!("nothing was used up; the busiest thread: {name}"), *share)),
            );
        }
        limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(busy: f64, committing: f64, threads: &[(&str, f64)]) -> Usage {
        let threads = threads.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect();
        Usage { wall: 10.0, cpu: busy / 2.0, own: busy / 2.0, busy, committing, threads, memory: 1.0 }
    }

    fn seen(usage: Usage) -> Seen {
        let receipts = vec![1.0; 100];
        let (pushed_back, kept, uploads, late_ms) = (0, 10, 10, 0);
        Seen {
            usage,
            receipts,
            questions: vec![1.0],
            pushed_back,
            kept,
            uploads,
            late_ms,
            behind: vec![("history", 0.0)],
        }
    }

    #[test]
    fn what_breaks_is_told_and_what_was_full() {
        let mut sound = seen(usage(0.5, 0.1, &[("state", 0.2)]));
        assert!(sound.broken().is_empty());
        assert_eq!(sound.usage.limit()[0].0, "nothing was used up; the busiest thread: state");
        (sound.pushed_back, sound.behind[0].1) = (3, 11.0);
        let told: Vec<String> = sound.broken().into_iter().map(|(what, ..)| what).collect();
        assert_eq!(told, ["uploads were pushed back", "the reader history was behind by"]);
        sound.receipts.clear();
        assert_eq!(sound.broken().len(), 3, "no receipt at all is not a good one");
        let full = usage(cores(), 0.9, &[("state", 0.95), ("history, batches and files together", 1.2)]).limit();
        let told: Vec<&str> = full.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(told[2..], ["one thread was full: state", "the log waited for the disk all the time"]);
    }
}
