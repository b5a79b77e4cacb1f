//! A running `kouan-sim`.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::binaries::binary;
use crate::process::{Process, ProcessOptions};

/// How long a simulator may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A simulated device in a process of its own.
#[derive(Debug)]
pub struct Simulator {
    process: Process,
    address: String,
}

impl Simulator {
    /// Starts `kouan-sim` with these arguments and waits until it can be spoken to.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start<A: Into<OsString>>(
        name: &str,
        folder: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<Self> {
        let options = ProcessOptions::new(name, binary("kouan-sim")?, folder, arguments);
        let mut process = Process::start(&options)?;
        let address = process
            .line_with(PATIENCE, |line| {
                let said: Value = serde_json::from_str(line).ok()?;
                said["ready"].as_bool()?.then(|| said["address"].as_str().unwrap_or_default().to_owned())
            })
            .await?;
        Ok(Self { process, address })
    }

    /// Where it can be spoken to: a TCP address, the name of a serial line, a topic.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Gives it a control line and returns its answer.
    ///
    /// # Errors
    /// When it refuses or does not answer.
    pub async fn control(&mut self, line: &str) -> anyhow::Result<Value> {
        self.process.tell(line).await?;
        let answer = self.process.line(PATIENCE).await?;
        let answer: Value =
            serde_json::from_str(&answer).with_context(|| format!("{} answered {answer}", self.process.name()))?;
        if answer["ok"] != Value::Bool(true) {
            bail!("{} refused \"{line}\": {}", self.process.name(), answer["error"]);
        }
        Ok(answer)
    }

    /// Its state, with what it was asked and what it carried out.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn show(&mut self) -> anyhow::Result<Value> {
        Ok(self.control("show").await?["state"].take())
    }

    /// Stops it.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.process.terminate(PATIENCE).await.map(drop)
    }
}
