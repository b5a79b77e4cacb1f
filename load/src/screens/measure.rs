//! All of it together, and the figures.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _};
use kouan_protocol::{Clock as _, SystemClock};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::browsing::{KINDS, browse};
use super::changes::{Changes, flip};
use super::people::Person;
use super::screen::{Received, watch};
use super::window::Window;
use crate::collector::Collector;
use crate::fleet::estate::Place;
use crate::fleet::life::Life;
use crate::fleet::play::{Playing, Tally};
use crate::fleet::troubles::Troubles;
use crate::played_agent::client;
use crate::show;
use kouan_figures::process::{cpu_seconds, forget_peak, memory_mib};
use kouan_figures::{Figure, quantile};

/// How many look, and for how long.
#[derive(Debug, Args)]
pub(crate) struct ScreensOptions {
    /// Sessions with an open stream.
    #[arg(long, default_value_t = 200)]
    screens: usize,
    /// How long it is measured, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// A device fails or recovers every so many milliseconds.
    #[arg(long, default_value_t = 250)]
    change_ms: u64,
    /// Each person opens a page about every so many seconds.
    #[arg(long, default_value_t = 20)]
    page_s: u64,
    /// No real browser among them.
    #[arg(long)]
    no_browser: bool,
}

/// Sessions of each person.
const SESSIONS: usize = 10;
/// The site whose devices fail and recover by the clock.
const SITE: &str = "operations-centre";
/// What is not counted after the last screen was opened.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long the last change may be under way.
const LAST: Duration = Duration::from_secs(2);

