//! All agents of the fleet, until they are stopped.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use futures_util::StreamExt as _;
use kouan_protocol::{Clock as _, SystemClock};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::family::settle;
use super::inventory;
use super::places::site_of;
use crate::api::Api;
use crate::fleet::estate::{Place, once};
use crate::fleet::life::Life;
use crate::fleet::play::{Playing, Tally};
use crate::fleet::troubles::Troubles;
use crate::played_agent::client;

/// Agents that begin at the same time.
const AT_ONCE: usize = 4;

/// How often and how many times it is looked whether the collector knows every device.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS: usize = 300;

/// Where the fleet is shown.
#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    /// The collector's address.
    #[arg(long)]
    url: String,
    /// A key of the whole collector with the rights `admin`, `configure` and `read`.
    #[arg(long, env = "KOUAN_KEY", hide_env_values = true)]
    key: String,
    /// Seconds of history that are sent before.
    #[arg(long, default_value_t = 300)]
    past: u64,
    /// Nothing goes wrong.
    #[arg(long)]
    sound: bool,
}

/// All places with parents and labels.
pub(crate) fn places() -> anyhow::Result<Vec<Place>> {
    let mut places = once()?;
    places.iter_mut().for_each(settle);
    Ok(places)
}

/// Waits until the collector knows every device.
async fn settled(api: &Api, devices: usize) -> anyhow::Result<()> {
    for _ in 0..LOOKS {
        let known = api.get("/api/v1/sites").await?;
        let counts = known["items"].as_array().into_iter().flatten().filter_map(|site| site["devices"].as_u64());
        if counts.sum::<u64>() >= devices as u64 {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    anyhow::bail!("the collector does not know every device")
}

/// Plays the fleet until SIGINT or SIGTERM. Prints one line of JSON when every agent is there.
pub(crate) async fn show(options: &ShowOptions) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (http, tally) = (client()?, Arc::new(Tally::default()));
    let api = Api::new(http.clone(), options.url.clone(), options.key.clone());
    let now_s = SystemClock::new()?.wall().0.unsigned_abs() / 1000;
    let places = places()?;
    let devices: usize = places.iter().map(|place| place.devices.len()).sum();
    let joining = places.iter().zip(1..).map(|(place, seed)| {
        let (api, http, tally) = (&api, http.clone(), Arc::clone(&tally));
        async move {
            let site = site_of(place.system, place.title)?;
            let token = api.enrol(&format!("{}-1", site.id), site.id).await?;
            let life = Life::new(place, seed, now_s)?;
            let mut playing = Playing::begin(http, &options.url, &token, life, tally).await?;
            playing.relive(options.past).await.with_context(|| format!("the past of {}", place.title))?;
            if !options.sound {
                playing.suffer(Troubles::new(place));
            }
            anyhow::Ok(playing)
        }
    });
    let joined: Vec<_> = futures_util::stream::iter(joining).buffer_unordered(AT_ONCE).collect().await;
    let stop = CancellationToken::new();
    let mut agents = JoinSet::new();
    for playing in joined {
        agents.spawn(playing?.live(stop.clone()));
    }
    settled(&api, devices).await?;
    inventory::bring(&api, &places).await.context("the asset list could not be imported")?;
    println!("{}", json!({ "ready": true, "devices": devices, "agents": agents.len() }));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        Some(ended) = agents.join_next() => ended?.context("an agent of the fleet stopped")?,
    }
    stop.cancel();
    // A poll that waits for commands may hold an agent for long; nobody needs its end.
    let _ = tokio::time::timeout(Duration::from_secs(2), agents.join_all()).await;
    Ok(())
}
