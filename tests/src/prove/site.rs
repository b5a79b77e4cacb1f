//! The real programs and the devices that count.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::device::NumberedDevice;
use super::line::DamagedLine;
use crate::{Agent, AgentConfiguration, Api, ClockFaults, Collector, DiskFaults, SHORT, together, wait_for};

/// How long the agent waits for an answer of the collector.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1000);
/// How long everything may take to come to rest after the last fault. The agent's pause after a failed attempt to
/// reach the collector grows to half a minute.
const SETTLE: Duration = Duration::from_secs(60);
/// How long the end of commands may take after that.
const COMMANDS_END: Duration = Duration::from_secs(15);
/// The log is what the proof reads in the end; a clock that jumps must not make it old.
const COLLECTOR_SETTINGS: &str = "log_retention = \"30days\"\n";
/// Readings of the agent about itself that may be on their way at any time.
const ALWAYS_ON_THE_WAY: u64 = 50;

/// What a site is like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How many devices there are.
    pub devices: usize,
    /// The profile with which the agent speaks to them.
    pub profile: &'static str,
    /// Readings made in this time before a kill may be lost: the agent's configuration says so.
    pub commit_every: Duration,
    /// Whether the agent's disk and the wall clocks can be broken; what stands between costs a little time.
    pub breakable: bool,
    /// Whether they speak TLS, with the collector's certificate pinned.
    pub encrypted: bool,
}

/// One agent, one collector, a line between them, and devices.
#[derive(Debug)]
pub struct Site {
    /// The collector.
    pub collector: Collector,
    /// The agent.
    pub agent: Agent,
    /// The line between them.
    pub line: DamagedLine,
    /// What it is like.
    pub shape: Shape,
    /// The disk under the agent's data folder.
    pub disk: DiskFaults,
    /// The agent's wall clock.
    pub agent_clock: ClockFaults,
    /// The collector's wall clock.
    pub collector_clock: ClockFaults,
    /// The devices.
    pub devices: Vec<NumberedDevice>,
    /// The devices' ids at the collector.
    pub ids: Vec<String>,
    /// A client of the collector's API that does not use the line.
    pub api: Api,
    folder: TempDir,
}

/// A device's name at the agent.
#[must_use]
pub(super) fn key(device: usize) -> String {
    format!("device-{}", device + 1)
}

impl Site {
    /// The agent's name.
    pub const AGENT: &str = "agent";

