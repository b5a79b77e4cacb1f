//! Talking to devices while no agent is running, for a field engineer at the cabinet.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kouan_drivers::configure::{ConfiguredLink, catalogue};
use kouan_drivers::driver::{Observation, Purpose, RawEvent, Request};
use kouan_drivers::link::trace::Trace;
use kouan_protocol::{Clock, DeviceKey, Field, FieldValue, Privacy, SystemClock};
use kouan_settings::{Bilingual, both};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::entry::{WrongUsage, folder_error};
use super::words::Words;
use crate::config::Config;
use crate::data_folder::DataFolder;
use crate::local::{DeviceReport, reports};
use crate::pipeline::{Current, show_health, show_rows};
use crate::supervisor::Supervisor;

/// How long the link may take to open and the device to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// For so long a device that does not answer is asked again: its link may still be opening.
const OPENING_MS: u64 = 3000;

/// How long the device's health may come after its values.
const HEALTH: Duration = Duration::from_millis(500);

/// A device's link, run by this tool alone. The data folder's lock keeps an agent from starting meanwhile.
pub(super) struct Alone {
    key: DeviceKey,
    clock: Arc<dyn Clock>,
    links: Arc<Vec<ConfiguredLink>>,
    current: Arc<Current>,
    link: mpsc::Sender<Request>,
    stop: CancellationToken,
    supervisor: Supervisor,
    listener: JoinHandle<()>,
    _folder: DataFolder,
}

impl Alone {
    /// Starts the link that has the device.
    pub(super) fn start(mut config: Config, device: &str, words: Words) -> anyhow::Result<Self> {
        let key: DeviceKey = super::entry::device_key(device, words)?;
        let known = config.links.iter().flat_map(|link| &link.devices).map(|device| &device.identity.key);
        let known = known.map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let _folder = DataFolder::open(&config.data).map_err(|error| folder_error(error, words))?;
        config.links.retain(|link| link.devices.iter().any(|device| device.identity.key == key));
        if config.links.is_empty() {
            return Err(WrongUsage(words.no_device(&key, known)).into());
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new().context("reading the machine's clocks failed")?);
        let current = Arc::new(Current::new(catalogue(&config.links)));
        let links: Arc<Vec<ConfiguredLink>> = Arc::new(config.links);
        let (observations, observed) = mpsc::channel(64);
        let stop = CancellationToken::new();
        let supervisor = Supervisor::start(&links, &observations, &clock, Purpose::Look, &stop);
        drop(observations);
        let link = supervisor.requests().remove(&key).context("no driver serves the device")?;
        let listener = tokio::spawn(listen(observed, Arc::clone(&links), Arc::clone(&current), words));
        Ok(Self { key, clock, links, current, link, stop, supervisor, listener, _folder })
    }

    /// Talks to the device once. The link may still be opening, so a failure is tried again for a while.
    pub(super) async fn read(&self, trace: Option<&Trace>) -> Result<(), Bilingual> {
        let started = self.clock.boot_time();
        loop {
            let (reply, rows) = oneshot::channel();
            let request = Request::Read { device: self.key.clone(), trace: trace.cloned(), reply };
            self.link.send(request).await.map_err(|_| both!("the driver has stopped", "驱动已停止"))?;
            let waited = || self.clock.boot_time().since_ms(started);
            match tokio::time::timeout(PATIENCE, rows).await {
                Ok(Ok(Ok(rows))) => {
                    show_rows(&self.links, &self.current, rows);
                    self.wait_for_health().await;
                    return Ok(());
                }
                // One conversation is enough where the bytes are wanted.
                Ok(Ok(Err(problem))) if waited() > OPENING_MS || trace.is_some_and(|trace| trace.len() > 1) => {
                    return Err(problem);
                }
                Ok(Ok(Err(_)) | Err(_)) if Duration::from_millis(waited()) < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                _ => {
                    let (key, seconds) = (&self.key, PATIENCE.as_secs());
                    return Err(both!("{key} was not read within {seconds} s", "{seconds} 秒内没有读到 {key}"));
                }
            }
        }
    }

    /// The driver tells the health right after the values.
    async fn wait_for_health(&self) {
        let known = async {
            while self.current.device(&self.key).is_none_or(|device| device.health.is_none()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // A driver that has none to tell is not waited for.
        let _ = tokio::time::timeout(HEALTH, known).await;
    }

    /// What is known of the device.
    pub(super) fn report(&self) -> Option<DeviceReport> {
        reports(&self.current, self.clock.as_ref(), |device| device.key == self.key).pop()
    }

    /// Stops the link and closes its port; what the device said last is then known.
    pub(super) async fn stop(self) -> Option<DeviceReport> {
        drop(self.link);
        self.stop.cancel();
        self.supervisor.join().await;
        // It ends with the last driver.
        let _ = self.listener.await;
        reports(&self.current, self.clock.as_ref(), |device| device.key == self.key).pop()
    }
}

/// Keeps what the drivers say, for `current`.
async fn listen(
    mut observed: mpsc::Receiver<Observation>,
    links: Arc<Vec<ConfiguredLink>>,
    current: Arc<Current>,
    words: Words,
) {
    while let Some(observation) = observed.recv().await {
        match observation {
            Observation::Row(row) => show_rows(&links, &current, vec![row]),
            Observation::Health(health) => show_health(&current, health),
            // A device that waits for a confirmation keeps the event for the agent, and one that is asked for events is
            // not asked. What speaks of its own accord says it once: then the person here is the only one who hears it.
            Observation::Event { event, stored: None } => eprintln!("{}", words.event_not_kept(in_short(&event))),
            Observation::Event { stored: Some(_), .. } | Observation::Stock(_) => {}
        }
    }
}

/// An event for the terminal, which may be anybody's: of what is personal the names alone.
fn in_short(event: &RawEvent) -> String {
    let shown = |field: &Field| match (&field.privacy, &field.value) {
        (Privacy::Personal, _) => format!("{}=***", field.name),
        (Privacy::None, FieldValue::Text(text)) => format!("{}={text}", field.name),
        (Privacy::None, FieldValue::Integer(number)) => format!("{}={number}", field.name),
        (Privacy::None, FieldValue::Number(number)) => format!("{}={number}", field.name),
        (Privacy::None, FieldValue::Flag(whether)) => format!("{}={whether}", field.name),
    };
    let fields: Vec<_> = event.fields.iter().map(shown).collect();
    format!("{} {}", event.kind, fields.join(" ")).trim_end().to_owned()
}

/// Reads a device once.
pub(super) async fn read(config: Config, device: &str, words: Words) -> anyhow::Result<Vec<DeviceReport>> {
    let alone = Alone::start(config, device, words)?;
    let read = alone.read(None).await;
    let report = alone.stop().await;
    read?;
    Ok(report.into_iter().collect())
}
