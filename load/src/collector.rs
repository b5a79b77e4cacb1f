//! A running collector of one's own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::api::Api;
use crate::played_agent::client;
use crate::stop::{Stopped, stop};

const START: Duration = Duration::from_secs(60);

/// A collector with a data folder of its own. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Collector {
    data: PathBuf,
    /// Its settings, where they are not the default ones.
    settings: Option<PathBuf>,
    process: Child,
    /// Where it listens, as a URL.
    pub(crate) url: String,
    key: String,
}

impl Collector {
    /// Starts a collector on an empty folder.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        Self::launch(&folder.join("collector"), None, String::new()).await
    }

    /// The same with settings, in TOML.
    pub(crate) async fn start_with(folder: &Path, settings: &str) -> anyhow::Result<Self> {
        let file = folder.join("collector.toml");
        std::fs::write(&file, settings).with_context(|| format!("writing {} failed", file.display()))?;
        Self::launch(&folder.join("collector"), Some(file), String::new()).await
    }

    /// Starts it again after a stop.
    pub(crate) async fn restart(self) -> anyhow::Result<Self> {
        Self::launch(&self.data, self.settings, self.key).await
    }

    async fn launch(data: &Path, settings: Option<PathBuf>, key: String) -> anyhow::Result<Self> {
        let log = data.with_extension("log");
        let log = std::fs::File::create(&log).with_context(|| format!("creating {} failed", log.display()))?;
        let mut process = Command::new(binary()?)
            .args(["run", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(settings.iter().flat_map(|file| [Path::new("--config"), file]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting the collector failed")?;
        let mut lines = BufReader::new(process.stdout.take().context("the collector has no output")?).lines();
        let (mut url, mut key) = (None, (!key.is_empty()).then_some(key));
        let reading = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = line.strip_prefix("Listening on ") {
                    url = Some(address.trim().to_owned());
                } else if line.starts_with("First key") {
                    key = line.split(' ').next_back().map(str::to_owned);
                }
                if url.is_some() && key.is_some() {
                    return Ok(());
                }
            }
            bail!("the collector ended; its log is {}", data.with_extension("log").display())
        };
        tokio::time::timeout(START, reading).await.context("the collector did not come up")??;
        // Nobody reads on; the rest of its output must not block it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (url, key) = (url.context("no address")?, key.context("no key")?);
        Ok(Self { data: data.to_owned(), settings, process, url, key })
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.process.id().context("the collector does not run")
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn api(&self) -> anyhow::Result<Api> {
        Ok(Api::new(client()?, self.url.clone(), self.key.clone()))
    }

    /// A client for answers that take longer than anybody waits for a page.
    pub(crate) fn patient_api(&self) -> anyhow::Result<Api> {
        let http = reqwest::Client::builder().no_proxy().build().context("building an HTTP client failed")?;
        Ok(Api::new(http, self.url.clone(), self.key.clone()))
    }

    /// Another run of the program on the same data.
    pub(crate) fn beside(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(binary()?);
        command.arg("--data").arg(&self.data).stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    /// Ends it as a crash does.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("killing the collector failed")
    }

    /// Stops it in order; what is in memory is sealed then.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<Stopped> {
        stop(&mut self.process).await
    }
}

/// `kouan-collector` from `KOUAN_BIN_DIR` or beside this program.
fn binary() -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os("KOUAN_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::current_exe()?.parent().context("the program has no folder")?.to_owned(),
    };
    let path = folder.join("kouan-collector");
    ensure!(path.is_file(), "{} is not built; or say with KOUAN_BIN_DIR where it is", path.display());
    Ok(path)
}