    /// Starts everything and returns when every device was asked and the collector knows it.
    ///
    /// # Errors
    /// When a program does not come up.
    pub async fn start(seed: u64, shape: Shape) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("kouan-prove-{seed}-")).tempdir();
        let folder = folder.context("making a folder failed")?;
        let path = folder.path();
        let data = path.join(Self::AGENT);
        std::fs::create_dir(&data).with_context(|| format!("making {} failed", data.display()))?;
        let (disk, agent_clock, collector_clock) = (DiskFaults::new(&data)?, ClockFaults::new()?, ClockFaults::new()?);
        let settings = path.join("collector.toml");
        let tls = if shape.encrypted { "[tls]\n" } else { "" };
        std::fs::write(&settings, format!("{COLLECTOR_SETTINGS}{tls}"))
            .with_context(|| format!("writing {} failed", settings.display()))?;
        let broken = |faults: Vec<Vec<_>>| if shape.breakable { together(faults) } else { Vec::new() };
        let collector = Collector::start_with(path, broken(vec![collector_clock.environment()])).await?;
        let late = REQUEST_TIMEOUT + REQUEST_TIMEOUT / 2;
        let line = DamagedLine::start(collector.address(), seed, late, shape.encrypted).await?;
        let mut devices = Vec::new();
        for _ in 0..shape.devices {
            devices.push(NumberedDevice::start().await?);
        }
        let token = collector.enrol(Self::AGENT, "proof").await?;
        let configuration = configuration(path, &token, &line, &devices, shape)?;
        let mut agent = Agent::new(configuration.clone())?;
        // The configuration of the proof has more in it than that of a test.
        write_settings(&configuration, &line, shape, collector.fingerprint())?;
        agent.set_environment(broken(vec![disk.environment(), agent_clock.environment()]));
        let api = collector.api()?;
        agent.start()?;
        agent.wait_running().await?;
        let ids = Vec::new();
        let mut site =
            Self { collector, agent, line, shape, disk, agent_clock, collector_clock, devices, ids, api, folder };
        for device in 0..shape.devices {
            site.devices[device].wait_asked(SHORT).await?;
            let id = wait_for("the collector knowing a device", SHORT, async || {
                Ok(Ok(site.api.device_id(&key(device)).await?))
            });
            let id = id.await?;
            site.ids.push(id);
        }
        Ok(site)
    }

    /// The folder with every data folder and log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets the devices say nothing new, and waits until all that they said has come to rest at the collector.
    ///
    /// # Errors
    /// When it does not come to rest, with what is missing.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        // Each device is asked once more after everything is in order again.
        let before: Vec<_> = self.devices.iter().map(NumberedDevice::last_number).collect();
        for (device, before) in self.devices.iter().zip(before) {
            let look = async || Ok(device.last_number());
            crate::wait_until("a device being asked again", SETTLE, look, |number| *number > before + 1).await?;
            device.freeze();
        }
        let agent = &mut self.agent;
        let (api, devices) = (&self.api, &self.devices);
        wait_for("everything at rest", SETTLE, async || {
            ensure!(agent.process()?.is_running()?, "the agent has ended");
            let status = agent.tool(&["status"]).await?.json()?;
            for lane in status["lanes"].as_array().context("the agent shows no lanes")? {
                let waiting = lane["waiting"].as_u64().unwrap_or(u64::MAX);
                let most = if lane["lane"] == "readings" { ALWAYS_ON_THE_WAY } else { 0 };
                if waiting > most {
                    return Ok(Err(format!("{waiting} records wait in a lane: {status}")));
                }
            }
            for (index, device) in devices.iter().enumerate() {
                let latest = api.point(&key(index), "number").await?;
                if latest["value"].as_f64() != Some(device.last_number() as f64) {
                    return Ok(Err(format!(
                        "{} said {} last, the collector has {latest}",
                        key(index),
                        device.last_number()
                    )));
                }
            }
            Ok(Ok(()))
        })
        .await?;
        wait_for("every command ended", COMMANDS_END, async || {
            let commands = api.list("/commands?limit=1000").await?;
            let open = commands.iter().filter(|command| command["final"] != true).count();
            Ok(if open == 0 { Ok(()) } else { Err(format!("{open} are open")) })
        })
        .await
    }

    /// Keeps the folder for people, and says where it is.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

fn configuration(
    folder: &Path,
    token: &str,
    line: &DamagedLine,
    devices: &[NumberedDevice],
    shape: Shape,
) -> anyhow::Result<AgentConfiguration> {
    let profiles = folder.join("profiles");
    std::fs::create_dir_all(&profiles).with_context(|| format!("making {} failed", profiles.display()))?;
    let profile = profiles.join("numbered-device.toml");
    std::fs::write(&profile, shape.profile).with_context(|| format!("writing {} failed", profile.display()))?;
    let links = devices.iter().enumerate().map(|(index, device)| {
        let (key, address) = (key(index), device.address());
        format!(
            "[[link]]\nname = \"link-{index}\"\nkind = \"modbus\"\ntcp = \"{address}\"\nanswer_timeout = \"5s\"\n\n\
             [[link.device]]\nname = \"{key}\"\nprofile = \"numbered-device\"\nunit = 1\n\n"
        )
    });
    Ok(AgentConfiguration {
        folder: folder.to_owned(),
        name: Site::AGENT.to_owned(),
        collector: Some((format!("http://{}", line.address()), token.to_owned())),
        links: links.collect(),
    })
}

fn write_settings(
    configuration: &AgentConfiguration,
    line: &DamagedLine,
    shape: Shape,
    fingerprint: Option<&str>,
) -> anyhow::Result<()> {
    let folder = configuration.folder.display();
    let pin = fingerprint.map(|fingerprint| format!("pin = \"{fingerprint}\"\n")).unwrap_or_default();
    let scheme = if shape.encrypted { "https" } else { "http" };
    let text = format!(
        "data = \"{folder}/agent\"\nprofiles = \"{folder}/profiles\"\n\n[collector]\nurl = \"{scheme}://{}\"\n\
         token_file = \"{folder}/agent.token\"\n{pin}request_timeout = \"{}ms\"\n\n[buffer]\ncommit_every = \"{}ms\"\n\n{}",
        line.address(),
        REQUEST_TIMEOUT.as_millis(),
        shape.commit_every.as_millis(),
        configuration.links,
    );
    let file = configuration.file();
    std::fs::write(&file, text).with_context(|| format!("writing {} failed", file.display()))
}
