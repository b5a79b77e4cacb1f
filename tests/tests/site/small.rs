//! The smallest site on which everything can be shown: a gate on one line, relays on another, one agent, one collector.

use std::net::SocketAddr;

use anyhow::Context as _;
use kouan_tests::{Agent, AgentConfiguration, Api, Collector, SHORT, Simulator, numbers, wait_for, wait_until};
use serde_json::Value;
use tempfile::TempDir;

use super::{count, folder};

pub(crate) struct SmallSite {
    pub(crate) collector: Collector,
    pub(crate) agent: Agent,
    pub(crate) gate: Simulator,
    pub(crate) cabinet: Simulator,
    pub(crate) api: Api,
    pub(crate) token: String,
    _folder: TempDir,
}

impl SmallSite {
    /// Starts everything; the agent speaks to the collector directly.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let mut site = Self::prepare().await?;
        site.run().await?;
        Ok(site)
    }

    /// Starts everything; the agent speaks to the collector through what `between` makes of the collector's address.
    pub(crate) async fn start_through<T>(
        between: impl AsyncFnOnce(SocketAddr) -> anyhow::Result<(T, SocketAddr)>,
    ) -> anyhow::Result<(Self, T)> {
        let mut site = Self::prepare().await?;
        let (between, address) = between(site.collector.address()).await?;
        site.agent.change(|configuration| {
            if let Some((url, _)) = &mut configuration.collector {
                *url = format!("http://{address}");
            }
        })?;
        site.run().await?;
        Ok((site, between))
    }

    async fn prepare() -> anyhow::Result<Self> {
        let folder = folder()?;
        let path = folder.path();
        let (gate_line, cabinet_line) = (path.join("gate-line"), path.join("cabinet-line"));
        let (gate_line, cabinet_line) = (gate_line.display().to_string(), cabinet_line.display().to_string());
        let (collector, gate, cabinet) = tokio::try_join!(
            Collector::start(path),
            Simulator::start("gate", path, ["gate", "--pty", &gate_line]),
            Simulator::start(
                "cabinet",
                path,
                ["modbus-rtu", "--pty", &cabinet_line, "--unit", "1=xy-md02", "--unit", "2=waveshare-relay-8ch"]
            ),
        )?;
        let token = collector.enrol("lane-1", "hall").await?;
        let links = format!(
            r#"
[[link]]
name = "gate-line"
kind = "serial-line"
serial = "{gate_line}"

[[link.device]]
name = "gate-1"
profile = "ds205a-gate"
unit = 1
every = "50ms"

[[link]]
name = "cabinet-line"
kind = "modbus"
serial = "{cabinet_line}"
answer_timeout = "500ms"

[[link.device]]
name = "climate-1"
profile = "xy-md02"
unit = 1
every = "500ms"

[[link.device]]
name = "relay-1"
profile = "waveshare-relay-8ch"
unit = 2
every = "500ms"
"#
        );
        let agent = Agent::new(AgentConfiguration {
            folder: path.to_owned(),
            name: "lane-1".to_owned(),
            collector: Some((format!("http://{}", collector.address()), token.clone())),
            links,
        })?;
        let api = collector.api()?;
        Ok(Self { collector, agent, gate, cabinet, api, token, _folder: folder })
    }

    async fn run(&mut self) -> anyhow::Result<()> {
        self.agent.start()?;
        self.agent.wait_running().await?;
        self.wait_health("gate-1", "working").await?;
        self.wait_health("climate-1", "working").await?;
        self.wait_health("relay-1", "working").await
    }

    /// Waits until the API shows the device with this health.
    pub(crate) async fn wait_health(&self, device: &str, level: &str) -> anyhow::Result<()> {
        let look = async || Ok(self.api.device(device).await?["health"].clone());
        wait_until(&format!("{device} {level}"), SHORT, look, |health| health["level"] == level).await?;
        Ok(())
    }

    /// How many people the gate itself counted inwards.
    pub(crate) async fn passed(&mut self) -> anyhow::Result<u64> {
        count(&self.gate.show().await?["left"])
    }

    /// How often the coil of a relay was really moved, by the board's own count.
    pub(crate) async fn moved(&mut self, coil: usize) -> anyhow::Result<u64> {
        let shown = self.cabinet.show().await?;
        let units = shown["units"].as_array().context("the cabinet shows no units")?;
        let board = units.iter().find(|unit| unit["unit"] == 2).context("the cabinet has no unit 2")?;
        Ok(board["coil_writes"][coil.to_string()].as_u64().unwrap_or(0))
    }

    /// Whether the board's own table has the coil set.
    pub(crate) async fn is_on(&mut self, coil: usize) -> anyhow::Result<bool> {
        let shown = self.cabinet.show().await?;
        let units = shown["units"].as_array().context("the cabinet shows no units")?;
        let board = units.iter().find(|unit| unit["unit"] == 2).context("the cabinet has no unit 2")?;
        Ok(board["coils"][coil.to_string()] == 1)
    }

    /// Waits until the API has exactly as many passages as the gate made, `verify` finds everything in order, nothing
    /// waits at the agent, and nothing was given up on the way.
    pub(crate) async fn nothing_lost_nothing_doubled(&mut self) -> anyhow::Result<()> {
        let passed = self.passed().await?;
        let events = wait_until(
            "an event for each passage",
            SHORT * 2,
            async || self.api.events("passage").await,
            |events| events.len() as u64 >= passed,
        )
        .await?;
        anyhow::ensure!(events.len() as u64 == passed, "{passed} passages became {} events", events.len());
        one_run_of_numbers(&events)?;
        wait_for("nothing waiting at the agent", SHORT, async || {
            let status = self.agent.tool(&["status"]).await?.json()?;
            let lanes = status["lanes"].as_array().context("no lanes")?;
            let waiting: u64 = lanes.iter().filter_map(|lane| lane["waiting"].as_u64()).sum();
            // Readings flow on: a handful is always on its way.
            Ok(if waiting < 20 { Ok(()) } else { Err(format!("{waiting} records wait")) })
        })
        .await?;
        let report = wait_for("verify finding everything in order", SHORT, async || {
            let (right, report) = self.collector.verify().await?;
            Ok(if right { Ok(report) } else { Err(report.to_string()) })
        })
        .await?;
        anyhow::ensure!(numbers(&report) > 0, "nothing is stored: {report}");
        let gaps = self.api.list("/gaps").await?;
        // A start says how long nothing was read before it. Nothing else may be missing.
        let of_a_start = ["interrupted", "not-running"];
        let given_up = |gap: &&Value| !of_a_start.iter().any(|reason| gap["reason"] == *reason);
        let given_up: Vec<_> = gaps.iter().filter(given_up).collect();
        anyhow::ensure!(given_up.is_empty(), "something was given up: {given_up:?}");
        let quarantine = self.api.list("/quarantine").await?;
        anyhow::ensure!(quarantine.is_empty(), "something was not understood: {quarantine:?}");
        self.readings_once().await?;
        let again = self.api.events("passage").await?.len() as u64;
        anyhow::ensure!(again == self.passed().await?, "{again} events in the end");
        Ok(())
    }
}

