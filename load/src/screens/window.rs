//! A real browser among the screens: when a change is drawn.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

use super::changes::Changes;

/// How long the browser may take to show the page.
const OPEN: Duration = Duration::from_secs(60);

/// The browser, with the topology of a site open.
#[derive(Debug)]
pub(super) struct Window {
    lines: Lines<BufReader<ChildStdout>>,
    _browser: Child,
}

impl Window {
    /// Opens the page and waits until it is live.
    pub(super) async fn open(url: &str, name: &str, password: &str, site: &str) -> anyhow::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/browser/on-screen.mjs");
        let mut browser = Command::new("node")
            .arg(script)
            .args([url, name, site])
            .env("KOUAN_PASSWORD", password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting node failed")?;
        let mut lines = BufReader::new(browser.stdout.take().context("node has no output")?).lines();
        let first = tokio::time::timeout(OPEN, lines.next_line()).await.context("the browser did not come up")??;
        match first.as_deref() {
            Some("ready") => Ok(Self { lines, _browser: browser }),
            other => bail!("the browser said {other:?}"),
        }
    }

    /// After how many milliseconds each change was drawn. `ids` are the devices by their labels.
    pub(super) async fn watch(
        mut self,
        ids: HashMap<String, String>,
        changes: Arc<Changes>,
        stop: CancellationToken,
    ) -> anyhow::Result<Vec<f64>> {
        let mut delays = Vec::new();
        while let Some(line) = stop.run_until_cancelled(self.lines.next_line()).await {
            let Some(line) = line? else { bail!("the browser ended") };
            let drawn: Value = serde_json::from_str(&line).with_context(|| format!("the browser said {line}"))?;
            let id = drawn["label"].as_str().and_then(|label| ids.get(label));
            let (Some(change), Some(at)) = (id.and_then(|id| changes.of(id)), drawn["at"].as_i64()) else { continue };
            if drawn["level"] == change.level {
                delays.push((at - change.wall_ms) as f64);
            }
        }
        Ok(delays)
    }
}
