//! Commands, asked all the while. Each has a number of its own, which the device counts.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Api;

/// A command that was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Its number, which the device is told.
    pub(super) number: u32,
    /// Which device.
    pub(super) device: usize,
    /// How long it may wait to be started.
    pub(super) life: Duration,
    /// When the collector had certainly taken it; `None`: no answer came, so nobody knows whether it did.
    pub(super) taken: Option<Instant>,
}

/// Asks for commands until `stop`, and waits for the collector's answers.
pub(super) async fn ask_commands(api: &Api, ids: &[String], seed: u64, stop: &CancellationToken) -> Vec<Asked> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut asked = JoinSet::new();
    let mut number = 0;
    while !stop.is_cancelled() {
        number += 1;
        let device = random.random_range(0..ids.len());
        let life = Duration::from_millis(random.random_range(200..3000));
        asked.spawn(ask(api.clone(), ids[device].clone(), Asked { number, device, life, taken: None }));
        let pause = Duration::from_millis(random.random_range(50..300));
        tokio::select! { () = tokio::time::sleep(pause) => {} () = stop.cancelled() => {} }
    }
    asked.join_all().await
}

async fn ask(api: Api, id: String, asked: Asked) -> Asked {
    let life_ms = u64::try_from(asked.life.as_millis()).unwrap_or(u64::MAX);
    let body = json!({ "action": "act", "arguments": { "id": asked.number }, "life_ms": life_ms });
    let answer = api.post(&format!("/devices/{id}/commands"), &body).await;
    let taken = answer.is_ok_and(|answer| answer.status.is_success()).then(Instant::now);
    Asked { taken, ..asked }
}
