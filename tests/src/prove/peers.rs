//! The two scenarios in which other gateways were measured: 50 Modbus TCP devices of 20 registers each second, the line
//! to the collector cut for a while, and the agent killed in the middle of that.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use kouan_protocol::Lane;

use super::drive::{Outage, Outages};
use super::line::Damage;
use super::round::conclude;
use super::site::{Shape, Site};
use super::tally::Tally;
use super::usage::{Usage, processor_time};
use crate::wait_for;

/// How long the agent is watched before the line is cut.
const WATCHED: Duration = Duration::from_secs(20);
/// How long the agent may take to find the line again, and to send what waits.
const RETURN: Duration = Duration::from_secs(120);
const PROFILE: &str = r#"kind = "modbus"
class = "energy-meter"
evidence = "solid"
source = "a device that numbers what it says"

[[group]]
name = "numbers"
every = "1s"
heartbeat = "1h"
function = 4

  [[group.point]]
  name = "number"
  register = 0
  type = "u32"
  unit = "1"
"#;

/// What is done to the agent.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// How long the line is cut.
    pub outage: Duration,
    /// Whether the agent is killed in the middle.
    pub kill: bool,
    /// How often readings are committed.
    pub commit_every: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The comparison.
    pub tally: Tally,
    /// What the agent used before the line was cut, with the part of one core.
    pub usage: Usage,
    /// From the open line to the session.
    pub until_session: Duration,
    /// From the session until everything of the outage was confirmed.
    pub until_drained: Duration,
    /// The folder, which is kept if something is broken.
    pub kept: Option<PathBuf>,
}

impl Scenario {
    /// Plays it.
    ///
    /// # Errors
    /// When the site does not come up, or the line is not found again.
    pub async fn play(self) -> anyhow::Result<Outcome> {
        let profile: &'static str = Box::leak(profile().into_boxed_str());
        let shape = Shape { devices: 50, profile, commit_every: self.commit_every, breakable: false, encrypted: false };
        let mut site = Site::start(0, shape).await.context("starting the site failed")?;
        let usage = watch(&mut site).await?;
        let outages = self.cut(&mut site).await?;
        let waiting = newest_reading(&site).await?;
        let open = Instant::now();
        site.line.set(Damage::None);
        let session = wait_for("a session after the outage", RETURN, async || {
            let latest = site.line.promises().latest_session().filter(|latest| *latest > open);
            Ok(latest.ok_or_else(|| "none began".to_owned()))
        });
        let session = session.await?;
        let drained = wait_for("the backlog being confirmed", RETURN, async || {
            let confirmed = site.line.promises().all();
            let readings = confirmed.iter().filter(|((lane, _), _)| *lane == Lane::Readings.number());
            let highest = readings.map(|(_, highest)| *highest).max().unwrap_or(0);
            Ok(if highest >= waiting { Ok(Instant::now()) } else { Err(format!("{highest} of {waiting}")) })
        });
        let until_drained = drained.await?.saturating_duration_since(session);
        let tally = conclude(&mut site, &outages, &[], false).await?;
        let kept = if tally.broken.is_empty() { None } else { Some(site.keep()) };
        Ok(Outcome { tally, usage, until_session: session - open, until_drained, kept })
    }

    async fn cut(self, site: &mut Site) -> anyhow::Result<Outages> {
        let mut outages = Outages::default();
        site.line.set(Damage::Cut);
        if self.kill {
            tokio::time::sleep(self.outage / 2).await;
            let from = Instant::now();
            site.agent.kill().await?;
            site.agent.start()?;
            outages.killed.push(Outage { from, to: Instant::now() });
            tokio::time::sleep(self.outage / 2).await;
        } else {
            tokio::time::sleep(self.outage).await;
        }
        Ok(outages)
    }
}

/// Twenty registers in one read: the number and eighteen values that change with it.
fn profile() -> String {
    let values = (4..22).map(|register| {
        format!("\n  [[group.point]]\n  name = \"value.{register}\"\n  register = {register}\n  unit = \"1\"\n")
    });
    std::iter::once(PROFILE.to_owned()).chain(values).collect()
}

async fn watch(site: &mut Site) -> anyhow::Result<Usage> {
    let id = site.agent.process()?.id().context("the agent has ended")?;
    let (before, start) = (processor_time(id)?, Instant::now());
    tokio::time::sleep(WATCHED).await;
    let used = processor_time(id)?.saturating_sub(before);
    Usage::of(id, used.as_secs_f64() / start.elapsed().as_secs_f64())
}

/// The number of the newest reading in the agent's buffer.
async fn newest_reading(site: &Site) -> anyhow::Result<u64> {
    let status = site.agent.tool(&["status"]).await?.json()?;
    let lanes = status["lanes"].as_array().context("the agent shows no lanes")?;
    let readings = lanes.iter().find(|lane| lane["lane"] == "readings").context("there is no lane for readings")?;
    readings["last_seq"].as_u64().context("the lane of readings has no last number")
}
