//! The collector's ingest over loopback HTTP: full rows, fsynced before each receipt, the settling included.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use kouan_protocol::session::{Envelope, Hello, LaneClaim, MEDIA_TYPE, PROTOCOL, Receipt, Upload, Welcome};
use kouan_protocol::{
    Batch, Catalogue, Clock, Digest, Epoch, GroupRows, Incarnation, Lane, RecordKind, SessionId, SystemClock, frame,
};
use kouan_tests::Collector;
use reqwest::header;

use crate::site::{self, Dice};
use kouan_figures::process::{cpu_seconds, memory_mib};
use kouan_figures::{Figure, quantile};

const AGENTS: usize = 2;
const DEVICES: usize = 250;
const POINTS: usize = 20;
const UPLOADS: u64 = 100;

pub(crate) async fn measure() -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let mut collector = Collector::start(folder.path()).await?;
    let pid = collector.process()?.id().context("the collector has no process")?;
    let mut tokens = Vec::new();
    for agent in 0..AGENTS {
        tokens.push(collector.enrol(&format!("bench-{agent}"), "bench").await?);
    }
    let (cpu, started) = (cpu_seconds(pid)?, Instant::now());
    let tasks = tokens.into_iter().map(|token| tokio::spawn(play(format!("http://{}", collector.address()), token)));
    let mut latencies = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        latencies.extend(task.await??);
    }
    let wall = started.elapsed().as_secs_f64();
    settle(&collector, pid).await?;
    let used = cpu_seconds(pid)? - cpu;
    let samples = (AGENTS * DEVICES * POINTS) as f64 * UPLOADS as f64;
    latencies.sort_by(f64::total_cmp);
    let disk = folder_bytes(&collector.data())?;
    let figures = vec![
        Figure::new("ingest", "acknowledged, fsynced", samples / wall, "samples/s"),
        Figure::new("ingest", "CPU, with readers settled", used / samples * 1e6, "CPU-s per million"),
        Figure::new("ingest", "receipt p50", quantile(&latencies, 0.5), "ms"),
        Figure::new("ingest", "receipt p99", quantile(&latencies, 0.99), "ms"),
        Figure::new("ingest", "disk, log included", disk / samples, "B per sample"),
        Figure::new("ingest", "peak memory", memory_mib(pid, "VmHWM")?, "MiB"),
    ];
    collector.stop(Duration::from_secs(10)).await?;
    Ok(figures)
}

/// One agent: says hello and uploads one full row per device and second, as fast as receipts come.
async fn play(url: String, token: String) -> anyhow::Result<Vec<f64>> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let catalogue = site::catalogue(DEVICES, POINTS)?;
    let encoded_catalogue = catalogue.encode();
    let hash = Catalogue::hash_of(&encoded_catalogue);
    let clock = SystemClock::new()?;
    let epoch = Epoch::random();
    let now = clock.anchor();
    let hello = Hello {
        protocol: PROTOCOL,
        software: "kouan-bench".to_owned(),
        incarnation: Incarnation::random(),
        journal: Incarnation::random(),
        now,
        lanes: vec![LaneClaim {
            lane: Lane::Readings,
            epoch,
            oldest_seq: 1,
            next_seq: 1,
            digests: vec![],
            volatile: false,
        }],
        kinds: RecordKind::KNOWN.to_vec(),
        catalogues: vec![hash],
        config_hash: String::new(),
    };
    let welcome =
        Welcome::decode(&post(&http, &format!("{url}/agent/v1/hello"), &token, hello.encode(), false).await?)?;
    let mut dice = Dice::new(3);
    let mut values: Vec<Vec<f64>> = (0..DEVICES).map(|at| vec![200.0 + at as f64; POINTS]).collect();
    let (mut seq, mut latencies) = (1_u64, Vec::new());
    for second in 0..UPLOADS {
        let back = (UPLOADS - second) * 1000;
        let mut anchor = clock.anchor();
        anchor.boot_time.0 = now.boot_time.0.saturating_sub(back);
        anchor.wall = now.wall.plus_ms(-(back as i64));
        let mut groups = Vec::with_capacity(DEVICES);
        let first_seq = seq;
        for ((index, _, spec), values) in catalogue.groups().zip(&mut values) {
            let row = site::row(seq, anchor.boot_time.0.saturating_sub(dice.next() % 1000), values, &mut dice, 1);
            groups.push(GroupRows::encode(index, spec, &[row], first_seq, &anchor));
            seq += 1;
        }
        let batch = Batch {
            first_seq,
            count: seq - first_seq,
            anchor,
            catalogue: Some(hash),
            groups,
            records: Vec::new(),
            volatile: false,
            all_alarms: false,
        };
        let body = batch.encode();
        let envelope = Envelope {
            lane: Lane::Readings.number(),
            epoch,
            first_seq,
            last_seq: seq - 1,
            digest: Digest::of(&body),
            body,
        };
        let upload = encode_upload(
            welcome.session,
            &clock,
            if second == 0 { vec![encoded_catalogue.clone()] } else { vec![] },
            envelope,
        )?;
        let started = Instant::now();
        let receipt = Receipt::decode(&post(&http, &format!("{url}/agent/v1/upload"), &token, upload, true).await?)?;
        latencies.push(started.elapsed().as_secs_f64() * 1000.0);
        let stored = receipt.stored.first().map_or(0, |at| at.stored_seq);
        ensure!(stored == seq - 1, "the collector stored up to {stored}, not {}", seq - 1);
    }
    Ok(latencies)
}

fn encode_upload(
    session: SessionId,
    clock: &SystemClock,
    catalogues: Vec<Vec<u8>>,
    envelope: Envelope,
) -> anyhow::Result<Vec<u8>> {
    let upload = Upload { session, now: clock.anchor(), catalogues, batches: vec![envelope], snapshots: vec![] };
    Ok(frame::compress(&upload.encode())?)
}

async fn post(
    http: &reqwest::Client,
    url: &str,
    token: &str,
    body: Vec<u8>,
    compressed: bool,
) -> anyhow::Result<Vec<u8>> {
    loop {
        let mut request = http.post(url).bearer_auth(token).header(header::CONTENT_TYPE, MEDIA_TYPE).body(body.clone());
        if compressed {
            request = request.header(header::CONTENT_ENCODING, "zstd");
        }
        let response = request.send().await?;
        if matches!(response.status().as_u16(), 429 | 503) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        if !response.status().is_success() {
            bail!("{url} answered {}: {}", response.status(), response.text().await?);
        }
        return Ok(response.bytes().await?.to_vec());
    }
}

/// Waits until the collector is ready again and has stopped working through what it took.
async fn settle(collector: &Collector, pid: u32) -> anyhow::Result<()> {
    let url = format!("http://{}/readyz", collector.address());
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut quiet = 0;
    let mut before = cpu_seconds(pid)?;
    while quiet < 3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (ready, now) = (http.get(&url).send().await?.status().is_success(), cpu_seconds(pid)?);
        quiet = if ready && now - before < 0.02 { quiet + 1 } else { 0 };
        before = now;
    }
    Ok(())
}

fn folder_bytes(folder: &std::path::Path) -> anyhow::Result<f64> {
    let mut bytes = 0.0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() as f64 };
    }
    Ok(bytes)
}
