//! Durable enqueue: the agent's buffer against a bare SQLite loop with the same batch size and sync mode, taking turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kouan_agent::buffer::{Buffer, BufferConfig, LaneLimit, NewRecord};
use kouan_protocol::{BootTime, Clock, Event, Field, FieldValue, Lane, RecordBody, SystemClock};

use crate::figure::{Figure, quantile};
use crate::site;

/// How long each side runs per turn.
const TURN: Duration = Duration::from_millis(700);
const TURNS: usize = 3;

pub(crate) async fn measure() -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let mut figures = vec![Figure::new("enqueue", "fdatasync of 4 KiB, p50", fsync_p50(folder.path())?, "ms")];
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new()?);
    let limit = LaneLimit { bytes: 4 << 30, age: Duration::from_secs(86_400) };
    let config = BufferConfig {
        folder: folder.path().to_owned(),
        urgent: limit,
        events: limit,
        readings: limit,
        commit_every: Duration::from_secs(1),
    };
    let (buffer, threads) = Buffer::open(&config, &site::catalogue(1, 1)?, &clock)?;
    let bare = rusqlite::Connection::open(folder.path().join("bare.db"))?;
    bare.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE record (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);",
    )?;
    let device = "gate-1".parse()?;
    let direction = Field::new("direction", FieldValue::Text("in".to_owned()));
    let event = Event { device, kind: "passage".to_owned(), fields: vec![direction; 3], blobs: vec![] };
    let record = NewRecord { boot_time: BootTime(1), body: RecordBody::Event(event) };
    for batch in [1_usize, 10, 100, 1000] {
        let (mut ours, mut floor) = (0.0_f64, 0.0_f64);
        for _ in 0..TURNS {
            floor += bare_rate(&bare, batch)?;
            ours += buffer_rate(&buffer, &record, batch).await?;
        }
        let (ours, floor) = (ours / TURNS as f64, floor / TURNS as f64);
        figures.push(Figure::new("enqueue", format!("bare SQLite, FULL, {batch} a commit"), floor, "records/s"));
        figures.push(Figure::new("enqueue", format!("buffer, {batch} a commit"), ours, "records/s"));
        figures.push(Figure::new("enqueue", format!("ratio at {batch} a commit"), ours / floor, "×"));
    }
    drop(buffer);
    tokio::task::spawn_blocking(move || threads.join()).await?;
    Ok(figures)
}

fn bare_rate(connection: &rusqlite::Connection, batch: usize) -> anyhow::Result<f64> {
    let body = [0x5A_u8; 100];
    let (started, mut done) = (Instant::now(), 0_usize);
    while started.elapsed() < TURN {
        let transaction = connection.unchecked_transaction()?;
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

async fn buffer_rate(buffer: &Buffer, record: &NewRecord, batch: usize) -> anyhow::Result<f64> {
    let (started, mut done) = (Instant::now(), 0_usize);
    while started.elapsed() < TURN {
        buffer.append(Lane::Events, vec![record.clone(); batch], vec![]).await?;
        done += batch;
    }
    Ok(done as f64 / started.elapsed().as_secs_f64())
}

fn fsync_p50(folder: &std::path::Path) -> anyhow::Result<f64> {
    use std::io::{Seek as _, Write as _};
    let mut file = std::fs::File::create(folder.join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..100 {
        let started = Instant::now();
        file.rewind()?;
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(quantile(&times, 0.5))
}
