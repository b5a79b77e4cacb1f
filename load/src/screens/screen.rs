//! An open stream, and when changes arrived on it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail, ensure};
use reqwest::header::COOKIE;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::changes::Changes;

/// What all screens received.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) bytes: AtomicU64,
    pub(super) events: AtomicU64,
}

/// What one screen saw: after how many milliseconds each change was there.
pub(super) async fn watch(
    http: reqwest::Client,
    url: String,
    cookie: String,
    changes: Arc<Changes>,
    received: Arc<Received>,
    stop: CancellationToken,
) -> anyhow::Result<Vec<f64>> {
    let request = http.get(format!("{url}/api/v1/stream")).header(COOKIE, cookie);
    let mut answer = request.send().await.context("opening the stream failed")?;
    ensure!(answer.status().is_success(), "the stream was refused: {}", answer.status());
    let (mut waiting, mut kind) = (Vec::new(), String::new());
    let (mut seen, mut delays) = (HashSet::new(), Vec::new());
    while let Some(chunk) = stop.run_until_cancelled(answer.chunk()).await {
        let Some(chunk) = chunk.context("the stream broke")? else { bail!("the collector ended the stream") };
        received.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        waiting.extend_from_slice(&chunk);
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Some(name) = line.strip_prefix("event:") {
                name.trim().clone_into(&mut kind);
            } else if let Some(data) = line.strip_prefix("data:") {
                received.events.fetch_add(1, Ordering::Relaxed);
                if kind == "devices" {
                    arrived(data, &changes, &mut seen, &mut delays)?;
                }
            }
        }
    }
    Ok(delays)
}

fn arrived(data: &str, changes: &Changes, seen: &mut HashSet<usize>, delays: &mut Vec<f64>) -> anyhow::Result<()> {
    let devices: Value = serde_json::from_str(data).context("an event of the stream is no JSON")?;
    for device in devices.as_array().into_iter().flatten() {
        let Some(change) = device["id"].as_str().and_then(|id| changes.of(id)) else { continue };
        if device["health"]["level"] == change.level && seen.insert(change.number) {
            delays.push(change.at.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok(())
}
