//! The real programs under load, each on a disk that records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::time::MissedTickBehavior;

use super::cuts::{Recording, now, recording_folder};
use super::witness::{Known, Testimony, Witness};
use crate::prove::{NUMBERED_DEVICE, NumberedDevice};
use crate::{Agent, AgentConfiguration, Api, Collector, DiskFaults, SHORT, wait_for};

/// The agent's name.
pub(super) const AGENT: &str = "agent";
/// Its site.
pub(super) const SITE: &str = "proof";
const DEVICES: usize = 4;
/// Somebody passes each device this often, and every passage is a record that is synced by itself.
const PASSAGES: Duration = Duration::from_millis(20);
/// The devices are asked for a command this often.
const COMMANDS: Duration = Duration::from_millis(100);
/// A sync takes at least this long, so that things happen meanwhile.
const SYNC: Duration = Duration::from_micros(500);
/// How long a program may take to stop in order.
const STOP: Duration = Duration::from_secs(10);

/// A command by its number at the device.
pub(super) type Numbered<T> = BTreeMap<u32, T>;

/// What was recorded, and what each side knew.
#[derive(Debug)]
pub(super) struct Run {
    /// The agent's disk.
    pub(super) agent: Recording,
    /// The collector's disk.
    pub(super) collector: Recording,
    /// What both told each other.
    pub(super) testimony: Testimony,
    /// Commands that the collector's API had accepted, with their ids.
    pub(super) accepted: Numbered<Known<String>>,
    /// When a device did what it was told.
    pub(super) acts: Numbered<u64>,
    _folder: TempDir,
}

/// Where the agent's data folder stands under the root of its disk.
pub(super) fn agent_data(root: &Path) -> PathBuf {
    root.join("data")
}

/// Where the collector's data folder stands under the root of its disk.
pub(super) fn collector_data(root: &Path) -> PathBuf {
    root.join("collector")
}

struct Site {
    agent: Agent,
    collector: Collector,
    devices: Vec<NumberedDevice>,
    ids: Vec<String>,
    api: Api,
    accepted: Numbered<Known<String>>,
}

/// Runs both programs for about `length`. Both are killed, stopped in order and started again in between.
pub(super) async fn run(length: Duration) -> anyhow::Result<Run> {
    let folder = recording_folder()?;
    let disk = |name: &str| {
        let root = folder.path().join(name);
        std::fs::create_dir(&root).with_context(|| format!("making {} failed", root.display()))?;
        let disk = DiskFaults::new(&root)?;
        disk.sync_delay(SYNC)?;
        let record = folder.path().join(format!("{name}.record"));
        disk.record_to(&record)?;
        anyhow::Ok((disk, record))
    };
    let (agent_disk, agent_record) = disk("agent-disk")?;
    let (collector_disk, collector_record) = disk("collector-disk")?;

    let collector = Collector::start_with(collector_disk.folder(), collector_disk.environment()).await?;
    let witness = Witness::start(collector.address()).await?;
    let mut devices = Vec::new();
    for _ in 0..DEVICES {
        devices.push(NumberedDevice::start().await?);
    }
    let token = collector.enrol(AGENT, SITE).await?;
    let mut agent = Agent::new(AgentConfiguration {
        folder: folder.path().to_owned(),
        name: AGENT.to_owned(),
        collector: Some((format!("http://{}", witness.address()), token)),
        links: String::new(),
    })?;
    configure(folder.path(), &witness, &devices, &agent_data(agent_disk.folder()))?;
    agent.set_environment(agent_disk.environment());
    agent.start()?;
    let api = collector.api()?;
    let mut site = Site { agent, collector, devices, ids: Vec::new(), api, accepted: Numbered::new() };
    site.play(length).await?;
    let testimony = witness.testimony();
    let origin = (Instant::now(), now()?);
    let acts = site.devices.iter().flat_map(NumberedDevice::acts);
    let acts = acts.filter_map(|(number, act)| Some((number, nanoseconds(origin, act.last?)))).collect();
    Ok(Run {
        agent: Recording::read(&agent_record, agent_disk.folder())?,
        collector: Recording::read(&collector_record, collector_disk.folder())?,
        testimony,
        accepted: site.accepted,
        acts,
        _folder: folder,
    })
}

