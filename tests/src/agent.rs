//! A running `kouan-agent`.

use std::ffi::OsString;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::binaries::binary;
use crate::configuration::AgentConfiguration;
use crate::process::{Process, ProcessOptions, run_to_end};
use crate::wait::{SHORT, wait_for};

/// How long the tool may take; a command may wait for a device.
const TOOL: Duration = Duration::from_secs(40);

/// What the agent's tool said.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub problems: String,
}

impl Outcome {
    /// Its standard output as JSON.
    ///
    /// # Errors
    /// When it failed or said something else.
    pub fn json(&self) -> anyhow::Result<Value> {
        if !self.status.success() {
            bail!("kouan-agent ended with {}: {}", self.status, self.problems);
        }
        serde_json::from_str(&self.out).with_context(|| format!("kouan-agent said: {}", self.out))
    }
}

/// An agent with a data folder and a configuration of its own.
#[derive(Debug)]
pub struct Agent {
    configuration: AgentConfiguration,
    environment: Vec<(OsString, OsString)>,
    process: Option<Process>,
}

impl Agent {
    /// An agent that does not run yet; writes its configuration.
    ///
    /// # Errors
    /// When the configuration cannot be written.
    pub fn new(configuration: AgentConfiguration) -> anyhow::Result<Self> {
        configuration.write()?;
        Ok(Self { configuration, environment: Vec::new(), process: None })
    }

    /// Its configuration.
    #[must_use]
    pub fn configuration(&self) -> &AgentConfiguration {
        &self.configuration
    }

    /// Changes its configuration file; a running agent is not told.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn change(&mut self, change: impl FnOnce(&mut AgentConfiguration)) -> anyhow::Result<()> {
        change(&mut self.configuration);
        self.configuration.write()
    }

    /// Sets variables for its next start, for example those of [`crate::DiskFaults`].
    pub fn set_environment(&mut self, environment: Vec<(OsString, OsString)>) {
        self.environment = environment;
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let mut options = self.options(&["run", "--log", "info"])?;
        options.environment.clone_from(&self.environment);
        self.process = Some(Process::start(&options)?);
        Ok(())
    }

    /// Waits until its local socket answers.
    ///
    /// # Errors
    /// When it ends instead, or does not answer.
    pub async fn wait_running(&mut self) -> anyhow::Result<Value> {
        wait_for("the agent's local socket", SHORT, async || {
            if !self.process()?.is_running()? {
                return Ok(Err("the agent has ended".to_owned()));
            }
            let outcome = self.tool(&["status"]).await?;
            Ok(if outcome.status.success() { Ok(outcome.json()?) } else { Err(outcome.problems) })
        })
        .await
        .map_err(|error| match &self.process {
            Some(process) => process.failure(&format!("{error:#}")),
            None => error,
        })
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("the agent does not run")?.kill().await
    }

    /// Stops it with SIGTERM.
    ///
    /// # Errors
    /// When it does not end within `timeout`.
    pub async fn stop(&mut self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        self.process.take().context("the agent does not run")?.terminate(timeout).await
    }

    /// Its process, while it runs.
    ///
    /// # Errors
    /// When it does not run.
    pub fn process(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("the agent does not run")
    }

    /// Runs its tool with `--json`.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn tool(&self, arguments: &[&str]) -> anyhow::Result<Outcome> {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        let (status, out, problems) = run_to_end(&self.options(&arguments)?, TOOL).await?;
        Ok(Outcome { status, out, problems })
    }

    fn options(&self, arguments: &[&str]) -> anyhow::Result<ProcessOptions> {
        let file = self.configuration.file().into_os_string();
        let arguments = [OsString::from("--config"), file].into_iter().chain(arguments.iter().map(OsString::from));
        let folder = &self.configuration.folder;
        Ok(ProcessOptions::new(&self.configuration.name, binary("kouan-agent")?, folder, arguments))
    }
}
