//! A running `kouan-collector`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;

use crate::api::Api;
use crate::binaries::binary;
use crate::process::{Process, ProcessOptions, run_to_end};

/// How long the collector may take to come up.
const START: Duration = Duration::from_secs(20);
/// How long its tool may take.
const TOOL: Duration = Duration::from_secs(20);

/// A collector with a data folder of its own.
#[derive(Debug)]
pub struct Collector {
    folder: PathBuf,
    process: Option<Process>,
    address: SocketAddr,
    fingerprint: Option<String>,
    key: String,
    environment: Vec<(OsString, OsString)>,
}

impl Collector {
    /// Starts a collector on an empty data folder and any free port, and takes the key that it makes. It obeys
    /// `collector.toml` in the folder, if that is there.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        Self::start_with(folder, Vec::new()).await
    }

    /// Like [`Collector::start`], with variables set for it, for example those of [`crate::DiskFaults`].
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_with(folder: &Path, environment: Vec<(OsString, OsString)>) -> anyhow::Result<Self> {
        let mut process = spawn(folder, SocketAddr::from(([127, 0, 0, 1], 0)), &environment)?;
        let (mut address, mut key, mut fingerprint) = (None, None, None);
        let mut encrypted = false;
        while address.is_none() || key.is_none() || (encrypted && fingerprint.is_none()) {
            let line = process.line(START).await?;
            encrypted |= line.starts_with("Listening on https://");
            fingerprint = fingerprint.or_else(|| line.strip_prefix("Certificate fingerprint: ").map(str::to_owned));
            address = address.or_else(|| listening(&line));
            key = key.or_else(|| {
                line.strip_prefix("First key").and_then(|rest| rest.split(' ').next_back()).map(str::to_owned)
            });
        }
        let (address, key) = (address.context("no address")?, key.context("no key")?);
        Ok(Self { folder: folder.to_owned(), process: Some(process), address, fingerprint, key, environment })
    }

    /// Starts it again, on the same folder and port.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let mut process = spawn(&self.folder, self.address, &self.environment)?;
        process.line_with(START, listening).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("the collector does not run")?.kill().await
    }

    /// Stops it with SIGTERM.
    ///
    /// # Errors
    /// When it does not end within `timeout`.
    pub async fn stop(&mut self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        self.process.take().context("the collector does not run")?.terminate(timeout).await
    }

    /// Its process, while it runs.
    ///
    /// # Errors
    /// When it does not run.
    pub fn process(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("the collector does not run")
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The fingerprint of its certificate, where its settings ask for TLS.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// The key it made at its first start.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A client of its API.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn api(&self) -> anyhow::Result<Api> {
        if self.fingerprint.is_none() {
            return Api::new(&format!("http://{}", self.address), &self.key);
        }
        let file = self.data().join("tls/certificate.pem");
        let certificate = std::fs::read(&file).with_context(|| format!("reading {} failed", file.display()))?;
        Api::with_certificate(&format!("https://localhost:{}", self.address.port()), &self.key, &certificate)
    }

    /// Runs a subcommand on its data folder: exit status, standard output, standard error.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn tool(&self, arguments: &[&str]) -> anyhow::Result<(ExitStatus, String, String)> {
        let data = self.data();
        let arguments = arguments.iter().map(OsString::from);
        let arguments = arguments.chain(["--data".into(), data.into_os_string()]);
        let mut options = ProcessOptions::new("kouan-collector", binary("kouan-collector")?, &self.folder, arguments);
        options.environment.clone_from(&self.environment);
        run_to_end(&options, TOOL).await
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("collector")
    }

    /// Enrols an agent and returns its token.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn enrol(&self, agent: &str, site: &str) -> anyhow::Result<String> {
        let (status, out, problems) = self.tool(&["agent", "add", agent, "--site", site]).await?;
        if !status.success() {
            bail!("enrolling {agent} failed: {problems}{out}");
        }
        let token = out.split_whitespace().find(|word| word.starts_with("ka_"));
        token.map(str::to_owned).ok_or_else(|| anyhow!("no token in: {out}"))
    }

    /// What `verify` says, and whether it found everything in order.
    ///
    /// # Errors
    /// When it cannot be run or its answer cannot be read.
    pub async fn verify(&self) -> anyhow::Result<(bool, Value)> {
        let (status, out, problems) = self.tool(&["verify", "--json"]).await?;
        let report = serde_json::from_str(&out).with_context(|| format!("verify said: {out}{problems}"))?;
        Ok((status.success(), report))
    }
}

/// How many numbers of all agents, lanes and epochs a report of `verify` says are stored.
#[must_use]
pub fn numbers(report: &Value) -> u64 {
    let lanes = report["lanes"].as_array().into_iter().flatten();
    lanes.filter_map(|lane| lane["last_seq"].as_u64()).sum()
}

fn spawn(folder: &Path, listen: SocketAddr, environment: &[(OsString, OsString)]) -> anyhow::Result<Process> {
    let data = folder.join("collector");
    let listen = listen.to_string();
    let mut arguments = vec!["run".as_ref(), "--data".as_ref(), data.as_os_str(), "--listen".as_ref(), listen.as_ref()];
    let settings = folder.join("collector.toml");
    if settings.is_file() {
        arguments.extend(["--config".as_ref(), settings.as_os_str()]);
    }
    let mut options = ProcessOptions::new("collector", binary("kouan-collector")?, folder, arguments);
    options.environment = environment.to_vec();
    Process::start(&options)
}

fn listening(line: &str) -> Option<SocketAddr> {
    let address = line.strip_prefix("Listening on http://").or_else(|| line.strip_prefix("Listening on https://"))?;
    address.trim().parse().ok()
}
