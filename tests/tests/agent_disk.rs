//! The real agent on a disk that is full, and on one whose syncs fail.

use anyhow::{Context as _, ensure};
use kouan_tests::{Agent, AgentConfiguration, DiskFaults, SHORT, Simulator, wait_until};
use serde_json::Value;
use tempfile::TempDir;

/// A gate, the agent that speaks to it, and the disk under the agent's data folder.
struct Site {
    gate: Simulator,
    agent: Agent,
    disk: DiskFaults,
    _folder: TempDir,
}

impl Site {
    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a folder failed")?;
        let line = folder.path().join("gate-line").display().to_string();
        let gate = Simulator::start("gate", folder.path(), ["gate", "--pty", &line]).await?;
        let links = format!(
            "[[link]]\nname = \"gate-line\"\nkind = \"serial-line\"\nserial = \"{line}\"\n\n\
             [[link.device]]\nname = \"gate-1\"\nprofile = \"ds205a-gate\"\nunit = 1\n"
        );
        let configuration =
            AgentConfiguration { folder: folder.path().to_owned(), name: "agent".to_owned(), collector: None, links };
        let data = configuration.data();
        std::fs::create_dir(&data).with_context(|| format!("making {} failed", data.display()))?;
        let disk = DiskFaults::new(&data)?;
        let mut agent = Agent::new(configuration)?;
        agent.set_environment(disk.environment());
        agent.start()?;
        agent.wait_running().await?;
        let mut site = Self { gate, agent, disk, _folder: folder };
        // The first value is where counting begins.
        site.wait_counter(0).await?;
        Ok(site)
    }

    async fn wait_counter(&mut self, expected: u64) -> anyhow::Result<()> {
        let look = async || {
            let devices = self.agent.tool(&["devices"]).await?.json()?;
            let points = devices[0]["points"].as_array().cloned().unwrap_or_default();
            Ok(points
                .into_iter()
                .find(|point| point["point"] == "passage.count.in")
                .map(|point| point["value"].clone()))
        };
        wait_until("the gate's counter", SHORT, look, |seen| *seen == Some(Value::from(expected))).await.map(|_| ())
    }

    async fn lane(&self, lane: &str) -> anyhow::Result<Value> {
        let status = self.agent.tool(&["status"]).await?.json()?;
        let lanes = status["lanes"].as_array().cloned().unwrap_or_default();
        lanes.into_iter().find(|found| found["lane"] == lane).with_context(|| format!("{status} has no lane {lane}"))
    }

    async fn wait_events(&self, last_seq: u64) -> anyhow::Result<Value> {
        let look = async || self.lane("events").await;
        wait_until("the events", SHORT, look, |lane| lane["last_seq"] == last_seq).await
    }

    async fn open_gate(&self) -> anyhow::Result<Value> {
        let arguments = ["command", "gate-1", "gate.open", "direction=in", "--yes"];
        let outcome = self.agent.tool(&arguments).await?;
        serde_json::from_str(&outcome.out)
            .with_context(|| format!("the tool said {} {}", outcome.out, outcome.problems))
    }
}

#[tokio::test]
async fn a_full_disk_stops_neither_events_nor_commands_nor_a_start() -> anyhow::Result<()> {
    let mut site = Site::start().await?;
    site.disk.full(true)?;
    for passed in 1..=20 {
        site.gate.control("pass in").await?;
        site.wait_counter(passed).await?;
    }
    let events = site.wait_events(20).await?;
    ensure!(events["volatile"] == false && events["lost"] == 0, "{events}");
    let command = site.open_gate().await?;
    ensure!(command["state"] == "succeeded", "{command}");

    site.agent.kill().await?;
    site.agent.start()?;
    site.agent.wait_running().await?;
    site.gate.control("pass in").await?;
    let events = site.wait_events(21).await?;
    ensure!(events["volatile"] == false && events["lost"] == 0, "{events}");
    Ok(())
}

#[tokio::test]
async fn when_syncs_fail_the_agent_goes_on_in_memory_and_moves_nothing() -> anyhow::Result<()> {
    let mut site = Site::start().await?;
    site.gate.control("pass in").await?;
    let before = site.wait_events(1).await?;
    site.disk.fail_syncs(true)?;
    site.gate.control("pass in").await?;
    site.wait_counter(2).await?;
    let look = async || site.lane("events").await;
    let volatile = wait_until("a lane in memory", SHORT, look, |lane| lane["volatile"] == true).await?;
    // The gate has counted the second passage, and it is told with its count on disk or not at all.
    ensure!(volatile["epoch"] != before["epoch"] && volatile["last_seq"] == 0, "{volatile}");
    let status = site.agent.tool(&["status"]).await?.json()?;
    let alarms = status["alarms"].as_array().cloned().unwrap_or_default();
    ensure!(alarms.iter().any(|alarm| alarm["condition"] == "buffer.volatile"), "{status}");
    let command = site.open_gate().await?;
    ensure!(command["state"] == "rejected", "{command}");
    // The disk seems to be well again; nobody believes it before the files were opened anew.
    site.disk.fail_syncs(false)?;
    let command = site.open_gate().await?;
    ensure!(command["state"] == "rejected", "{command}");

    site.agent.kill().await?;
    site.agent.start()?;
    site.agent.wait_running().await?;
    let after = site.lane("events").await?;
    ensure!(after["epoch"] == before["epoch"] && after["volatile"] == false, "{after}");
    ensure!(after["last_seq"].as_u64() >= Some(2), "no gap tells of the time in memory: {after}");
    let all = site.wait_events(3).await?;
    ensure!(all["last_seq"] == 3, "a passage, the gap, and the passage that was counted meanwhile: {all}");
    let command = site.open_gate().await?;
    ensure!(command["state"] == "succeeded", "{command}");
    Ok(())
}
