//! Disks that go back in time, get lost or are copied, with the real programs: each case of `docs/delivery.md` that
//! needs both sides. Whatever happens, it is said, and the lanes go on.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use kouan_tests::{Agent, AgentConfiguration, SHORT, wait_for, wait_until};
use serde_json::{Value, json};

use super::small::SmallSite;

const RHYTHM: &str = "rhythm 30ms";
const LIFE: Duration = Duration::from_secs(60);

/// Waits until the collector has so many more passages, so that its side of the lane is known to go on.
async fn more_arrive(site: &SmallSite) -> anyhow::Result<()> {
    let wanted = site.api.events("passage").await?.len() + 20;
    wait_until("more passages arriving", SHORT, async || Ok(site.api.events("passage").await?.len()), |n| *n >= wanted)
        .await?;
    Ok(())
}

async fn more_pass(site: &mut SmallSite, people: u64) -> anyhow::Result<()> {
    let wanted = site.passed().await? + people;
    wait_until("more people passing", SHORT * 2, async || site.passed().await, |passed| *passed >= wanted).await?;
    Ok(())
}

/// Waits for a gap of that reason in the lane.
async fn gap(site: &SmallSite, lane: &str, reason: &str) -> anyhow::Result<Value> {
    wait_for(&format!("a gap {reason} in {lane}"), SHORT, async || {
        let gaps = site.api.list("/gaps").await?;
        let found = gaps.iter().find(|gap| gap["lane"] == lane && gap["reason"] == reason).cloned();
        Ok(found.ok_or_else(|| format!("{gaps:?}")))
    })
    .await
}

async fn alarm(site: &SmallSite, condition: &str) -> anyhow::Result<()> {
    let what = format!("the alarm {condition}");
    wait_until(
        &what,
        SHORT * 3,
        async || site.api.list("/alarms").await,
        |alarms| alarms.iter().any(|alarm| alarm["condition"] == condition),
    )
    .await?;
    Ok(())
}

/// Nobody passes any more, and every passage of the gate is one event.
async fn each_once(site: &mut SmallSite) -> anyhow::Result<()> {
    site.gate.control("rhythm off").await?;
    let passed = site.passed().await?;
    let arrived = async || Ok(site.api.events("passage").await?.len() as u64);
    wait_until("an event for each passage", SHORT, arrived, |arrived| *arrived >= passed).await?;
    ensure!(arrived().await? == passed, "{passed} passages became {} events", arrived().await?);
    Ok(())
}

/// People pass again once the agent has read the gate.
async fn people_pass_again(site: &mut SmallSite) -> anyhow::Result<()> {
    wait_for("the gate being read", SHORT, async || {
        let read = site.agent.tool(&["read", "gate-1"]).await?;
        Ok(if read.status.success() { Ok(()) } else { Err(read.problems) })
    })
    .await?;
    site.gate.control(RHYTHM).await?;
    Ok(())
}

/// Every passage of the gate is an event, whatever was told twice, and `verify` finds everything in order.
async fn nothing_lost(site: &mut SmallSite) -> anyhow::Result<()> {
    site.gate.control("rhythm off").await?;
    let passed = site.passed().await?;
    let arrived = async || Ok(site.api.events("passage").await?.len() as u64);
    wait_until("an event for each passage", SHORT, arrived, |arrived| *arrived >= passed).await?;
    in_order(site).await
}

async fn in_order(site: &SmallSite) -> anyhow::Result<()> {
    wait_for("verify finding everything in order", SHORT, async || {
        let (right, report) = site.collector.verify().await?;
        Ok(if right { Ok(()) } else { Err(report["problems"].to_string()) })
    })
    .await
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("reading {} failed", from.display()))? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn put_back(backup: &Path, folder: &Path) -> anyhow::Result<()> {
    std::fs::remove_dir_all(folder)?;
    copy(backup, folder)
}

