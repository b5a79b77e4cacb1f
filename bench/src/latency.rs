//! From the device to the API: a passage at a gate that is asked every 250 ms, until its event can be read.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use kouan_tests::Checkpoint;

use kouan_figures::{Figure, quantile};

const PASSAGES: usize = 60;

pub(crate) async fn measure() -> anyhow::Result<Vec<Figure>> {
    let mut site = Checkpoint::start().await?;
    site.wait_working().await?;
    let api = site.api()?;
    let mut latencies = Vec::new();
    for passage in 0..PASSAGES {
        let before = api.events("passage").await?.len();
        // Not in step with the poll.
        tokio::time::sleep(Duration::from_millis(37 * (passage as u64 % 7))).await;
        let started = Instant::now();
        site.gate.control("pass in 1").await?;
        loop {
            if api.events("passage").await?.len() > before {
                break;
            }
            if started.elapsed() > Duration::from_secs(10) {
                bail!("passage {passage} did not reach the API within 10 s");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        latencies.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    site.stop().await.context("stopping the site failed")?;
    latencies.sort_by(f64::total_cmp);
    Ok(vec![
        Figure::new("latency", "gate passage to event at the API, p50", quantile(&latencies, 0.5), "ms"),
        Figure::new("latency", "gate passage to event at the API, p99", quantile(&latencies, 0.99), "ms"),
    ])
}
