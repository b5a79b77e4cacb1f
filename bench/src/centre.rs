//! What the collector's API tells about itself.

use std::time::Instant;

use anyhow::{Context as _, bail};
use kouan_tests::Api;

use crate::drain::{LOOK, PATIENCE, now_ms};

/// When an agent said hello, by the collector's wall clock.
pub(crate) async fn hello_ms(api: &Api) -> anyhow::Result<i64> {
    let agents = api.list("/agents").await?;
    agents.iter().find_map(|agent| agent["hello_ms"].as_i64()).context("the agent said no hello")
}

/// When so many batches were stored. The few of other lanes that came meanwhile are counted too.
pub(crate) async fn stored(api: &Api, batches: u64) -> anyhow::Result<i64> {
    reached(api, "store the backlog", |name, value| name != "kouan_batches_total" || value >= batches as f64).await
}

/// When state, latest values and history have taken everything that is in the log. What arrives every second is always
/// a little behind.
pub(crate) async fn readable(api: &Api) -> anyhow::Result<i64> {
    let readers =
        ["state", "latest", "history"].map(|reader| format!("kouan_reader_lag_entries{{reader=\"{reader}\"}}"));
    reached(api, "read the backlog", |name, lag| !readers.iter().any(|reader| reader == name) || lag <= 3.0).await
}

/// When every figure of `/metrics` passes `enough`.
async fn reached(api: &Api, what: &str, enough: impl Fn(&str, f64) -> bool) -> anyhow::Result<i64> {
    let started = Instant::now();
    loop {
        let text = api.request(reqwest::Method::GET, "/metrics").send().await?.error_for_status()?.text().await?;
        let figures = text.lines().filter_map(|line| line.rsplit_once(' '));
        let mut figures = figures.filter_map(|(name, value)| Some((name, value.parse().ok()?)));
        if figures.all(|(name, value)| enough(name, value)) {
            return now_ms();
        }
        if started.elapsed() > PATIENCE {
            bail!("the collector did not {what} within {PATIENCE:?}");
        }
        tokio::time::sleep(LOOK).await;
    }
}
