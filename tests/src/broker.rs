//! A mosquitto of our own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpStream;

use crate::process::{Process, ProcessOptions};

/// How often another port is tried when somebody takes the chosen one first.
const ATTEMPTS: usize = 5;

/// A running MQTT broker on loopback.
#[derive(Debug)]
pub struct Broker {
    process: Process,
    address: SocketAddr,
}

impl Broker {
    /// Where mosquitto is installed. Debian puts it where a plain user's path may not lead.
    #[must_use]
    pub fn program() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        folders.map(|folder| folder.join("mosquitto")).find(|program| program.is_file())
    }

    /// Starts mosquitto on a free port.
    ///
    /// # Errors
    /// When it is not installed or does not come up.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = Self::program().context("mosquitto is not installed; run `make test-setup`")?;
        for _ in 0..ATTEMPTS {
            // Mosquitto cannot say which port it took, so one is chosen for it.
            let address = free_port()?;
            let config = folder.join("mosquitto.conf");
            // Started by root, mosquitto would change its user, and the kernel would forget that it ends with us.
            let text = format!(
                "user root\nlistener {} {}\nallow_anonymous true\npersistence false\nlog_dest stderr\n",
                address.port(),
                address.ip()
            );
            std::fs::write(&config, text).with_context(|| format!("writing {} failed", config.display()))?;
            let arguments = ["-c".as_ref(), config.as_os_str()];
            let mut process = Process::start(&ProcessOptions::new("mosquitto", program.clone(), folder, arguments))?;
            while process.is_running()? {
                if TcpStream::connect(address).await.is_ok() {
                    return Ok(Self { process, address });
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        bail!("mosquitto did not come up on any of {ATTEMPTS} ports; see {}", folder.join("mosquitto.log").display())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Stops it.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.process.terminate(Duration::from_secs(5)).await.map(drop)
    }
}

fn free_port() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("finding a free port failed")?;
    listener.local_addr().context("finding a free port failed")
}
