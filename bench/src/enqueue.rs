//! Durable enqueue: the agent's buffer against a bare SQLite loop with the same batch size and sync mode, taking turns.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kouan_agent::buffer::{Buffer, BufferThreads, NewRecord};
use kouan_agent::config::Config;
use kouan_protocol::{BootTime, Clock, Event, Field, FieldValue, Lane, RecordBody, SystemClock};

use crate::site;
use kouan_figures::{Figure, quantile};

const TURNS: usize = 7;
/// Records that one append brings.
const BATCHES: [usize; 4] = [1, 10, 100, 1000];
/// How many append one record each and wait for it, again and again.
const WRITERS: [usize; 3] = [1, 10, 100];

/// Compares both, each for `turn` at a time. A slower disk needs longer turns.
pub(crate) async fn measure(turn: Duration) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let mut figures = Vec::new();
    let part = "enqueue";
    let bench = Bench::open(folder.path(), turn)?;
    for batch in BATCHES {
        let mut turns = Turns::default();
        for _ in 0..TURNS {
            let floor = bench.bare_rate(batch)?;
            turns.take(floor, bench.buffer_rate(batch).await?);
        }
        let (floor, ours, ratio) = turns.medians();
        figures.push(Figure::new(part, format!("bare SQLite, FULL, {batch} a commit"), floor, "records/s"));
        figures.push(Figure::new(part, format!("buffer, {batch} a commit"), ours, "records/s"));
        figures.push(Figure::new(part, format!("ratio at {batch} a commit"), ratio, "×"));
    }
    for writers in WRITERS {
        let mut turns = Turns::default();
        for _ in 0..TURNS {
            let floor = bench.bare_rate(1)?;
            turns.take(floor, bench.concurrent_rate(writers).await?);
        }
        let (_, ours, ratio) = turns.medians();
        let what = format!("{writers} writers of one record");
        figures.push(Figure::new(part, format!("buffer, {what}"), ours, "records/s"));
        figures.push(Figure::new(part, format!("{what}: ratio to bare commits of one"), ratio, "×"));
    }
    bench.close().await?;
    Ok(figures)
}

/// Rates of both sides. Medians, so that one turn in which the disk was busy with something else decides nothing.
#[derive(Default)]
struct Turns {
    floor: Vec<f64>,
    ours: Vec<f64>,
    ratio: Vec<f64>,
}

impl Turns {
    fn take(&mut self, floor: f64, ours: f64) {
        self.floor.push(floor);
        self.ours.push(ours);
        self.ratio.push(ours / floor);
    }

    /// Of the floor, of ours, and of the ratio of each turn.
    fn medians(mut self) -> (f64, f64, f64) {
        let median = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            quantile(values, 0.5)
        };
        (median(&mut self.floor), median(&mut self.ours), median(&mut self.ratio))
    }
}

struct Bench {
    bare: rusqlite::Connection,
    buffer: Arc<Buffer>,
    threads: BufferThreads,
    record: NewRecord,
    turn: Duration,
}

impl Bench {
    fn open(folder: &Path, turn: Duration) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new()?);
        let text = format!("data = \"{}\"\n[buffer]\nevents_bytes = \"4GiB\"\n", folder.display());
        let config = Config::parse("bench.toml", &text)?.buffer;
        let (buffer, threads) = Buffer::open(&config, &site::catalogue(1, 1)?, &clock)?;
        let bare = rusqlite::Connection::open(folder.join("bare.db"))?;
        bare.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE record (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);",
        )?;
        let device = "gate-1".parse()?;
        let direction = Field::new("direction", FieldValue::Text("in".to_owned()));
        let event = Event { device, kind: "passage".to_owned(), fields: vec![direction; 3], blobs: vec![] };
        let record = NewRecord { boot_time: BootTime(1), body: RecordBody::Event(event) };
        Ok(Self { bare, buffer: Arc::new(buffer), threads, record, turn })
    }

    fn bare_rate(&self, batch: usize) -> anyhow::Result<f64> {
        let body = [0x5A_u8; 100];
        let (started, mut done) = (Instant::now(), 0_usize);
        while started.elapsed() < self.turn {
            let transaction = self.bare.unchecked_transaction()?;
            {
                let mut insert = transaction.prepare_cached("INSERT INTO record (body) VALUES (?1)")?;
                for _ in 0..batch {
                    insert.execute([&body[..]])?;
                }
            }
            transaction.commit()?;
            done += batch;
        }
        Ok(done as f64 / started.elapsed().as_secs_f64())
    }

    /// The records are made before the clock runs, as the floor's body is.
    async fn buffer_rate(&self, batch: usize) -> anyhow::Result<f64> {
        let (mut spent, mut done) = (Duration::ZERO, 0_usize);
        while spent < self.turn {
            let records = vec![self.record.clone(); batch];
            let started = Instant::now();
            self.buffer.append(Lane::Events, records, vec![]).await?;
            spent += started.elapsed();
            done += batch;
        }
        Ok(done as f64 / spent.as_secs_f64())
    }

    async fn concurrent_rate(&self, writers: usize) -> anyhow::Result<f64> {
        let started = Instant::now();
        let write = |_| {
            let (buffer, record, turn) = (Arc::clone(&self.buffer), self.record.clone(), self.turn);
            tokio::spawn(async move {
                let mut done = 0_usize;
                while started.elapsed() < turn {
                    buffer.append(Lane::Events, vec![record.clone()], vec![]).await?;
                    done += 1;
                }
                Ok::<_, anyhow::Error>(done)
            })
        };
        let tasks: Vec<_> = (0..writers).map(write).collect();
        let mut done = 0;
        for task in tasks {
            done += task.await??;
        }
        Ok(done as f64 / started.elapsed().as_secs_f64())
    }

    async fn close(self) -> anyhow::Result<()> {
        drop(self.buffer);
        Ok(tokio::task::spawn_blocking(move || self.threads.join()).await?)
    }
}
