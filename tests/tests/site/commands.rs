//! A command runs at most once, and its outcome is what the agent can prove.

use std::time::Duration;

use anyhow::ensure;
use kouan_tests::{Line, Proxy, Relay, SHORT, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::small::SmallSite;

const LIFE: Duration = Duration::from_secs(15);

fn set(channel: u64, on: bool) -> Value {
    json!({ "channel": channel, "on": on })
}

fn states(command: &Value) -> Vec<&str> {
    command["history"].as_array().into_iter().flatten().filter_map(|step| step["state"].as_str()).collect()
}

#[tokio::test]
async fn a_command_reaches_the_relay_board_and_the_relay_changes() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    ensure!(!site.is_on(2).await?, "relay 3 is on from the start");
    let command = site.api.command("relay-1", "relay.set", set(3, true), LIFE).await?;
    let outcome = site.api.outcome(&command, SHORT).await?;
    ensure!(outcome["state"] == "succeeded", "{outcome}");
    ensure!(site.is_on(2).await?, "relay 3 is not on");
    ensure!(site.moved(2).await? == 1, "relay 3 was moved {} times", site.moved(2).await?);
    let look = async || Ok(site.api.point("relay-1", "relay.3").await?["value"].clone());
    wait_until("relay 3 at the API", SHORT, look, |value| value == "on").await?;
    let steps = states(&outcome);
    ensure!(steps == ["requested", "queued", "offered", "delivered", "started", "succeeded"], "{steps:?}");
    Ok(())
}

#[tokio::test]
async fn a_command_delivered_twice_moves_the_relay_once() -> anyhow::Result<()> {
    let (mut site, relay) = SmallSite::start_through(async |collector| {
        let relay = Relay::start(collector).await?;
        let address = relay.address();
        Ok((relay, address))
    })
    .await?;
    for channel in 1..=3 {
        let command = site.api.command("relay-1", "relay.set", set(channel, true), LIFE).await?;
        let outcome = site.api.outcome(&command, SHORT).await?;
        ensure!(outcome["state"] == "succeeded", "{outcome}");
    }
    // The third command was taken after the copies of the first two.
    ensure!(relay.repeated() >= 2, "the relay repeated {} deliveries", relay.repeated());
    for coil in 0..3 {
        ensure!(site.moved(coil).await? == 1, "coil {coil} was moved {} times", site.moved(coil).await?);
    }
    Ok(())
}

#[tokio::test]
async fn a_command_whose_delivery_was_lost_is_delivered_again_and_runs_once() -> anyhow::Result<()> {
    let (mut site, line) = SmallSite::start_through(async |collector| {
        let proxy = Proxy::start(collector).await?;
        let address = proxy.address();
        Ok((proxy, address))
    })
    .await?;
    line.set(Line::LosesAnswers);
    let command = site.api.command("relay-1", "relay.set", set(5, true), LIFE).await?;
    let id = command["id"].as_str().unwrap_or_default().to_owned();
    let look = async || site.api.get(&format!("/commands/{id}")).await;
    wait_until("the command being handed out", SHORT, look, |seen| seen["handed_out"] == true).await?;
    line.set(Line::Open);
    let outcome = site.api.outcome(&command, SHORT).await?;
    ensure!(outcome["state"] == "succeeded", "{outcome}");
    ensure!(site.moved(4).await? == 1, "relay 5 was moved {} times", site.moved(4).await?);
    Ok(())
}

#[tokio::test]
async fn the_same_request_made_twice_is_one_command() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    let device = site.api.device_id("relay-1").await?;
    let path = format!("/api/v1/devices/{device}/commands");
    let body = json!({ "action": "relay.set", "arguments": set(1, true) });
    let mut ids = Vec::new();
    for expected in [201, 200] {
        let request = site.api.request(reqwest::Method::POST, &path).header("Idempotency-Key", "night-shift-1");
        let answer = site.api.send(request.json(&body)).await?;
        ensure!(answer.status.as_u16() == expected, "{answer:?}");
        ids.push(answer.body["id"].clone());
    }
    ensure!(ids[0] == ids[1], "two commands: {ids:?}");
    site.api.outcome(&json!({ "id": ids[0] }), SHORT).await?;
    ensure!(site.moved(0).await? == 1, "relay 1 was moved {} times", site.moved(0).await?);
    Ok(())
}

