//! What an agent keeps that was cut off for a while: written by the agent's own buffer, as if time had passed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kouan_agent::buffer::{Buffer, LaneLimit};
use kouan_agent::config::Config;
use kouan_agent::data_folder::DataFolder;
use kouan_drivers::configure::catalogue;
use kouan_protocol::{Anchor, BootId, BootTime, Clock, GroupIndex, Lane, SystemClock, limits};

use crate::modbus_site::Shape;
use crate::site::{self, Dice};

/// Bytes that the bare copy commits at once.
const COPY_BYTES: usize = 512 * 1024;

/// A backlog, and what it cost.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// Values in it.
    pub(crate) readings: u64,
    /// Rows in it.
    pub(crate) rows: u64,
    /// Batches in it.
    pub(crate) batches: u64,
    /// Bytes of those batches.
    pub(crate) bytes: u64,
    /// How long the buffer took to write it.
    pub(crate) written_in: Duration,
    /// How long a bare SQLite loop takes to read it batch by batch and write it to another file, fsynced.
    pub(crate) copied_in: Duration,
}

/// Fills the buffer of the agent configured in `file` with about `readings` values: one poll of every meter a second.
pub(crate) async fn fill(file: &Path, shape: Shape, readings: u64) -> anyhow::Result<Backlog> {
    let config = Config::load(file)?;
    let folder = DataFolder::open(&config.data)?;
    let catalogue = catalogue(&config.links);
    let groups = catalogue.groups().filter(|(_, device, _)| device.key.as_str().starts_with("meter-"));
    let groups: Vec<GroupIndex> = groups.map(|(index, _, _)| index).collect();
    ensure!(groups.len() == shape.meters, "the configuration has {} meters", groups.len());
    let polls = readings.div_ceil((shape.meters * shape.points) as u64);
    let past = Arc::new(Past::new(polls)?);
    let clock: Arc<dyn Clock> = past.clone();
    let mut settings = config.buffer.clone();
    settings.readings = LaneLimit { bytes: 16 << 30, ..settings.readings };
    // A poll is committed when it is complete, however long writing it takes.
    settings.commit_every = Duration::from_secs(3600);
    let (buffer, threads) = Buffer::open(&settings, &catalogue, &clock)?;
    let mut dice = Dice::new(11);
    let mut values: Vec<Vec<f64>> = (0..shape.meters).map(|at| vec![200.0 + (at % 50) as f64; shape.points]).collect();
    let started = Instant::now();
    for _ in 0..polls {
        let poll_began = past.anchor().boot_time.0;
        past.pass(1000);
        for (at, (group, values)) in groups.iter().zip(&mut values).enumerate() {
            let boot_ms = poll_began + (at * 1000 / shape.meters) as u64;
            buffer.push(*group, site::row(0, boot_ms, values, &mut dice, 1)).await?;
        }
        buffer.flush().await?;
    }
    let written_in = started.elapsed();
    let lanes = buffer.status().await?;
    let lane = lanes.iter().find(|lane| lane.lane == Lane::Readings).context("no lane of readings")?;
    let (rows, bytes) = (lane.waiting, lane.bytes);
    ensure!(rows == polls * shape.meters as u64, "{rows} rows are in the buffer");
    let (copied_in, batches) = bare_copy(&buffer, file).await?;
    drop(buffer);
    tokio::task::spawn_blocking(move || threads.join()).await?;
    drop(folder);
    Ok(Backlog { readings: rows * shape.points as u64, rows, batches, bytes, written_in, copied_in })
}

/// The least that draining can cost: every batch is read from the one file and is durable in another.
async fn bare_copy(buffer: &Buffer, beside: &Path) -> anyhow::Result<(Duration, u64)> {
    let path = beside.with_extension("bare.db");
    let connection = rusqlite::Connection::open(&path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE batch (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);",
    )?;
    let (started, mut after, mut count) = (Instant::now(), 0, 0);
    loop {
        let batches = buffer.read(Lane::Readings, after, COPY_BYTES, limits::UPLOAD_BATCHES).await?;
        let Some(last) = batches.last() else { break };
        after = last.last_seq;
        let transaction = connection.unchecked_transaction()?;
        let mut insert = transaction.prepare_cached("INSERT INTO batch (seq, body) VALUES (?1, ?2)")?;
        for batch in &batches {
            insert.execute(rusqlite::params![batch.first_seq as i64, batch.body])?;
            count += 1;
        }
        drop(insert);
        transaction.commit()?;
    }
    let copied_in = started.elapsed();
    drop(connection);
    std::fs::remove_file(&path)?;
    Ok((copied_in, count))
}

/// A clock that runs through the time before now as it is told.
#[derive(Debug)]
struct Past {
    begin: Anchor,
    passed_ms: AtomicU64,
}

impl Past {
    /// Begins `seconds` ago: in this boot, or before it if the machine has not been up so long.
    fn new(seconds: u64) -> anyhow::Result<Self> {
        let now = SystemClock::new()?.anchor();
        let back_ms = (seconds + 1) * 1000;
        let wall = now.wall.plus_ms(-i64::try_from(back_ms)?);
        let begin = match now.boot_time.0.checked_sub(back_ms) {
            Some(boot_ms) => Anchor { boot_time: BootTime(boot_ms), wall, ..now },
            None => Anchor { boot: BootId(now.boot.0 ^ 1), boot_time: BootTime(60_000), wall, ..now },
        };
        Ok(Self { begin, passed_ms: AtomicU64::new(0) })
    }

    fn pass(&self, ms: u64) {
        self.passed_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for Past {
    fn anchor(&self) -> Anchor {
        let ms = self.passed_ms.load(Ordering::Relaxed);
        let wall = self.begin.wall.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX));
        Anchor { boot_time: self.begin.boot_time.plus_ms(ms), wall, ..self.begin }
    }
}