impl SmallSite {
    /// The history has each reading of the gate's counter once, in order, up to the last one.
    async fn readings_once(&self) -> anyhow::Result<()> {
        let id = self.api.device_id("gate-1").await?;
        let path = format!("/devices/{id}/readings?point=passage.count.in&limit=10000");
        // State and history follow the log each at its own pace.
        let rows = wait_for("the history having the latest value", SHORT, async || {
            let latest = self.api.point("gate-1", "passage.count.in").await?;
            let rows = self.api.list(&path).await?;
            let last = rows.last().cloned().unwrap_or_default();
            let same = !latest["value"].is_null() && last["value"] == latest["value"];
            Ok(if same { Ok(rows) } else { Err(format!("the state has {latest}, the history ends with {last}")) })
        })
        .await?;
        let times = rows.iter().map(|row| count(&row["time_ms"])).collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::ensure!(times.windows(2).all(|pair| pair[0] < pair[1]), "readings are doubled: {times:?}");
        let values = rows.iter().filter(|row| row["quality"] == "good").map(|row| count(&row["value"]));
        let values = values.collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::ensure!(values.is_sorted(), "readings are out of order: {values:?}");
        Ok(())
    }
}

/// Events of one epoch with numbers without a hole and none twice.
fn one_run_of_numbers(events: &[Value]) -> anyhow::Result<()> {
    let mut numbers = events.iter().map(|event| count(&event["seq"])).collect::<anyhow::Result<Vec<_>>>()?;
    numbers.sort_unstable();
    let epochs: std::collections::BTreeSet<_> = events.iter().map(|event| event["epoch"].to_string()).collect();
    anyhow::ensure!(epochs.len() <= 1, "the events lane has the epochs {epochs:?}");
    let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
    anyhow::ensure!(numbers == expected, "the events' numbers are {numbers:?}");
    Ok(())
}