#[tokio::test]
async fn a_device_that_answers_late_leaves_the_outcome_unknown_and_is_not_asked_again() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.cabinet.control("late 2 2s").await?;
    let command = site.api.command("relay-1", "relay.set", set(4, true), LIFE).await?;
    let outcome = site.api.outcome(&command, SHORT).await?;
    ensure!(outcome["state"] == "unknown", "{outcome}");
    ensure!(outcome["reason"] != "", "nobody is told why: {outcome}");
    site.cabinet.control("late 2 off").await?;
    site.wait_health("relay-1", "working").await?;
    // The board is back and was read again; whoever wanted to ask again would have done so by now.
    let look = async || Ok(site.api.point("relay-1", "relay.4").await?["value"].clone());
    wait_until("relay 4 at the API", SHORT, look, |value| value == "on").await?;
    ensure!(site.moved(3).await? == 1, "relay 4 was moved {} times", site.moved(3).await?);
    let after = site.api.get(&format!("/commands/{}", command["id"].as_str().unwrap_or_default())).await?;
    ensure!(after["state"] == "unknown", "{after}");
    Ok(())
}

#[tokio::test]
async fn a_command_started_before_the_agent_was_killed_is_unknown() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.cabinet.control("late 2 10s").await?;
    let command = site.api.command("relay-1", "relay.set", set(6, true), LIFE).await?;
    wait_until("the relay moving", SHORT, async || site.moved(5).await, |moved| *moved == 1).await?;
    site.agent.kill().await?;
    site.cabinet.control("late 2 off").await?;
    site.agent.start()?;
    let outcome = site.api.outcome(&command, SHORT).await?;
    ensure!(outcome["state"] == "unknown", "{outcome}");
    site.wait_health("relay-1", "working").await?;
    ensure!(site.moved(5).await? == 1, "relay 6 was moved {} times", site.moved(5).await?);
    Ok(())
}

#[tokio::test]
async fn a_command_that_nobody_fetches_expires() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.agent.stop(SHORT).await?;
    let command = site.api.command("relay-1", "relay.set", set(2, true), Duration::from_millis(300)).await?;
    let outcome = site.api.outcome(&command, SHORT).await?;
    ensure!(outcome["state"] == "expired", "{outcome}");
    site.agent.start()?;
    let later = site.api.command("relay-1", "relay.set", set(1, true), LIFE).await?;
    let outcome = site.api.outcome(&later, SHORT).await?;
    ensure!(outcome["state"] == "succeeded", "{outcome}");
    ensure!(site.moved(1).await? == 0, "the expired command was carried out");
    Ok(())
}

/// The line is busy with a board that does not answer; what waits behind it must not come later than it may.
#[tokio::test]
async fn a_command_that_waits_too_long_for_its_line_expires() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.cabinet.control("silent 2 on").await?;
    let first = site.api.command("relay-1", "relay.set", set(1, true), LIFE).await?;
    let second = site.api.command("relay-1", "relay.set", set(2, true), Duration::from_millis(150)).await?;
    let outcome = site.api.outcome(&second, SHORT).await?;
    ensure!(outcome["state"] == "expired", "{outcome}");
    let outcome = site.api.outcome(&first, SHORT).await?;
    ensure!(outcome["state"] == "unknown", "{outcome}");
    site.cabinet.control("silent 2 off").await?;
    site.wait_health("relay-1", "working").await?;
    ensure!(site.moved(1).await? == 0, "the expired command was carried out");
    Ok(())
}

/// The agent sleeps while the command travels: it must judge the command's life by when it asked for it.
#[tokio::test]
async fn a_command_that_slept_on_the_way_expires_at_the_agent() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.agent.process()?.signal(Signal::STOP)?;
    let command = site.api.command("relay-1", "relay.set", set(7, true), Duration::from_millis(500)).await?;
    let id = command["id"].as_str().unwrap_or_default().to_owned();
    let look = async || site.api.get(&format!("/commands/{id}")).await;
    wait_until("the command being handed out", SHORT, look, |seen| seen["handed_out"] == true).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    site.agent.process()?.signal(Signal::CONT)?;
    let outcome = site.api.outcome(&command, SHORT).await?;
    ensure!(outcome["state"] == "expired", "{outcome}");
    ensure!(states(&outcome).contains(&"delivered"), "the agent said nothing: {outcome}");
    ensure!(site.moved(6).await? == 0, "the expired command was carried out");
    Ok(())
}
