//! What people ask while they look.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::header::COOKIE;
use tokio_util::sync::CancellationToken;

use crate::dice::Dice;

/// The requests of pages that people open, with how long each took in milliseconds.
pub(super) const KINDS: [&str; 5] = ["overview", "list of devices", "alarms", "topology of a site", "device"];

/// Opens pages now and then, on average every `pause`, until it is stopped.
pub(super) async fn browse(
    http: reqwest::Client,
    url: String,
    cookie: String,
    devices: Vec<String>,
    pause: Duration,
    seed: u64,
    stop: CancellationToken,
) -> anyhow::Result<Vec<(usize, f64)>> {
    let (mut dice, mut taken) = (Dice::new(seed), Vec::new());
    loop {
        let wait = pause.mul_f64((dice.next() % 2_000) as f64 / 1000.0);
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return Ok(taken);
        }
        let kind = (dice.next() % KINDS.len() as u64) as usize;
        let device = &devices[(dice.next() % devices.len() as u64) as usize];
        let path = match kind {
            0 => "/overview".to_owned(),
            1 => "/devices?limit=200".to_owned(),
            2 => "/alarms?limit=200".to_owned(),
            3 => "/topology?site=operations-centre".to_owned(),
            _ => format!("/devices/{device}"),
        };
        let started = Instant::now();
        let request = http.get(format!("{url}/api/v1{path}")).header(COOKIE, &cookie);
        let answer = request.send().await.with_context(|| format!("asking for {path} failed"))?;
        let status = answer.status();
        let body = answer.bytes().await.with_context(|| format!("the answer to {path} ended early"))?;
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        taken.push((kind, started.elapsed().as_secs_f64() * 1000.0));
    }
}
