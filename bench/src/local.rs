//! Asks a running agent through its local socket.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use kouan_agent::buffer::LaneStatus;
use kouan_agent::local::{Answer, LocalClient, Question, StatusReport};
use kouan_protocol::Lane;

/// Connects as soon as the agent of that data folder answers.
pub(crate) async fn connect(data: &Path, timeout: Duration) -> anyhow::Result<LocalClient> {
    let (socket, started) = (data.join("agent.sock"), Instant::now());
    loop {
        match LocalClient::connect(&socket).await {
            Ok(mut client) => {
                if status(&mut client).await.is_ok() {
                    return Ok(client);
                }
            }
            Err(error) if started.elapsed() > timeout => return Err(error).context("the agent did not come up"),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// How the agent stands.
pub(crate) async fn status(client: &mut LocalClient) -> anyhow::Result<StatusReport> {
    match client.ask(&Question::Status).await? {
        Answer::Status(status) => Ok(status),
        other => bail!("the agent answered {other:?}"),
    }
}

/// Where the lane of readings stands.
pub(crate) async fn readings(client: &mut LocalClient) -> anyhow::Result<LaneStatus> {
    let lanes = status(client).await?.lanes;
    lanes.into_iter().find(|lane| lane.lane == Lane::Readings).context("the agent has no lane of readings")
}

/// Waits until so many devices work.
pub(crate) async fn wait_working(client: &mut LocalClient, devices: usize, timeout: Duration) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let working = status(client).await?.working;
        if working >= devices {
            return Ok(());
        }
        if started.elapsed() > timeout {
            bail!("only {working} of {devices} devices work after {timeout:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Where the lane of readings stands right after its next commit, and when that was.
pub(crate) async fn after_commit(client: &mut LocalClient) -> anyhow::Result<(Instant, LaneStatus)> {
    let before = readings(client).await?.last_seq;
    loop {
        let lane = readings(client).await?;
        if lane.last_seq > before {
            return Ok((Instant::now(), lane));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
