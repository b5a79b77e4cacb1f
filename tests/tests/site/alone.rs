//! An agent without a collector, and its tool.

use std::time::{Duration, Instant};

use anyhow::ensure;
use kouan_tests::{Agent, AgentConfiguration, SHORT, Simulator, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{count, folder};

/// A gate and the agent that speaks to it.
async fn gate_site(folder: &TempDir) -> anyhow::Result<(Simulator, Agent)> {
    let line = folder.path().join("gate-line").display().to_string();
    let gate = Simulator::start("gate", folder.path(), ["gate", "--pty", &line]).await?;
    let links = format!(
        "[[link]]\nname = \"gate-line\"\nkind = \"serial-line\"\nserial = \"{line}\"\n\n\
         [[link.device]]\nname = \"gate-1\"\nprofile = \"ds205a-gate\"\nunit = 1\n"
    );
    let agent = Agent::new(AgentConfiguration {
        folder: folder.path().to_owned(),
        name: "agent".to_owned(),
        collector: None,
        links,
    })?;
    Ok((gate, agent))
}

fn value(devices: &Value, point: &str) -> Value {
    let points = devices[0]["points"].as_array().into_iter().flatten();
    points
        .filter(|candidate| candidate["point"] == point)
        .map(|point| point["value"].clone())
        .next()
        .unwrap_or_default()
}

async fn wait_count(agent: &Agent, expected: u64) -> anyhow::Result<()> {
    let look = async || Ok(value(&agent.tool(&["devices"]).await?.json()?, "passage.count.in"));
    wait_until("the gate's counter", SHORT, look, |seen| *seen == json!(expected)).await?;
    Ok(())
}

/// The number of the newest record of a lane.
async fn newest(agent: &Agent, lane: &str) -> anyhow::Result<u64> {
    let status = agent.tool(&["status"]).await?.json()?;
    let lanes = status["lanes"].as_array().into_iter().flatten();
    count(&lanes.filter(|found| found["lane"] == lane).map(|lane| lane["last_seq"].clone()).next().unwrap_or_default())
}

#[tokio::test]
async fn sigterm_stops_within_two_seconds_with_everything_on_disk() -> anyhow::Result<()> {
    let folder = folder()?;
    let (mut gate, mut agent) = gate_site(&folder).await?;
    agent.start()?;
    wait_count(&agent, 0).await?;
    gate.control("pass in 3").await?;
    wait_count(&agent, 3).await?;
    let began = Instant::now();
    let status = agent.stop(Duration::from_secs(2)).await?;
    ensure!(status.success(), "the agent ended with {status} after {:?}", began.elapsed());
    agent.start()?;
    agent.wait_running().await?;
    ensure!(newest(&agent, "events").await? == 3, "{} events are on disk", newest(&agent, "events").await?);
    ensure!(newest(&agent, "readings").await? >= 2, "the counter's two values are not on disk");
    Ok(())
}

#[tokio::test]
async fn a_killed_agent_keeps_what_it_counted_and_counts_what_it_missed_once() -> anyhow::Result<()> {
    let folder = folder()?;
    let (mut gate, mut agent) = gate_site(&folder).await?;
    agent.start()?;
    wait_count(&agent, 0).await?;
    gate.control("pass in 2").await?;
    wait_until("two events", SHORT, async || newest(&agent, "events").await, |seen| *seen == 2).await?;
    agent.kill().await?;
    gate.control("pass in 5").await?;
    agent.start()?;
    agent.wait_running().await?;
    wait_count(&agent, 7).await?;
    wait_until("seven events", SHORT, async || newest(&agent, "events").await, |seen| *seen == 7).await?;
    Ok(())
}

#[tokio::test]
async fn a_second_agent_on_the_same_folder_is_refused() -> anyhow::Result<()> {
    let folder = folder()?;
    let (_gate, mut agent) = gate_site(&folder).await?;
    agent.start()?;
    agent.wait_running().await?;
    let second = agent.tool(&["run"]).await?;
    ensure!(second.status.code() == Some(1), "it ended with {}", second.status);
    ensure!(second.problems.contains("is in use by another kouan-agent"), "it said: {}", second.problems);
    agent.wait_running().await?;
    Ok(())
}

#[tokio::test]
async fn the_tool_talks_through_the_running_agent_and_alone() -> anyhow::Result<()> {
    let folder = folder()?;
    let (mut gate, mut agent) = gate_site(&folder).await?;
    gate.control("set left 41").await?;

    let alone = agent.tool(&["read", "gate-1"]).await?.json()?;
    ensure!(value(&alone, "passage.count.in") == 41, "read without an agent: {alone}");
    let status = agent.tool(&["status"]).await?;
    ensure!(status.status.code() == Some(1), "status without an agent ended with {}", status.status);
    ensure!(!status.problems.is_empty(), "status without an agent said nothing");

    agent.start()?;
    let status = agent.wait_running().await?;
    // The gate, and the agent itself.
    ensure!(status["devices"] == 2 && status["uplink"]["state"] == "off", "{status}");
    gate.control("pass in").await?;
    let read = agent.tool(&["read", "gate-1"]).await?.json()?;
    ensure!(value(&read, "passage.count.in") == 42, "read through the agent: {read}");
    let command = agent.tool(&["command", "gate-1", "gate.open", "direction=in", "--yes"]).await?.json()?;
    ensure!(command["state"] == "succeeded", "{command}");
    let shown = gate.show().await?;
    ensure!(shown["executed"]["open-left"] == 1, "{shown}");

    for (arguments, said) in [
        (["command", "gate-1", "gate.open", "direction=up", "--yes"], "direction"),
        (["command", "gate-1", "gate.fly", "direction=in", "--yes"], "has no action \"gate.fly\""),
        (["command", "gate-9", "gate.open", "direction=in", "--yes"], "no device named gate-9"),
        (["command", "gate-1", "gate.open", "direction=in", "persons=1"], "add --yes"),
    ] {
        let refused = agent.tool(&arguments).await?;
        ensure!(refused.status.code() == Some(2), "{arguments:?} ended with {}", refused.status);
        ensure!(refused.problems.contains(said), "{arguments:?} said: {}", refused.problems);
    }
    let shown = gate.show().await?;
    ensure!(shown["executed"]["open-left"] == 1, "a refused command reached the gate: {shown}");
    Ok(())
}
