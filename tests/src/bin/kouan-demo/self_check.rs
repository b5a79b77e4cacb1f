//! Whether the demo does what it promises.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use kouan_tests::{Api, Checkpoint, Fleet, SHORT, wait_for, wait_until};
use serde_json::{Value, json};
use tokio::time::Instant;

/// How much later than planned the check may end.
const COMMAND_LIFE: Duration = Duration::from_secs(10);

/// Runs for `run_for` and checks everything in that time.
pub(super) async fn run(site: &mut Checkpoint, fleet: Option<&Fleet>, run_for: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + run_for;
    let api = site.api()?;
    let before = stored(site).await?;
    if let Some(fleet) = fleet {
        all_there(&api, fleet).await.context("the fleet is not there")?;
    }
    passage(site, &api).await.context("no event")?;
    command(&api).await.context("no command")?;
    tokio::time::sleep_until(until).await;
    site.check_running()?;
    site.wait_working().await.context("not every device answers")?;
    fresh(&api).await.context("readings do not flow")?;
    let after = stored(site).await?;
    ensure!(after > before, "readings do not flow: {before} records were stored before, {after} after");
    crate::say(&format!("✓ verify found no hole; {} records came in", after - before))?;
    crate::say("Everything checked.")?;
    Ok(())
}

/// The API shows every device of the fleet as working.
async fn all_there(api: &Api, fleet: &Fleet) -> anyhow::Result<()> {
    let look = async || {
        let devices = api.list("/devices?limit=500").await?;
        let working = |device: &&Value| device["profile"] == "played" && device["health"]["level"] == "working";
        Ok(devices.iter().filter(working).count() as u64)
    };
    wait_until("every device of the fleet working", SHORT, look, |working| *working == fleet.devices).await?;
    crate::say(&format!("✓ all {} devices of the fleet work", fleet.devices))?;
    Ok(())
}

/// Somebody passes the gate, and the API has an event.
async fn passage(site: &mut Checkpoint, api: &Api) -> anyhow::Result<()> {
    let seen = api.events("passage").await?.len();
    site.gate.control("pass out").await?;
    let look = async || {
        Ok(api.events("passage").await?.into_iter().filter(|event| event["fields"]["direction"] == "out").count())
    };
    let started = Instant::now();
    wait_until("the passage at the API", SHORT, look, |count| *count > 0).await?;
    crate::say(&format!(
        "✓ a passage through the gate was an event at the API after {} ms ({seen} before)",
        started.elapsed().as_millis()
    ))?;
    Ok(())
}

/// The relay board does what it is told, and its point shows it.
async fn command(api: &Api) -> anyhow::Result<()> {
    let look = async || Ok(api.point("relay-1", "relay.3").await?["value"].clone());
    let before = look().await?;
    let arguments = json!({ "channel": 3, "on": true });
    let command = api.command("relay-1", "relay.set", arguments, COMMAND_LIFE).await?;
    let outcome = api.outcome(&command, SHORT).await?;
    ensure!(outcome["state"] == "succeeded", "relay.set ended as {} ({})", outcome["state"], outcome["reason"]);
    let after = wait_until("relay 3 at the API", SHORT, look, |value| *value != before).await?;
    crate::say(&format!("✓ relay.set succeeded, and relay 3 went from {before} to {after}"))?;
    Ok(())
}

/// No device has a point without a value or with one that is too old.
async fn fresh(api: &Api) -> anyhow::Result<()> {
    let mut checked = 0;
    for key in Checkpoint::DEVICES {
        let device = api.device(key).await?;
        let points = device["points"].as_array().context("a device without points")?;
        let wrong = |point: &&Value| point["stale"] != false || point["value"].is_null();
        if let Some(point) = points.iter().find(wrong) {
            bail!("{key}: {point}");
        }
        checked += points.len();
    }
    crate::say(&format!("✓ all {} devices work, all {checked} points are fresh", Checkpoint::DEVICES.len()))?;
    Ok(())
}

/// How many numbers of all lanes are stored, if `verify` finds everything in order.
async fn stored(site: &Checkpoint) -> anyhow::Result<u64> {
    wait_for("verify finding everything in order", SHORT, async || {
        let (right, report) = site.collector.verify().await?;
        Ok(if right { Ok(kouan_tests::numbers(&report)) } else { Err(report.to_string()) })
    })
    .await
}
