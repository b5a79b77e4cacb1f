//! Talking to a device while no agent is running, for a field engineer at the cabinet.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use kouan_drivers::configure::{ConfiguredLink, catalogue};
use kouan_drivers::driver::{Observation, Request};
use kouan_protocol::{Clock, DeviceKey, SystemClock};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::WrongUsage;
use crate::config::Config;
use crate::data_folder::DataFolder;
use crate::local::{DeviceReport, reports};
use crate::pipeline::{Current, show_rows};
use crate::supervisor::Supervisor;

/// How long the link may take to open and the device to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the device's link just long enough to read it once. The data folder's lock keeps an agent from starting
/// meanwhile, so that the bus never has two masters.
pub(super) async fn read(mut config: Config, device: &str) -> anyhow::Result<Vec<DeviceReport>> {
    let key: DeviceKey = device.parse().map_err(|error| WrongUsage(format!("{error}")))?;
    let _folder = DataFolder::open(&config.data)?;
    config.links.retain(|link| link.devices.iter().any(|device| device.identity.key == key));
    if config.links.is_empty() {
        return Err(WrongUsage(format!("there is no device named {key} in the configuration")).into());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new().context("reading the machine's clocks failed")?);
    let current = Arc::new(Current::new(catalogue(&config.links)));
    let links: Arc<Vec<ConfiguredLink>> = Arc::new(config.links);
    let (observations, mut observed) = mpsc::channel(64);
    let stop = CancellationToken::new();
    let supervisor = Supervisor::start(&links, &observations, &clock, &stop);
    drop(observations);
    let link = supervisor.requests().remove(&key).context("no driver serves the device")?;
    // Polls of the link's other devices go on meanwhile; nobody needs them here.
    let drain = tokio::spawn(async move {
        let mut health = None;
        while let Some(observation) = observed.recv().await {
            if let Observation::Health(said) = observation {
                health = Some(said);
            }
        }
        health
    });
    let started = clock.boot_time();
    let patience_ms = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
    let rows = loop {
        let (reply, rows) = oneshot::channel();
        link.send(Request::Read { device: key.clone(), trace: None, reply }).await.map_err(|_| anyhow!("the driver has stopped"))?;
        match tokio::time::timeout(PATIENCE, rows).await {
            Ok(Ok(Ok(rows))) => break Ok(rows),
            Ok(Ok(Err(problem))) if clock.boot_time().since_ms(started) > 3000 => break Err(problem),
            // The link may still be opening.
            Ok(Ok(Err(_)) | Err(_)) if clock.boot_time().since_ms(started) < patience_ms => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            _ => break Err(format!("{key} was not read within {} s", PATIENCE.as_secs())),
        }
    };
    drop(link);
    stop.cancel();
    supervisor.join().await;
    drain.await.context("listening to the driver failed")?;
    match rows {
        Ok(rows) => {
            show_rows(&links, &current, rows);
            Ok(reports(&current, clock.as_ref(), |device| device.key == key))
        }
        Err(problem) => bail!("{problem}"),
    }
}
