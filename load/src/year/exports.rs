//! Files of a year, for quick and for slow readers.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::JoinSet;

use super::asked::Asked;
use super::memory::{Memory, Most};
use crate::collector::Collector;

/// What a slow reader takes.
const SLOW_BYTES_A_SECOND: f64 = 100_000.0;
/// Slow readers at once, and for how long.
const SLOW_READERS: usize = 4;
const SLOW_FOR: Duration = Duration::from_secs(10);
/// The end of every Parquet file.
const MAGIC: &[u8] = b"PAR1";

/// Files of all devices of a site, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exported {
    pub(super) files: usize,
    pub(super) bytes: f64,
    /// Seconds.
    pub(super) took: f64,
    pub(super) memory: Memory,
}

/// Reads slowly, several files at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slow {
    pub(super) readers: usize,
    pub(super) bytes: f64,
    /// Seconds.
    pub(super) took: f64,
    pub(super) memory: Memory,
}

fn path(device: &Asked, format: &str, (from_s, to_s): (u64, u64)) -> String {
    let (id, points) = (&device.id, device.points.join(","));
    format!("/api/v1/devices/{id}/export.{format}?points={points}&from={}&to={}", from_s * 1000, to_s * 1000)
}

/// A file of each of the devices, all points of the whole time, as fast as they come.
pub(super) async fn quick(
    collector: &Collector,
    devices: &[&Asked],
    format: &str,
    span_s: (u64, u64),
) -> anyhow::Result<Exported> {
    let (api, most, started) = (collector.patient_api()?, Most::watch(collector.pid()?)?, Instant::now());
    let mut bytes = 0;
    for device in devices {
        let mut answer = api.open(&path(device, format, span_s)).await?;
        let mut end = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            bytes += chunk.len();
            end.extend_from_slice(&chunk[chunk.len().saturating_sub(MAGIC.len())..]);
            end.drain(..end.len().saturating_sub(MAGIC.len()));
        }
        ensure!(format != "parquet" || end == MAGIC, "a Parquet file of {} has no end", device.id);
    }
    let took = started.elapsed().as_secs_f64();
    Ok(Exported { files: devices.len(), bytes: bytes as f64, took, memory: most.end()? })
}

/// Several who read the largest file slowly, and leave before its end.
pub(super) async fn slow(
    collector: &Collector,
    device: &Asked,
    format: &'static str,
    span_s: (u64, u64),
) -> anyhow::Result<Slow> {
    let (most, started) = (Most::watch(collector.pid()?)?, Instant::now());
    let mut readers = JoinSet::new();
    for _ in 0..SLOW_READERS {
        let (api, path) = (collector.patient_api()?, path(device, format, span_s));
        readers.spawn(async move {
            let mut answer = api.open(&path).await?;
            let mut bytes = 0;
            while started.elapsed() < SLOW_FOR {
                let Some(chunk) = answer.chunk().await? else { break };
                bytes += chunk.len();
                let due = Duration::from_secs_f64(bytes as f64 / SLOW_BYTES_A_SECOND);
                tokio::time::sleep(due.saturating_sub(started.elapsed()).min(SLOW_FOR)).await;
            }
            anyhow::Ok(bytes)
        });
    }
    let mut bytes = 0;
    while let Some(read) = readers.join_next().await {
        bytes += read??;
    }
    let took = started.elapsed().as_secs_f64();
    Ok(Slow { readers: SLOW_READERS, bytes: bytes as f64, took, memory: most.end()? })
}
