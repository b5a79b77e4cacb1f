//! `kouan-agent run`.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kouan_protocol::{Clock, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use super::entry::WrongUsage;
use crate::app::{App, Ended};
use crate::last_good;

pub(super) async fn run(path: &Path, log: &str) -> anyhow::Result<()> {
    // What the caller asks for comes last and wins.
    let directives = format!("refinery_core=warn,{log}");
    let filter: Targets = directives.parse().map_err(|error| WrongUsage(format!("--log {log}: {error}")))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    // The process-wide TLS implementation; a second call in one process is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new().context("reading the machine's clocks failed")?);
    let mut app = build(path, &clock).await?;
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM failed")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT failed")?;
    let stop = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => info!("Received SIGTERM."),
            _ = interrupt.recv() => info!("Received SIGINT."),
        }
        tell_service_manager(&[sd_notify::NotifyState::Stopping]);
        stop.cancel();
    });
    tell_service_manager(&[sd_notify::NotifyState::Ready]);
    let watchdog = tokio::spawn(feed_watchdog(shutdown.clone()));
    let result = loop {
        match app.run(shutdown.clone()).await {
            Ok(Ended::DiskIsBack) if !shutdown.is_cancelled() => {}
            ended => break ended.map(|_| ()),
        }
        app = build(path, &clock).await?;
    };
    shutdown.cancel();
    let _ = watchdog.await;
    Ok(result?)
}

/// The agent with the configuration of the file or, if that cannot be used, with the last one that could.
async fn build(path: &Path, clock: &Arc<dyn Clock>) -> anyhow::Result<App> {
    let usable = last_good::load(path)?;
    if let Some(problems) = &usable.rejected {
        error!(file = %path.display(), %problems, "The configuration cannot be used: the agent runs with the last good one.");
    }
    let (data, text, rejected) = (usable.config.data.clone(), usable.text, usable.rejected);
    let app = App::build(usable.config, Arc::clone(clock)).await?.with_rejected(rejected.clone());
    if rejected.is_none()
        && let Err(cause) = last_good::keep(&data, &text)
    {
        warn!(data = %data.display(), %cause, "The configuration could not be kept as the last good one.");
    }
    Ok(app)
}

/// Tells systemd that the agent is alive, twice per watchdog interval. The task shares the runtime with all work, so
/// a runtime that hangs is noticed.
async fn feed_watchdog(shutdown: CancellationToken) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let half = (interval / 2).max(Duration::from_millis(100));
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(half) => tell_service_manager(&[sd_notify::NotifyState::Watchdog]),
        }
    }
}

fn tell_service_manager(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "The service manager could not be told.");
    }
}
