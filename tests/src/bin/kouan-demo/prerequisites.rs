//! What the demo needs from the machine.

use std::process::Stdio;

use anyhow::{Context as _, bail};
use kouan_tests::Broker;
use tokio::process::Command;

/// Installs mosquitto from Debian's packages when it is absent.
///
/// # Errors
/// When it cannot be installed, with what to do.
pub(super) async fn install_broker() -> anyhow::Result<()> {
    if Broker::program().is_some() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("the MQTT broker mosquitto is not installed; run `sudo apt-get install mosquitto`, then this again");
    }
    crate::say("Installing the MQTT broker mosquitto from Debian's packages.")?;
    if !apt(&["install", "-y", "--no-install-recommends", "mosquitto"]).await? {
        apt(&["update"]).await?;
        apt(&["install", "-y", "--no-install-recommends", "mosquitto"]).await?;
    }
    if Broker::program().is_none() {
        bail!("mosquitto could not be installed; run `apt-get install mosquitto` and see why");
    }
    Ok(())
}

async fn apt(arguments: &[&str]) -> anyhow::Result<bool> {
    let status = Command::new("apt-get")
        .args(["-q", "-o", "Dpkg::Use-Pty=0"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // The package starts a broker of its own; the demo brings one and wants no other.
        .env("RUNLEVEL", "1")
        .stdin(Stdio::null())
        .status()
        .await
        .context("starting apt-get failed; mosquitto is needed")?;
    Ok(status.success())
}
