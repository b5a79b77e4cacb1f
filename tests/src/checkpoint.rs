//! One collector, one agent and a small simulated checkpoint.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::agent::Agent;
use crate::api::Api;
use crate::broker::Broker;
use crate::collector::Collector;
use crate::configuration::{AgentConfiguration, checkpoint_links};
use crate::process::{Process, tail};
use crate::simulator::Simulator;
use crate::wait::{SHORT, wait_for};

/// How long each program may take to stop.
const STOP: Duration = Duration::from_secs(5);

/// The running site. Dropping it ends everything at once; [`Checkpoint::stop`] stops it in order.
#[derive(Debug)]
pub struct Checkpoint {
    /// The collector.
    pub collector: Collector,
    /// The agent.
    pub agent: Agent,
    /// The UPS, spoken to over Modbus TCP.
    pub ups: Simulator,
    /// Climate sensor (unit 1), relay board (2) and energy meter (3) on one Modbus RTU line.
    pub cabinet: Simulator,
    /// The passenger gate on its own serial line.
    pub gate: Simulator,
    /// The kiosk, spoken to over MQTT.
    pub kiosk: Simulator,
    /// The kiosk's broker.
    pub broker: Broker,
    folder: Folder,
}

/// Kept for people when a test fails, removed otherwise.
#[derive(Debug)]
struct Folder(Option<TempDir>);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("kouan-").tempdir().context("making a folder failed")?;
        Ok(Self(Some(folder)))
    }

    fn path(&self) -> PathBuf {
        self.0.as_ref().map(|folder| folder.path().to_owned()).unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(folder) = self.0.take() else { return };
        if std::thread::panicking() {
            let path = folder.keep();
            eprintln!("The site's folder is kept: {}", path.display());
            for log in ["collector.log", "checkpoint-1.log", "cabinet.log", "gate.log"] {
                eprintln!("{}", tail(&path.join(log)));
            }
        }
    }
}

impl Checkpoint {
    /// The site's name at the collector.
    pub const SITE: &str = "demo-checkpoint";
    /// The agent's name.
    pub const AGENT: &str = "checkpoint-1";
    /// Its devices.
    pub const DEVICES: [&str; 7] =
        ["edge-host", "ups-1", "cabinet-climate", "relay-1", "lane-power", "gate-1", "kiosk-1"];

    /// Starts everything and returns when every device works and the collector shows it.
    ///
    /// # Errors
    /// When a program does not come up.
    pub async fn start() -> anyhow::Result<Self> {
        let mut site = Self::prepare().await?;
        site.agent.start()?;
        site.wait_working().await?;
        Ok(site)
    }

    /// Starts everything but the agent, whose configuration is written.
    ///
    /// # Errors
    /// When a program does not come up.
    pub async fn prepare() -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let path = folder.path();
        let (cabinet_line, gate_line) = (path.join("cabinet-line"), path.join("gate-line"));
        let (cabinet_line, gate_line) = (cabinet_line.display().to_string(), gate_line.display().to_string());
        let devices = async {
            let broker = Broker::start(&path).await?;
            let address = broker.address().to_string();
            let kiosk = ["kiosk", "--broker", &address, "--topic", "checkpoint/kiosk-1"];
            Ok::<_, anyhow::Error>((Simulator::start("kiosk", &path, kiosk).await?, broker))
        };
        let ups = ["modbus-tcp", "--listen", "127.0.0.1:0", "--model", "apc-smart-ups"];
        let units = ["--unit", "1=xy-md02", "--unit", "2=waveshare-relay-8ch", "--unit", "3=pzem-016"];
        let cabinet = ["modbus-rtu", "--pty", &cabinet_line].into_iter().chain(units);
        let gate = ["gate", "--pty", &gate_line];
        let (collector, (kiosk, broker), ups, cabinet, gate) = tokio::try_join!(
            Collector::start(&path),
            devices,
            Simulator::start("ups", &path, ups),
            Simulator::start("cabinet", &path, cabinet),
            Simulator::start("gate", &path, gate),
        )?;
        let token = collector.enrol(Self::AGENT, Self::SITE).await?;
        let ups_address = ups.address().parse().with_context(|| format!("the UPS says it is at {}", ups.address()))?;
        let agent = Agent::new(AgentConfiguration {
            folder: path.clone(),
            name: Self::AGENT.to_owned(),
            collector: Some((format!("http://{}", collector.address()), token)),
            links: checkpoint_links(&path, ups_address, broker.address()),
        })?;
        Ok(Self { collector, agent, ups, cabinet, gate, kiosk, broker, folder })
    }

    /// The folder with every data folder and log.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path()
    }

    /// A client of the collector's API.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn api(&self) -> anyhow::Result<Api> {
        self.collector.api()
    }

    /// Waits until the collector shows every device as working, and returns them.
    ///
    /// # Errors
    /// When it does not come to that, with what is missing and the agent's log.
    pub async fn wait_working(&mut self) -> anyhow::Result<Vec<Value>> {
        let api = self.api()?;
        let found = wait_for("every device working", SHORT, async || {
            if !self.agent.process()?.is_running()? {
                return Ok(Err("the agent has ended".to_owned()));
            }
            let devices = api.list("/devices").await?;
            let state = |key: &&str| {
                let device = devices.iter().find(|device| device["key"] == **key);
                device.map_or(Value::Null, |device| device["health"].clone())
            };
            let missing: Vec<_> = Self::DEVICES
                .iter()
                .filter(|key| state(key)["level"] != "working")
                .map(|key| format!("{key}: {}", state(key)))
                .collect();
            Ok(if missing.is_empty() { Ok(devices) } else { Err(missing.join(", ")) })
        })
        .await;
        found.map_err(|error| {
            let log = self.folder().join(format!("{}.log", Self::AGENT));
            error.context(tail(&log))
        })
    }

    fn processes(&mut self) -> anyhow::Result<[&mut Process; 7]> {
        Ok([
            self.agent.process()?,
            self.collector.process()?,
            self.broker.process(),
            self.ups.process(),
            self.cabinet.process(),
            self.gate.process(),
            self.kiosk.process(),
        ])
    }

    /// Looks whether every program still runs.
    ///
    /// # Errors
    /// When one has ended, with the end of its log.
    pub fn check_running(&mut self) -> anyhow::Result<()> {
        for process in self.processes()? {
            if !process.is_running()? {
                return Err(process.failure("has ended"));
            }
        }
        Ok(())
    }

    /// The process ids of every program.
    ///
    /// # Errors
    /// When agent or collector do not run.
    pub fn process_ids(&mut self) -> anyhow::Result<Vec<u32>> {
        Ok(self.processes()?.into_iter().filter_map(|process| process.id()).collect())
    }

    /// Stops everything in order and removes the folder.
    ///
    /// # Errors
    /// When something does not stop in time; it is killed then.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if self.agent.process().is_ok() {
            self.agent.stop(STOP).await?;
        }
        if self.collector.process().is_ok() {
            self.collector.stop(STOP).await?;
        }
        let (ups, cabinet, gate, kiosk) =
            tokio::join!(self.ups.stop(), self.cabinet.stop(), self.gate.stop(), self.kiosk.stop());
        ups.and(cabinet).and(gate).and(kiosk)?;
        self.broker.stop().await
    }
}