#[tokio::test]
async fn the_agents_data_folder_is_put_back_from_a_backup() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    let (data, backup) = (site.agent.configuration().data(), tempfile::tempdir()?);
    site.gate.control(RHYTHM).await?;
    more_arrive(&site).await?;
    each_once(&mut site).await?;
    site.agent.stop(SHORT).await?;
    copy(&data, backup.path())?;
    site.agent.start()?;
    site.gate.control(RHYTHM).await?;
    more_arrive(&site).await?;
    each_once(&mut site).await?;
    site.agent.stop(SHORT).await?;
    put_back(backup.path(), &data)?;
    site.agent.start()?;
    site.agent.wait_running().await?;
    gap(&site, "events", "diverged").await?;
    people_pass_again(&mut site).await?;
    more_arrive(&site).await?;
    // The counter in the backup was older than what had been told: that is not told again.
    each_once(&mut site).await?;
    in_order(&site).await
}

#[tokio::test]
async fn the_agents_folder_is_put_back_and_overtakes_the_collector_before_they_speak() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    let (data, backup) = (site.agent.configuration().data(), tempfile::tempdir()?);
    site.gate.control(RHYTHM).await?;
    more_arrive(&site).await?;
    each_once(&mut site).await?;
    site.agent.stop(SHORT).await?;
    copy(&data, backup.path())?;
    site.agent.start()?;
    site.gate.control(RHYTHM).await?;
    more_arrive(&site).await?;
    each_once(&mut site).await?;
    site.agent.stop(SHORT).await?;
    site.collector.stop(SHORT).await?;
    put_back(backup.path(), &data)?;
    site.agent.start()?;
    site.agent.wait_running().await?;
    people_pass_again(&mut site).await?;
    // The copy gives out the same numbers again, and more than the collector has seen.
    more_pass(&mut site, 150).await?;
    site.collector.restart().await?;
    gap(&site, "events", "diverged").await?;
    more_arrive(&site).await?;
    each_once(&mut site).await?;
    in_order(&site).await
}

/// What such an agent shows of its lanes in its hello is all stored; only its own look at the last stored batch tells.
#[tokio::test]
async fn a_backup_from_an_outage_is_put_back_and_overtakes_the_collector() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    let (data, backup) = (site.agent.configuration().data(), tempfile::tempdir()?);
    site.gate.control(RHYTHM).await?;
    more_arrive(&site).await?;
    site.collector.stop(SHORT).await?;
    more_pass(&mut site, 80).await?;
    site.agent.stop(SHORT).await?;
    copy(&data, backup.path())?;
    site.agent.start()?;
    site.collector.restart().await?;
    // Beyond what the backup holds: from there on the two disagree.
    let wanted = site.passed().await? as usize + 20;
    let arrived = async || Ok(site.api.events("passage").await?.len());
    wait_until("passages beyond the backup", SHORT, arrived, |arrived| *arrived >= wanted).await?;
    each_once(&mut site).await?;
    site.agent.stop(SHORT).await?;
    site.collector.stop(SHORT).await?;
    put_back(backup.path(), &data)?;
    site.agent.start()?;
    site.agent.wait_running().await?;
    people_pass_again(&mut site).await?;
    more_pass(&mut site, 150).await?;
    site.collector.restart().await?;
    gap(&site, "events", "diverged").await?;
    more_arrive(&site).await?;
    nothing_lost(&mut site).await
}

#[tokio::test]
async fn the_agents_data_folder_is_deleted() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.gate.control(RHYTHM).await?;
    more_arrive(&site).await?;
    site.agent.kill().await?;
    std::fs::remove_dir_all(site.agent.configuration().data())?;
    site.agent.start()?;
    site.agent.wait_running().await?;
    for lane in ["urgent", "events", "readings"] {
        gap(&site, lane, "buffer-replaced").await?;
    }
    more_arrive(&site).await?;
    in_order(&site).await
}