/// A moment on the clock of the recordings; both are CLOCK_MONOTONIC.
fn nanoseconds((instant, at): (Instant, u64), moment: Instant) -> u64 {
    at.saturating_sub(u64::try_from(instant.saturating_duration_since(moment).as_nanos()).unwrap_or(u64::MAX))
}

impl Site {
    async fn play(&mut self, length: Duration) -> anyhow::Result<()> {
        for device in 0..self.devices.len() {
            let api = &self.api;
            let key = format!("device-{device}");
            let id = wait_for("the collector knowing a device", SHORT, async || {
                Ok(api.device_id(&key).await.map_err(|error| format!("{error:#}")))
            });
            self.ids.push(id.await?);
        }
        let part = length / 5;
        self.load(part).await?;
        self.agent.kill().await?;
        self.agent.start()?;
        self.load(part).await?;
        self.collector.stop(STOP).await?;
        self.load(part / 4).await?;
        self.collector.restart().await?;
        self.load(part).await?;
        self.agent.stop(STOP).await?;
        self.agent.start()?;
        self.load(part).await?;
        self.collector.kill().await?;
        self.load(part / 4).await?;
        self.collector.restart().await?;
        self.load(part).await?;
        self.agent.kill().await?;
        self.collector.kill().await
    }

    /// People pass and commands are asked for.
    async fn load(&mut self, length: Duration) -> anyhow::Result<()> {
        let until = tokio::time::Instant::now() + length;
        let (mut passages, mut commands) = (tokio::time::interval(PASSAGES), tokio::time::interval(COMMANDS));
        passages.set_missed_tick_behavior(MissedTickBehavior::Delay);
        commands.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(()),
                _ = passages.tick() => self.devices.iter().for_each(|device| device.pass(1)),
                _ = commands.tick() => self.command().await?,
            }
        }
    }

    /// A collector that is down accepts nothing, and that is as it should be.
    async fn command(&mut self) -> anyhow::Result<()> {
        let number = u32::try_from(self.accepted.len()).unwrap_or(u32::MAX).saturating_add(1);
        let id = &self.ids[number as usize % self.ids.len()];
        let body = serde_json::json!({ "action": "act", "arguments": { "id": number }, "life_ms": 10_000 });
        if let Ok(answer) = self.api.post(&format!("/devices/{id}/commands"), &body).await
            && answer.status.is_success()
        {
            let what = answer.body["id"].as_str().context("a command without an id")?.to_owned();
            self.accepted.insert(number, Known { at: now()?, what });
        }
        Ok(())
    }
}

fn configure(folder: &Path, witness: &Witness, devices: &[NumberedDevice], data: &Path) -> anyhow::Result<()> {
    let profiles = folder.join("profiles");
    std::fs::create_dir_all(&profiles).with_context(|| format!("making {} failed", profiles.display()))?;
    let write = |file: PathBuf, text: &str| {
        std::fs::write(&file, text).with_context(|| format!("writing {} failed", file.display()))
    };
    write(profiles.join("numbered-device.toml"), NUMBERED_DEVICE)?;
    let links = devices.iter().enumerate().map(|(index, device)| {
        format!(
            "[[link]]\nname = \"link-{index}\"\nkind = \"modbus\"\ntcp = \"{}\"\n\n\
             [[link.device]]\nname = \"device-{index}\"\nprofile = \"numbered-device\"\nunit = 1\nevery = \"20ms\"\n\n",
            device.address()
        )
    });
    let (data, profiles, folder_name) = (data.display(), profiles.display(), folder.display());
    let text = format!(
        "data = \"{data}\"\nsocket = \"{folder_name}/agent.sock\"\nprofiles = \"{profiles}\"\n\n\
         [collector]\nurl = \"http://{}\"\ntoken_file = \"{folder_name}/{AGENT}.token\"\nrequest_timeout = \"2s\"\n\n\
         [buffer]\ncommit_every = \"10ms\"\n\n{}",
        witness.address(),
        links.collect::<String>(),
    );
    write(folder.join(format!("{AGENT}.toml")), &text)
}