pub(crate) async fn measure(options: &ScreensOptions) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let mut collector = Collector::start(folder.path()).await?;
    let (pid, url, api, http) = (collector.pid()?, collector.url.clone(), collector.api()?, client()?);
    let places = show::places()?;
    let (stop, tally) = (CancellationToken::new(), Arc::new(Tally::default()));
    let mut agents = JoinSet::new();
    let mut flipping = None;
    let now_s = SystemClock::new()?.wall().0.unsigned_abs() / 1000;
    for (place, seed) in places.iter().zip(1..) {
        let site = show::site_id(place)?;
        let token = api.enrol(&format!("{site}-1"), site).await?;
        let life = Life::new(place, seed, now_s)?;
        let mut playing = Playing::begin(http.clone(), &url, &token, life, Arc::clone(&tally)).await?;
        if site == SITE {
            flipping = Some(playing);
        } else {
            playing.suffer(Troubles::new(place));
            agents.spawn(playing.live(stop.clone()));
        }
    }
    show::bring(&api, &places).await?;
    let ids = show::device_ids(&api).await?;
    let flipped = places.iter().find(|place| show::site_id(place).is_ok_and(|id| id == SITE));
    let flipped = flipped.context("no such site")?;
    let in_order = in_order(flipped, &ids)?;
    let all: Vec<String> = ids.into_values().collect();

    let (changes, received) = (Arc::new(Changes::default()), Arc::new(Received::default()));
    let signing = Instant::now();
    let people: Vec<Person> = futures_util::stream::iter(0..options.screens.div_ceil(SESSIONS))
        .map(|at| Person::make(&api, &http, &url, format!("person-{at}")))
        .buffer_unordered(4)
        .try_collect()
        .await?;
    let cookies: Vec<String> = futures_util::stream::iter(0..options.screens)
        .map(|at| people[at / SESSIONS].session(&http, &url))
        .buffer_unordered(4)
        .try_collect()
        .await?;
    let signed = signing.elapsed();
    let window = match options.no_browser {
        true => None,
        false => Some(Window::open(&url, people[0].name(), people[0].password(), SITE).await?),
    };
    // A browser keeps one connection for its stream and others for what it asks; so do these.
    let streams = reqwest::Client::builder().no_proxy().build().context("building an HTTP client failed")?;
    let mut screens = JoinSet::new();
    for cookie in &cookies {
        let (changes, received) = (Arc::clone(&changes), Arc::clone(&received));
        screens.spawn(watch(streams.clone(), url.clone(), cookie.clone(), changes, received, stop.clone()));
    }
    tokio::time::sleep(WARM_UP).await;
    let mut browsers = JoinSet::new();
    for (cookie, seed) in cookies.iter().zip(1..) {
        let (pause, devices) = (Duration::from_secs(options.page_s), all.clone());
        browsers.spawn(browse(http.clone(), url.clone(), cookie.clone(), devices, pause, seed, stop.clone()));
    }
    let labels = flipped.devices.iter().map(|device| device.label.clone()).zip(in_order.clone()).collect();
    let drawn = window.map(|window| tokio::spawn(window.watch(labels, Arc::clone(&changes), stop.clone())));
    let halt = CancellationToken::new();
    let every = Duration::from_millis(options.change_ms);
    let playing = flipping.context("nobody plays that site")?;
    let flips = tokio::spawn(flip(playing, in_order, every, Arc::clone(&changes), halt.clone()));

    forget_peak(pid)?;
    let (cpu, own, bytes, started) =
        (cpu_seconds(pid)?, cpu_seconds(std::process::id())?, received.bytes.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    let wall = started.elapsed().as_secs_f64();
    let (used, own) = (cpu_seconds(pid)? - cpu, cpu_seconds(std::process::id())? - own);
    let bytes = received.bytes.load(Ordering::Relaxed) - bytes;
    halt.cancel();
    flips.await??;
    tokio::time::sleep(LAST).await;
    let memory = memory_mib(pid, "VmHWM")?;
    stop.cancel();
    let mut delays = Vec::new();
    while let Some(seen) = screens.join_next().await {
        delays.extend(seen??);
    }
    let mut asked: Vec<Vec<f64>> = vec![Vec::new(); KINDS.len()];
    while let Some(taken) = browsers.join_next().await {
        taken??.into_iter().for_each(|(kind, ms)| asked[kind].push(ms));
    }
    let mut on_screen = match drawn {
        Some(drawn) => drawn.await??,
        None => Vec::new(),
    };
    agents.shutdown().await;
    collector.stop().await?;

    let part = "screens";
    let figure = |what: &str, value, unit| Figure::new(part, what, value, unit);
    let expected = (changes.count() * options.screens) as f64;
    delays.sort_by(f64::total_cmp);
    on_screen.sort_by(f64::total_cmp);
    let mut all_asked: Vec<f64> = asked.iter().flatten().copied().collect();
    all_asked.sort_by(f64::total_cmp);
    let mut figures = vec![
        figure("sessions with an open stream", options.screens as f64, ""),
        figure("devices", places.iter().map(|place| place.devices.len()).sum::<usize>() as f64, ""),
        figure("signing all of them in took", signed.as_secs_f64(), "s"),
        figure("changes", changes.count() as f64, ""),
        figure("changes that a screen did not get", expected - delays.len() as f64, ""),
        figure("change to screen, p50", quantile(&delays, 0.5), "ms"),
        figure("change to screen, p99", quantile(&delays, 0.99), "ms"),
        figure("change to screen, longest", quantile(&delays, 1.0), "ms"),
        figure("received by a screen", bytes as f64 / wall / options.screens as f64 / 1000.0, "kB/s"),
        figure("requests", all_asked.len() as f64 / wall, "1/s"),
        figure("requests, p50", quantile(&all_asked, 0.5), "ms"),
        figure("requests, p99", quantile(&all_asked, 0.99), "ms"),
        figure("CPU of the collector", used / wall, "cores"),
        figure("memory of the collector, peak", memory, "MiB"),
        figure("CPU of this side", own / wall, "cores"),
    ];
    if !on_screen.is_empty() {
        figures.push(figure("changes drawn by the browser", on_screen.len() as f64, ""));
        figures.push(figure("change to drawn, p50", quantile(&on_screen, 0.5), "ms"));
        figures.push(figure("change to drawn, p99", quantile(&on_screen, 0.99), "ms"));
    }
    for (kind, mut taken) in KINDS.into_iter().zip(asked) {
        taken.sort_by(f64::total_cmp);
        figures.push(figure(&format!("{kind}, p50"), quantile(&taken, 0.5), "ms"));
        figures.push(figure(&format!("{kind}, p99"), quantile(&taken, 0.99), "ms"));
    }
    Ok(figures)
}

/// The ids of a place's devices, in its order.
fn in_order(place: &Place, ids: &HashMap<(String, String), String>) -> anyhow::Result<Vec<String>> {
    let agent = format!("{SITE}-1");
    let id = |key: &str| ids.get(&(agent.clone(), key.to_owned())).cloned();
    place.devices.iter().map(|device| id(&device.key).context("a device is not at the collector")).collect()
}
