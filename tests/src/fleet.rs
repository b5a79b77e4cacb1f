//! The whole fleet, played at a collector by `kouan-load show`.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::binaries::binary;
use crate::collector::Collector;
use crate::process::{Process, ProcessOptions};

/// How long all agents may take to say hello and to send their past.
const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(10);

/// The running fleet. Dropping it ends it.
#[derive(Debug)]
pub struct Fleet {
    process: Process,
    /// How many devices it has.
    pub devices: u64,
}

impl Fleet {
    /// Plays the fleet at a collector, which gets `past` of history first. Faults come and go, unless it is `sound`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(folder: &Path, collector: &Collector, past: Duration, sound: bool) -> anyhow::Result<Self> {
        let (url, past) = (format!("http://{}", collector.address()), past.as_secs().to_string());
        let mut arguments = vec!["show", "--url", &url, "--past", &past];
        if sound {
            arguments.push("--sound");
        }
        let mut options = ProcessOptions::new("fleet", binary("kouan-load")?, folder, arguments);
        options.environment.push(("KOUAN_KEY".into(), collector.key().into()));
        let mut process = Process::start(&options)?;
        let ready = |line: &str| serde_json::from_str::<Value>(line).ok()?["devices"].as_u64();
        let devices = process.line_with(START, ready).await.context("the fleet did not come up")?;
        Ok(Self { process, devices })
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Stops it.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.process.terminate(STOP).await.map(drop)
    }
}