#[tokio::test]
async fn the_collector_is_put_back_from_a_backup_and_holds_its_commands() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    let (data, backup) = (site.collector.data(), tempfile::tempdir()?);
    site.gate.control(RHYTHM).await?;
    more_arrive(&site).await?;
    site.agent.stop(SHORT).await?;
    let command = site.api.command("relay-1", "relay.set", json!({ "channel": 3, "on": true }), LIFE).await?;
    site.collector.stop(SHORT).await?;
    copy(&data, backup.path())?;
    site.collector.restart().await?;
    site.agent.start()?;
    let outcome = site.api.outcome(&command, SHORT).await?;
    ensure!(outcome["state"] == "succeeded", "{outcome}");
    more_arrive(&site).await?;
    site.collector.stop(SHORT).await?;
    put_back(backup.path(), &data)?;
    let (status, out, problems) = site.collector.tool(&["restored"]).await?;
    ensure!(status.success() && out.contains("held for a person: 1"), "{out}{problems}");
    site.collector.restart().await?;
    let id = command["id"].as_str().context("no id")?;
    let held = site.api.get(&format!("/commands/{id}")).await?;
    ensure!(held["state"] == "held", "{held}");
    gap(&site, "events", "collector-lost").await?;
    alarm(&site, "collector-restored").await?;
    more_arrive(&site).await?;
    in_order(&site).await?;
    // A person who does not know better lets it go: the agent's journal knows it, and nothing moves a second time.
    let answer = site.api.post(&format!("/commands/{id}/release"), &json!({ "why": "still wanted" })).await?;
    ensure!(answer.status.is_success(), "{answer:?}");
    let outcome = site.api.outcome(&command, SHORT).await?;
    ensure!(outcome["state"] == "succeeded", "{outcome}");
    ensure!(site.moved(2).await? == 1, "relay 3 was moved {} times", site.moved(2).await?);
    Ok(())
}

#[tokio::test]
async fn a_backup_that_was_made_under_load_is_put_back_and_the_agents_go_on() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.gate.control(RHYTHM).await?;
    more_arrive(&site).await?;
    let home = tempfile::tempdir()?;
    let backup = home.path().join("backup").display().to_string();
    let (status, out, problems) = site.collector.tool(&["backup", &backup]).await?;
    ensure!(status.success() && out.contains("accounts for every number"), "{out}{problems}");
    more_arrive(&site).await?;
    site.collector.kill().await?;
    let (status, _, problems) = site.collector.tool(&["restore", &backup]).await?;
    ensure!(status.code() == Some(1) && problems.contains("not overwritten"), "{problems}");
    std::fs::remove_dir_all(site.collector.data())?;
    let (status, out, problems) = site.collector.tool(&["restore", &backup]).await?;
    ensure!(status.success() && out.contains("another life"), "{out}{problems}");
    site.collector.restart().await?;
    // The agent was told that some are stored which the backup does not have. What it has no more is a gap.
    let lost = gap(&site, "events", "collector-lost").await?["lost"].as_u64().context("no number is told")?;
    alarm(&site, "collector-restored").await?;
    more_arrive(&site).await?;
    site.gate.control("rhythm off").await?;
    let passed = site.passed().await?;
    let arrived = async || Ok(site.api.events("passage").await?.len() as u64);
    wait_until("an event or a lost number for each passage", SHORT, arrived, |arrived| arrived + lost >= passed)
        .await?;
    ensure!(arrived().await? + lost == passed, "{} arrived, {lost} lost, {passed} passed", arrived().await?);
    in_order(&site).await
}

#[tokio::test]
async fn a_copied_card_that_runs_twice_is_noticed() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.gate.control(RHYTHM).await?;
    more_arrive(&site).await?;
    site.agent.stop(SHORT).await?;
    let first = site.agent.configuration().clone();
    let second = AgentConfiguration { name: "lane-1-copy".to_owned(), links: String::new(), ..first.clone() };
    copy(&first.data(), &second.data())?;
    site.agent.start()?;
    site.agent.wait_running().await?;
    let mut second = Agent::new(second)?;
    second.start()?;
    alarm(&site, "duplicate-identity").await?;
    second.kill().await?;
    nothing_lost(&mut site).await
}
