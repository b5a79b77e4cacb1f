//! A real browser that opens the console for the first time, and scrolls through more devices than any screen holds while
//! all of them report, and what became of its frames (`docs/console.md`).

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use kouan_figures::Figure;
use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::collector::Collector;
use crate::fleet::estate::places;
use crate::fleet::join;
use crate::fleet::play::Tally;
use crate::played_agent::client;
use crate::screens::Person;

/// How many devices, and for how long.
#[derive(Debug, Args)]
pub(crate) struct ScrollOptions {
    /// How many times over the fleet is played: 8 is 11,472 devices.
    #[arg(long, default_value_t = 8)]
    times: usize,
    /// How long it is scrolled, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Keeps what the browser recorded, for its own tools.
    #[arg(long)]
    trace: Option<std::path::PathBuf>,
}

/// How long the browser may take beyond the scrolling.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often and how many times it is looked whether the collector knows every device.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOKS: usize = 300;

pub(crate) async fn measure(options: &ScrollOptions) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let mut collector = Collector::start(folder.path()).await?;
    let (api, http) = (collector.api()?, client()?);
    let places = places(options.times)?;
    let devices: usize = places.iter().map(|place| place.devices.len()).sum();
    let stop = CancellationToken::new();
    let mut agents = JoinSet::new();
    for playing in join(&collector, &places, &Arc::new(Tally::default())).await? {
        agents.spawn(playing.live(stop.clone()));
    }
    let mut looks = 0;
    while api.get("/api/v1/devices?limit=1").await?["total"].as_u64() < Some(devices as u64) {
        looks += 1;
        ensure!(looks < LOOKS, "the collector does not know every device");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let person = Person::make(&api, &http, &collector.url, "scrolling".to_owned()).await?;
    let frames = scrolled(&collector.url, &person, options).await?;
    stop.cancel();
    agents.shutdown().await;
    collector.stop().await?;
    let figure = |what: &str, value, unit| Figure::new("browser", what, value, unit);
    let mut figures = vec![figure("devices in the list", devices as f64, "")];
    for each in frames.as_array().context("the browser told no figures")? {
        let (what, unit) = (each["what"].as_str().context("a figure has no name")?, each["unit"].as_str());
        let unit = ["", "ms", "px/s", "1/s", "px"].into_iter().find(|known| Some(*known) == unit).unwrap_or_default();
        figures.push(figure(what, each["value"].as_f64().context("a figure is no number")?, unit));
    }
    Ok(figures)
}

/// What the browser tells when it is through.
async fn scrolled(url: &str, person: &Person, options: &ScrollOptions) -> anyhow::Result<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/browser/scrolling.mjs");
    let mut browser = Command::new("node");
    browser.arg(script).args([url, person.name(), &options.seconds.to_string()]);
    if let Some(trace) = &options.trace {
        browser.arg(trace);
    }
    browser.env("KOUAN_PASSWORD", person.password()).stdin(Stdio::null()).kill_on_drop(true);
    let running = tokio::time::timeout(PATIENCE + Duration::from_secs(options.seconds), browser.output());
    let output = running.await.context("the browser took too long")?.context("starting node failed")?;
    if !output.status.success() {
        bail!("the browser ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("what the browser told is no JSON")
}
