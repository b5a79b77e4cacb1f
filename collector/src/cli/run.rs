//! Running as a service or in a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use kouan_protocol::SystemClock;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use super::options::Place;
use crate::App;

pub(super) fn run(place: &Place, listen: Option<SocketAddr>) -> Result<ExitCode> {
    let directives = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    let filter: Targets =
        format!("refinery_core=warn,{directives}").parse().with_context(|| format!("RUST_LOG={directives}"))?;
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    let mut config = place.config()?;
    if let Some(listen) = listen {
        config.listen = listen;
    }
    // For connections that go out; those that come in name it themselves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let clock = Arc::new(SystemClock::new().context("could not read the machine's clocks")?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("could not start the asynchronous runtime")?;
    runtime.block_on(async {
        let mut app = App::build(config, clock).await?;
        let shutdown = stop_on_signal()?;
        let mut out = std::io::stdout();
        match app.certificate() {
            None => writeln!(out, "Listening on http://{}", app.address())?,
            Some(certificate) => {
                writeln!(out, "Listening on https://{}", app.address())?;
                writeln!(out, "Certificate fingerprint: {}", certificate.fingerprint())?;
            }
        }
        if let Some(key) = app.take_first_key() {
            writeln!(out, "First key (shown once): {}", key.reveal())?;
        }
        out.flush()?;
        notify(&[NotifyState::Ready]);
        let watchdog = tokio::spawn(feed_watchdog());
        let result = app.run(shutdown).await.context("the collector could not go on");
        watchdog.abort();
        result
    })?;
    Ok(ExitCode::SUCCESS)
}

fn stop_on_signal() -> Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("Collector was told to stop.");
        notify(&[NotifyState::Stopping]);
        stop.cancel();
    });
    Ok(shutdown)
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "The service manager could not be told.");
    }
}

/// Tells the service manager that the runtime still turns, twice within its time limit.
async fn feed_watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(limit / 2);
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}
