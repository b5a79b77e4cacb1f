//! VictoriaMetrics under the readings, by remote write over HTTP.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::process::{Child, Command};

use super::compare::{Costs, Spans, Times, median};
use super::readings::Post;
use super::remote_write;
use crate::played_agent::client;
use crate::stop::stop;
use kouan_figures::process::{cpu_seconds, folder_bytes, memory_mib, settle};

const START: Duration = Duration::from_secs(30);

/// A running VictoriaMetrics. Dropping it kills it.
pub(crate) struct Victoria {
    process: Child,
    http: reqwest::Client,
    url: String,
    data: PathBuf,
}

impl Victoria {
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        Self::launch(folder.join("victoria")).await
    }

    async fn launch(data: PathBuf) -> anyhow::Result<Self> {
        let log = std::fs::File::create(data.with_extension("log"))?;
        // It takes no port 0: one that is free now.
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new("victoria-metrics")
            .arg(format!("-storageDataPath={}", data.display()))
            .arg(format!("-httpListenAddr={address}"))
            .args(["-retentionPeriod=10y", "-search.latencyOffset=0s"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting victoria-metrics failed; `make bench-peers` installs it")?;
        let victoria = Self { process, http: client()?, url: format!("http://{address}"), data };
        let started = Instant::now();
        while victoria.get("/health").await.is_err() {
            ensure!(started.elapsed() < START, "victoria-metrics did not come up");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(victoria)
    }

    async fn get(&self, path: &str) -> anyhow::Result<bytes::Bytes> {
        let response = self.http.get(format!("{}{path}", self.url)).send().await?;
        let (status, body) = (response.status(), response.bytes().await?);
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    /// Takes the posts over two connections, and is started again: what was in its memory is on disk then.
    pub(crate) async fn fill(mut self, name: &str, posts: impl Iterator<Item = Post>) -> anyhow::Result<(Self, Costs)> {
        let (mut kept, mut connections) = (0, [Vec::new(), Vec::new()]);
        for post in posts {
            kept += post.kept();
            connections[post.part % 2].push(remote_write::encode(name, &post)?);
        }
        let pid = self.process.id().context("victoria-metrics has ended")?;
        settle(pid).await?;
        let (cpu, started) = (cpu_seconds(pid)?, Instant::now());
        let [one, two] = connections.map(|posts| tokio::spawn(send(self.url.clone(), posts)));
        one.await??;
        two.await??;
        let wall = started.elapsed().as_secs_f64();
        settle(pid).await?;
        let (cpu, memory) = (cpu_seconds(pid)? - cpu, memory_mib(pid, "VmHWM")?);
        let stopped = stop(&mut self.process).await?;
        let started = Instant::now();
        let restarted = Self::launch(self.data.clone()).await?;
        let start = started.elapsed();
        // It would put its parts together by and by; what that costs is not counted.
        restarted.get("/internal/force_merge").await?;
        settle(restarted.process.id().context("victoria-metrics has ended")?).await?;
        let bytes = folder_bytes(&self.data)?;
        Ok((restarted, Costs { kept, wall, cpu: cpu + stopped.cpu, bytes, beside: 0.0, memory, start }))
    }

    /// Asks over one connection that stays open, and reads the whole answer each time; its cache of answers is not used.
    pub(crate) async fn ask(&self, spans: &Spans, times: usize) -> anyhow::Result<Times> {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let series = "measurement_4{site=\"month\"}";
        let latest = format!(
            "/api/v1/query?nocache=1&time={}&query={}",
            seconds(spans.latest),
            escaped("{__name__=~\"measurement_.*\",site=\"site\"}")
        );
        let raw = |(from, to): (i64, i64)| {
            format!("/api/v1/export?start={}&end={}&match[]={}", seconds(from), seconds(to), escaped(series))
        };
        let hourly = |(from, to): (i64, i64)| {
            let query = escaped(&format!("avg_over_time({series}[1h])"));
            format!(
                "/api/v1/query_range?nocache=1&step=3600&start={}&end={}&query={query}",
                seconds(from + 3_600_000),
                seconds(to)
            )
        };
        let ask = |paths: Vec<String>| async move {
            let mut taken = Vec::new();
            for at in 0..times {
                let started = Instant::now();
                let body = self.get(&paths[at % paths.len()]).await?;
                taken.push(started.elapsed().as_secs_f64() * 1000.0);
                ensure!(body.len() > 1_000, "{} was answered with next to nothing", paths[at % paths.len()]);
            }
            anyhow::Ok(median(taken))
        };
        Ok(Times {
            latest: ask(vec![latest]).await?,
            raw_day: ask(vec![raw(spans.day)]).await?,
            raw_days: ask(spans.days().map(raw).collect()).await?,
            hourly: ask(vec![hourly(spans.month)]).await?,
        })
    }
}

fn escaped(query: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    query.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

async fn send(url: String, posts: Vec<Vec<u8>>) -> anyhow::Result<()> {
    let http = client()?;
    for post in posts {
        let request = http
            .post(format!("{url}/api/v1/write"))
            .header("Content-Encoding", "snappy")
            .header("Content-Type", "application/x-protobuf")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0");
        let response = request.body(post).send().await?;
        let (status, body) = (response.status(), response.bytes().await?);
        ensure!(status.is_success(), "remote write: {status} {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}
