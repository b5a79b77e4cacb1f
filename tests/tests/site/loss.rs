//! Whatever breaks on the way, nothing is lost and nothing doubled: the gate counts its passages itself, and the API
//! must have exactly as many events.

use kouan_tests::{Line, Proxy, SHORT, wait_until};

use super::small::SmallSite;

/// People pass this often while things break.
const RHYTHM: &str = "rhythm 30ms";
/// Passages that must happen during each disturbance.
const MEANWHILE: u64 = 40;

async fn more_people_pass(site: &mut SmallSite) -> anyhow::Result<()> {
    let wanted = site.passed().await? + MEANWHILE;
    wait_until("more people passing", SHORT, async || site.passed().await, |passed| *passed >= wanted).await?;
    Ok(())
}

async fn settle(site: &mut SmallSite) -> anyhow::Result<()> {
    more_people_pass(site).await?;
    site.gate.control("rhythm off").await?;
    site.nothing_lost_nothing_doubled().await
}

#[tokio::test]
async fn the_collector_is_killed_while_data_flows() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.gate.control(RHYTHM).await?;
    for _ in 0..3 {
        more_people_pass(&mut site).await?;
        site.collector.kill().await?;
        more_people_pass(&mut site).await?;
        site.collector.restart().await?;
    }
    settle(&mut site).await
}

#[tokio::test]
async fn the_agent_is_killed_while_data_flows() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.gate.control(RHYTHM).await?;
    for _ in 0..3 {
        more_people_pass(&mut site).await?;
        site.agent.kill().await?;
        site.agent.start()?;
    }
    site.agent.wait_running().await?;
    settle(&mut site).await?;
    let gaps = site.api.list("/gaps").await?;
    let of_kills = gaps.iter().filter(|gap| gap["reason"] == "interrupted" && gap["lane"] == "readings").count();
    anyhow::ensure!((1..=3).contains(&of_kills), "three kills left {gaps:?}");
    Ok(())
}

#[tokio::test]
async fn both_are_killed_and_stopped_in_turn() -> anyhow::Result<()> {
    let mut site = SmallSite::start().await?;
    site.gate.control(RHYTHM).await?;
    more_people_pass(&mut site).await?;
    site.collector.kill().await?;
    more_people_pass(&mut site).await?;
    site.agent.kill().await?;
    site.agent.start()?;
    more_people_pass(&mut site).await?;
    site.agent.stop(SHORT).await?;
    site.collector.restart().await?;
    site.agent.start()?;
    site.agent.wait_running().await?;
    more_people_pass(&mut site).await?;
    site.collector.stop(SHORT).await?;
    site.collector.restart().await?;
    settle(&mut site).await
}

/// Starts a site whose line to the collector can be cut.
async fn site_with_line() -> anyhow::Result<(SmallSite, Proxy)> {
    SmallSite::start_through(async |collector| {
        let proxy = Proxy::start(collector).await?;
        let address = proxy.address();
        Ok((proxy, address))
    })
    .await
}

#[tokio::test]
async fn the_network_is_cut() -> anyhow::Result<()> {
    let (mut site, line) = site_with_line().await?;
    site.gate.control(RHYTHM).await?;
    for _ in 0..3 {
        more_people_pass(&mut site).await?;
        line.set(Line::Cut);
        more_people_pass(&mut site).await?;
        line.set(Line::Open);
    }
    settle(&mut site).await
}

#[tokio::test]
async fn the_network_swallows_everything_silently() -> anyhow::Result<()> {
    let (mut site, line) = site_with_line().await?;
    site.gate.control(RHYTHM).await?;
    more_people_pass(&mut site).await?;
    line.set(Line::Silent);
    more_people_pass(&mut site).await?;
    line.set(Line::Open);
    settle(&mut site).await
}

/// The worst case for doubling: the collector stores what it gets and the agent never learns of it.
#[tokio::test]
async fn answers_are_lost() -> anyhow::Result<()> {
    let (mut site, line) = site_with_line().await?;
    site.gate.control(RHYTHM).await?;
    for _ in 0..3 {
        more_people_pass(&mut site).await?;
        line.set(Line::LosesAnswers);
        more_people_pass(&mut site).await?;
        line.set(Line::Open);
    }
    settle(&mut site).await
}
