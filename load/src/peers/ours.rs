//! This collector under the readings.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use kouan_protocol::{
    Batch, Catalogue, CatalogueHash, Cell, DeviceSpec, GroupRows, GroupSpec, Lane, PointKind, PointSpec, Row, Value,
};

use super::compare::{Costs, Spans, Times, median};
use super::readings::{DEVICES_OF_A_POST, POINTS, Post, STEP_MS};
use crate::collector::Collector;
use crate::played_agent::{Contents, Epochs, PlayedAgent, PlayedClock, client, earlier};
use kouan_figures::process::{cpu_seconds, folder_bytes, memory_mib, settle};

/// A running collector.
pub(crate) struct Ours {
    collector: Collector,
}

/// Posts of one agent, encoded.
struct Encoded {
    epochs: Epochs,
    clock: PlayedClock,
    catalogue: Vec<u8>,
    hash: CatalogueHash,
    posts: Vec<(Contents, u64)>,
    kept: u64,
}

impl Ours {
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self { collector: Collector::start(folder).await? })
    }

    /// Takes the posts over two connections, and is started again: then everything is sealed.
    pub(crate) async fn fill(mut self, posts: impl Iterator<Item = Post>) -> anyhow::Result<(Self, Costs)> {
        let (kept, wall, cpu) = self.take("site", posts).await?;
        let pid = self.collector.pid()?;
        let memory = memory_mib(pid, "VmHWM")?;
        let stopped = self.collector.stop().await?;
        let bytes = folder_bytes(&self.collector.data().join("history"))?;
        let log = folder_bytes(self.collector.data())? - bytes;
        let started = Instant::now();
        self.collector = self.collector.restart().await?;
        let start = started.elapsed();
        let costs = Costs { kept, wall, cpu: cpu + stopped.cpu, bytes, beside: log, memory, start };
        Ok((self, costs))
    }

    /// Takes the readings of the one device about which ranges are asked, and is started again: readings of days that
    /// are over would wait in memory for an hour, and their sums with them. Returns the CPU time, sums included.
    pub(crate) async fn fill_month(mut self, posts: impl Iterator<Item = Post>) -> anyhow::Result<(Self, u64, f64)> {
        let (kept, _, cpu) = self.take("month", posts).await?;
        let sealed = self.collector.stop().await?.cpu;
        self.collector = self.collector.restart().await?;
        let pid = self.collector.pid()?;
        settle(pid).await?;
        let summed = cpu_seconds(pid)?;
        Ok((self, kept, cpu + sealed + summed))
    }

    async fn take(&self, name: &str, posts: impl Iterator<Item = Post>) -> anyhow::Result<(u64, f64, f64)> {
        let encoded = encode(posts)?;
        let kept = encoded.iter().map(|agent| agent.kept).sum();
        let (api, pid) = (self.collector.api()?, self.collector.pid()?);
        let mut connections = [Vec::new(), Vec::new()];
        for (at, agent) in encoded.into_iter().enumerate() {
            let token = api.enrol(&format!("{name}-{at}"), name).await?;
            let Encoded { epochs, clock, catalogue, hash, posts, .. } = agent;
            let session = PlayedAgent::hello(client()?, &self.collector.url, &token, clock, &epochs, hash).await?;
            session.upload(&Contents::new(vec![catalogue], vec![], vec![])?).await?;
            connections[at % 2].push((session, posts.into_iter()));
        }
        settle(pid).await?;
        let (cpu, started) = (cpu_seconds(pid)?, Instant::now());
        let [one, two] = connections.map(|agents| tokio::spawn(send(agents)));
        one.await??;
        two.await??;
        let wall = started.elapsed().as_secs_f64();
        settle(pid).await?;
        Ok((kept, wall, cpu_seconds(pid)? - cpu))
    }

    /// Asks over one connection that stays open, and reads the whole answer each time.
    pub(crate) async fn ask(&self, spans: &Spans, times: usize) -> anyhow::Result<Times> {
        let api = self.collector.api()?;
        let latest = "/api/v1/latest/columns?site=site".to_owned();
        let devices = api.get("/api/v1/devices?site=month&limit=1000").await?;
        let device = devices["items"].as_array().and_then(|all| all.iter().find(|device| device["key"] == "device-0"));
        let device = device.and_then(|device| device["id"].as_str());
        let device = device.context("the device of the month is not known")?.to_owned();
        let series = |(from, to): (i64, i64), resolution: &str| {
            format!("/api/v1/devices/{device}/series?points=measurement.4&from={from}&to={to}&resolution={resolution}")
        };
        let ask = |paths: Vec<String>| {
            let api = api.clone();
            async move {
                let mut taken = Vec::new();
                for at in 0..times {
                    let (body, took) = api.read(&paths[at % paths.len()]).await?;
                    ensure!(body.len() > 1_000, "{} was answered with next to nothing", paths[at % paths.len()]);
                    taken.push(took.as_secs_f64() * 1000.0);
                }
                anyhow::Ok(median(taken))
            }
        };
        Ok(Times {
            latest: ask(vec![latest]).await?,
            raw_day: ask(vec![series(spans.day, "raw")]).await?,
            raw_days: ask(spans.days().map(|day| series(day, "raw")).collect()).await?,
            hourly: ask(vec![series(spans.month, "1h")]).await?,
        })
    }
}

