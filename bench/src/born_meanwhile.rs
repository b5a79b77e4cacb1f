//! What happens at the devices while a backlog goes, and how soon it can be read at the API.

use std::time::Instant;

use anyhow::bail;
use kouan_tests::Api;

use crate::drain::{LOOK, PATIENCE, now_ms};
use crate::modbus_site::{FADING, GATE, Gates};

/// Lets somebody pass again and again; from each row that told of it to its event at the API, in ms.
pub(crate) async fn events(api: &Api, gates: &Gates) -> anyhow::Result<Vec<f64>> {
    let newest = async |after: i64| {
        let page = api.get("/events?kind=passage&limit=1").await?;
        anyhow::Ok(page["items"][0]["time_ms"].as_i64().filter(|at| *at > after))
    };
    let (mut latencies, mut after) = (Vec::new(), newest(0).await?.unwrap_or(0));
    while !gates.ended() {
        gates.pass();
        after = seen(async || newest(after).await, GATE, &mut latencies).await?;
    }
    Ok(latencies)
}

/// Lets a device fall silent and answer again; from each change of its health to the API, in ms.
pub(crate) async fn healths(api: &Api, gates: &Gates) -> anyhow::Result<Vec<f64>> {
    let (mut latencies, mut silent) = (Vec::new(), false);
    while !gates.ended() {
        silent = !silent;
        gates.silence(silent);
        let changed = async || {
            let page = api.get(&format!("/devices?q={FADING}")).await?;
            let health = &page["items"][0]["health"];
            let now_silent = health["level"].as_str().is_some_and(|level| level != "working");
            Ok(health["time_ms"].as_i64().filter(|_| now_silent == silent))
        };
        seen(changed, FADING, &mut latencies).await?;
    }
    Ok(latencies)
}

/// Waits until `look` finds the time of a new record, and notes how old it is by then.
async fn seen(
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<i64>>,
    what: &str,
    latencies: &mut Vec<f64>,
) -> anyhow::Result<i64> {
    let started = Instant::now();
    loop {
        if let Some(at) = look().await? {
            latencies.push((now_ms()? - at).max(0) as f64);
            return Ok(at);
        }
        if started.elapsed() > PATIENCE {
            bail!("what {what} told did not reach the API within {PATIENCE:?}");
        }
        tokio::time::sleep(LOOK).await;
    }
}