async fn send(mut agents: Vec<(PlayedAgent, std::vec::IntoIter<(Contents, u64)>)>) -> anyhow::Result<()> {
    loop {
        let mut sent = false;
        for (agent, posts) in &mut agents {
            if let Some((post, last_seq)) = posts.next() {
                agent.upload(&post).await?.check(Lane::Readings, last_seq)?;
                sent = true;
            }
        }
        if !sent {
            return Ok(());
        }
    }
}

/// Encodes everything beforehand, so that both sides of the comparison send prepared bytes.
fn encode(posts: impl Iterator<Item = Post>) -> anyhow::Result<Vec<Encoded>> {
    let mut agents: Vec<Encoded> = Vec::new();
    let catalogue = catalogue()?;
    let specs: Vec<_> = catalogue.groups().map(|(index, _, spec)| (index, spec)).collect();
    let mut next_seqs = Vec::new();
    for post in posts {
        while agents.len() <= post.part {
            let encoded = catalogue.encode();
            let hash = Catalogue::hash_of(&encoded);
            let (epochs, clock) = (Epochs::random(), PlayedClock::new()?);
            agents.push(Encoded { epochs, clock, catalogue: encoded, hash, posts: Vec::new(), kept: 0 });
            next_seqs.push(1_u64);
        }
        let (agent, next_seq) = (&mut agents[post.part], &mut next_seqs[post.part]);
        let now = agent.clock.anchor();
        let anchor = earlier(&now, u64::try_from(now.wall.0 - post.time_ms).context("a post out of the future")?);
        let first_seq = *next_seq;
        let mut rows: Vec<Vec<Row>> = vec![Vec::new(); specs.len()];
        for poll in &post.polls {
            let boot_time = kouan_protocol::BootTime(anchor.boot_time.0 - (post.time_ms - poll.time_ms).max(0) as u64);
            let cells = poll.cells().map(|(column, value)| (column as u16, Cell::good(Value::Number(value))));
            rows[poll.device % DEVICES_OF_A_POST].push(Row { seq: *next_seq, boot_time, cells: cells.collect() });
            *next_seq += 1;
        }
        let groups = specs.iter().zip(&rows).filter(|(_, rows)| !rows.is_empty());
        let groups = groups.map(|((index, spec), rows)| GroupRows::encode(*index, spec, rows, first_seq, &anchor));
        let batch = Batch {
            first_seq,
            count: *next_seq - first_seq,
            anchor,
            catalogue: Some(agent.hash),
            groups: groups.collect(),
            records: Vec::new(),
            volatile: false,
            all_alarms: false,
        };
        agent.kept += post.kept();
        let envelope = agent.epochs.envelope(Lane::Readings, &batch);
        agent.posts.push((Contents::new(vec![], vec![envelope], vec![])?, batch.last_seq()));
    }
    Ok(agents)
}

fn catalogue() -> anyhow::Result<Catalogue> {
    let point = |at: usize| {
        let (name, unit) = (format!("measurement.{at}").parse()?, "V".to_owned());
        Ok(PointSpec { name, kind: PointKind::Measurement, unit, decimals: 1, states: Vec::new() })
    };
    let device = |at: usize| {
        let points = (0..POINTS).map(point).collect::<anyhow::Result<Vec<_>>>()?;
        let every_ms = u32::try_from(STEP_MS)?;
        Ok(DeviceSpec {
            key: format!("device-{at}").parse()?,
            label: String::new(),
            class: "meter".to_owned(),
            profile: "played".to_owned(),
            area: String::new(),
            link: "line".to_owned(),
            parent: None,
            groups: vec![GroupSpec { name: "all".to_owned(), every_ms, heartbeat_ms: 300_000, points }],
            actions: Vec::new(),
        })
    };
    Ok(Catalogue { devices: (0..DEVICES_OF_A_POST).map(device).collect::<anyhow::Result<_>>()? })
}
